"""What every task shares: settings, progress to the scheduler, receipts under `<home>`."""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import luigi

from toolkit.digest import Digest
from toolkit.errors import ToolkitError, UsageError
from toolkit.event import BlobEvent, Event
from toolkit.image import Layer
from toolkit.operations.keys import VARIABLE, passphrase_from, read_public_keys
from toolkit.places import open_source
from toolkit.ports import Holds, Source
from toolkit.reading import Reading
from toolkit.settings import Settings, load_settings
from toolkit.signature import PublicKey
from toolkit.tally import Tally

STARTED = time.time_ns()  # of this run; children inherit it
HELD: dict[
    str, dict[tuple[str, str], Digest]
] = {}  # likewise: by place, what its moving names were found to mean


LOG = logging.getLogger("luigi-interface")  # where luigi's own lines go


class LadingTask(luigi.Task):
    """A task over one store or bundle."""

    @property
    def settings(self) -> Settings:
        """Return the settings, read anew: they are never part of a task's identity."""
        return load_settings(os.environ)

    def opened(self, place: str) -> Source:
        """Open a place to read from, as the settings say; in one run a name means one image there."""
        source = open_source(place, self.settings, self.reading)
        if isinstance(source, Holds):
            source.hold(HELD.setdefault(place, {}))
        return source

    @property
    def reading(self) -> Reading:
        """Return how places are read, as the settings say."""
        return replace(self.settings.reading, referrers=self.settings.referrers)

    @property
    def keys(self) -> tuple[PublicKey, ...]:
        """Return the public keys of which one must have signed what comes in; none where nobody asks."""
        return read_public_keys(self.settings.require_signature)

    def on_failure(self, exception: BaseException) -> Any:  # noqa: ANN401 - luigi's own type
        """Tell the scheduler one sentence instead of a traceback."""
        if isinstance(exception, ToolkitError):
            return str(exception)
        return super().on_failure(exception)


class Meter:
    """Passes progress on to the scheduler, once a second at most."""

    def __init__(self, task: LadingTask, verb: str) -> None:
        self._task, self._verb = task, verb
        self._tally, self._lock = Tally(), threading.Lock()
        self._told = 0.0

    def __call__(self, event: Event) -> None:
        """Count an event; called from several threads."""
        with self._lock:
            self._tally.take(event)
            is_all = self._tally.done + self._tally.skipped >= self._tally.size
            if isinstance(event, BlobEvent) and (is_all or time.monotonic() - self._told >= 1):
                self._told = time.monotonic()
                self._tell(event.layer)

    def _tell(self, layer: Layer) -> None:
        passed, size = self._tally.done + self._tally.skipped, max(self._tally.size, 1)
        message = f"{self._verb} layer {layer.key[:19]}: {passed / 1e6:.1f} of {size / 1e6:.1f} MB"
        if self._task.set_status_message:  # absent when run() is called outside a worker
            self._task.set_status_message(message)
        if self._task.set_progress_percentage:
            self._task.set_progress_percentage(100 * passed // size)


def passphrase(subject: str) -> bytes:
    """Return what opens a secret key; raises UsageError where the environment has none: nobody sits here."""
    if (found := passphrase_from(os.environ)) is None:
        raise UsageError(subject, "takes a passphrase, which is not there", f"set {VARIABLE}")
    return found


def receipt_path(settings: Settings, kind: str, subject: str) -> Path:
    """Return where the receipt of `kind` about `subject`, a path or URI, is kept."""
    name = Path(subject).name.lstrip(".")[:100]
    return settings.home / "receipts" / f"{kind}-{name}-{Digest.of(subject.encode()).hex[:12]}.json"
