"""Narrowing: of an image for several platforms, those that a job takes.

Of one platform its manifest alone is carried, under the name, as every engine and registry takes it. Of
several the index goes with those of its manifests: its digest stays, and it is the reader's to pass over the
others, as containerd does. A name with a digest in it always keeps that digest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from toolkit import mediatype
from toolkit.bundles.modern import ModernImage, listed
from toolkit.digest import Digest
from toolkit.errors import NotFound
from toolkit.image import Image, SourceImage, drafts
from toolkit.platform import Platform


def chosen(there: Mapping[Digest, Platform | None], wanted: Platform) -> Digest:
    """Return the first manifest of an index that is for a platform; raises NotFound."""
    for digest, platform in there.items():
        if platform and platform.matches(wanted):
            return digest
    raise _absent([wanted], there.values())


def narrowed(image: ModernImage, platforms: Collection[Platform]) -> ModernImage:
    """Return an image with these of its platforms, all where none is named; raises NotFound without any."""
    pictures = image.offered.images()
    if not platforms or not pictures:
        return image
    if image.top.media_type not in mediatype.INDEXES:
        _must_match({image.top.digest: pictures[0].config.platform}, platforms)
        return image
    wanted = _must_match(_listed(image), platforms)
    blobs = {blob for one in pictures if Digest.of(one.manifest.raw) in wanted for blob in _digests(one)}
    documents = {
        digest: document
        for digest, document in image.documents.items()
        if digest in blobs or document.descriptor.media_type in mediatype.INDEXES
    }
    layers = tuple(layer for layer in image.layers if layer.digest in blobs)
    lacking = tuple(one for one in image.lacking if one.subject.rpartition(" ")[2] in set(map(str, wanted)))
    return replace(image, documents=documents, layers=layers, lacking=lacking, findings=())


def must_be_for(image: SourceImage, platforms: Collection[Platform]) -> None:
    """Raise NotFound for an image that gets its manifest when it is read, and is for none of these."""
    if platforms:
        pictures = image.proven(drafts(image.layers)).images()
        _must_match({Digest.of(one.manifest.raw): one.config.platform for one in pictures}, platforms)


def _listed(image: ModernImage) -> dict[Digest, Platform | None]:
    """Return what the image's index lists, and the indexes in it."""
    found: dict[Digest, Platform | None] = {}
    for document in image.documents.values():
        found.update(listed(document.raw, document.descriptor))
    return found


def _must_match(there: Mapping[Digest, Platform | None], wanted: Collection[Platform]) -> set[Digest]:
    """Return which of these are wanted; raises NotFound where none is."""
    found = {
        digest for digest, own in there.items() if own and any(own.matches(platform) for platform in wanted)
    }
    if not found:
        raise _absent(wanted, there.values())
    return found


def _digests(picture: Image) -> set[Digest]:
    manifest = picture.manifest
    return {Digest.of(manifest.raw), manifest.config.digest, *(layer.digest for layer in manifest.layers)}


def _absent(wanted: Collection[Platform], there: Iterable[Platform | None]) -> NotFound:
    known = ", ".join(sorted({str(platform) for platform in there if platform})) or "none that is told"
    return NotFound(f"platform {' or '.join(map(str, wanted))}", "is not in the image", f"it has {known}")
