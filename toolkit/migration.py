"""A legacy chain becomes a modern image: the config that Docker's own migration makes.

Source: formats B.6, rule R; measured on Docker 20.10.24 (`tests/data/rule_r`). The config's digest
is the image ID, so every byte counts.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from toolkit import gojson, mediatype, v1image
from toolkit.ancestry import AS_DOCKER, V1Layer
from toolkit.digest import Digest
from toolkit.errors import CorruptContent
from toolkit.image import Document, Finding, Layer, Proof, ProvenImage, made_manifest
from toolkit.model import Config, Descriptor

FORGOTTEN = frozenset({"id", "parent", "Size", "parent_id", "layer_id", "throwaway"})
NO_FALLBACK = (1, 8, 3)  # the first docker_version whose json is taken as it stands
INTEGER = re.compile(r"[+-]?[0-9]+")
INT64_DIGITS = 19


def migrated_config(
    chain: Sequence[V1Layer], diff_ids: Sequence[Digest], empty: Container[str] = ()
) -> bytes:
    """Return the config of the chain's top layer, base first, by rule R (formats B.6).

    `empty` are the IDs of those that have no diffID and stand in the history alone (formats D.12).
    Raises InvalidDocument where a json has a value that Docker cannot read.
    """
    structs = [v1image.struct(layer.node) for layer in chain]
    members = _kept(chain[-1], structs[-1])
    listed = {"diff_ids": list(map(str, diff_ids))} if diff_ids else {}  # Go's omitempty
    members["rootfs"] = gojson.encode({"type": "layers", **listed})
    items = [
        _history_item(struct, is_empty=layer.id in empty)
        for layer, struct in zip(chain, structs, strict=True)
    ]
    members["history"] = gojson.encode(items)
    return gojson.join(dict(sorted(members.items())))


def _kept(top: V1Layer, struct: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the members that go into the config: the json's own, or through the struct where it is old.

    A CamelCase json is never taken as it stands: `docker inspect` has filled in what was empty.
    """
    if top.camelcase or _is_old(struct.get("docker_version", "")):
        members = gojson.members_of(struct)
    else:
        raw = gojson.raw_members(top.raw, top.node.subject)
        members = {key: gojson.compact(value) for key, value in raw.items()}
    return {key: value for key, value in members.items() if key not in FORGOTTEN}


def camelcase_findings(chain: Sequence[V1Layer]) -> tuple[Finding, ...]:
    """Say of an image that its v1 jsons are CamelCase, and how they were read; nothing where none is."""
    camel = [layer for layer in chain if layer.camelcase]
    if not camel:
        return ()
    many = f"{len(camel)} of its {len(chain)} v1 jsons are in the CamelCase of Docker 0.12 to 1.0.1"
    if camel[0].camelcase == AS_DOCKER:
        fate = "left out, as Docker loses them"
    else:
        fate = "kept, and Docker loses them: there the image has another ID"
    problems = [f"{many}; ContainerConfig and DockerVersion are {fate}"]
    if mistaken := sorted({key for layer in camel for key in layer.mistaken()}):
        keys = f"{', '.join(mistaken)} of a v1 json is no text"
        problems.append(f"{keys}: these Dockers wrote what looks like JSON as JSON; it is read as text")
    subject = f"image {chain[-1].id[:12]}"
    return tuple(Finding(subject, problem, "note", check="document") for problem in problems)


def _history_item(struct: Mapping[str, Any], *, is_empty: bool) -> dict[str, Any]:
    """Return one layer's line of history, in the order of Docker's struct."""
    item = {
        "created": struct["created"],
        "author": struct.get("author"),
        "created_by": " ".join(struct["container_config"]["Cmd"] or []),
        "comment": struct.get("comment"),
        "empty_layer": is_empty,
    }
    return {key: value for key, value in item.items() if value}


def _is_old(version: str) -> bool:
    """Compare dotted parts as Docker does: what is no integer, or missing, is 0."""
    parts = list(map(_integer, version.split(".")))
    length = max(len(parts), len(NO_FALLBACK))
    padded, wanted = ([*some, *[0] * (length - len(some))] for some in (parts, NO_FALLBACK))
    return padded < wanted


def _integer(text: str) -> int:
    if INTEGER.fullmatch(text) is None:
        return 0
    digits = text.lstrip("+-0")[: INT64_DIGITS + 1]  # beyond an int64 only the sign matters
    return int(digits or 0) * (-1 if text.startswith("-") else 1)


@dataclass(frozen=True, slots=True)
class LegacyImage:
    """A chain of v1 layers that a source offers; a SourceImage."""

    names: tuple[str, ...]
    chain: tuple[V1Layer, ...] = field(repr=False)  # base first
    layers: tuple[Layer, ...] = field(repr=False)  # their tars, in the same order; key is the v1 ID
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a chain whose tars are not one for each layer."""
        subject = f"image {self.chain[-1].id[:12]}" if self.chain else "image"
        if not self.chain or [layer.key for layer in self.layers] != [layer.id for layer in self.chain]:
            raise CorruptContent(subject, f"has {len(self.chain)} v1 layers and {len(self.layers)} tars")

    def under(self, names: tuple[str, ...]) -> LegacyImage:
        """Return the same image under these names."""
        return replace(self, names=names)

    def proven(self, proofs: Mapping[str, Proof]) -> ProvenImage:
        """Return the image with the config of rule R and a manifest that tells each layer's v1 json.

        The lengths of both follow from the proofs' sizes and compressions alone, so a bundle can be
        laid out before any digest is known. Raises as `migrated_config`, or UnsafeArchive where the
        config would be read in two ways.
        """
        found = [proofs[layer.key] for layer in self.layers]
        raw = migrated_config(self.chain, [proof.diff_id for proof in found])
        Config.from_bytes(raw)
        config = Descriptor.of(mediatype.OCI_CONFIG, raw)
        blobs = [
            Descriptor(mediatype.layer_type(proof.compression), proof.digest, proof.size) for proof in found
        ]
        told = [blob.annotated(v1.annotations()) for blob, v1 in zip(blobs, self.chain, strict=True)]
        manifest = made_manifest(config, told)
        documents = {
            config.digest: Document(config, raw),
            manifest.descriptor.digest: Document(manifest.descriptor, manifest.raw),
        }
        once = tuple({blob.digest: blob for blob in blobs}.values())
        compressions = frozenset(proof.compression for proof in found)
        return ProvenImage(self.names, manifest.descriptor, documents, once, self.findings, compressions)
