"""An engine that answers some paths with whatever bytes a test wants, and the rest as an engine does."""

from __future__ import annotations

import json
import os
import shutil
import socketserver
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BufferedIOBase
from pathlib import Path
from typing import Any

Talk = Callable[[Callable[[bytes], object]], object]  # writes an answer, perhaps without end
ID = "sha256:" + "1" * 64
IMAGE = {"Id": ID, "RepoTags": ["app:1"], "RepoDigests": [], "Created": 1, "Size": 5}
INSPECTED = {
    **IMAGE,
    "Created": "2020-01-01T00:00:00Z",
    "Os": "linux",
    "RootFS": {"Layers": []},
    "Config": {},
}
USUAL: Mapping[str, Any] = {
    "/version": {"Version": "27.0.0", "Components": []},
    "/info": {"DriverStatus": []},
    "/images/json": [IMAGE],
    f"/images/{ID}/json": INSPECTED,
    "/images/app:1/json": INSPECTED,
    f"/images/{ID}/history": [],
}


@dataclass
class Hostile:
    """What it says by path; and the heads of the requests that came."""

    host: str = ""
    answers: dict[str, Talk] = field(default_factory=dict)
    heads: list[str] = field(default_factory=list)

    def says(self, path: str, document: Any) -> None:
        self.answers[path] = plain(json.dumps(document).encode())

    def paths(self) -> list[str]:
        return [head.split(" ")[1] for head in self.heads]


def plain(body: bytes, status: str = "200 OK", *more: str) -> Talk:
    """Return how an answer is written whole."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *more, "", ""]
    return lambda write: write("\r\n".join(lines).encode() + body)


def endless(head: bytes, piece: bytes, pause: Callable[[], object] = lambda: None) -> Talk:
    """Return how an answer is written that does not end."""

    def talk(write: Callable[[bytes], object]) -> None:
        write(head)
        while True:
            write(piece)
            pause()

    return talk


class _Handler(socketserver.StreamRequestHandler):
    hostile: Hostile

    def handle(self) -> None:
        with suppress(OSError):
            head = ""
            while (line := self.rfile.readline()).strip():
                head += line.decode()
            self.hostile.heads.append(head)
            if "chunked" in head:
                _pass_over(self.rfile)
            path = head.split(" ")[1].partition("?")[0]
            usual = (
                plain(json.dumps(USUAL[path]).encode()) if path in USUAL else plain(b"{}", "404 Not Found")
            )
            self.hostile.answers.get(path, usual)(self.request.sendall)


def _pass_over(body: BufferedIOBase) -> None:
    while size := int(body.readline(), 16):
        body.read(size + 2)
    body.readline()


class _Unix(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class _Tcp(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True


@contextmanager
def hostile_engine(*, tcp: bool = False) -> Iterator[Hostile]:
    """Run one until the block ends."""
    folder, hostile = Path(tempfile.mkdtemp(prefix="engine-", dir="/tmp")), Hostile()
    handler = type("Handler", (_Handler,), {"hostile": hostile})
    server = _Tcp(("127.0.0.1", 0), handler) if tcp else _Unix(os.fspath(folder / "s"), handler)
    with server:
        port = server.socket.getsockname()[1]  # of a path, some letter
        hostile.host = f"tcp://127.0.0.1:{port}" if tcp else f"unix://{folder}/s"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield hostile
        finally:
            server.shutdown()
            thread.join()
            shutil.rmtree(folder)
