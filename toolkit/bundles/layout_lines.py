"""What `ls` and `inspect` show of an image that has a manifest, wherever its bytes lie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from toolkit import mediatype
from toolkit.bundles.modern import Documents, ModernImage, platforms_here
from toolkit.digest import Digest
from toolkit.errors import ToolkitError, Unsupported
from toolkit.image import Image, preferred
from toolkit.model import Descriptor
from toolkit.outline import Listing, Outline, modern_outline
from toolkit.synthesis import own_chain


def listing(image: ModernImage) -> Listing:
    """Return the line of an image; an index has as many image IDs as platforms, so its own digest is told."""
    digest = str(image.top.digest)
    pictures = image.offered.images()
    if not pictures:
        return Listing(image.names, digest, size=sum(blob.size for blob in image.layers))
    told = _outline(image, pictures)
    id_ = digest if image.top.media_type in mediatype.INDEXES else told.id
    return Listing(image.names, id_, told.created, ", ".join(told.platforms), told.size)


def broken_listing(names: tuple[str, ...], top: Descriptor, blobs: Documents, error: ToolkitError) -> Listing:
    """Return the line of an image that cannot be read, with the platforms that are left of an index."""
    left = platforms_here(blobs, top) if top.media_type in mediatype.INDEXES else []
    return Listing(names, str(top.digest), platform=", ".join(map(str, left)), problem=str(error))


def told_apart(lines: Sequence[Listing], tops: Sequence[Digest]) -> list[Listing]:
    """Return the lines, each with an ID of its own: the digest of its top where others have the same."""
    ids = Counter(line.id for line in lines)
    return [
        line if ids[line.id] == 1 else replace(line, id=str(top))
        for line, top in zip(lines, tops, strict=True)
    ]


def in_order(lines: Iterable[Listing]) -> list[Listing]:
    """Return the lines as `listings` promises them: named ones by their names, then the others."""
    return sorted(lines, key=lambda line: (not line.names, line.names))


def outline(image: ModernImage) -> Outline:
    """Describe an image; one that was a legacy image shows the layersizes that were recorded for it."""
    pictures = image.offered.images()
    if not pictures:
        raise Unsupported(f"manifest {image.top.digest}", "is an artifact, not an image")
    return _outline(image, pictures)


def _outline(image: ModernImage, pictures: Sequence[Image]) -> Outline:
    picture = preferred(pictures)
    platforms = [str(each.config.platform) for each in pictures]
    told = modern_outline(image.names, picture, platforms, image.findings)
    chain = own_chain(picture) or []
    sizes = iter([layer.layersize.value for layer in chain])
    layers = [
        replace(line, size=size) if line.id and (size := next(sizes, None)) is not None else line
        for line in told.layers
    ]
    return replace(
        told,
        layers=tuple(layers),
        v1_ids=tuple(layer.id for layer in chain),
        manifest=next(
            str(digest) for digest, each in image.documents.items() if each.raw == picture.manifest.raw
        ),
        index=str(image.top.digest) if image.top.media_type in mediatype.INDEXES else "",
    )
