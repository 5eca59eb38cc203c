"""ChecksumList: which file has which sha256, as coreutils write and check it (sha256sum(1))."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from toolkit.errors import InvalidDocument

LIMIT = 1 << 20  # bytes of a list: more than 3,000 files of the longest names
LINE = re.compile(r"(?P<sha256>[0-9a-fA-F]{64}) [ *](?P<name>[^\n]+)")
# What moves the cursor of a terminal, or turns what follows around: C0, C1, line ends and bidi of Unicode.
HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
FORM = "64 hex digits, two blanks and a file's name"


@dataclass(frozen=True, slots=True)
class ChecksumList:
    """The sums of files that lie in the folder of the list, by their names; at least one.

    Nothing is passed over: who signs a list signs all of it.
    """

    sums: Mapping[str, str]  # name → 64 lower-case hex digits

    @classmethod
    def parse(cls, content: bytes, subject: str) -> Self:
        """Read a list; raises InvalidDocument for a line that is none, a path, or a name that comes twice."""
        sums: dict[str, str] = {}
        for number, line in enumerate(os.fsdecode(content).removesuffix("\n").split("\n"), 1):
            if not (found := LINE.fullmatch(line)):
                raise InvalidDocument(subject, f"line {number} is no checksum, expected {FORM}")
            name = found["name"]
            if not is_file_name(name):
                raise InvalidDocument(
                    subject, f"line {number} names {name[:200]!r}, expected a file of its folder"
                )
            if name in sums:
                raise InvalidDocument(subject, f"line {number} names {name!r} a second time")
            sums[name] = found["sha256"].lower()
        return cls(sums)

    def __bytes__(self) -> bytes:
        return b"".join(os.fsencode(f"{sha256}  {name}\n") for name, sha256 in self.sums.items())


def is_file_name(name: str) -> bool:
    """Tell whether this names a file in a folder, and fits in a line as it is: no path, nothing to escape.

    Signatures tell it in their comments, which other programs print as they are.
    """
    return name not in {"", ".", ".."} and "/" not in name and not HIDDEN.search(name)
