"""A tiny HTTP server in a thread, whose every answer a test decides."""

from __future__ import annotations

import itertools
import re
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request, as it came in; the names of headers are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query)


@dataclass(frozen=True)
class Reply:
    """An answer: `cut` ends the connection after so many bytes of the body; `told` is its Content-Length."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    told: int | None = None
    endless: bool = False  # the body over and over, without a length
    raw: bytes = b""  # instead of all that: these very bytes, and the end of the connection
    pause: float = 0.0  # seconds between any two bytes of `raw`, over and over


DROP = Reply(0)  # the connection is closed without an answer


class Web:
    """A server on this machine; `asked` is what it was asked, `sent` the bytes of bodies that went out."""

    def __init__(
        self, answer: Callable[[Asked], Reply] | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self._answer = answer
        self.deaf: Callable[[str], bool] = lambda _: False  # to the bodies of which "METHOD /path"
        self._over = threading.Event()
        self.asked: list[Asked] = []
        self.sent = 0
        self._lock = threading.Lock()
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                if web.deaf(f"{self.command} {self.path}"):
                    web._over.wait()
                length = int(self.headers.get("Content-Length", 0))
                headers = {name.lower(): text for name, text in self.headers.items()}
                web.serve(self, Asked(self.command, self.path, headers, self.rfile.read(length)))

            def __getattr__(self, name: str) -> Callable[[], None]:
                """Take every method alike."""
                if name.startswith("do_"):
                    return self.handle_one
                raise AttributeError(name)

            def log_message(self, *words: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, *words: object) -> None:
                """Say nothing of clients that have gone."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        self.url = f"{'https' if tls else 'http'}://{self.host}"
        if tls:
            self.server.socket = tls.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()

    def answer(self, asked: Asked) -> Reply:
        assert self._answer is not None
        return self._answer(asked)

    def targets(self, method: str = "") -> list[str]:
        return [asked.target for asked in self.asked if method in {"", asked.method}]

    def serve(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        with self._lock:
            self.asked.append(asked)
        reply = self.answer(asked)
        if reply is DROP or reply.raw:
            handler.close_connection = True
            self._send_raw(handler, reply)
            return
        handler.send_response(reply.status)
        for name, text in reply.headers.items():
            handler.send_header(name, text)
        if reply.endless:
            handler.send_header("Connection", "close")
        elif "Content-Length" not in reply.headers:
            told = len(reply.body) if reply.told is None else reply.told
            handler.send_header("Content-Length", str(told))
        handler.end_headers()
        if asked.method != "HEAD":
            self._send(handler, reply)

    def _send_raw(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        if not reply.pause:
            handler.wfile.write(reply.raw)
            while reply.endless:
                handler.wfile.write(reply.raw)
            return
        for byte in itertools.cycle(reply.raw):
            handler.wfile.write(bytes([byte]))
            if self._over.wait(reply.pause):
                return

    def _send(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        if reply.endless or reply.cut is not None:
            handler.close_connection = True
        while True:
            body = reply.body if reply.cut is None else reply.body[: reply.cut]
            handler.wfile.write(body)
            with self._lock:
                self.sent += len(body)
            if not reply.endless:
                return


def ranged(asked: Asked, content: bytes, **more: Any) -> Reply:
    """Answer with all of some content, or with what was asked of it."""
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", asked.headers.get("range", ""))
    if found is None:
        return Reply(200, content, **more)
    start, end = int(found[1]), int(found[2] or len(content) - 1)
    if start >= len(content):
        return Reply(416)
    told = {"Content-Range": f"bytes {start}-{min(end, len(content) - 1)}/{len(content)}"}
    return Reply(206, content[start : end + 1], told, **more)


def in_turn(*replies: Reply) -> Callable[[Asked], Reply]:
    """Answer with one after the other, then with the last."""
    left: Iterable[Reply] = iter(replies)
    return lambda _: next(left, replies[-1])  # type: ignore[call-overload]
