"""VersionRange: `>=2.50 <3`, all of whose bounds a version has to keep.

Like is compared with like. A bound without a variant speaks of plain versions, one with a variant of those
that have it: `>=3.12-alpine <4`; it may be a glob: `>=1.29-k3s*`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Self

from toolkit.errors import InvalidJob
from toolkit.mirror.jobs.version import Version

BOUND = re.compile(r"(>=|<=|>|<|=)[ \t]*([A-Za-z0-9_.*?-]+)[ \t,]*")
WILD = re.compile(r"[*?]")
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}
HINTS = {
    "|": "each rule of `tags` is an alternative: write two of them",
    "^": "write both ends: >=1.2 <2",
    "~": "write both ends, >=1.2 <1.3, or a glob, 1.2.*",
    "!": "put ! before the whole rule, which then excludes",
    "": "write it as >=2.50 <3",
}


@dataclass(frozen=True, slots=True)
class VersionRange:
    """Bounds, each a sign and a version, and the variant that they are about."""

    text: str
    bounds: tuple[tuple[str, Version], ...]
    variant: str  # or a glob of it; empty for plain versions

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read bounds with blanks or commas between them; raises InvalidJob."""
        bounds, variants, position = list[tuple[str, Version]](), dict[str, None](), 0
        while found := BOUND.match(text, position):
            version, variant = _bound(text, found[2])
            bounds.append((found[1], version))
            variants.update({variant: None} if variant else {})
            position = found.end()
        if position < len(text):
            raise _invalid(text, f"says nothing that is known from {text[position:]!r} on", text[position])
        if len(variants) > 1:
            raise InvalidJob(_subject(text), f"is about {' and '.join(variants)}", "write a rule for each")
        return cls(text, tuple(bounds), next(iter(variants), ""))

    @property
    def grounds(self) -> str:
        """Say why a version is taken."""
        return f"in the range {self.text}"

    def refusal(self, tag: str, version: Version | None) -> str:  # noqa: ARG002 - the shape of rules
        """Say why a version is not in the range; empty where it is."""
        if version is None:
            return "is no version"
        if not self._is_of_variant(version):
            return f"is the variant {version.variant}" if version.variant else "is a plain version"
        if version.is_prerelease and not self._names_prerelease:
            return "is a pre-release, and the range names none"
        return self._beyond(version)

    def excludes(self, tag: str, version: Version | None) -> bool:  # noqa: ARG002
        """Tell whether `!` before the range means a version: of every variant and stage, if it names none."""
        if version is None or (self.variant and not self._is_of_variant(version)):
            return False
        return not self._beyond(version)

    @property
    def _names_prerelease(self) -> bool:
        return any(version.is_prerelease for _, version in self.bounds)

    def _is_of_variant(self, version: Version) -> bool:
        if not (self.variant and version.variant):
            return self.variant == version.variant
        return fnmatchcase(version.variant, self.variant)

    def _beyond(self, version: Version) -> str:
        """Say which bound a version breaks, whatever its variant."""
        if any(version.is_serial != bound.is_serial for _, bound in self.bounds):
            return "is a date or serial number" if version.is_serial else "is no date or serial number"
        for sign, bound in self.bounds:
            if not COMPARISONS[sign](version.precedence, bound.precedence):
                return f"is not {sign}{bound.text}"
            # PEP 440: what comes before 3.0 as its pre-release is not meant by <3.
            if sign == "<" and version.numbers == bound.numbers and not bound.is_prerelease:
                return f"is a pre-release of {bound.text}"
        return ""


def _bound(text: str, bound: str) -> tuple[Version, str]:
    """Read one bound: its version, and the variant, of which `*` and `?` may stand for a part."""
    wild = WILD.search(bound)
    version = Version.parse(bound[: wild.start()] if wild else bound)
    if version is None:
        raise _invalid(text, f"compares with {bound!r}, which is no version", bound[:1])
    if wild and (version.is_prerelease or not set("-_") & set(bound[: wild.start()])):
        raise _invalid(text, f"has {wild.group()} in {bound!r}, where only a variant's name may have it")
    return version, version.variant + bound[wild.start() :] if wild else version.variant


def _subject(text: str) -> str:
    return f"range {text!r}"


def _invalid(text: str, problem: str, char: str = "") -> InvalidJob:
    return InvalidJob(_subject(text), problem, HINTS.get(char, HINTS[""]))
