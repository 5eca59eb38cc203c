"""Images that are one image, asked for by several names: read, carried and told of once."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from toolkit.image import SourceImage


def together(images: Iterable[SourceImage]) -> list[SourceImage]:
    """Join images that follow each other and are the same one, with the names of all.

    A source lists the names of an image one after the other.
    """
    return [
        image.under(tuple(dict.fromkeys(name for one in same for name in one.names)))
        for image, same in groupby(images, key=lambda image: image.under(()))
    ]
