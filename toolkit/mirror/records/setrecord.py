"""SetRecord: what the connected side knows of a set that it made.

    {"lading":"set","version":1,"status":"sent","increment":{…},"volumes":[[NAME,SIZE,SHA256]]}

`building` until its last volume is closed and its list written; `lost` when an operator says so, or when a
run was killed and the next one had something else to carry. A number never stands for two contents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from toolkit.checksums import is_file_name
from toolkit.digest import HEX_DIGITS
from toolkit.document import Node
from toolkit.mirror.records import papers
from toolkit.mirror.records.increment import Increment

BUILDING, SENT, LOST = STATUSES = ("building", "sent", "lost")


class VolumeSum(NamedTuple):
    """One volume as it was written."""

    name: str  # of its file
    size: int  # bytes
    sha256: str  # hex


@dataclass(frozen=True, slots=True)
class SetRecord:
    """One set."""

    increment: Increment
    status: str = BUILDING  # one of STATUSES
    volumes: tuple[VolumeSum, ...] = ()

    @classmethod
    def parse(cls, raw: bytes, subject: str) -> Self:
        """Read the document; raises InvalidDocument."""
        node = papers.opened(raw, subject, "set")
        if (status := node.get("status", str)) not in STATUSES:
            node.fail("status", f"is {status[:50]!r}, expected one of {', '.join(STATUSES)}")
        volumes = enumerate(node.optional("volumes", list) or [])
        found = tuple(_volume(node, f"volumes[{index}]", item) for index, item in volumes)
        return cls(Increment.from_node(node.child("increment")), status, found)

    def __bytes__(self) -> bytes:
        body: Mapping[str, object] = {
            "status": self.status,
            "increment": self.increment.to_json(),
            "volumes": [list(volume) for volume in self.volumes],
        }
        return papers.written("set", body)

    @property
    def number(self) -> int:
        """Return the number of the set."""
        return self.increment.number

    @property
    def size(self) -> int:
        """Return the bytes of its volumes together."""
        return sum(volume.size for volume in self.volumes)

    def as_(self, status: str) -> Self:
        """Return the record with another status."""
        return replace(self, status=status)


def _volume(node: Node, key: str, item: object) -> VolumeSum:
    if not isinstance(item, list) or [type(each) for each in item] != [str, int, str]:
        node.fail(key, "[name, size, sha256] required")
    volume = VolumeSum(*item)
    is_sum = len(volume.sha256) == HEX_DIGITS["sha256"] and not set(volume.sha256) - set("0123456789abcdef")
    if not is_file_name(volume.name) or volume.size < 0 or not is_sum:
        node.fail(key, f"is {item!r:.200}, no volume")
    return volume
