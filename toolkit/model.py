"""Descriptor, Manifest, Index and Config: parsed once, each with its raw bytes.

A digest is of `raw`; nothing here re-encodes what was read. Documents that two readers could take
for two things (an index with layers, CVE-2021-41190) are refused.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from toolkit import mediatype
from toolkit.digest import Digest
from toolkit.document import Node, load
from toolkit.errors import InvalidDocument, Mismatch, UnsafeArchive, Unsupported
from toolkit.gostruct import CONFIG, DESCRIPTOR, MANIFEST, refuse_respelt, refuse_respelt_within
from toolkit.limits import above, limits
from toolkit.platform import Platform

DESCRIPTOR_KEYS = ("mediaType", "digest", "size", "platform", "annotations")
INDEX_KEYS = ("schemaVersion", "mediaType", "artifactType", "manifests", "subject", "annotations")
CONFIG_KEYS = ("architecture", "os", "variant", "created", "author", "config", "rootfs", "history")


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Media type, digest and size in bytes: the only way to ask for a blob (OCI descriptor.md)."""

    media_type: str
    digest: Digest
    size: int
    platform: Platform | None = field(default=None, hash=False)
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, media_type: str, content: bytes, **facts: Any) -> Self:  # noqa: ANN401 - the fields
        """Describe bytes that are in memory."""
        return cls(media_type, Digest.of(content), len(content), **facts)

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """Read one descriptor; unknown members are kept in `extra`."""
        refuse_respelt(node, DESCRIPTOR)
        if (size := node.get("size", int)) < 0:
            node.fail("size", f"is {size}, expected 0 or more")
        return cls(
            node.get("mediaType", str),
            node.parsed("digest", Digest.parse),
            size,
            Platform.from_node(node.child("platform")) if node.value.get("platform") else None,
            node.text_map("annotations"),
            {key: value for key, value in node.value.items() if key not in DESCRIPTOR_KEYS},
        )

    def to_json(self) -> dict[str, Any]:
        """Return the object, members in the order that Go's struct writes them."""
        body: dict[str, Any] = {
            "mediaType": self.media_type,
            "digest": str(self.digest),
            "size": self.size,
            **self.extra,
        }
        if self.annotations:
            body["annotations"] = dict(sorted(self.annotations.items()))
        if self.platform:
            body["platform"] = self.platform.to_json()
        return body

    def annotated(self, annotations: Mapping[str, str]) -> Self:
        """Return the same descriptor with these annotations beside its own."""
        return replace(self, annotations={**self.annotations, **annotations})

    def check(self, raw: bytes, subject: str = "") -> bytes:
        """Return `raw` if it is what this describes; raises Mismatch."""
        subject = subject or f"blob {self.digest}"
        if len(raw) != self.size:
            raise Mismatch(subject, "size", "", len(raw), self.size)
        if (actual := Digest.of(raw, self.digest.algorithm)) != self.digest:
            raise Mismatch(subject, "digest", "", actual, self.digest)
        return raw

    def check_inline(self) -> None:
        """Refuse a descriptor whose own copy of the content, `data`, is other content (formats G.4)."""
        if (inline := self.extra.get("data")) is None:
            return
        subject = f"data of blob {self.digest}"
        try:
            raw = base64.b64decode(inline, validate=True)
        except (binascii.Error, ValueError, TypeError) as error:
            raise InvalidDocument(subject, f"is not base64 ({error})") from error
        self.check(raw, subject)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One image: a config and its layers, base first (OCI manifest.md; Docker schema2)."""

    raw: bytes = field(repr=False)
    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    subject: Descriptor | None = None
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)

    @classmethod
    def from_bytes(cls, raw: bytes, media_type: str = mediatype.OCI_MANIFEST) -> Self:
        """Parse; raises InvalidDocument, or UnsafeArchive where it could pass for an index."""
        top = load(raw, f"manifest {Digest.of(raw)}")
        _expect_kind(top, media_type, foreign=("manifests", "fsLayers", "history"))
        return cls(
            raw,
            media_type,
            Descriptor.from_node(top.child("config")),
            tuple(map(Descriptor.from_node, top.children("layers"))),
            Descriptor.from_node(top.child("subject")) if top.value.get("subject") else None,
            top.text_map("annotations"),
        )

    @property
    def descriptor(self) -> Descriptor:
        """Describe the manifest itself."""
        return Descriptor.of(self.media_type, self.raw)

    @property
    def is_image(self) -> bool:
        """Tell an image from an artifact that only borrows the manifest's shape."""
        layers = (layer.media_type for layer in self.layers)
        return self.config.media_type in mediatype.CONFIGS and all(map(mediatype.is_layer, layers))


@dataclass(frozen=True, slots=True)
class Index:
    """A list of manifests, usually one a platform (OCI image-index.md; Docker manifest list)."""

    raw: bytes = field(repr=False)
    media_type: str
    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)

    @classmethod
    def from_bytes(cls, raw: bytes, media_type: str = mediatype.OCI_INDEX, *, is_proven: bool = True) -> Self:
        """Parse; raises InvalidDocument, or UnsafeArchive where it could pass for a manifest.

        An index.json is not `is_proven` by a digest: there a known key with one letter changed is refused.
        """
        top = load(raw, f"index {Digest.of(raw)}")
        if not is_proven:
            for node in (top, *top.children("manifests")):
                node.undamaged(INDEX_KEYS if node is top else DESCRIPTOR_KEYS)
        _expect_kind(top, media_type, foreign=("config", "layers", "fsLayers", "history"))
        if "manifests" not in top.value:  # null is how Go writes an empty list
            top.fail("manifests", "is missing, expected a list")
        manifests = tuple(map(Descriptor.from_node, top.children("manifests")))
        return cls(raw, media_type, manifests, top.text_map("annotations"))


@dataclass(frozen=True, slots=True)
class HistoryItem:
    """One line of `docker history`, as the config has it."""

    created: str | None = None
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """Read one history item."""
        return cls(
            node.optional("created", str),
            node.optional("created_by", str) or "",
            node.optional("author", str) or "",
            node.optional("comment", str) or "",
            node.optional("empty_layer", bool) or False,
        )


@dataclass(frozen=True, slots=True)
class Config:
    """The image config; its digest is the image ID (OCI config.md)."""

    raw: bytes = field(repr=False)
    platform: Platform
    diff_ids: tuple[Digest, ...]
    history: tuple[HistoryItem, ...]
    created: str | None
    value: Mapping[str, Any] = field(repr=False, hash=False)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Parse; raises InvalidDocument, Unsupported for diffIDs that no engine reads (formats D.4).

        Raises UnsafeArchive for a history that is too long.
        """
        top = load(raw, f"config {Digest.of(raw)}")
        refuse_respelt(top, CONFIG)
        rootfs = top.child("rootfs")
        ids = rootfs.texts("diff_ids")
        return cls(
            raw,
            Platform.from_node(top),
            tuple(_diff_id(rootfs, number, text) for number, text in enumerate(ids)),
            _history(top),
            top.optional("created", str),
            top.value,
        )

    @property
    def image_id(self) -> Digest:
        """Return the digest of the exact bytes."""
        return Digest.of(self.raw)


def media_type_of(top: Node) -> str:
    """Return what a manifest or index is, by its own word or else its members, as a registry guesses it.

    For places that keep no media type beside a document.
    """
    if (told := top.optional("mediaType", str)) is not None:
        return told
    if top.value.get("schemaVersion") == 1:
        return mediatype.DOCKER_SCHEMA1
    return mediatype.OCI_INDEX if "manifests" in top.value else mediatype.OCI_MANIFEST


def _history(top: Node) -> tuple[HistoryItem, ...]:
    items = tuple(map(HistoryItem.from_node, top.children("history")))
    if len(items) > (limit := limits().history):
        raise above(top.subject, f"has {len(items)} items of history", limit)
    return items


def _diff_id(rootfs: Node, number: int, text: str) -> Digest:
    one = Node({"diff_id": text}, rootfs.subject, f"{rootfs.path}diff_ids[{number}].")
    digest = one.parsed("diff_id", Digest.parse)
    if digest.algorithm != "sha256":
        raise Unsupported(
            rootfs.subject, f"has a diffID of {digest.algorithm}, expected sha256 as engines do"
        )
    return digest


def _expect_kind(top: Node, media_type: str, foreign: tuple[str, ...]) -> None:
    top.only_as_written(MANIFEST)
    refuse_respelt_within(top, {"subject": DESCRIPTOR})  # the others are descriptors that are read here
    if confused := [key for key in foreign if key in top.value]:
        raise UnsafeArchive(top.subject, f"has {confused[0]!r}, so that two readers would see two images")
    if (version := top.get("schemaVersion", int)) != 2:  # noqa: PLR2004 - the only one both share
        top.fail("schemaVersion", f"is {version}, expected 2")
    if (own := top.optional("mediaType", str)) not in {None, media_type}:
        top.fail("mediaType", f"is {own}, expected {media_type}")
