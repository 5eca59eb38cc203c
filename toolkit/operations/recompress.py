"""recompress: a source seen through another, its layers in one compression.

Digests and sizes are known before a bundle is laid out: so each layer that is not packed as wanted is
transcoded when its image is asked for. Configs and diffIDs, and with them image IDs, stay what they are;
an image with nothing to do passes through untouched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace

from toolkit import mediatype
from toolkit.digest import Digest
from toolkit.errors import UsageError
from toolkit.event import Tell, nobody
from toolkit.image import Finding, Layer, Proof, ProvenImage, SourceImage, drafts, is_told
from toolkit.latest import Latest
from toolkit.limits import limits
from toolkit.model import Descriptor
from toolkit.operations.rewrite import named_by, rewritten
from toolkit.operations.through import Through
from toolkit.operations.transcoding import Earlier, Transcoded, Transcoder
from toolkit.platform import Platform
from toolkit.plumbing.streams import compared
from toolkit.ports import Content, Source

NONE = "none"


def recompressed(
    source: Source,
    compression: str | None,
    level: int | None = None,
    progress: Tell = nobody,
    jobs: int = 0,
    *,
    earlier: Earlier | None = None,
) -> AbstractContextManager[Source]:
    """Return the source with its layers in `compression`, gzip, zstd or none; as it is where that is None.

    What was made for it is gone when the block ends; what was made `earlier` is not made again. `jobs`
    layers are packed at once; 0 is as many as there are processors. Raises UsageError for a level it does not
    have.
    """
    if compression in {None, NONE} and level is not None:
        raise UsageError(f"level {level}", "means nothing without a compression", "say which: gzip or zstd")
    if compression is None:
        return nullcontext(source)
    wanted = "" if compression == NONE else compression
    return _recompressed(source, Transcoder(source, wanted, level, progress, jobs, earlier=earlier))


@contextmanager
def _recompressed(source: Source, transcoder: Transcoder) -> Iterator[Source]:
    with transcoder:
        yield Recompressed(source, transcoder)


class Recompressed(Through):
    """A source whose images have all their layers packed alike."""

    def __init__(self, source: Source, transcoder: Transcoder) -> None:
        super().__init__(source)
        self._transcoder = transcoder
        self._new: dict[str, Transcoded] = {}  # by the key that we gave it
        self._latest = Latest[SourceImage, SourceImage]()

    def identify(self, name: str) -> str:
        """Tell an image from the same one in another compression."""
        return f"{self.source.identify(name)} {self._transcoder.compression or NONE}"

    def image(self, name: str, platform: Platform | None = None) -> SourceImage:
        """Return the image, its layers transcoded; raises what reading them raises."""
        image = self.source.image(name, platform)
        return self._latest.get(image.under(()), lambda: self._packed(image)).under(image.names)

    def _packed(self, image: SourceImage) -> SourceImage:
        """Return the image, its layers transcoded: once for names that follow each other."""
        return self._made_up(image) if _is_made_of_proofs(image) else self._rewritten(image)

    def layer_keys(self, name: str, platform: Platform | None = None) -> tuple[str, ...]:
        """Return the keys of the image's new layers, which are known once they are made."""
        return tuple(layer.key for layer in self.image(name, platform).layers)

    def layer(self, key: str) -> Layer:
        """Return a new layer, or one that passed through."""
        return replace(self._new[key].layer, key=key) if key in self._new else self.source.layer(key)

    def open(self, layer: Layer) -> AbstractContextManager[Content]:
        """Open a new layer's file, or the source's layer."""
        new = self._new.get(layer.key)
        return nullcontext(new.content) if new else self.source.open(layer)

    def _made_up(self, image: SourceImage) -> SourceImage:
        """Return an image whose manifest is made of proofs: it needs other proofs, and no more."""
        made = self._transcoder.transcoded(
            [one for one in image.layers if mediatype.is_layer(one.media_type)]
        )
        self._new |= made
        layers = tuple(
            replace(made[one.key].layer, key=one.key) if one.key in made else one for one in image.layers
        )
        return _MadeUp(image, layers, (*image.findings, *self._noted(image, made))) if made else image

    def _rewritten(self, image: SourceImage) -> SourceImage:
        """Return an image with manifests of its own, which are written anew."""
        digests = {layer.key: layer.digest for layer in image.layers if layer.digest}
        promised = {
            layer.key: Proof(digest, layer.size, layer.diff_id or digest, _told(layer))
            for layer in image.layers
            if (digest := layer.digest)
        }
        offered = image.proven(promised)
        ours = {blob.digest for picture in offered.images() for blob in picture.manifest.layers}
        made = self._transcoder.transcoded([layer for layer in image.layers if layer.digest in ours])
        if not made:
            return image
        self._new |= {one.layer.key: one for one in made.values()}
        moved = {digests[key]: one.descriptor for key, one in made.items()}
        offered, own = _alone(offered, image.layers)
        beside = self._beside(own)
        whole = rewritten(offered, moved, self._transcoder.compression, beside)
        layers = _carried(own, made, _named(whole, beside))
        blobs = tuple(Descriptor(one.media_type, one.digest, one.size) for one in layers if one.digest)
        findings = (*whole.findings, *self._noted(image, made))
        return RecompressedImage(replace(whole, blobs=blobs, findings=findings), layers)

    def _beside(self, layers: Sequence[Layer]) -> dict[Digest, bytes]:
        """Return the manifests that are carried as mere blobs: they name layers, and are not rewritten."""
        found = {}
        for layer in layers:
            if layer.digest and layer.media_type in mediatype.MANIFESTS and layer.size <= limits().document:
                with self.source.open(layer) as content:
                    raw = b"".join(map(bytes, content.blocks()))
                found[layer.digest] = Descriptor(layer.media_type, layer.digest, layer.size).check(raw)
        return found

    def _noted(self, image: SourceImage, made: Mapping[str, Transcoded]) -> list[Finding]:
        if not made or self._transcoder.compression != "zstd":
            return []
        subject = f"image {', '.join(image.names)}" if image.names else self.place
        return [Finding(subject, "has zstd layers now, which Docker reads since version 23", "note")]


@dataclass(frozen=True, slots=True)
class _MadeUp:
    """An image that gets its manifest from the proofs of its layers; a SourceImage."""

    image: SourceImage
    layers: tuple[Layer, ...] = field(repr=False)
    findings: tuple[Finding, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Return the image's names."""
        return self.image.names

    def under(self, names: tuple[str, ...]) -> _MadeUp:
        """Return the same image under these names."""
        return replace(self, image=self.image.under(names))

    def proven(self, proofs: Mapping[str, Proof]) -> ProvenImage:
        """Return what the image makes of the proofs."""
        return replace(self.image.proven(proofs), findings=self.findings)


@dataclass(frozen=True, slots=True)
class RecompressedImage:
    """An image with its new documents, its layers still to be carried; a SourceImage."""

    whole: ProvenImage
    layers: tuple[Layer, ...] = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the image's names."""
        return self.whole.names

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return what the source noticed, and what has another digest now."""
        return self.whole.findings

    def under(self, names: tuple[str, ...]) -> RecompressedImage:
        """Return the same image under these names."""
        return replace(self, whole=replace(self.whole, names=names))

    def proven(self, proofs: Mapping[str, Proof]) -> ProvenImage:
        """Return the image; raises Mismatch where a proof is not what its layer promised."""
        found = [compared(layer, proofs[layer.key]) for layer in self.layers]
        packed = [proof for layer, proof in zip(self.layers, found, strict=True) if layer.diff_id]
        return replace(self.whole, compressions=frozenset(proof.compression for proof in packed))


def _alone(image: ProvenImage, layers: Sequence[Layer]) -> tuple[ProvenImage, list[Layer]]:
    """Return the image and its layers without what refers to it: what that refers to will not be there."""
    if not image.referrers:
        return image, list(layers)
    theirs = {blob.digest for referrer in image.referrers for blob in referrer.blobs}
    subject = f"image {', '.join(image.names) or image.top.digest}"
    problem = f"loses what refers to it, {len(image.referrers)} in number: packed anew, it has other digests"
    findings = (*image.findings, Finding(subject, problem))
    return replace(image, referrers=(), findings=findings), [x for x in layers if x.digest not in theirs]


def _is_made_of_proofs(image: SourceImage) -> bool:
    """Tell whether an image has no manifest of its own: what is not known of its layers stands in one."""
    draft = image.proven(drafts(image.layers))
    return not all(is_told(document.raw) for document in draft.documents.values())


def _told(layer: Layer) -> str:
    """Return the compression that a layer's media type tells; whether it is true shows when it is read."""
    return mediatype.compression_of(layer.media_type) or ""


def _carried(layers: Sequence[Layer], made: Mapping[str, Transcoded], named: set[str]) -> tuple[Layer, ...]:
    """Return the layers to carry: new ones in place of the old, which stay where something names them."""
    found: dict[str, Layer] = {}
    for layer in layers:
        if new := made.get(layer.key):
            found.setdefault(new.layer.key, new.layer)
        if new is None or str(layer.digest) in named:
            found.setdefault(layer.key, layer)
    return tuple(found.values())


def _named(whole: ProvenImage, beside: Mapping[Digest, bytes]) -> set[str]:
    """Return the blobs that any manifest names now, also one that was carried as it is."""
    raws = [*(document.raw for document in whole.documents.values()), *beside.values()]
    return set().union(*map(named_by, raws))
