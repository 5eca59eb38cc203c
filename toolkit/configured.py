"""An image whose source keeps its config and layers and no manifest: one is made of them.

So do `docker save` archives of Docker 1.10 to 24, and those of skopeo, podman and crane (formats D.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from toolkit import mediatype
from toolkit.digest import Digest
from toolkit.errors import CorruptContent
from toolkit.image import MADE_ANEW, Document, Finding, Layer, Proof, ProvenImage, made_manifest
from toolkit.model import Config, Descriptor


@dataclass(frozen=True, slots=True)
class ConfiguredImage:
    """A config with its exact bytes, and the layers that it tells the diffIDs of; a SourceImage."""

    names: tuple[str, ...]
    config: Config = field(repr=False)
    stack: tuple[Layer, ...] = field(repr=False)  # one for each diffID, base first; some may be the same
    findings: tuple[Finding, ...] = ()
    anew: Mapping[str, Digest] = field(default_factory=dict, repr=False)  # key → the diffID it had

    def __post_init__(self) -> None:
        """Refuse a config that tells of another number of layers."""
        layers, ids = len(self.stack), len(self.config.diff_ids)
        if layers != ids:
            raise CorruptContent(f"image {self.config.image_id}", f"has {layers} layers and {ids} diffIDs")

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Return the blobs to read, base first, each once."""
        return tuple({layer.key: layer for layer in self.stack}.values())

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
        findings = (*self.findings, *odd_compressions(self.stack, found))
        compressions = frozenset(proof.compression for proof in found)
        return ProvenImage(self.names, manifest.descriptor, documents, once, findings, compressions)

    def _descriptor(self, layer: Layer, proof: Proof) -> Descriptor:
        blob = Descriptor(mediatype.layer_type(proof.compression), proof.digest, proof.size)
        if was := self.anew.get(layer.key):
            blob = blob.annotated({MADE_ANEW: str(was)})
        return blob.annotated(layer.v1.annotations()) if layer.v1 else blob


def odd_compressions(layers: Sequence[Layer], proofs: Sequence[Proof]) -> list[Finding]:
    """Say of layers whose compression has no OCI media type which engines read them (formats E.1)."""
    problem = "is compressed with {}, which Docker up to 28, podman and skopeo read, and nothing else"
    return [
        Finding(f"layer {layer.key}", problem.format(proof.compression))
        for layer, proof in zip(layers, proofs, strict=True)
        if proof.compression not in mediatype.LAYER_SUFFIX
    ]
