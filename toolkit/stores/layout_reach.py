"""What an index.json leads to: every blob that an image, an artifact or a list of them needs.

A document leads to whatever it names by digest, in known members and in others: to keep a blob too many
costs room, one too few an image. Only `subject` does not count: what refers to an image does not need it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from toolkit import mediatype
from toolkit.bundles.entries import Entries
from toolkit.bundles.modern import blob_name
from toolkit.digest import Digest
from toolkit.document import load
from toolkit.errors import CorruptContent, Mismatch, MissingMember, ToolkitError
from toolkit.limits import above, limits
from toolkit.model import Index

DOCUMENTS = mediatype.INDEXES | mediatype.MANIFESTS | mediatype.SCHEMA1
NAMED_BY = ("digest", "blobSum")  # the second in a manifest of schema 1
WEAK = "subject"


class Files(Protocol):
    """What is asked of the folder."""

    def read(self, name: str, limit: int) -> bytes | None:
        """Return a small file, None where there is none."""

    def size(self, digest: Digest) -> int | None:
        """Return the bytes of a blob, None where there is none."""


class Pointer(NamedTuple):
    """A blob as a document names it."""

    digest: Digest
    media_type: str  # "" where none is told


class Reach:
    """One walk; `found` is asked of each digest that is led to, perhaps several times."""

    def __init__(self, files: Files, place: str) -> None:
        self._files, self._place = files, place
        self._read: set[Digest] = set()

    def pointers(self, index: bytes) -> Iterator[Pointer]:
        """Yield all that index.json leads to; one digest may come again.

        Raises MissingMember where a manifest or index that index.json names is not there, and CorruptContent
        for any document that is damaged: then nobody knows what it led to. A platform of an index that is
        not there is no damage.
        """
        Entries.of(index)  # refuses what was damaged
        waiting = []
        for top in Index.from_bytes(index).manifests:
            if top.media_type in DOCUMENTS and self._files.size(top.digest) is None:
                problem = f"is not there, and {self._place} names it"
                raise MissingMember(f"blob {top.digest}", problem, "copy its image here again")
            waiting.append(Pointer(top.digest, top.media_type))
        while waiting:
            pointer = waiting.pop()
            yield pointer
            waiting += self._children(pointer)

    def _children(self, pointer: Pointer) -> list[Pointer]:
        """Return what a blob names; nothing of one that is no document, was read before, or is not there."""
        if _is_leaf(pointer.media_type) or pointer.digest in self._read:
            return []
        is_document, limit = pointer.media_type in DOCUMENTS, limits().document
        if (size := self._files.size(pointer.digest)) is None:
            return []
        subject = f"blob {pointer.digest}"
        if size > limit:
            if is_document:
                raise above(subject, f"is {size} bytes", limit)
            return []
        raw = self._files.read(blob_name(pointer.digest), limit)
        if raw is None:
            raise MissingMember(subject, "went away while it was looked at", "run again")
        if is_document or raw.lstrip()[:1] == b"{":
            self._read.add(pointer.digest)
            return _named(raw, pointer, is_document=is_document)
        return []


def _named(raw: bytes, pointer: Pointer, *, is_document: bool) -> list[Pointer]:
    """Return what a document names; raises CorruptContent where it is not what its digest says."""
    subject = f"blob {pointer.digest}"
    actual = Digest.of(raw, pointer.digest.algorithm)
    if actual != pointer.digest and pointer.media_type not in mediatype.SCHEMA1:
        raise Mismatch(subject, "digest", "copy its image here again", actual, pointer.digest)
    try:
        top = load(raw, subject)
    except CorruptContent:
        if is_document:
            raise
        return []  # some text that begins as JSON does
    return list(_pointers(top.value))


def _pointers(top: Any) -> Iterator[Pointer]:  # noqa: ANN401 - JSON is anything
    """Yield each object of a document that has a digest."""
    waiting = [top]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            waiting += [member for key, member in value.items() if key != WEAK]
            media_type = value.get("mediaType")
            for text in filter(None, map(value.get, NAMED_BY)):
                with suppress(ToolkitError):  # of an algorithm that no blob of ours is under
                    yield Pointer(Digest.parse(str(text)), media_type if isinstance(media_type, str) else "")


def _is_leaf(media_type: str) -> bool:
    """Tell a blob that names no other one by what it is called."""
    return mediatype.is_layer(media_type) or media_type in mediatype.CONFIGS
