"""What was found: each thing once, and of one kind no more than anybody reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import Self

from toolkit.image import Finding

MOST = 1_000  # findings of one kind that are kept, and images that one of them names
ERROR, WARNING = "error", "warning"

Kind = tuple[str, str, int]  # check, severity, exit code


def names_of(images: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the names of images together, each once, or the first of very many."""
    whole = [names for names in images if names]
    if len(whole) < 2:  # noqa: PLR2004 - one is shared as it is
        return whole[0] if whole else ()
    return tuple(islice(dict.fromkeys(islice(chain(*whole), 2 * MOST)), MOST))


@dataclass(slots=True)
class Findings:
    """Findings of a place, in their order, each with all images that it is told of.

    A file of some megabytes can be wrong in a hundred thousand ways: of one kind the first are kept, and the
    others counted. Where `strict`, a warning is an error.
    """

    place: str
    strict: bool = False
    _kept: dict[Finding, Finding] = field(default_factory=dict)
    _many: dict[Kind, int] = field(default_factory=dict)  # how many are kept of a kind
    _more: dict[Kind, set[int]] = field(default_factory=dict)  # hashes of those that are not

    def __iadd__(self, findings: Iterable[Finding]) -> Self:
        for each in findings.kept() if isinstance(findings, Findings) else findings:
            self.add(each)
        if isinstance(findings, Findings):
            for kind, hashes in findings._more.items():
                self._more.setdefault(kind, set()).update(hashes)
        return self

    def add(self, finding: Finding) -> None:
        """Take one finding in."""
        if self.strict and finding.severity == WARNING:
            finding = replace(finding, severity=ERROR)
        kind = finding.check, finding.severity, finding.exit_code
        if known := self._kept.get(finding):
            if finding.images != known.images:
                self._kept[finding] = replace(known, images=names_of([known.images, finding.images]))
        elif self._many.get(kind, 0) < MOST:
            self._kept[finding] = finding
            self._many[kind] = self._many.get(kind, 0) + 1
        else:
            self._more.setdefault(kind, set()).add(hash(finding))

    def kept(self) -> Iterator[Finding]:
        """Yield those that are kept."""
        return iter(self._kept.values())

    def __iter__(self) -> Iterator[Finding]:
        """Yield those that are kept, and of each kind that has more one that tells how many."""
        yield from self._kept.values()
        for (check, severity, code), hashes in self._more.items():
            problem = f"has {len(hashes):,} more findings of the kind {check or severity!r}"
            yield Finding(self.place, problem, severity, code, check)

    def __bool__(self) -> bool:
        return bool(self._kept)
