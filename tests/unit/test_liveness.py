from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from tests.webs import Reply, Web
from toolkit.errors import RegistryError
from toolkit.plumbing.http import Transport
from toolkit.plumbing.liveness import HEAD, LEAST, BoundReader, bound_waits
from toolkit.plumbing.patience import Patience

Serve = Callable[..., Web]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda reply: stack.enter_context(Web(lambda _: reply))


@pytest.fixture
def transport(tmp_path: Path) -> Iterator[Transport]:
    made = Transport(patience=Patience(1), folders=[tmp_path], timeouts=(5.0, 1.0))
    yield made
    made.close()


class Slow(io.RawIOBase):
    """Bytes that come a few at a time, each after a while."""

    def __init__(self, pause: float, count: int) -> None:
        self.pause, self.count, self.read_so_far = pause, count, 0

    def readinto(self, buffer: Any, /) -> int:
        del buffer
        time.sleep(self.pause)
        self.read_so_far += self.count
        return self.count


def read(reader: BoundReader, times: int) -> None:
    for _ in range(times):
        reader.readinto(bytearray(10))


def test_too_few_bytes_in_too_long_a_time_are_too_few() -> None:
    raw = Slow(0.02, 10)
    reader = BoundReader(raw, 0.1)
    reader.in_head = False
    with pytest.raises(TimeoutError):
        read(reader, 1000)
    assert raw.read_so_far <= 1000


def test_a_line_that_is_slow_but_good_is_waited_for() -> None:
    raw = Slow(0.02, LEAST // 2)
    reader = BoundReader(raw, 0.1)
    reader.in_head = False
    read(reader, 20)


def test_what_we_do_between_two_reads_does_not_count() -> None:
    reader = BoundReader(Slow(0, 1), 0.05)
    reader.in_head = False
    for _ in range(4):
        reader.readinto(bytearray(1))
        time.sleep(0.05)


def test_the_first_byte_is_waited_for_as_long_as_the_socket_does() -> None:
    reader = BoundReader(Slow(0.2, 1), 0.1)
    reader.readinto(bytearray(1))


def test_a_head_has_an_end() -> None:
    reader = BoundReader(Slow(0, LEAST), 60)
    with pytest.raises(HTTPException):
        read(reader, HEAD // LEAST + 1)


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply(raw=b"HTTP/1.1 100 Continue\r\n\r\n" * 9999, endless=True), "the answer is no HTTP"),
        (Reply(raw=b"HTTP/1.1 103 Early Hints\r\n\r\n" * 9999, endless=True), "the answer is no HTTP"),
        (Reply(raw=b"HTTP/1.1 200 OK\r\nX: yyyyyyyyyy", pause=0.3), "no answer came in time"),
        (Reply(raw=b"HTTP/1.1 200 OK\r\n\r\n" + bytes(100), pause=0.01), "no more bytes came in time"),
    ],
)
def test_an_answer_without_end_is_left(serve: Serve, transport: Transport, reply: Reply, told: str) -> None:
    with pytest.raises(RegistryError, match=told):
        transport.ask("GET", serve(reply).url)


def test_an_answer_may_be_announced(serve: Serve, transport: Transport) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    answer = transport.ask("GET", serve(Reply(raw=hints + hints + whole)).url)
    assert (answer.status, answer.body, answer.headers.get("Link")) == (200, b"ok", None)


def test_each_piece_of_a_body_has_its_own_time(transport: Transport) -> None:
    """A line that takes longer for all of it than we wait for a part; the answer's time comes after it."""
    body = bytes(16 << 20)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        taken: list[int] = []

        def take() -> None:
            client, _ = server.accept()
            with client:
                while sum(taken) < len(body):
                    taken.append(len(client.recv(1 << 20)))
                    time.sleep(0.2 * (sum(taken) < len(body) // 2))
                client.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=take)
        thread.start()
        answer = transport.ask("PUT", f"http://127.0.0.1:{server.getsockname()[1]}/", body=body)
        thread.join()
    assert answer.status == 201
    assert sum(taken) >= len(body)


def test_only_connections_of_the_pool_are_bound() -> None:
    import urllib3

    bound, other = (urllib3.HTTPConnectionPool("127.0.0.1", port) for port in (1, 2))
    bound_waits(bound, 1.0)
    assert bound.ConnectionCls is not other.ConnectionCls
    assert issubclass(bound.ConnectionCls, urllib3.connection.HTTPConnection)
