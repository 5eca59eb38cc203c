"""A proxy of the tests' own that cuts connections after so many bytes."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self


class CuttingProxy:
    """Passes bytes on to `target`; each connection ends after `down` bytes of answers or `up` of requests.

    0 is without end; `cuts` bounds how many connections are cut. `brought` counts the bytes of answers,
    `taken` those of requests; the answers' byte number `flip` comes with another bit.
    """

    def __init__(
        self, target: str, *, down: int = 0, up: int = 0, cuts: int = 1 << 30, flip: int = -1
    ) -> None:
        host, _, port = target.partition(":")
        self._target = (host, int(port))
        self._down, self._up, self.cuts, self._flip = down, up, cuts, flip
        self.brought = self.taken = self.made = self.cut = 0
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.host = f"127.0.0.1:{self._server.getsockname()[1]}"
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for one in self._open:
            _end(one)
        for thread in self._threads:
            thread.join()

    def _start(self, work: object, *words: object) -> None:
        thread = threading.Thread(target=work, args=words)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            self.made += 1
            self._open += [client, server]
            self._start(self._pass, client, server, self._up, False)
            self._start(self._pass, server, client, self._down, True)

    def _pass(self, origin: socket.socket, target: socket.socket, limit: int, is_answer: bool) -> None:  # noqa: FBT001
        passed = 0
        with contextlib.suppress(OSError):
            while block := origin.recv(1 << 16):
                is_last = limit and passed + len(block) > limit and self._may_cut()
                part = block[: limit - passed] if is_last else block
                target.sendall(self._counted(part, is_answer=is_answer))
                passed += len(part)
                if is_last:
                    break
        _end(origin)
        _end(target)

    def _counted(self, block: bytes, *, is_answer: bool) -> bytes:
        """Count bytes, and flip a bit where it is time."""
        with self._lock:
            if not is_answer:
                self.taken += len(block)
                return block
            place = self._flip - self.brought
            self.brought += len(block)
        if 0 <= place < len(block):
            return block[:place] + bytes([block[place] ^ 1]) + block[place + 1 :]
        return block

    def _may_cut(self) -> bool:
        with self._lock:
            self.cuts -= 1
            self.cut += self.cuts >= 0
            return self.cuts >= 0


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
