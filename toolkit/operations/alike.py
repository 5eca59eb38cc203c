"""Images that are one image, asked for by several names: read, carried and told of once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from toolkit.image import SourceImage


def together(images: Iterable[SourceImage]) -> list[SourceImage]:
    """Join images that follow each other and are the same one; several names are in their order.

    A source lists the names of an image one after the other.
    """
    return [_joined(list(same)) for _, same in groupby(images, key=lambda image: image.under(()))]


def _joined(same: Sequence[SourceImage]) -> SourceImage:
    if len(same) == 1:
        return same[0]
    return same[0].under(tuple(sorted({name for one in same for name in one.names})))
