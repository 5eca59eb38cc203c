"""Which names a mirror needs no more: versions of a repository below the highest, or what sets have dropped.

Among versions the highest stay, with all their tags and variants: 3.1, v3.1.0 and 3.1-alpine are one. Dates
and serial numbers are counted apart, and so are tags that are no versions, of which those named last stay.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.bundles.refertags import repository_of
from toolkit.digest import Digest
from toolkit.errors import ToolkitError
from toolkit.mirror.jobs.version import Version
from toolkit.mirror.records.received import Received
from toolkit.mirror.review import IMAGE, Old
from toolkit.reference import Reference, meaning

Named = tuple[str, Digest]
VERSIONS, SERIALS, OTHERS = "versions", "dates or serial numbers", "tags without a version"
OF_DIGEST = ("sha256-", "sha512-")  # tags of signatures, which go with their images


@dataclass(frozen=True, slots=True)
class Needs:
    """What no name may be taken away from."""

    names: frozenset[tuple[str, ...]] = frozenset()  # by their meaning
    tops: frozenset[Digest] = frozenset()
    repositories: frozenset[str] = frozenset()  # in full: whatever of them there is

    def __contains__(self, named: Named) -> bool:
        return self.has_name(named[0]) or named[1] in self.tops

    def has_name(self, name: str) -> bool:
        """Tell whether a name is needed, whatever it means."""
        return meaning(name) in self.names or not self.repositories.isdisjoint(repositories_of([name]))


@dataclass(frozen=True, slots=True)
class _Tag:
    named: Named
    version: Version | None
    place: int  # in the order of names

    @property
    def pool(self) -> str:
        """Return which tags it is compared with."""
        if self.version is None:
            return OTHERS
        return SERIALS if self.version.is_serial else VERSIONS

    @property
    def rank(self) -> tuple[Any, ...]:
        """Return what tags of one pool are compared by; equal for the tags of one version."""
        return self.version.precedence if self.version else (self.place,)


def beyond(named: Sequence[Named], keep: int, repositories: Collection[str], needs: Needs) -> list[Old]:
    """Return the names beyond the `keep` highest of each repository; none where that is 0.

    `named` are all names of a store, the last one last; other repositories are nobody's to judge.
    """
    pools: dict[tuple[str, str], list[_Tag]] = {}
    for place, one in enumerate(named if keep else ()):
        if (reference := _reference(one[0])) is None or _repository(reference) not in repositories:
            continue
        if reference.digest or not reference.tag.startswith(OF_DIGEST):
            tag = _Tag(one, None if reference.digest else Version.parse(reference.tag), place)
            pools.setdefault((_repository(reference), tag.pool), []).append(tag)
    old = [line for (_, pool), tags in pools.items() for line in _old(tags, pool, keep, needs)]
    return sorted(old, key=lambda line: line.name)


def dropped(named: Iterable[Named], received: Sequence[Received], needs: Needs) -> list[Old]:
    """Return the names that sets brought, and that the newest set has no more; those of others stay."""
    if not received:
        return []
    newest = max(received, key=lambda each: each.number)
    brought: dict[tuple[str, ...], tuple[Digest, Received]] = {}
    for each in sorted(received, key=lambda one: one.number):
        brought |= {meaning(name): (digest, each) for name, digest in each.images.items()}
    old = []
    for one in named:
        digest, last = brought.get(meaning(one[0]), (None, newest))
        if digest == one[1] and last is not newest and not needs.has_name(one[0]):
            why = f"last in set {last.number} of {last.date}, and not in set {newest.number} of {newest.date}"
            old.append(Old(IMAGE, one[0], one[1], why))
    return sorted(old, key=lambda line: line.name)


def repositories_of(names: Iterable[str]) -> set[str]:
    """Return the repositories of names, in full; of what is no reference none."""
    return {_repository(found) for name in names if (found := _reference(name))}


def beside(companions: Iterable[tuple[str, Digest, str]], needs: Needs) -> list[Old]:
    """Return what goes with an image that goes: name, digest, and the image's name."""
    return [
        Old(IMAGE, name, digest, f"refers to {of}, which goes")
        for name, digest, of in companions
        if (name, digest) not in needs
    ]


def _old(tags: Sequence[_Tag], pool: str, keep: int, needs: Needs) -> Iterable[Old]:
    ranks = sorted({tag.rank for tag in tags}, reverse=True)
    stay = set(ranks[:keep])
    what = "named last" if pool == OTHERS else "highest"
    for tag in tags:
        if tag.rank not in stay and tag.named not in needs:
            why = f"not among the {keep} {what} of {len(ranks)} {pool} of {repository_of(tag.named[0])}"
            yield Old(IMAGE, *tag.named, why)


def _reference(name: str) -> Reference | None:
    try:
        return Reference.parse(name)
    except ToolkitError:
        return None


def _repository(reference: Reference) -> str:
    return f"{reference.registry}/{reference.repository}"
