"""What the programs in an image run on, by their first bytes.

The machines that images are made for stand in toolkit.elf; of others libmagic tells the name, if it is there.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from toolkit.elf import MAGIC, architecture
from toolkit.plumbing.filetype import libmagic_says

BEGINNING = 20  # bytes, in which all of it stands
RUNS = (b"\2\0", b"\0\2", b"\3\0", b"\0\3")  # ET_EXEC and ET_DYN of e_type, in either order of bytes
NAMES = 256  # of machines that are remembered


def machine(first: bytes) -> str:
    """Return what a program or library that begins so runs on; empty for another file."""
    if first[:4] != MAGIC or first[16:18] not in RUNS:
        return ""
    return architecture(first) or _named(first[4:6], first[16:20])


@lru_cache(NAMES)
def _named(kind: bytes, of_what: bytes) -> str:
    """Return what libmagic calls a machine, else its number, by the few bytes that tell it."""
    order: Literal["big", "little"] = "big" if kind[1:] == b"\2" else "little"
    version = (1).to_bytes(4, order)
    said = libmagic_says(MAGIC + kind + b"\1" + bytes(9) + of_what + version + bytes(40)).split(", ")
    if len(said) > 1 and "unknown" not in said[1]:
        return said[1]
    return f"ELF machine {int.from_bytes(of_what[2:], order)}"
