"""Bars on a terminal: one for all the bytes, and one for each blob that is on its way."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich import progress as rich
from rich.console import Console
from rich.table import Column

from toolkit.cli.listener import Progress
from toolkit.event import BlobAt, BlobEvent, Event
from toolkit.figures import short_id
from toolkit.image import Layer

BAR = 20  # columns; with the figures beside it, a line fits into 80


class Bars(Progress):
    """Lines that are drawn over and over, with bytes, rate and time left, and wiped at the end.

    The first is of all together: where there are more blobs than lines, the last ones are left out.
    """

    def __init__(self, what: str) -> None:
        super().__init__()
        line = Column(no_wrap=True)  # on a narrow screen it is cut off
        self.drawn = rich.Progress(
            rich.TextColumn("{task.description}", markup=False),
            rich.BarColumn(BAR),
            rich.DownloadColumn(table_column=line),
            rich.TransferSpeedColumn(table_column=line),
            rich.TimeRemainingColumn(table_column=line),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._all = self.drawn.add_task(what, total=None)
        self._each: dict[str, rich.TaskID] = {}  # of a blob in flight, by key

    def __enter__(self) -> Self:
        self.drawn.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.drawn.stop()

    def show(self, event: Event) -> None:
        """Move the bars."""
        if isinstance(event, BlobEvent):
            self._show_blob(event, event.layer)
        size = self.tally.size - self.tally.skipped
        self.drawn.update(self._all, completed=self.tally.done, total=size)

    def _show_blob(self, event: BlobEvent, layer: Layer) -> None:
        key = layer.key
        if key not in self.tally.in_flight:
            if key in self._each:
                self.drawn.remove_task(self._each.pop(key))
        elif key not in self._each:
            self._each[key] = self.drawn.add_task(short_id(layer.name), total=layer.size)
        elif isinstance(event, BlobAt):
            self.drawn.update(self._each[key], completed=event.done)
