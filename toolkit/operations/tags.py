"""The tags of a repository, in any place that images are read from."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol, runtime_checkable

from toolkit.errors import InvalidReference, NotFound
from toolkit.ports import Source
from toolkit.reference import Reference


@runtime_checkable
class ListsTags(Protocol):
    """A source that lists the tags of a repository without reading what they point at."""

    def tags(self, repository: str) -> Sequence[str]:
        """Return them, each once; raises NotFound where there is none."""


def tags(source: Source, repository: str) -> list[str]:
    """Return the tags of a repository, as `docker.io/library/redis`, each once, as the place has them.

    Raises NotFound where the place has no image of it.
    """
    if isinstance(source, ListsTags):
        return list(source.tags(repository))
    found: dict[str, None] = {}
    for listing in source.listings():
        for name in listing.names:
            with suppress(InvalidReference):  # a legacy store's own idea of a name
                reference = Reference.parse(name)
                if f"{reference.registry}/{reference.repository}" == repository and reference.tag:
                    found[reference.tag] = None
    if not found:
        raise NotFound(f"repository {repository}", f"has no image in {source.place}")
    return list(found)
