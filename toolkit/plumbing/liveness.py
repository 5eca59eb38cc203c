"""Liveness: every wait for the other end of a connection has a bound.

A timeout of a socket bounds a single wait. Whoever sends a byte before each is over, or heads of answers
without end, would hold us for ever; and the timeout of a `sendall` is that of all it sends, so that a slow
line could take no large body. Where an answer is short, all waits for it together have a bound, too.
"""

from __future__ import annotations

import io
import math
import time
from http.client import HTTPConnection, HTTPException, HTTPResponse, parse_headers
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from urllib3 import HTTPConnectionPool

LEAST = 64 << 10  # bytes that have to come, and be taken, in the time that one wait may last
SWITCHING, OK = 101, 200
HEAD = 1 << 20  # bytes before a body begins, or after one


def bound_waits(pool: HTTPConnectionPool, seconds: float, together: float = math.inf) -> None:
    """Have the connections of a pool wait `seconds` at most for LEAST bytes, and `together` for an answer."""
    response = type("BoundResponse", (BoundResponse,), {"seconds": seconds, "together": together})
    kept = {"seconds": seconds, "response_class": response}
    pool.ConnectionCls = type("BoundConnection", (BoundConnection, pool.ConnectionCls), kept)


class BoundConnection(HTTPConnection):
    """A connection that sends in small pieces, each in its own time."""

    seconds: float

    def send(self, data: Any) -> None:  # noqa: ANN401 - http.client's
        """Send a body, or a part of it; raises TimeoutError."""
        if self.sock is None or not isinstance(data, bytes | bytearray | memoryview):
            super().send(data)
            return
        self.sock.settimeout(self.seconds)
        view = memoryview(data)
        for start in range(0, len(view), LEAST):
            super().send(view[start : start + LEAST])


class BoundResponse(HTTPResponse):
    """An answer whose head is short, and whose body comes in time."""

    seconds: float
    together: float

    def __init__(self, *words: Any, **more: Any) -> None:  # noqa: ANN401 - http.client's
        super().__init__(*words, **more)
        self._reader = BoundReader(self.fp.detach(), self.seconds, self.together)
        self.fp = io.BufferedReader(self._reader)

    def begin(self) -> None:
        """Read the head; http.client passes over any number of 100 Continue."""
        super().begin()
        self._reader.in_head = False

    def _read_status(self) -> tuple[str, int, str]:
        """Pass over answers to come, as 103 Early Hints (RFC 9110 15.2); http.client knows 100 alone."""
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not SWITCHING < status < OK:
                return version, status, reason
            parse_headers(self.fp)

    def _read_next_chunk_size(self) -> int:
        """Return the size of a chunk; http.client takes a negative one for all that may come."""
        size: int = super()._read_next_chunk_size()  # type: ignore[misc]
        if size < 0:
            raise HTTPException("a chunk of less than nothing")
        return size

    def _read_and_discard_trailer(self) -> None:
        self._reader.begin()
        super()._read_and_discard_trailer()  # type: ignore[misc]


class BoundReader(io.RawIOBase):
    """Bytes of a connection; what it waits for is counted, not what is done between."""

    def __init__(self, raw: io.RawIOBase, seconds: float, together: float = math.inf) -> None:
        self._raw, self._seconds, self._left = raw, seconds, together
        self._got, self._waited = 0, -1.0  # until the first byte, it is the socket that counts
        self.in_head = True

    def begin(self) -> None:
        """Expect a head."""
        self._got, self._waited, self.in_head = 0, 0.0, True

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: Any, /) -> int | None:  # noqa: ANN401 - io's
        """Read what there is; raises TimeoutError, HTTPException for a head without end."""
        began = time.monotonic()
        count = self._raw.readinto(buffer)
        waited = time.monotonic() - began
        self._left -= waited
        self._waited = 0.0 if self._waited < 0 else self._waited + waited
        self._got += count or 0
        if self.in_head and self._got > HEAD:
            raise HTTPException("a head without end")
        if self._left < 0:
            raise TimeoutError("an answer without end")
        if self._got >= LEAST and not self.in_head:
            self._got, self._waited = 0, 0.0
        elif self._waited > self._seconds:
            raise TimeoutError("too few bytes in too long a time")
        return count

    def close(self) -> None:
        """Let go of the connection."""
        if not self.closed:
            self._raw.close()
        super().close()
