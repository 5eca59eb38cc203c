from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.webs import DROP, Asked, Reply, Web, in_turn, ranged
from toolkit.errors import RegistryError, UnsafeArchive
from toolkit.plumbing.http import Transport
from toolkit.plumbing.pace import Pace
from toolkit.plumbing.patience import Patience

Serve = Callable[..., Web]
LOGIN = {"Authorization": "Basic c2VjcmV0"}


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(Web(answer))


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def transport(slept: list[float]) -> Iterator[Transport]:
    made = Transport(patience=Patience(sleep=slept.append), timeouts=(2.0, 0.5))
    yield made
    made.close()


def test_an_answer_is_read_whole_whatever_its_status(serve: Serve, transport: Transport) -> None:
    web = serve(lambda _: Reply(404, b"nothing", {"X-Told": "yes"}))
    answer = transport.ask("GET", f"{web.url}/a?b=c", {"X-Asked": "1"})
    assert (answer.status, answer.body, answer.headers["x-told"]) == (404, b"nothing", "yes")
    [asked] = web.asked
    assert (asked.target, asked.headers["x-asked"]) == ("/a?b=c", "1")
    assert asked.headers["user-agent"].startswith("lading/")
    assert asked.headers["accept-encoding"] == "identity"


def test_a_body_is_sent_as_it_stands(serve: Serve, transport: Transport) -> None:
    web = serve(lambda asked: Reply(201, asked.body[::-1]))
    assert transport.ask("PUT", web.url, body=memoryview(b"abc")).body == b"cba"
    assert web.asked[0].headers["content-length"] == "3"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(
    serve: Serve, transport: Transport, slept: list[float], status: int
) -> None:
    web = serve(in_turn(Reply(status), Reply(status), Reply(200, b"ok")))
    assert transport.ask("GET", web.url).body == b"ok"
    assert len(web.asked) == 3
    assert len(slept) == 2


def test_it_is_asked_when_it_says(serve: Serve, transport: Transport, slept: list[float]) -> None:
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 30))
    web = serve(
        in_turn(Reply(429, headers={"Retry-After": "17"}), Reply(503, headers={"Retry-After": date}), Reply())
    )
    assert transport.ask("GET", web.url).status == 200
    assert 17 <= slept[0] <= 18
    assert 27 <= slept[1] <= 32


def test_it_is_not_asked_for_ever(serve: Serve, transport: Transport, slept: list[float]) -> None:
    web = serve(lambda _: Reply(503))
    assert transport.ask("GET", web.url).status == 503
    assert len(web.asked) == 6
    web = serve(lambda _: Reply(429, headers={"Retry-After": "86400"}))
    slept.clear()
    assert transport.ask("GET", web.url).status == 429
    assert slept == []


def test_what_may_not_be_repeated_is_asked_once(serve: Serve, transport: Transport) -> None:
    web = serve(in_turn(Reply(500), Reply()))
    assert transport.ask("PATCH", web.url, repeat=False).status == 500
    web = serve(in_turn(DROP, Reply()))
    with pytest.raises(RegistryError, match="broke off"):
        transport.ask("PATCH", web.url, repeat=False)


def test_a_connection_that_breaks_is_made_again(serve: Serve, transport: Transport) -> None:
    web = serve(in_turn(DROP, Reply(200, b"abcdef", cut=3), Reply(200, b"abcdef")))
    assert transport.ask("GET", web.url).body == b"abcdef"
    assert len(web.asked) == 3


def test_nobody_there_is_told_at_once(transport: Transport, slept: list[float]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(RegistryError) as caught:
        transport.ask("GET", f"http://127.0.0.1:{port}/v2/?secret=1")
    assert (
        str(caught.value) == f"GET http://127.0.0.1:{port}/v2/: no connection can be made: connection refused"
    )
    assert (caught.value.exit_code, caught.value.status, caught.value.method) == (7, 0, "GET")
    assert slept == []


def test_a_silent_server_is_not_waited_for(transport: Transport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(RegistryError, match="no answer came in time"):
            transport.ask("GET", url, repeat=False)


def test_a_host_that_takes_no_connection_is_not_tried_again(slept: list[float]) -> None:
    hasty = Transport(patience=Patience(sleep=slept.append), timeouts=(0.2, 5.0))
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as stack:
        for _ in range(2):  # who come first are kept waiting, and nobody else is
            stack.enter_context(waiting := socket.socket()).setblocking(False)
            waiting.connect_ex(full.getsockname())
        with pytest.raises(RegistryError, match="no connection can be made"):
            hasty.ask("GET", f"http://127.0.0.1:{full.getsockname()[1]}/")
    assert slept == []


def test_a_document_has_a_bound(serve: Serve, transport: Transport) -> None:
    web = serve(lambda _: Reply(200, b"x" * 4096, endless=True))
    with pytest.raises(UnsafeArchive, match="more than 10000 bytes"):
        transport.ask("GET", web.url, limit=10_000)
    assert web.sent < 64 << 20


def test_of_a_refusal_only_the_beginning_is_read(serve: Serve, transport: Transport) -> None:
    web = serve(lambda _: Reply(404, b"<html>" * 1000, endless=True))
    assert len(transport.ask("GET", web.url, limit=1).body) == 64 << 10


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_with_the_login_only_to_the_same_host(
    serve: Serve, transport: Transport, status: int
) -> None:
    other = serve(lambda _: Reply(200, b"far"))
    places = {"/": "/near", "/near": f"{other.url}/far?signed=1"}
    web = serve(lambda asked: Reply(status, b"moved", {"Location": places[asked.path]}))
    answer = transport.ask("GET", f"{web.url}/", {**LOGIN, "Range": "bytes=1-"})
    assert (answer.body, answer.url) == (b"far", f"{other.url}/far?signed=1")
    assert [asked.headers.get("authorization") for asked in web.asked] == [LOGIN["Authorization"]] * 2
    [far] = other.asked
    assert "authorization" not in far.headers
    assert far.headers["range"] == "bytes=1-"


def test_a_login_does_not_come_back_with_a_redirect(serve: Serve, transport: Transport) -> None:
    home: list[str] = []
    other = serve(lambda _: Reply(302, headers={"Location": f"{home[0]}/again"}))
    web = serve(
        lambda asked: Reply() if asked.path == "/again" else Reply(302, headers={"Location": other.url})
    )
    home.append(web.url)
    assert transport.ask("GET", f"{web.url}/", LOGIN).status == 200
    assert ["authorization" in asked.headers for asked in web.asked] == [True, False]


@pytest.mark.parametrize(("status", "methods"), [(302, ["PUT"]), (307, ["PUT", "PUT"])])
def test_what_is_written_is_sent_on_only_as_the_same_request(
    serve: Serve, transport: Transport, status: int, methods: list[str]
) -> None:
    web = serve(lambda asked: Reply(201) if asked.path == "/b" else Reply(status, headers={"Location": "/b"}))
    transport.ask("PUT", f"{web.url}/a", body=b"abc")
    assert [asked.method for asked in web.asked] == methods
    assert all(asked.body == b"abc" for asked in web.asked)


def test_a_redirect_that_is_not_to_be_followed_is_an_answer(serve: Serve, transport: Transport) -> None:
    web = serve(lambda _: Reply(307, headers={"Location": "/b"}))
    assert transport.ask("POST", f"{web.url}/a", body=b"abc", follow=False).status == 307
    assert web.targets() == ["/a"]


def test_redirects_end(serve: Serve, transport: Transport) -> None:
    web = serve(lambda _: Reply(302, headers={"Location": "/?secret=x"}))
    with pytest.raises(RegistryError, match="more than 10 redirects") as caught:
        transport.ask("GET", web.url)
    assert "secret" not in str(caught.value)
    assert len(web.asked) == 11


@pytest.mark.parametrize(
    "place", ["http://[", "ftp://127.0.0.1/", "http://example.invalid/", "http://127.0.0.1:99999/"]
)
def test_a_redirect_to_no_place_of_ours_is_refused(serve: Serve, transport: Transport, place: str) -> None:
    web = serve(lambda _: Reply(302, headers={"Location": place}))
    with pytest.raises(RegistryError):
        transport.ask("GET", web.url)


@pytest.mark.parametrize(
    ("host", "scheme"),
    [
        ("localhost", "http"), ("localhost:5000", "http"), ("127.0.0.1:5000", "http"), ("127.9.9.9", "http"),
        ("[::1]:5000", "http"), ("inside:5000", "http"), ("INSIDE:5000", "http"), ("inside", "https"),
        ("lab", "http"), ("lab:80", "http"), ("127.0.0.1.evil.example", "https"), ("128.0.0.1", "https"),
        ("localhost.evil.example", "https"), ("example.org", "https"),
    ],
)  # fmt: skip
def test_plain_http_is_for_this_machine_and_where_it_was_asked_for(host: str, scheme: str) -> None:
    assert Transport(insecure=("inside:5000", "lab")).scheme(host) == scheme


def test_a_host_with_certificates_is_spoken_to_by_tls(tmp_path: Path) -> None:
    for name in ("localhost:5000", "lab"):
        (tmp_path / name).mkdir()
    transport = Transport(insecure=("lab",), folders=[tmp_path])
    hosts = ["localhost:5000", "localhost", "localhost:5001", "lab", "LAB"]
    assert [transport.scheme(host) for host in hosts] == ["https", "http", "http", "https", "https"]


def test_plain_http_elsewhere_is_refused_before_anything_is_sent(transport: Transport) -> None:
    with pytest.raises(
        RegistryError, match=r"is plain HTTP, and not on this machine; .*insecure = example.org:1 "
    ):
        transport.ask("GET", "http://example.org:1/v2/")


def test_a_flow_is_read_as_it_comes(serve: Serve, transport: Transport) -> None:
    content = bytes(range(256)) * 10_000
    web = serve(lambda asked: ranged(asked, content))
    with transport.flow("GET", web.url, {"Range": "bytes=100-"}) as flow:
        assert flow.status == 206
        assert b"".join(flow.blocks()) == content[100:]


def test_a_flow_that_breaks_tells_so_and_is_not_begun_again(serve: Serve, transport: Transport) -> None:
    web = serve(in_turn(DROP, Reply(503), Reply(200, b"x" * 1000, cut=500)))
    with pytest.raises(RegistryError, match="broke off"), transport.flow("GET", web.url) as flow:
        list(flow.blocks())
    assert len(web.asked) == 3


def test_a_failure_of_whoever_reads_is_his_own(serve: Serve, transport: Transport) -> None:
    web = serve(lambda _: Reply(200, b"x" * (1 << 20)))
    mine = RegistryError("mine", "failed", code="BROKEN")
    with pytest.raises(RegistryError) as caught, transport.flow("GET", web.url):
        raise mine
    assert caught.value is mine
    assert len(web.asked) == 1


def test_a_connection_is_used_again(transport: Transport) -> None:
    ports = []

    class Counted(Web):
        def serve(self, handler: Any, asked: Asked) -> None:
            ports.append(handler.client_address[1])
            super().serve(handler, asked)

    with Counted(
        lambda asked: Reply(302, b"moved", {"Location": "/b"}) if asked.path == "/a" else Reply(404, b"no")
    ) as web:
        for _ in range(3):
            transport.ask("GET", f"{web.url}/a")
        with transport.flow("GET", f"{web.url}/b"):
            pass
        transport.ask("GET", f"{web.url}/b")
        transport.close()
    assert len(ports) == 8
    assert len(set(ports)) == 1


class Passed(Pace):
    """A pace that only counts what passes."""

    def __init__(self, rate: int) -> None:
        super().__init__(rate)
        self.counts = list[int]()

    def wait(self, count: int) -> None:
        self.counts.append(count)


@pytest.fixture
def pace() -> Passed:
    return Passed(40_000)


@pytest.fixture
def paced(pace: Passed) -> Iterator[Transport]:
    made = Transport(patience=Patience(sleep=lambda _: None), timeouts=(5.0, 5.0), pace=pace)
    yield made
    made.close()


def test_what_comes_down_passes_at_its_pace(serve: Serve, paced: Transport, pace: Passed) -> None:
    web = serve(lambda _: Reply(200, b"x" * 25_000))
    assert paced.ask("GET", web.url).body == b"x" * 25_000
    with paced.flow("GET", web.url) as flow:
        assert b"".join(flow.blocks()) == b"x" * 25_000
    assert pace.counts == [10_000, 10_000, 5000] * 2


def test_what_goes_up_passes_at_its_pace_each_time_it_is_sent(
    serve: Serve, paced: Transport, pace: Passed
) -> None:
    web = serve(in_turn(Reply(503), Reply(307, headers={"Location": "/b"}), Reply(201)))
    assert paced.ask("PUT", web.url, body=b"x" * 25_000).status == 201
    told = {"Content-Length": "25000"}
    assert paced.ask("PATCH", web.url, told, iter([b"x" * 20_000, b"x" * 5000])).status == 201
    assert [asked.body for asked in web.asked] == [b"x" * 25_000] * 4
    assert "transfer-encoding" not in web.asked[0].headers
    assert pace.counts == [10_000, 10_000, 5000] * 4


def test_a_request_without_a_body_stays_without(serve: Serve, paced: Transport, pace: Passed) -> None:
    web = serve(lambda _: Reply(204))
    assert paced.ask("DELETE", web.url).status == 204
    assert paced.ask("PUT", web.url, body=b"").status == 204
    assert [asked.headers.get("content-length") for asked in web.asked] == [None, "0"]
    assert pace.counts == []
