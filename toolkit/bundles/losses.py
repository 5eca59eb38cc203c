"""What is lost where no manifest is kept, as in docker-v1.2, docker-v1 and a legacy root."""

from __future__ import annotations

from toolkit import mediatype
from toolkit.image import Finding, Image, ProvenImage, made_manifest
from toolkit.model import Descriptor, Manifest
from toolkit.synthesis import losses_as_v1, own_chain


def lost_as_v1(proven: ProvenImage, where: str) -> list[Finding]:
    """Return what v1 layers cannot carry: what rule R does not give back, and all that is no layer.

    A manifest that is made of v1 layers tells of them, so it is another one than any that was there before.
    """
    image = proven.preferred()
    was_legacy = image is not None and own_chain(image) is not None
    lost = [] if was_legacy else _lost_top(proven, where)
    return [*losses_as_v1(proven), *lost_platforms(proven, where), *lost_referrers(proven, where), *lost]


def lost_platforms(proven: ProvenImage, where: str) -> list[Finding]:
    """Return what of an index stays behind when one platform goes: the others, and what is no image."""
    image = proven.preferred()
    if image is None:
        return []
    others = [each.config.platform for each in proven.images() if each.manifest.raw != image.manifest.raw]
    lost = [f"loses its other platforms in {where}: {', '.join(map(str, others))}"] if others else []
    if many := _artifacts(proven):
        lost.append(f"loses what its index lists besides images in {where}: {many}")
    return [Finding(_subject(image), problem) for problem in lost]


def lost_referrers(proven: ProvenImage, where: str) -> list[Finding]:
    """Return that what refers to the image stays behind, where a place has none for it."""
    if not proven.referrers:
        return []
    subject = f"image {', '.join(proven.names) or proven.top.digest}"
    problem = f"loses what refers to it in {where}: {len(proven.referrers)}, such as signatures and SBOMs"
    return [Finding(subject, problem)]


def lost_manifest(proven: ProvenImage, where: str) -> list[Finding]:
    """Return the digest that nobody will find the image by any more, where no reader makes it again."""
    image = proven.preferred()
    is_index = proven.top.media_type in mediatype.INDEXES
    again = image is not None and not is_index and _is_made_again(image)
    return [] if again else _lost_top(proven, where)


def _lost_top(proven: ProvenImage, where: str) -> list[Finding]:
    image = proven.preferred()
    if image is None:
        return []
    kind = "index" if proven.top.media_type in mediatype.INDEXES else "manifest"
    return [Finding(_subject(image), f"loses its {kind} {proven.top.digest}: {where} keeps none", "note")]


def lost_layersizes(proven: ProvenImage, where: str) -> list[Finding]:
    """Return that a legacy image's recorded sizes stay behind, where it has any."""
    image = proven.preferred()
    if image is None or all(layer.layersize.text is None for layer in own_chain(image) or []):
        return []
    problem = f"loses its recorded layersizes: {where} has no place for them"
    return [Finding(_subject(image), problem, "note")]


def _is_made_again(image: Image) -> bool:
    """Tell whether a reader that makes a manifest makes this very one; a legacy image's is always made."""
    config = Descriptor.of(mediatype.OCI_CONFIG, image.config.raw)
    blobs = [
        Descriptor(
            mediatype.layer_type(mediatype.compression_of(blob.media_type) or ""), blob.digest, blob.size
        )
        for blob in image.manifest.layers
    ]
    return own_chain(image) is not None or made_manifest(config, blobs).raw == image.manifest.raw


def _artifacts(proven: ProvenImage) -> int:
    """Count the attestations and other artifacts; one that borrows a config's type is kept as a blob."""
    blobs = [blob for blob in proven.blobs if blob.media_type in mediatype.MANIFESTS]
    manifests = [
        document
        for document in proven.documents.values()
        if document.descriptor.media_type in mediatype.MANIFESTS
        and not Manifest.from_bytes(document.raw, document.descriptor.media_type).is_image
    ]
    return len(blobs) + len(manifests)


def _subject(image: Image) -> str:
    return f"image {image.config.image_id}"
