"""Changes: what became of the names of images from one set to the next, or while sets were received."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from toolkit.digest import Digest

NEW, MOVED, GONE = KINDS = ("new", "moved", "gone")


@dataclass(frozen=True, slots=True)
class Change:
    """One name, and the top that it pointed at and points at; None where there is no such name."""

    name: str
    before: Digest | None
    after: Digest | None

    @property
    def kind(self) -> str:
        """Return one of KINDS."""
        return NEW if self.before is None else GONE if self.after is None else MOVED


def changes(
    before: Mapping[str, Digest], after: Mapping[str, Digest], missing: Collection[str] = ()
) -> tuple[Change, ...]:
    """Return what changed, in the order of KINDS, then by name.

    A name that is `missing` is not gone: its image could not be had, and stays as it was over there.
    """
    found = [
        Change(name, before.get(name), after.get(name))
        for name in before.keys() | after.keys()
        if before.get(name) != after.get(name) and (name in after or name not in missing)
    ]
    return tuple(sorted(found, key=lambda each: (KINDS.index(each.kind), each.name)))
