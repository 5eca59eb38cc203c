"""`dir`: skopeo's folder of one image, or a tar of such a folder, read (formats D.3.7).

    version                 Directory Transport Version: 1.1
    manifest.json           a manifest or index, its exact bytes
    <hex>.manifest.json     the manifests that an index lists
    <hex>                   configs and layers, without the name of the algorithm
    signature-<n> …         simple signatures

It is shown as a layout with one entry, which has no name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol, Self

from toolkit import gojson, mediatype
from toolkit.bundles.archive_reader import Archive
from toolkit.bundles.docker_part import MANIFEST
from toolkit.bundles.engines import TAR
from toolkit.bundles.layout_members import OCI_LAYOUT
from toolkit.bundles.modern import ModernImage
from toolkit.bundles.ocilayout import INDEX, LAYOUT, OciImages
from toolkit.digest import Digest
from toolkit.document import load
from toolkit.errors import MissingMember, UnsafeArchive, Unsupported
from toolkit.image import Finding
from toolkit.limits import limits
from toolkit.model import Descriptor, media_type_of
from toolkit.platform import Platform
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.ports import Content
from toolkit.voucher import Voucher

VERSION, BEGINS = "version", b"Directory Transport Version: "


class Files(Protocol):
    """Where the files lie: a folder, or an archive."""

    def read(self, name: str, limit: int) -> bytes | None:
        """Return a small file; None where there is none."""

    def size(self, name: str) -> int | None:
        """Return a file's size in bytes; None where there is none."""

    def open(self, name: str, size: int) -> AbstractContextManager[Content]:
        """Open a file of this size."""


class DirBlobs:
    """The files of a `dir`, seen as the blobs of a layout."""

    def __init__(self, files: Files, place: str) -> None:
        self._files, self._place = files, place
        raw = files.read(MANIFEST, limits().document)
        if raw is None:
            raise MissingMember(place, f"has no {MANIFEST}")
        self._raw, self._top = raw, Descriptor.of(_media_type(raw, place), raw)
        index = {"schemaVersion": 2, "manifests": [self._top.to_json()]}
        self._made = {LAYOUT: OCI_LAYOUT, INDEX: gojson.encode(index)}

    def read(self, name: str, limit: int) -> bytes | None:
        """Return a document, one that we made or one of the folder."""
        if name in self._made:
            return self._made[name]
        digest = Digest.parse(name.removeprefix("blobs/").replace("/", ":"))
        return self._raw if digest == self._top.digest else self._files.read(self._name(digest), limit)

    def size(self, digest: Digest) -> int | None:
        """Return the size of a document or blob."""
        return len(self._raw) if digest == self._top.digest else self._files.size(self._name(digest))

    def open(self, digest: Digest, size: int) -> AbstractContextManager[Content]:
        """Open a blob."""
        name = MANIFEST if digest == self._top.digest else self._name(digest)
        return self._files.open(name, size)

    def _name(self, digest: Digest) -> str:
        instance = f"{digest.hex}.{MANIFEST}"
        return instance if self._files.size(instance) is not None else digest.hex


class DirBundle(OciImages):
    """The one image of a `dir`; a Source."""

    format = "dir"
    outer = ""  # TAR for a tar of a folder, which no engine reads

    def __init__(self, files: Files, place: str, close: Callable[[], None] = lambda: None) -> None:
        super().__init__(DirBlobs(files, place), place)
        self._signed = files.size("signature-1") is not None
        self.close = close
        self.vouchers: tuple[Voucher, ...] = ()
        self.file_stamp: Callable[[], object] = lambda: None  # a folder is no file

    @classmethod
    def of_archive(cls, archive: Archive, prefer: str = "") -> Self:
        """Read a tar of such a folder."""
        del prefer  # it has one part
        found = cls(_Members(archive), archive.place, archive.close)
        found.outer, found.file_stamp = TAR, archive.file_stamp
        return found

    def image(self, name: str, platform: Platform | None = None) -> ModernImage:
        """Return the image."""
        image = super().image(name, platform)
        if not self._signed:
            return image
        problem = "has simple signatures, which stay behind"
        note = Finding(self.place, problem, "note", check="referrer")
        return replace(image, findings=(*image.findings, note))


class _Members:
    """The members of an archive, as Files."""

    def __init__(self, archive: Archive) -> None:
        self._archive, self.read = archive, archive.read

    def size(self, name: str) -> int | None:
        """Return a member's size."""
        return self._archive.index.member(name).size if name in self._archive else None

    @contextmanager
    def open(self, name: str, size: int) -> Iterator[Content]:
        """Open a member."""
        del size  # it was asked for, and cannot have changed
        yield self._archive.extent(name)


def is_dir(version: bytes | None) -> bool:
    """Tell whether a `version` file is that of a `dir`."""
    return version is not None and version.startswith(BEGINS)


def is_dir_folder(folder: Path) -> bool:
    """Tell whether a folder is a `dir`; one with another `version` in it, of any kind, is none."""
    try:
        return is_dir(FolderFiles(folder).read(VERSION, limits().text))
    except UnsafeArchive:
        return False


def _media_type(raw: bytes, place: str) -> str:
    """Return what a manifest is, by its own word or its members; raises Unsupported for schema 1."""
    top = load(raw, f"{MANIFEST} of {place}")
    told = media_type_of(top)
    if told in mediatype.SCHEMA1 or top.value.get("schemaVersion") == 1:
        raise Unsupported(place, "holds a Docker manifest of schema 1", "copy it with --format oci first")
    if told not in mediatype.INDEXES | mediatype.MANIFESTS:
        raise Unsupported(place, f"holds a {told[:100]}, which is neither manifest nor index")
    return told
