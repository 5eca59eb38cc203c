"""A blob on its way down: what breaks off is asked for from where it stopped, in a later run too.

A blob is known by its digest, so every answer is of the same bytes and no If-Range is needed; that they
are the right ones is proven where they arrive (toolkit.plumbing.streams.transfer).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from toolkit.digest import Digest
from toolkit.errors import CorruptContent, Mismatch, MissingMember, NotFound, RegistryError
from toolkit.plumbing.http import Flow
from toolkit.plumbing.kept import Kept
from toolkit.ports import Block
from toolkit.stores.registry.client import OK, Client

PARTIAL, BEYOND = 206, 416
CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/(?:[0-9]{1,18}|\*)")
PROGRESS = 64 << 10  # bytes; a connection that brought fewer has failed


class Blob:
    """One blob of a repository, as Content; `kept` has some of its bytes, and takes those that come."""

    def __init__(
        self,
        client: Client,
        repository: str,
        path: str,
        digest: Digest,
        size: int,
        *,
        kept: Kept | None = None,
    ) -> None:
        self.size, self.subject = size, f"blob {digest}"
        self.resumed: Callable[[int], object] = lambda done: None  # noqa: ARG005 - nobody listens yet
        self._client, self._repository, self._path = client, repository, path
        self._kept = kept or Kept()

    def blocks(self) -> Iterator[Block]:
        """Yield the bytes, across as many connections as it takes.

        Raises Mismatch where they are more or fewer than promised, MissingMember where there are none, and
        RegistryError where several connections in turn bring nearly nothing.
        """
        if done := self._kept.began:
            if self._kept.start:
                yield from self._fetched(0, self._kept.start)
            yield from self._kept.blocks()
        if done < self.size or not done:
            yield from self._fetched(done, self.size)

    def _fetched(self, done: int, end: int) -> Iterator[Block]:
        """Yield the bytes from `done` to `end`."""
        series = self._client.transport.patience.series()
        while done < end or not done:
            before = done
            try:
                for block in self._from(done, end):
                    offset, done = done, done + len(block)
                    if done > end:
                        raise Mismatch(self.subject, "size", "", f"more than {end}", end)
                    self._kept.append(block, offset)
                    yield block
                if done >= end:
                    return
                failure = None
            except RegistryError as error:
                if error.status:
                    raise
                failure = error
            if done - before >= PROGRESS:
                series.went_on()
            if not series.again():
                problem = f"ends after {done} bytes, expected {end}"
                raise failure or CorruptContent(self.subject, problem, "the registry cut it short")
            self.resumed(done)

    def _from(self, done: int, end: int) -> Iterator[bytes]:
        """Yield what follows the first `done` bytes, of one answer."""
        last = str(end - 1) if end < self.size else ""
        headers = {"Range": f"bytes={done}-{last}"} if done or last else {}
        with self._client.flow(self._path, self._repository, headers) as flow:
            skip = self._skipped(flow, done, end)
            for block in flow.blocks():
                if skip >= len(block):
                    skip -= len(block)
                    continue
                yield block[skip:] if skip else block
                skip = 0

    def _skipped(self, flow: Flow, done: int, end: int) -> int:
        """Return how many bytes of an answer have been here before; raises for one of no use."""
        is_part = done > 0 or end < self.size
        if flow.status == PARTIAL:
            told = CONTENT_RANGE.match(flow.headers.get("Content-Range", ""))
            if told is None or int(told[1]) > done:
                raise RegistryError(self.subject, "is sent from another place than asked", status=PARTIAL)
            return done - int(told[1])
        if flow.status == OK and end < self.size:
            raise RegistryError(self.subject, "is sent as a whole, not in parts as asked", status=OK)
        if flow.status == OK:
            length = flow.headers.get("Content-Length", "")
            counts = length.isascii() and length.isdigit() and "Transfer-Encoding" not in flow.headers
            if counts and int(length[:18]) != self.size:
                packed = flow.headers.get("Content-Encoding", "identity").lower() != "identity"
                advice = "it was compressed on the way" if packed else "the registry says so"
                raise Mismatch(self.subject, "size", advice, int(length[:18]), self.size)
            return done
        if flow.status == BEYOND and is_part:
            raise Mismatch(self.subject, "size", "the registry says so", done, self.size)
        refusal = self._client.refused(flow)
        if isinstance(refusal, NotFound):
            problem = "is not there, though a manifest names it"
            raise MissingMember(self.subject, problem, str(refusal)) from refusal
        raise refusal
