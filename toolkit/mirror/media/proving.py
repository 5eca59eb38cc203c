"""Proving one volume: all of it is hashed, and what is kept of it is kept of the very bytes that were.

What a medium shows at a second look is another matter: so nothing is read again that is to be believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from toolkit.digest import Digest, new_hash
from toolkit.errors import CorruptContent, Mismatch
from toolkit.limits import limits
from toolkit.mirror.media.healing import Healer
from toolkit.mirror.media.volume import VolumeHeader, pieces_in
from toolkit.mirror.media.volumefile import VolumeFile, parsed_prefix
from toolkit.mirror.records import papers
from toolkit.mirror.records.increment import FILES
from toolkit.ports import Block

Range = tuple[int, int]  # from and to, in bytes


@dataclass(frozen=True, slots=True)
class ProvenVolume:
    """A volume that has the sha256 that the list says, as its file has it or as parity makes it."""

    header: VolumeHeader = field(repr=False)
    file: VolumeFile | None  # none where it is healed
    parts: Mapping[Range, bytes] = field(repr=False)  # of documents, by where they lie in the stream


def proven_file(file: VolumeFile, sha256: str, wanted: Iterable[Range] = ()) -> ProvenVolume:
    """Read a file once; `wanted` are ranges of the stream, besides the documents that it says it has.

    Raises Mismatch where it has another sha256 or size, CorruptContent where its header was another one
    before, and whatever keeps it from being read.
    """
    kept = _Kept(file.header, file.start, wanted)
    with file.whole() as content:
        for block in content.blocks():
            kept.take(block)
    kept.must_be(file.path, sha256)
    if Digest.of(prefix := kept.prefix()) != file.prefix:
        raise CorruptContent(file.path, "was changed since it was found", "receive it again")
    return ProvenVolume(parsed_prefix(prefix, file.path), file, kept.parts())


def proven_healed(
    healer: Healer, header: VolumeHeader, sha256: str, wanted: Iterable[Range] = ()
) -> ProvenVolume:
    """Make a volume by parity, as `header` says that it was; the sha256 of all of it confirms the header.

    Raises CorruptContent where it cannot be healed, told of its first such piece and their number.
    """
    kept, failures = _Kept(header, len(header.prefix), wanted), list[CorruptContent]()
    kept.take(header.prefix)
    for index in range(pieces_in(header.size)):
        try:
            kept.take(healer.piece(header.number, index))
        except CorruptContent as error:
            failures.append(error)
    kept.take(header.suffix())
    if failures:
        more = f" (and {len(failures) - 1} more places)" if len(failures) > 1 else ""
        raise CorruptContent(failures[0].subject, failures[0].problem + more, failures[0].advice)
    kept.must_be(f"{header.file_name}, healed", sha256, "bring another copy")
    return ProvenVolume(header, None, kept.parts())


class _Kept:
    """The hash of a volume, and some ranges of it, taken while its bytes pass."""

    def __init__(self, header: VolumeHeader, start: int, wanted: Iterable[Range]) -> None:
        self._prefix, self._shift = (0, start), start - header.offset
        ranges = [*_documents(header), *wanted]
        inside = ((max(begin, header.offset), min(end, header.end)) for begin, end in ranges)
        self._ranges = [(begin, end) for begin, end in inside if begin < end]
        self._bytes = {place: bytearray() for place in (self._prefix, *map(self._in_file, self._ranges))}
        self._hash, self._at = new_hash(), 0

    def take(self, block: Block) -> None:
        """Take the next bytes of the volume."""
        self._hash.update(block)
        view, begin, end = memoryview(block), self._at, self._at + len(block)
        for (first, last), kept in self._bytes.items():
            if first < end and begin < last:
                kept.extend(view[max(first - begin, 0) : last - begin])
        self._at = end

    def must_be(self, subject: str, sha256: str, advice: str = "") -> None:
        """Raise Mismatch where the bytes have another sha256."""
        if (actual := self._hash.hexdigest()) != sha256:
            raise Mismatch(subject, "sha256", advice, actual, sha256)

    def prefix(self) -> bytes:
        """Return what stood before the slice."""
        return bytes(self._bytes[self._prefix])

    def parts(self) -> Mapping[Range, bytes]:
        """Return what lies at each range of the stream."""
        return {place: bytes(self._bytes[self._in_file(place)]) for place in self._ranges}

    def _in_file(self, place: Range) -> Range:
        return place[0] + self._shift, place[1] + self._shift


def is_kept(name: str, size: int) -> bool:
    """Tell whether a document is kept: whoever reads one that is not, says that it is too large."""
    return name in FILES and size <= max(papers.LIMIT, limits().document)


def _documents(header: VolumeHeader) -> Iterator[Range]:
    files = header.files.items()
    return ((offset, offset + size) for name, (offset, size) in files if is_kept(name, size))
