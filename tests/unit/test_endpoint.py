from __future__ import annotations

from pathlib import Path

import pytest

from tests.attacks.hostile_engine import hostile_engine, plain
from toolkit.plumbing.endpoint import Endpoint, Waits

SOON = Waits(10.0, 10.0, 10.0)


def asked(endpoint: Endpoint, target: str = "/a") -> tuple[int, bytes]:
    try:
        with endpoint.ask("GET", target, SOON) as reply:
            return reply.status, b"".join(reply.blocks(1000))
    finally:
        endpoint.close()


def test_a_unix_socket_and_a_port_are_asked_alike() -> None:
    for tcp in (False, True):
        with hostile_engine(tcp=tcp) as server:
            server.answers["/a"] = plain(b"answer")
            path = None if tcp else Path(server.host.removeprefix("unix://"))
            assert asked(Endpoint(server.host.replace("tcp", "http"), path)) == (200, b"answer")


def test_a_base_stands_before_each_target() -> None:
    with hostile_engine(tcp=True) as server:
        server.answers["/base/a"] = plain(b"answer")
        assert asked(Endpoint(f"{server.host.replace('tcp', 'http')}/base/", None)) == (200, b"answer")


def test_a_proxy_is_used_for_others_and_not_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with hostile_engine(tcp=True) as server, hostile_engine(tcp=True) as proxy, hostile_engine() as socket:
        monkeypatch.setenv("HTTP_PROXY", proxy.host.replace("tcp", "http"))
        asked(Endpoint(server.host.replace("tcp", "http"), None))
        asked(Endpoint("", Path(socket.host.removeprefix("unix://"))))
        assert proxy.heads == []
        assert len(server.heads) == len(socket.heads) == 1
        endpoint = Endpoint("http://engine.example:2375/base", None)
        for target in ("/a", "/b"):
            asked(endpoint, target)
        assert proxy.paths() == [f"http://engine.example:2375/base/{name}" for name in "ab"]
        monkeypatch.setenv("NO_PROXY", "engine.example")
        with pytest.raises(OSError):  # noqa: PT011 - no such host
            asked(Endpoint("http://engine.example:2375", None))


@pytest.mark.parametrize("url", ["http://[bad", "http://", "ftp://a", "http://a:99999"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of several makers
        Endpoint(url, None)


def test_nobody_there_is_the_systems_own_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        asked(Endpoint("", tmp_path / "s"))
    with pytest.raises(ConnectionRefusedError):
        asked(Endpoint("http://127.0.0.1:1", None))
