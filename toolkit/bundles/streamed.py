"""A bundle that goes into a pipe: laid out in a file without a name, and sent when it is whole.

Whoever reads the other end gets nothing of a bundle that failed: it cannot be taken for a whole one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from toolkit.errors import StoreError
from toolkit.plumbing.files import storing
from toolkit.plumbing.nameless import ELSEWHERE, nameless_file
from toolkit.plumbing.streams import Extent
from toolkit.plumbing.waiting import until_writable
from toolkit.ports import Block


class Streamed:
    """How a bundle is written to an open descriptor; `size` is its bytes, once it was sent."""

    def __init__(self, handle: int, place: str) -> None:
        self.size = 0
        self._handle, self._place = handle, place

    @contextmanager
    def __call__(self, path: Path) -> Iterator[int]:
        """Yield a descriptor to write to, in the folder of `path`; raises BrokenPipeError as it is."""
        with nameless_file(path.parent) as plain:
            try:
                with storing(path):
                    yield plain
            except StoreError as error:
                if error.subject != str(path):
                    raise
                raise replace(error, advice=ELSEWHERE) from error
            content = Extent(plain, 0, os.fstat(plain).st_size, str(path))
            for block in content.blocks():
                self._send(block)
            self.size = content.size

    def _send(self, block: Block) -> None:
        view = memoryview(block)
        while view:
            try:
                view = view[os.write(self._handle, view) :]
            except BlockingIOError:  # whoever gave us the pipe has it so
                until_writable(self._handle)
            except BrokenPipeError:  # the reader has gone: no failure of ours
                raise
            except OSError as error:
                raise StoreError(self._place, os.strerror(error.errno or 0).lower()) from error
