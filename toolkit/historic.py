"""An image whose source keeps a manifest of schema 1: its config and its manifest are made of the history.

The config is the one that Docker's own pull makes: rule R over the top entry, a line of history for every
entry, a diffID for every layer that was not thrown away (formats B.6, D.12). So the image gets Docker's ID.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from toolkit import mediatype
from toolkit.configured import odd_compressions
from toolkit.errors import CorruptContent
from toolkit.image import Document, Finding, Layer, Proof, ProvenImage, made_manifest
from toolkit.migration import migrated_config
from toolkit.model import Config, Descriptor
from toolkit.outline import Outline, OutlineLayer, legacy_outline
from toolkit.schema1 import Schema1

MADE = "is of schema 1, which no engine writes any more: a config and a manifest are made of its history"


@dataclass(frozen=True, slots=True)
class HistoricImage:
    """A manifest of schema 1 and the sizes of its layers; a SourceImage."""

    names: tuple[str, ...]
    schema1: Schema1 = field(repr=False)
    stack: tuple[Layer, ...] = field(repr=False)  # one for each blob, base first; some may be the same
    noted: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        """Refuse layers that are not those of the manifest."""
        if tuple(layer.digest for layer in self.stack) != self.schema1.blobs:
            raise CorruptContent(f"manifest {self.schema1.digest}", "is given layers that are not its own")

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Say that its digest will be another, and that what nobody signed was changed."""
        altered = self.schema1.altered
        odd = [Finding(f"manifest {self.schema1.digest}", altered)] if altered else []
        return (made_note(self.schema1), *odd, *self.noted)

    def noting(self, finding: Finding) -> HistoricImage:
        """Return the image with one more thing that a person should know."""
        return replace(self, noted=(*self.noted, finding))

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Return the blobs to read, base first, each once."""
        return tuple({layer.key: layer for layer in self.stack}.values())

    def under(self, names: tuple[str, ...]) -> HistoricImage:
        """Return the same image under these names."""
        return replace(self, names=names)

    def proven(self, proofs: Mapping[str, Proof]) -> ProvenImage:
        """Return the image with the config of rule R; raises InvalidDocument where Docker cannot read a json.

        Where every entry has its layer, the manifest tells each one's v1 json: the image was a legacy one,
        and is one again where it is read as one.
        """
        found = [proofs[layer.key] for layer in self.stack]
        chain, empty = self.schema1.chain, self.schema1.empty
        raw = migrated_config(chain, [proof.diff_id for proof in found], empty)
        Config.from_bytes(raw)
        config = Descriptor.of(mediatype.OCI_CONFIG, raw)
        blobs = [
            Descriptor(mediatype.layer_type(proof.compression), proof.digest, proof.size) for proof in found
        ]
        told = blobs
        if not empty:
            told = [blob.annotated(v1.annotations()) for blob, v1 in zip(blobs, chain, strict=True)]
        manifest = made_manifest(config, told)
        documents = {
            config.digest: Document(config, raw),
            manifest.descriptor.digest: Document(manifest.descriptor, manifest.raw),
        }
        return ProvenImage(
            self.names,
            manifest.descriptor,
            documents,
            tuple({blob.digest: blob for blob in blobs}.values()),
            (*self.findings, *odd_compressions(self.stack, found)),
            frozenset(proof.compression for proof in found),
        )


def made_note(schema1: Schema1) -> Finding:
    """Return what a person should know of an image that comes from a manifest of schema 1."""
    return Finding(f"manifest {schema1.digest}", MADE, "note", check="manifest")


def historic_outline(image: HistoricImage) -> Outline:
    """Outline a manifest of schema 1, known by its digest: its image ID shows when its layers are read."""
    told = legacy_outline(image.names, image.schema1.chain, image.findings)
    sizes = {layer.digest: layer.size for layer in image.stack}
    layers = [
        replace(line, size=sizes[entry.blob])
        if entry.blob
        else OutlineLayer("", replace(line.history, empty_layer=True), 0)
        for line, entry in zip(told.layers, image.schema1.entries, strict=True)
    ]
    digest = str(image.schema1.digest)
    return replace(told, id=digest, layers=tuple(layers), manifest=digest)
