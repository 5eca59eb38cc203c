"""Reading a set in place: ranges of its stream, across volumes, healed on the way where it has parity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property

from toolkit.errors import MissingMember
from toolkit.image import Finding
from toolkit.mirror.healing import Healer
from toolkit.mirror.setmap import Span, named
from toolkit.mirror.volumefile import VolumeFile
from toolkit.mirror.volumeset import VolumeSet
from toolkit.plumbing.streams import Extent, Stream
from toolkit.ports import Block, Content


class SetReader:
    """An open set; from any thread. A file is open while it is read, and no longer."""

    def __init__(self, volumes: VolumeSet) -> None:
        self.volumes, self.map = volumes, volumes.map
        self._proven: dict[int, VolumeFile] = {}

    @cached_property
    def healer(self) -> Healer | None:
        """Return what heals; None without a parity volume."""
        parity = self.volumes.parity
        return Healer(self.map, parity, self.volumes.copies) if parity else None

    @property
    def healed(self) -> list[Finding]:
        """Return what was healed so far, one finding for each volume."""
        return self.healer.healed() if self.healer else []

    def trust(self, number: int, file: VolumeFile) -> None:
        """Read a volume from this file from now on, piece by piece no more: its sha256 was right."""
        self._proven[number] = file

    @contextmanager
    def open(self, offset: int, size: int) -> Iterator[Content]:
        """Open a range of the stream: an Extent where it lies in one file that needs no healing.

        Raises MissingMember where its volume is not there; its blocks raise CorruptContent where that is
        damaged beyond healing.
        """
        spans = self.map.spans(offset, size)
        files = [self._file(span) for span in spans]
        if len(spans) == 1 and (file := files[0]):
            with file.slice() as part:
                yield Extent(part.handle, part.offset + spans[0].start, size, file.path)
        else:
            yield Stream(size, self._blocks(spans, files), self.volumes.subject)

    def _blocks(self, spans: Sequence[Span], files: Sequence[VolumeFile | None]) -> Iterator[Block]:
        for span, file in zip(spans, files, strict=True):
            if file:
                with file.slice() as part:
                    yield from Extent(part.handle, part.offset + span.start, span.size, file.path).blocks()
            elif self.healer:
                yield from self.healer.blocks(span.number, span.start, span.size)

    def _file(self, span: Span) -> VolumeFile | None:
        """Return the file to read a volume from as it is; None where each piece has to be looked at."""
        if file := self._proven.get(span.number):
            return file
        if self.healer:
            return None
        if files := self.volumes.copies.get(span.number):
            return files[0]
        touched = named(self.map.touched(span.number, span.start, span.start + span.size))
        problem = f"lacks volume {span.number} of {self.map.of}, with {touched}"
        raise MissingMember(self.volumes.subject, problem, "bring the medium that has it")
