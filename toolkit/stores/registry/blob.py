"""A blob on its way down: what breaks off is asked for from where it stopped.

A blob is known by its digest, so every answer is of the same bytes and no If-Range is needed; that they
are the right ones is proven where they arrive (toolkit.plumbing.streams.transfer).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from toolkit.digest import Digest
from toolkit.errors import CorruptContent, Mismatch, RegistryError
from toolkit.plumbing.http import Flow
from toolkit.ports import Block
from toolkit.stores.registry.client import OK, Client

PARTIAL, BEYOND = 206, 416
CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/(?:[0-9]{1,18}|\*)")
PROGRESS = 64 << 10  # bytes; a connection that brought fewer has failed


class Blob:
    """One blob of a repository, as Content."""

    def __init__(self, client: Client, repository: str, path: str, digest: Digest, size: int) -> None:
        self.size, self.subject = size, f"blob {digest}"
        self.resumed: Callable[[int], object] = lambda done: None  # noqa: ARG005 - nobody listens yet
        self._client, self._repository, self._path = client, repository, path

    def blocks(self) -> Iterator[Block]:
        """Yield the bytes, across as many connections as it takes.

        Raises Mismatch where they are more or fewer than promised, NotFound where there are none, and
        RegistryError where several connections in turn bring nearly nothing.
        """
        done = 0
        series = self._client.transport.patience.series()
        while done < self.size or not done:
            before = done
            try:
                for block in self._from(done):
                    done += len(block)
                    if done > self.size:
                        raise Mismatch(self.subject, "size", "", f"more than {self.size}", self.size)
                    yield block
                if done >= self.size:
                    return
                failure = None
            except RegistryError as error:
                if error.status:
                    raise
                failure = error
            if done - before >= PROGRESS:
                series.went_on()
            if not series.again():
                problem = f"ends after {done} bytes, expected {self.size}"
                raise failure or CorruptContent(self.subject, problem, "the registry cut it short")
            self.resumed(done)

    def _from(self, done: int) -> Iterator[bytes]:
        """Yield what follows the first `done` bytes, of one answer."""
        headers = {"Range": f"bytes={done}-"} if done else {}
        with self._client.flow(self._path, self._repository, headers) as flow:
            skip = self._skipped(flow, done)
            for block in flow.blocks():
                if skip >= len(block):
                    skip -= len(block)
                    continue
                yield block[skip:] if skip else block
                skip = 0

    def _skipped(self, flow: Flow, done: int) -> int:
        """Return how many bytes of an answer have been here before; raises for one of no use."""
        if flow.status == PARTIAL and done:
            told = CONTENT_RANGE.match(flow.headers.get("Content-Range", ""))
            if told is None or int(told[1]) > done:
                raise RegistryError(self.subject, "is sent from another place than asked", status=PARTIAL)
            return done - int(told[1])
        if flow.status == OK:
            length = flow.headers.get("Content-Length", "")
            if length.isascii() and length.isdigit() and int(length[:18]) != self.size:
                raise Mismatch(self.subject, "size", "the registry says so", int(length[:18]), self.size)
            return done
        if flow.status == BEYOND and done:
            raise Mismatch(self.subject, "size", "the registry says so", done, self.size)
        raise self._client.refused(flow)
