"""Rules of `tags`: a tag by its name, a glob, or a range of versions (toolkit.mirror.jobs.versionrange)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

from toolkit.errors import InvalidJob
from toolkit.mirror.jobs.version import Version
from toolkit.mirror.jobs.versionrange import HINTS, VersionRange
from toolkit.reference import TAG

LONGEST = 256  # characters of a rule
GLOB = re.compile(r"[A-Za-z0-9_.*?-]+")
RANGE_SIGNS = tuple("<>=|^~")
ADVICE = "write a range (>=2.50 <3), a glob (1.2.*), a tag, or latest 3; ! before it excludes"
COMPANION = re.compile(r"sha(?:256|384|512)-[0-9a-f]{32,128}(?:\.[a-z0-9]+)?")


class Rule(Protocol):
    """What a tag is held against."""

    @property
    def text(self) -> str:
        """Return the rule as it is written."""

    @property
    def grounds(self) -> str:
        """Say why a tag that it takes is taken."""

    def refusal(self, tag: str, version: Version | None) -> str:
        """Say why it does not take a tag; empty where it does."""

    def excludes(self, tag: str, version: Version | None) -> bool:
        """Tell whether it means the tag where `!` stands before it."""


@dataclass(frozen=True, slots=True)
class Named:
    """A tag by its name."""

    text: str
    grounds = "named"

    def refusal(self, tag: str, version: Version | None) -> str:  # noqa: ARG002 - one shape for all
        """Compare the names, letter by letter."""
        return "" if tag == self.text else "is another tag"

    def excludes(self, tag: str, version: Version | None) -> bool:  # noqa: ARG002
        """Tell whether it is this tag."""
        return tag == self.text


@dataclass(frozen=True, slots=True)
class Glob:
    """A pattern: `*` is any characters or none, `?` is one."""

    text: str

    @property
    def grounds(self) -> str:
        """Say why a tag fits."""
        return "as any tag is" if self.text == "*" else f"like {self.text}"

    def refusal(self, tag: str, version: Version | None) -> str:  # noqa: ARG002
        """Match the whole tag.

        Tags of digests, by which signatures and the like are found, are nothing that `*` means.
        """
        if not fnmatchcase(tag, self.text):
            return "is not like it"
        is_meant = not COMPANION.fullmatch(tag) or self.text.startswith("sha")
        return "" if is_meant else "belongs to an image, as signatures do, and goes with it"

    def excludes(self, tag: str, version: Version | None) -> bool:  # noqa: ARG002
        """Match the whole tag."""
        return fnmatchcase(tag, self.text)


def read_rule(text: str) -> Rule:
    """Read one rule, without the `!` that may stand before it; raises InvalidJob."""
    if len(text) > LONGEST:
        raise InvalidJob(
            f"rule {text[:LONGEST]!r}…", f"is {len(text)} characters, expected at most {LONGEST}"
        )
    if text.startswith(RANGE_SIGNS):
        return VersionRange.parse(text)
    if GLOB.fullmatch(text) and set("*?") & set(text):
        return Glob(text)
    if TAG.fullmatch(text):
        return Named(text)
    odd = next((char for char in text if not GLOB.fullmatch(char)), "")
    problem = f"has {odd!r}, which no tag has" if odd else "is no tag"
    raise InvalidJob(f"rule {text!r}", problem, HINTS[odd] if odd in HINTS and odd else ADVICE)
