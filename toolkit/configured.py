"""An image whose source keeps its config and layers and no manifest: one is made of them.

So do `docker save` archives of Docker 1.10 to 24, and those of skopeo, podman and crane (formats D.2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from toolkit import mediatype
from toolkit.digest import Digest
from toolkit.errors import CorruptContent
from toolkit.image import (
    MADE_ANEW,
    Document,
    Finding,
    Layer,
    Proof,
    ProvenImage,
    is_told,
    made_manifest,
    subject_of,
)
from toolkit.model import Config, Descriptor

CALLED_COMPRESSED = "has a manifest that calls layers compressed that are not, as podman and skopeo write it"


@dataclass(frozen=True, slots=True)
class ConfiguredImage:
    """A config with its exact bytes, and the layers that it tells the diffIDs of; a SourceImage."""

    names: tuple[str, ...]
    config: Config = field(repr=False)
    stack: tuple[Layer, ...] = field(repr=False)  # one for each diffID, base first; some may be the same
    findings: tuple[Finding, ...] = ()
    anew: Mapping[str, Digest] = field(default_factory=dict, repr=False)  # key → the diffID it had
    called: Mapping[str, Digest] = field(default_factory=dict, repr=False)  # key → what its file is called

    def __post_init__(self) -> None:
        """Refuse a config that tells of another number of layers."""
        layers, ids = len(self.stack), len(self.config.diff_ids)
        if layers != ids:
            raise CorruptContent(f"image {self.config.image_id}", f"has {layers} layers and {ids} diffIDs")

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Return the blobs to read, base first, each once."""
        return tuple({layer.key: layer for layer in self.stack}.values())

    def under(self, names: tuple[str, ...]) -> ConfiguredImage:
        """Return the same image under these names."""
        return replace(self, names=names)

    def proven(self, proofs: Mapping[str, Proof]) -> ProvenImage:
        """Return the image with a manifest made of the proofs, one for each layer's key."""
        found = [proofs[layer.key] for layer in self.stack]
        config = Descriptor.of(mediatype.OCI_CONFIG, self.config.raw)
        blobs = [self._descriptor(layer, proof) for layer, proof in zip(self.stack, found, strict=True)]
        manifest = made_manifest(config, blobs)
        documents = {
            config.digest: Document(config, self.config.raw),
            manifest.descriptor.digest: Document(manifest.descriptor, manifest.raw),
        }
        once = tuple({blob.digest: replace(blob, annotations={}) for blob in blobs}.values())
        findings = (*self.findings, *odd_compressions(self.stack, found), *self._renamed(proofs))
        compressions = frozenset(proof.compression for proof in found)
        return ProvenImage(self.names, manifest.descriptor, documents, once, findings, compressions)

    def _renamed(self, proofs: Mapping[str, Proof]) -> Iterator[Finding]:
        """Say of a layer that its file is called by a digest which it has not, packed or unpacked."""
        for key, name in self.called.items():
            digests = proofs[key].digest, proofs[key].diff_id
            if name not in digests and is_told(str(digests[0]).encode()):
                problem = f"is in a file that is called {name.hex}, which is no digest of it"
                yield Finding(f"layer {key}", problem, check="file-name").comparing("name", digests[0], name)

    def _descriptor(self, layer: Layer, proof: Proof) -> Descriptor:
        blob = Descriptor(mediatype.layer_type(proof.compression), proof.digest, proof.size)
        if was := self.anew.get(layer.key):
            blob = blob.annotated({MADE_ANEW: str(was)})
        return blob.annotated(layer.v1.annotations()) if layer.v1 else blob


def odd_compressions(layers: Sequence[Layer], proofs: Sequence[Proof]) -> list[Finding]:
    """Say of layers whose compression has no OCI media type which engines read them (formats E.1)."""
    problem = "is compressed with {}, which Docker up to 28, podman and skopeo read, and nothing else"
    return [
        Finding(layer.subject, problem.format(proof.compression), check="compression")
        for layer, proof in zip(layers, proofs, strict=True)
        if proof.compression not in mediatype.LAYER_SUFFIX
    ]


def odd_types(image: ProvenImage, found: Sequence[tuple[Layer, Proof]]) -> list[Finding]:
    """Say of layers whose media type tells another compression than their bytes (formats G.4.8).

    Plain layers that are called compressed are one note for each image: podman and skopeo write so of what
    they load, and every engine goes by the bytes.
    """
    odd = [(layer, proof) for layer, proof in found if _is_odd(layer, proof)]
    plain = {layer.digest for layer, proof in odd if not proof.compression}
    notes = [
        Finding(subject_of(image, picture), CALLED_COMPRESSED, "note", check="compression")
        for picture in (image.images() if plain else ())
        if not plain.isdisjoint(layer.digest for layer in picture.manifest.layers)
    ]
    return [*notes, *(_odd_type(layer, proof) for layer, proof in odd if proof.compression)]


def _is_odd(layer: Layer, proof: Proof) -> bool:
    return mediatype.compression_of(layer.media_type) not in {None, proof.compression}


def _odd_type(layer: Layer, proof: Proof) -> Finding:
    found, expected = proof.compression, mediatype.compression_of(layer.media_type) or "not compressed"
    problem = f"is {found}, and {expected} by its media type {layer.media_type}"
    odd = Finding(layer.subject, problem, check="compression")
    return odd.comparing("compression", expected, found)
