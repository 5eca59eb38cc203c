"""How far a copy or verification has got: bars on a terminal, plain lines elsewhere, or nothing."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from toolkit.cli.figures import short_id, size_text
from toolkit.cli.output import Output
from toolkit.image import Layer, SourceImage
from toolkit.operations.through import Through
from toolkit.platform import Platform
from toolkit.ports import Source

LEAST, MOST = 1.0, 10.0  # seconds between two plain lines, if there is something to tell


class Progress:
    """Counts the bytes of layers that have passed, from several threads; this one shows nothing."""

    def __init__(self) -> None:
        self.done = self.total = 0  # bytes
        self._left: dict[str, int] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def expect(self, layers: Iterable[Layer]) -> None:
        """Count these layers, each once, to what there is to do."""
        with self._lock:
            for layer in layers:
                if layer.key not in self._left:
                    self._left[layer.key] = layer.size
                    self.total += layer.size

    def __call__(self, layer: Layer, count: int) -> None:
        """Take note of `count` more bytes of a layer."""
        self.expect([layer])
        with self._lock:
            self.done += count
            self._left[layer.key] -= count
            self.show(layer, is_finished=not self._left[layer.key])

    @property
    def layers(self) -> tuple[int, int]:
        """Return how many layers have passed, and how many there are."""
        return sum(not left for left in self._left.values()), len(self._left)

    def show(self, layer: Layer, *, is_finished: bool) -> None:
        """Show it; called under the lock."""


class Lines(Progress):
    """A line when a layer is finished, at most one a second; one in ten while a large layer passes."""

    def __init__(self) -> None:
        super().__init__()
        self._last = time.monotonic() - LEAST
        self._told = 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and 0 < self._told < self.done:
            self._tell("all done")

    def show(self, layer: Layer, *, is_finished: bool) -> None:
        """Print a line if it is time."""
        now = time.monotonic()
        if now - self._last < (LEAST if is_finished else MOST):
            return
        self._last = now
        self._tell(f"layer {short_id(layer.key)} {'done' if is_finished else 'on its way'}")

    def _tell(self, what: str) -> None:
        self._told = self.done
        passed, every = self.layers
        amount = f"{size_text(self.done)} of {size_text(self.total)}"
        print(f"{what}: {passed} of {every} layers, {amount}", file=sys.stderr, flush=True)


class Bars(Progress):
    """One bar for all the bytes, with rate and time left."""

    def __init__(self, what: str) -> None:
        from rich import progress as bars
        from rich.console import Console

        super().__init__()
        self._bars = bars.Progress(
            bars.TextColumn("{task.description}", markup=False),
            bars.BarColumn(),
            bars.DownloadColumn(),
            bars.TransferSpeedColumn(),
            bars.TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bars.add_task(what, total=None)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def show(self, layer: Layer, *, is_finished: bool) -> None:  # noqa: ARG002 - the shape of all three
        """Move the bar."""
        self._bars.update(self._task, completed=self.done, total=self.total)


class Announced(Through):
    """A source that tells the progress about layers before they are read, so that it knows the total."""

    def __init__(self, source: Source, progress: Progress) -> None:
        super().__init__(source)
        self._progress = progress

    def image(self, name: str, platform: Platform | None = None) -> SourceImage:
        """Return the source's image, its layers announced."""
        image = self.source.image(name, platform)
        self._progress.expect(image.layers)
        return image


def progress_for(output: Output, what: str) -> Progress:
    """Return the kind that suits the place we print to."""
    if output.json or output.quiet:
        return Progress()
    if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        return Bars(what)
    return Lines()
