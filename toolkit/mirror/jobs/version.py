"""Version: a tag read as a version.

    v3.13.0-rc.1-alpine3.20
     └─────┘ └──┘ └────────┘
     numbers stage  variant

Tags have no standard; this reads what publishers write: semver, PEP 440 (`3.14.0a2`), Docker's variants
(`-alpine`, `-slim-bookworm`, `-k3s1`), dates (`20240807`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from toolkit.reference import TAG

NUMBERS = re.compile(r"[vV]?([0-9]+(?:\.[0-9]+)*)")
# A word, which numbers may follow. One letter says it only right behind the numbers, as PEP 440 has it.
STAGE = re.compile(
    r"(?:^|[-_.])(?:alpha|beta|rc|cr|preview|prerelease|pre|milestone|m(?=[0-9])|dev|snapshot|nightly|canary|ea)"
    r"[-_.]?[0-9]*(?:\.[0-9]+)*(?=[-_.]|$)|^[abc][0-9]+(?=[-_.]|$)",
    re.IGNORECASE,
)
PIECE = re.compile(r"[0-9]+|[a-z]+")
SPELT_OUT = {"a": "alpha", "b": "beta", "c": "rc", "cr": "rc"}
RELEASED = ((2, 0, ""),)  # above every piece of a pre-release
Stage = tuple[tuple[int, int, str], ...]
Precedence = tuple[tuple[int, ...], Stage]
SERIAL = 100_000  # a first number from here on counts days, builds or commits: 20240807


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """What a tag says of versions. The order is total; `text` settles it between spellings of one version."""

    numbers: tuple[int, ...]  # without zeros at the end: 1.2 is 1.2.0
    stage: Stage  # of a pre-release its words and numbers, as semver orders them
    variant: str  # what follows: `alpine3.20`; empty for the plain image
    text: str  # the tag

    @classmethod
    @lru_cache(1 << 13)  # a repository's tags are read for each of a job's questions about them
    def parse(cls, text: str) -> Self | None:
        """Read a tag; None for one that is no version."""
        found = NUMBERS.match(text)
        if found is None or not TAG.fullmatch(text):
            return None
        rest = text[found.end() :]
        if rest[:1].isalnum() and not STAGE.match(rest):
            return None  # 8u392, or a commit's hash
        words = [match.group() for match in STAGE.finditer(rest)] if rest else []
        variant = (STAGE.sub("", rest) if words else rest).lstrip("-_.")
        return cls(_numbers(found[1]), _stage(words) if words else RELEASED, variant, text)

    @property
    def precedence(self) -> Precedence:
        """Return what ranges compare: equal for the spellings and variants of one version."""
        return self.numbers, self.stage

    @property
    def is_prerelease(self) -> bool:
        """Tell whether it comes before the release that its numbers name."""
        return self.stage != RELEASED

    @property
    def is_serial(self) -> bool:
        """Tell whether its first number is a date or the like, which says nothing beside 3.20."""
        return self.numbers[:1] >= (SERIAL,)


def _numbers(text: str) -> tuple[int, ...]:
    numbers = list(map(int, text.split(".")))
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def _stage(words: list[str]) -> Stage:
    """Return pieces that compare as in semver (11.4): numbers below words, the shorter below the longer."""
    return tuple(map(_piece, PIECE.findall(" ".join(words).lower())))


def _piece(text: str) -> tuple[int, int, str]:
    return (0, int(text), "") if text.isdecimal() else (1, 0, SPELT_OUT.get(text, text))
