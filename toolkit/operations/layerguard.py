"""What tricks engines in a layer, told where every finding is wanted, and not the first failure."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.checks import as_finding
from toolkit.errors import UnsafeArchive
from toolkit.image import Finding
from toolkit.plumbing.watch import Watch
from toolkit.ports import Block

STOPPED = "what comes after it in the layer was not looked at"


class Guard:
    """A watch over one layer that stops nobody: what is unsafe is told, and the layer is read on."""

    def __init__(self, subject: str) -> None:
        self._watch, self._subject, self._unsafe = Watch(subject), subject, list[Finding]()

    def watched(self, tar: Iterator[Block]) -> Iterator[Block]:
        """Yield the blocks of a tar as they are."""
        for block in tar:
            if not self._unsafe:
                try:
                    self._watch(block)
                except UnsafeArchive as error:
                    self._unsafe.append(as_finding(error, advice=STOPPED))
            yield block

    def findings(self) -> list[Finding]:
        """Return what was seen."""
        notes = (Finding(self._subject, note, check="structure") for note in self._watch.notes)
        return [*self._unsafe, *notes]
