"""Amounts as people write them in a job: sizes, and how much of a file system is to stay free."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

SIZE = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,3}))? ?([a-z]{0,3})")
UNITS = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgt", 1):
    UNITS |= {_letter: 1 << 10 * _power, f"{_letter}ib": 1 << 10 * _power, f"{_letter}b": 1000**_power}
PERCENT = re.compile(r"([0-9]{1,2}) ?%")
SECTOR = 2048  # bytes, of every optical disc
OVERHEAD = 16 << 20  # bytes left for the file system of a disc, and for the list and its signature
PRESETS: Mapping[str, int] = MappingProxyType(
    {
        "fat32": (4 << 30) - 1,  # a file's size has 32 bits
        "dvd": 2_295_104 * SECTOR - OVERHEAD,  # DVD+R; a DVD-R has 3,392 sectors more. UDF takes such a file
        "bd25": 11_826_176 * SECTOR - OVERHEAD,  # BD-R with the spare area that drives format it with
    }
)
FORM = "a size, as 500MB or 4GiB"


def read_size(text: str) -> int:
    """Return bytes: `4GiB` and `4G` are 4 · 2^30, as in luigi.cfg, `4GB` is 4 · 10^9. Raises ValueError."""
    found = SIZE.fullmatch(text.strip().lower())
    if found is None or found[3] not in UNITS:
        raise ValueError(FORM)
    thousandths = int(found[1]) * 1000 + int((found[2] or "").ljust(3, "0"))
    return thousandths * UNITS[found[3]] // 1000


def read_volume(text: str) -> int:
    """Return the largest size of a volume's file: a size, or what a medium holds. Raises ValueError."""
    if text in PRESETS:
        return PRESETS[text]
    try:
        return read_size(text)
    except ValueError as error:
        raise ValueError(f"{FORM}, or one of {', '.join(PRESETS)}") from error


@dataclass(frozen=True, slots=True)
class Reserve:
    """What is to stay free of a file system: so many bytes, or a share of it."""

    size: int = 0
    percent: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `10%` or a size; raises ValueError."""
        if found := PERCENT.fullmatch(text.strip()):
            return cls(percent=int(found[1]))
        try:
            return cls(read_size(text))
        except ValueError as error:
            raise ValueError(f"{FORM}, or a share, as 10%") from error

    def of(self, total: int) -> int:
        """Return the bytes to leave of a file system of `total` bytes."""
        return self.size + total * self.percent // 100
