"""`<driver>-images`: images by ID, their names, and their documents, called big data (formats C.2)."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from toolkit.digest import Digest, is_v1_id
from toolkit.document import Node, load
from toolkit.errors import CorruptContent, Mismatch, MissingMember, NotFound, UnsafeArchive, Unsupported
from toolkit.limits import limits
from toolkit.mediatype import MANIFESTS, OCI_MANIFEST
from toolkit.model import Config, Manifest
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.stores.containers_storage.documents import Listed, RecordList

KEYS = ("id", "names", "layer", "big-data-names", "big-data-digests")
MANIFEST = "manifest"  # the key of the manifest that an image was pulled or built as
COPY = "manifest-"  # begins the key, with its digest behind, under which podman has it once more
INSTANCES = "instances.json"  # the key of where podman has the images of a list of manifests
AS_IT_IS = re.compile(r"[a-z0-9.-]+")  # a key that is its file's name; others are written in base64


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """What is recorded of one image."""

    id: str
    layer: str | None  # the top one; empty where it has none, None where its record is lost
    keys: frozenset[str]  # of its documents
    digests: Mapping[str, str]  # key of a document → its digest

    @property
    def subject(self) -> str:
        """Return what sentences call it."""
        return f"image sha256:{self.id}"

    @property
    def is_list(self) -> bool:
        """Tell what `podman manifest create` made from an image."""
        return not self.layer and INSTANCES in self.keys

    @classmethod
    def from_node(cls, node: Node) -> ImageRecord:
        """Read a record; raises InvalidDocument or UnsafeArchive."""
        node.only_as_written(KEYS)
        return cls(
            node.get("id", str),
            node.optional("layer", str) or "",
            frozenset(node.texts("big-data-names")),
            node.text_map("big-data-digests"),
        )


class ImageList:
    """The images of one driver. Read-only; a document counts only where it has the recorded digest."""

    def __init__(self, files: FolderFiles, driver: str) -> None:
        self._files, self._folder = files, f"{driver}-images"
        self._name = f"{self._folder}/images.json"
        self._list = RecordList(files, self._name, KEYS)
        self._named: tuple[Listed | None, list[tuple[str, str]]] = None, []

    def lost(self) -> CorruptContent | None:
        """Return why the list has nothing to read although there are images; None where nothing is wrong."""
        try:
            is_there = self._files.size(self._name) is not None
            if self._list.read().by_id or not next(self._folders(), None):
                return None
        except CorruptContent as error:
            return None if isinstance(error, UnsafeArchive) else error
        problem = "lists no image, though folders of images are there" if is_there else "is not there"
        return MissingMember(self._list.subject, problem)

    def ids(self) -> Iterator[str]:
        """Yield the ID of every image as the list has it, behind `sha256:`; without it, by its folder."""
        found = self._folders() if self.lost() else iter(self._list.read().by_id)
        yield from (f"sha256:{id_}" for id_ in found)

    def has(self, image_id: str) -> bool:
        """Tell whether the list has an image of this ID, behind `sha256:`."""
        if self.lost():
            return image_id in self.ids()
        hex_ = image_id.removeprefix("sha256:")
        return hex_ != image_id and hex_ in self._list.read().by_id

    def names(self) -> list[tuple[str, str]]:
        """Return each name with such an ID; it is the same list until the file is changed."""
        if self.lost():
            return []
        if (listed := self._list.read()) is not self._named[0]:
            self._named = listed, list(_names(listed))
        return self._named[1]

    def record(self, image_id: Digest) -> ImageRecord:
        """Return what is recorded of an image; raises NotFound, or UnsafeArchive where it is there twice."""
        if self.lost():
            return self._recovered(image_id)
        if (node := self._list.read().one(image_id.hex, "image")) is None:
            raise NotFound(f"image {image_id}", f"is not in {self._list.subject}")
        return ImageRecord.from_node(node)

    def _folders(self) -> Iterator[str]:
        return filter(is_v1_id, self._files.names(self._folder))

    def _recovered(self, image_id: Digest) -> ImageRecord:
        """Return what an image's own folder tells of it; raises NotFound."""
        files = self._files.names(f"{self._folder}/{image_id.hex}")
        if not files:
            raise NotFound(f"image {image_id}", f"is not in {self._files.folder / self._folder}")
        keys = frozenset(filter(None, map(_key, files)))
        copies = [key.removeprefix(COPY) for key in keys if key.startswith(COPY)]
        digests = {MANIFEST: copies[0]} if len(copies) == 1 else {}
        return ImageRecord(image_id.hex, None, keys | digests.keys(), digests)

    def config(self, record: ImageRecord) -> Config:
        """Return an image's config, whose digest is its ID.

        The ID of an image that was pulled in parts is another: its config is the one that its manifest
        names. Raises Mismatch where it was changed, Unsupported where there is none.
        """
        manifest = self.manifest(record)
        named = Digest("sha256", record.id)
        if str(named) not in record.keys and manifest:
            named = manifest.config.digest
        if str(named) not in record.keys:
            problem = "has no config, as images pulled by a Docker schema 1 manifest"
            raise Unsupported(record.subject, problem)
        config = Config.from_bytes(self._document(record, str(named), str(named)))
        if manifest and manifest.config.digest != config.image_id:
            subject = f"{record.subject}: its manifest"
            raise Mismatch(subject, "config", "", manifest.config.digest, config.image_id)
        return config

    def manifest(self, record: ImageRecord) -> Manifest | None:
        """Return the manifest that an image was pulled or built as, None where none is recorded.

        Raises Unsupported for a list of manifests, which is no image, and for what is neither.
        """
        if MANIFEST not in record.keys:
            return None
        raw, _ = self._copies(record)
        top = load(raw, f"{record.subject}: its manifest")
        if "manifests" in top.value and "config" not in top.value:
            problem = "is a list of manifests, whose images are stored each by itself"
            raise Unsupported(record.subject, problem, "export those")
        if top.value.get("schemaVersion") == 1:
            return None
        media_type = top.optional("mediaType", str) or OCI_MANIFEST
        if media_type not in MANIFESTS:
            raise Unsupported(record.subject, f"is {media_type[:100]}, expected the manifest of an image")
        return Manifest.from_bytes(raw, media_type)

    def damage(self, record: ImageRecord) -> CorruptContent | None:
        """Return what is wrong with a manifest whose copy serves for it; None where nothing is.

        Raises as the manifest does where neither can be read.
        """
        return self._copies(record)[1] if MANIFEST in record.keys else None

    def _copies(self, record: ImageRecord) -> tuple[bytes, CorruptContent | None]:
        """Return the manifest, where it is damaged that of the copy which is named by its digest, and why."""
        try:
            return self._document(record, MANIFEST), None
        except (MissingMember, Mismatch) as error:
            digest = record.digests.get(MANIFEST, "")
            with suppress(MissingMember, Mismatch):
                if digest and COPY + digest in record.keys:
                    return self._document(record, COPY + digest, digest), error
            raise

    def _document(self, record: ImageRecord, key: str, expected: str = "") -> bytes:
        """Return a document by its key; raises MissingMember, or Mismatch where it was changed."""
        name = f"{self._folder}/{record.id}/{_file_name(key)}"
        if (raw := self._files.read(name, limits().document)) is None:
            raise MissingMember(f"{record.subject}: {self._files.folder / name}", "is not there")
        recorded = record.digests.get(key)
        for digest in (expected, recorded):
            if digest and (actual := Digest.of(raw)) and digest != str(actual):
                raise Mismatch(f"{self._files.folder / name}", "digest", "it was changed", actual, digest)
        return raw


def _names(listed: Listed) -> Iterator[tuple[str, str]]:
    for id_, nodes in listed.by_id.items():
        for names in (node.value.get("names") for node in nodes):
            for name in names if isinstance(names, list) else []:
                if isinstance(name, str):
                    yield name, f"sha256:{id_}"


def _key(name: str) -> str:
    """Return the key of a document by its file's name; empty where that is none."""
    if not name.startswith("="):
        return name
    with suppress(ValueError):
        return base64.b64decode(name[1:], validate=True).decode()
    return ""


def _file_name(key: str) -> str:
    return key if AS_IT_IS.fullmatch(key) else "=" + base64.b64encode(key.encode()).decode("ascii")
