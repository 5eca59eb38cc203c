"""Roles of a source that spare a mirror requests; as those of toolkit.ports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from toolkit.digest import Digest
from toolkit.platform import Platform


@runtime_checkable
class Recalls(Protocol):
    """A place that can tell what a name points at without reading it."""

    def recall(self, digests: Mapping[str, Digest]) -> None:
        """Know what names pointed at before; from now on `identify` may tell what nobody has proven.

        It is proven when the image is read by that digest, and not by its name.
        """


@runtime_checkable
class LetsGo(Protocol):
    """A source that keeps what it fetched of an image, and can let it go."""

    def let_go(self, name: str) -> None:
        """Forget what was fetched of an image: asked for again, it is fetched again."""


@runtime_checkable
class TellsPlatforms(Protocol):
    """A source that tells what an index lists without reading that."""

    def platforms(self, name: str) -> Mapping[Digest, Platform | None]:
        """Return the manifests of an index in its order, none of what is no index; raises as `identify`."""
