"""Reading a set in place: ranges of its stream, across volumes, healed on the way where they have to be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType

from toolkit.errors import MissingMember
from toolkit.image import Finding
from toolkit.mirror.media.healing import Healer
from toolkit.mirror.media.setmap import SetMap, Span
from toolkit.mirror.media.volumefile import VolumeFile
from toolkit.plumbing.streams import Extent, Stream
from toolkit.ports import Block, Content

NONE: Mapping[str, bytes] = MappingProxyType({})


class SetReader:
    """An open set; from any thread. A file is open while it is read, and no longer.

    What is read may have been changed since it was proven: blobs are proven by whoever reads them, and
    `documents` are the bytes that were.
    """

    def __init__(
        self,
        map_: SetMap,
        files: Mapping[int, VolumeFile],
        healer: Healer | None = None,
        documents: Mapping[str, bytes] = NONE,
    ) -> None:
        self.map, self.documents = map_, documents
        self._files, self._healer = files, healer

    @property
    def healed(self) -> list[Finding]:
        """Return what was healed so far, one finding for each volume."""
        return self._healer.healed() if self._healer else []

    @contextmanager
    def open(self, offset: int, size: int) -> Iterator[Content]:
        """Open a range of the stream: an Extent where it lies in one file.

        Raises MissingMember where its volume is not there; its blocks raise CorruptContent where that is
        damaged beyond healing.
        """
        spans = self.map.spans(offset, size)
        if len(spans) == 1 and (file := self._files.get(spans[0].number)):
            with file.slice() as part:
                yield Extent(part.handle, part.offset + spans[0].start, size, file.path)
        else:
            yield Stream(size, self._blocks(spans), self.map.subject)

    def _blocks(self, spans: Sequence[Span]) -> Iterator[Block]:
        for span in spans:
            if file := self._files.get(span.number):
                with file.slice() as part:
                    yield from Extent(part.handle, part.offset + span.start, span.size, file.path).blocks()
            elif self._healer:
                yield from self._healer.blocks(span.number, span.start, span.size)
            else:
                raise MissingMember(self.map.subject, f"lacks volume {span.number} of {self.map.of}")
