"""An HTTP proxy of the tests' own, which knows hosts that nobody else does, and servers that speak TLS."""

from __future__ import annotations

import contextlib
import select
import socket
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlsplit

from tests.webs import Asked, Web

AnyWeb = TypeVar("AnyWeb", bound=Web)
HEAD = 64 << 10  # bytes of a request's head


class ProxyServer:
    """A proxy to `hosts`: HOST:PORT as it is asked for, and where that is.

    With a `login`, what Proxy-Authorization has to be, it answers 407 without; `status` is what it answers
    to everybody. `asked` is what came, `heads` the very bytes.
    """

    def __init__(
        self,
        hosts: Mapping[str, str],
        *,
        login: str = "",
        status: int = 0,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.hosts, self.login, self.status = hosts, login, status
        self.asked: list[Asked] = []
        self.heads = b""
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    proxy.serve(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

            def handle_error(self, *words: object) -> None:
                """Say nothing of clients that have gone."""

        self._server = Server(("127.0.0.1", 0), Handler)
        if context:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"{'https' if context else 'http'}://{self.host}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def targets(self) -> list[str]:
        return [f"{asked.method} {asked.target}" for asked in self.asked]

    def serve(self, client: socket.socket) -> None:
        head, rest = _head(client)
        self.heads += head
        asked = _parsed(head)
        self.asked.append(asked)
        status = self._refusal(asked)
        if status:
            client.sendall(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
            return
        name = asked.target if asked.method == "CONNECT" else urlsplit(asked.target).netloc
        host, _, port = self.hosts[name].partition(":")
        with socket.create_connection((host, int(port))) as server:
            if asked.method == "CONNECT":
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                server.sendall(_forwarded(head))
            server.sendall(rest)
            _joined(client, server)

    def _refusal(self, asked: Asked) -> int:
        if self.status:
            return self.status
        if self.login and asked.headers.get("proxy-authorization") != self.login:
            return 407
        name = asked.target if asked.method == "CONNECT" else urlsplit(asked.target).netloc
        return 0 if name in self.hosts else 502


def _head(client: socket.socket) -> tuple[bytes, bytes]:
    came = b""
    while b"\r\n\r\n" not in came and len(came) < HEAD and (block := client.recv(HEAD)):
        came += block
    head, _, rest = came.partition(b"\r\n\r\n")
    return head, rest


def _parsed(head: bytes) -> Asked:
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): text.strip() for name, _, text in (line.partition(":") for line in lines)}
    return Asked(method, target, headers)


def _forwarded(head: bytes) -> bytes:
    """The head of a request as it goes on: what was for the proxy stays here (RFC 9110 7.6.1)."""
    first, *lines = head.split(b"\r\n")
    method, url, version = first.split(b" ")
    target = b"/" + url.split(b"/", 3)[3]
    kept = [line for line in lines if not line.lower().startswith((b"proxy-", b"connection:"))]
    return b"\r\n".join([b" ".join((method, target, version)), *kept, b"Connection: close", b"", b""])


def _joined(one: socket.socket, other: socket.socket) -> None:
    """Pass bytes both ways until either side ends."""
    ways = {one: other, other: one}
    while True:
        pending = [side for side in ways if isinstance(side, ssl.SSLSocket) and side.pending()]
        for side in pending or select.select(list(ways), [], [], 20)[0] or [None]:
            if side is None or not (block := side.recv(1 << 16)):
                return
            ways[side].sendall(block)


def secured(web: AnyWeb, context: ssl.SSLContext) -> AnyWeb:
    """Have a server speak TLS; before it is begun."""
    web.server.socket = context.wrap_socket(web.server.socket, server_side=True)
    return web


def certified(folder: Path, name: str) -> ssl.SSLContext:
    """Return what a server needs to be `name` for whoever believes `folder`/ca.crt."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    made = ["-days", "2", "-subj", "/CN=tests", "-keyout", "key.pem", "-out", "ca.crt"]
    subprocess.run(
        [*words, *made, "-addext", f"subjectAltName={name}"], check=True, capture_output=True, cwd=folder
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.crt", folder / "key.pem")
    return context
