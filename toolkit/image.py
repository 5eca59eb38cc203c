"""An image on its way: what a source offers, what reading its bytes proved, and what a sink names.

A source knows a layer's size before its bytes are read, and often not its digest: a legacy store
keeps none. So an image travels in two states. A `SourceImage` lists layers to be opened; with one
`Proof` for each it becomes a `ProvenImage`, whose documents are final.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from toolkit import gojson, mediatype
from toolkit.ancestry import V1Layer
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, MissingMember, NotFound
from toolkit.model import Config, Descriptor, Manifest
from toolkit.platform import Platform

PREFERRED = Platform("linux", "amd64")
FEW = 5  # images that a finding names


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a person should know about an image; never a reason to stop by itself."""

    subject: str
    problem: str  # one sentence, its subject left out
    severity: str = "warning"  # "note": worth telling, nothing wrong; "error": not to be trusted
    exit_code: int = 5  # of an error, as the error tree has it
    # The same once more, in parts; two findings of one sentence are one.
    check: str = field(default="", compare=False)  # what was looked at, a row of toolkit.checks
    fact: str = field(default="", compare=False)  # what is not as it should be
    expected: str = field(default="", compare=False)
    found: str = field(default="", compare=False)
    advice: str = field(default="", compare=False)  # what to do
    images: tuple[str, ...] = field(default=(), compare=False)  # what those are called that it is of

    def comparing(self, fact: str, expected: object, found: object) -> Finding:
        """Return the finding with what was compared: its name, what it should be, and what it is."""
        return replace(self, fact=fact, expected=str(expected), found=str(found))

    def of(self, images: Sequence[str]) -> Finding:
        """Return the finding with the images that it is of, where it does not tell them already."""
        return self if self.images else replace(self, images=tuple(images))

    @property
    def whose(self) -> str:
        """Return `of image app:1`, the first of many and how many more; empty where that is said already."""
        first, more = self.images[:FEW], len(self.images) - FEW
        if not first or self.subject == f"image {first[0]}":
            return ""
        others = f" and {more} more" if more > 0 else ""
        return f"of image{'s' if len(self.images) > 1 else ''} {', '.join(first)}{others}"


DEEPEST = 125  # layers of an image, since Docker 1.10
STAND_IN = "0" * 24  # hex digits that begin a digest which is not known yet; no digest begins so
MADE_ANEW = "io.lading.made-anew"  # annotation of a layer made of its files: the diffID that it had
NO_DIGESTS = "records no digest of its layers: whether their bytes were changed cannot be known from it"


@dataclass(frozen=True, slots=True)
class Layer:
    """A blob that its source can open: a layer, or the content of an artifact."""

    key: str  # unique in its source: the v1 ID, or the digest
    size: int  # of the blob, in bytes, exact
    digest: Digest | None = None
    diff_id: Digest | None = None
    media_type: str = mediatype.OCI_LAYER
    v1: V1Layer | None = None
    called: str = field(default="", compare=False)  # where the key says nothing to people

    @property
    def name(self) -> str:
        """Return what people know it by."""
        return self.called or self.key

    @property
    def subject(self) -> str:
        """Return what sentences call it."""
        return f"layer {self.name}"


@dataclass(frozen=True, slots=True)
class Proof:
    """What reading a layer's bytes showed."""

    digest: Digest
    size: int
    diff_id: Digest
    compression: str = ""  # "", gzip, zstd, xz, bzip2
    notes: tuple[str, ...] = field(default=(), compare=False)  # what is odd about it, and no danger


def odd(layer: Layer, proof: Proof) -> list[Finding]:
    """Return what reading a layer showed that a person should know."""
    return [Finding(layer.subject, note, check="structure") for note in proof.notes]


def too_deep(proven: ProvenImage) -> list[Finding]:
    """Say of an image that no Docker loads it: it has more layers than one stack may have (formats B.1)."""
    marks = (document.raw.count(b'"digest"') for document in proven.documents.values())
    if max(marks, default=0) <= DEEPEST:  # nothing is parsed of what has not so many
        return []
    problem = f"has {{}} layers, and Docker takes {DEEPEST} at most"
    return [
        Finding(subject_of(proven, picture), problem.format(layers), check="layers")
        for picture in proven.images()
        if (layers := len(picture.manifest.layers)) > DEEPEST
    ]


def placeholder(layer: Layer) -> Proof:
    """Return a stand-in of the right size and length, unique to the layer, until its bytes are read."""
    stand_in = Digest("sha256", STAND_IN + Digest.of(layer.key.encode()).hex[len(STAND_IN) :])
    compression = mediatype.compression_of(layer.media_type) or ""
    return Proof(layer.digest or stand_in, layer.size, layer.diff_id or stand_in, compression)


def is_told(raw: bytes) -> bool:
    """Tell a document of which all is known from one made with stand-ins, whose digest is none either."""
    return f"sha256:{STAND_IN}".encode() not in raw


def subject_of(proven: ProvenImage, picture: Image) -> str:
    """Return what findings call one platform of an image: its image ID, or its name before that is known."""
    is_known = is_told(picture.config.raw) or not proven.names
    return f"image {picture.config.image_id if is_known else proven.names[0]}"


def drafts(layers: Iterable[Layer], known: Mapping[str, Proof] | None = None) -> dict[str, Proof]:
    """Return what is `known` of each layer, by its key, else a stand-in."""
    known = known or {}
    return {layer.key: known.get(layer.key) or placeholder(layer) for layer in layers}


def layers_of(images: Iterable[SourceImage]) -> list[Layer]:
    """Return the layers of several images, each once."""
    return list({layer.key: layer for image in images for layer in image.layers}.values())


@dataclass(frozen=True, slots=True)
class Document:
    """A manifest, index or config, and how it is asked for."""

    descriptor: Descriptor
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Image:
    """One image for one platform: a manifest and its config, both proven."""

    manifest: Manifest
    config: Config

    def __post_init__(self) -> None:
        layers, ids = len(self.manifest.layers), len(self.config.diff_ids)
        if layers != ids:
            raise CorruptContent(f"image {self.config.image_id}", f"has {layers} layers and {ids} diffIDs")

    @property
    def layers(self) -> list[tuple[Descriptor, Digest]]:
        """Pair each layer with its diffID, base first."""
        return list(zip(self.manifest.layers, self.config.diff_ids, strict=True))


@dataclass(frozen=True, slots=True)
class Referrer:
    """A signature, SBOM or attestation that travels with an image: it names it, or has a tag of cosign's."""

    top: Descriptor  # as a list of referrers has it: with its artifactType, and no name
    documents: Mapping[Digest, Document]  # children before parents
    blobs: tuple[Descriptor, ...]  # each once, without those that the image has itself
    subject: Digest | None = None  # the manifest that it names
    tags: tuple[str, ...] = ()  # sha256-<hex>.sig and what is like it


@dataclass(frozen=True, slots=True)
class ProvenImage:
    """An image whose every byte was compared with a digest, ready to be named."""

    names: tuple[str, ...]
    top: Descriptor  # what the names point at: a manifest or an index
    documents: Mapping[Digest, Document]  # children before parents
    blobs: tuple[Descriptor, ...]  # layers and artifact content, each once, base first
    findings: tuple[Finding, ...] = ()
    compressions: frozenset[str] = frozenset()  # how its layers are compressed, by their bytes: "", gzip, …
    referrers: tuple[Referrer, ...] = ()  # what refers to it, then what refers to that

    @property
    def parts(self) -> tuple[ProvenImage | Referrer, ...]:
        """Return the image and what travels with it, each after what it refers to."""
        return (self, *self.referrers)

    def images(self) -> list[Image]:
        """Return every platform's image that is here whole, in the index's order."""
        manifests = (
            Manifest.from_bytes(document.raw, document.descriptor.media_type)
            for document in self.documents.values()
            if document.descriptor.media_type in mediatype.MANIFESTS
        )
        return [Image(manifest, self.config_of(manifest)) for manifest in manifests if manifest.is_image]

    def config_of(self, manifest: Manifest) -> Config:
        """Return the config that a manifest names; raises MissingMember."""
        if (document := self.documents.get(manifest.config.digest)) is None:
            raise MissingMember(f"config {manifest.config.digest}", "is not there")
        return Config.from_bytes(document.raw)

    def preferred(self, platform: Platform | None = None) -> Image | None:
        """Return the image for `platform`, as `preferred` does; None where there is no image."""
        images = self.images()
        return preferred(images, platform) if images else None


def preferred(images: Sequence[Image], platform: Platform | None = None) -> Image:
    """Return the image for `platform`; unasked, that for linux/amd64, else the first.

    The choice never depends on the machine we run on: the same input gives the same bytes.
    Raises NotFound where the platform that was asked for is not there.
    """
    for image in images:
        if image.config.platform.matches(platform or PREFERRED):
            return image
    if platform:
        there = ", ".join(sorted(str(image.config.platform) for image in images))
        raise NotFound(f"platform {platform}", "is not in the image", f"it has {there}")
    return images[0]


def made_manifest(config: Descriptor, layers: Sequence[Descriptor]) -> Manifest:
    """Return a manifest for an image whose source has none: its digest is ours, and always the same."""
    body = {
        "schemaVersion": 2,
        "mediaType": mediatype.OCI_MANIFEST,
        "config": config.to_json(),
        "layers": [layer.to_json() for layer in layers],
    }
    return Manifest(gojson.encode(body), mediatype.OCI_MANIFEST, config, tuple(layers))


class SourceImage(Protocol):
    """An image that a source offers, before its layers were read."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the references it is asked for by, as the source prints them."""

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Return the blobs to read, base first, each once."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return what the source noticed."""

    def under(self, names: tuple[str, ...]) -> SourceImage:
        """Return the same image under these names: equal to every other one of it under them."""

    def proven(self, proofs: Mapping[str, Proof]) -> ProvenImage:
        """Return the image with its final documents, given a proof for each layer's key."""
