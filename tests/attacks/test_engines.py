"""What listens where an engine should may be anybody: memory, time and the way elsewhere are bounded."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.archives import ONE, image, layout, written
from tests.attacks.hostile_engine import ID, IMAGE, Hostile, endless, hostile_engine, plain
from tests.cases.judging import ran
from toolkit.errors import StoreError
from toolkit.plumbing.endpoint import Endpoint, Waits
from toolkit.stores import engine_answer
from toolkit.stores.engine import Engine
from toolkit.stores.engine_host import Host

MIB = 1 << 20
MEMORY = 128 * MIB  # contract 6.7
MEASURED = """
import re, sys
from toolkit.cli import main
code = main(sys.argv[1:])
print(code, re.search(r"VmHWM:\\s+([0-9]+) kB", open("/proc/self/status").read())[1])
"""
SAYS_LOADED = b'{"stream":"Loaded image: app:1\\n"}\n'
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hostile]:
    with hostile_engine() as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.host)
        yield engine


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return written(tmp_path / "in.tar", layout(("app:1", image(ONE))))


def measured(*argv: str | Path) -> tuple[int, int, str]:
    """Run the command; return its exit code, the most bytes of memory it had, and what it said."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *map(str, argv), "--quiet"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    code, memory = done.stdout.splitlines()[-1].split()
    return int(code), int(memory) << 10, done.stderr


@pytest.mark.parametrize("piece", [b"\n", b"{}\n", b'{"error":""}\n', b"x"], ids=repr)
def test_a_load_that_is_answered_without_end(hostile: Hostile, bundle: Path, piece: bytes) -> None:
    hostile.answers["/images/load"] = endless(b"HTTP/1.1 200 OK\r\n\r\n", piece * (MIB // len(piece)))
    code, memory, said = measured("copy", bundle, "app:1", "docker-daemon:")
    assert (code, "/images/load of the Docker engine at" in said, "bytes" in said) == (7, True, True), said
    assert memory <= MEMORY


@pytest.mark.parametrize("before", [b"", b"\n" * 100_000, SAYS_LOADED * 10_000], ids=len)
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_an_error_is_found_behind_any_lines(hostile: Hostile, before: bytes, end: bytes) -> None:
    hostile.answers["/images/load"] = plain(before + b'{"errorDetail":{"message":"no room"}}' + end)
    with pytest.raises(StoreError, match="says: no room"):
        Engine(Host(hostile.host, "the test")).load(iter([b"x"]))
    hostile.answers["/images/load"] = plain(before + SAYS_LOADED)
    Engine(Host(hostile.host, "the test")).load(iter([b"x"]))


LISTS = {  # made when they are needed: together they are hundreds of megabytes
    "objects": lambda: b"[" + b",".join([b'{"a":[{}],"b":{}}'] * 600_000) + b"]",
    "values": lambda: b"[" + b"{}," * 1_900_000 + b'{"x":"' + b"y" * (50 * MIB) + b'"}]',
    "one image": lambda: b'[{"Id":"' + ID.encode() + b'","Labels":{"x":"' + b"y" * (50 * MIB) + b'"}}]',
    "values of one": lambda: b'[{"Id":"x","Labels":[' + b"[]," * 10_000_000 + b"[]]}]",
    "names": lambda: (
        b"[" + b'{"Id":"x","RepoTags":["' + b'aa","' * 150_000 + '\U0001f600"]},'.encode() * 20 + b"]"
    ),
    "long names": lambda: (
        b"[" + (b'{"Id":"x","RepoTags":["' + b"a" * 900_000 + '\U0001f600"]},'.encode()) * 60 + b"]"
    ),
    "blanks": lambda: b"[" + b" " * (63 * MIB) + b"]",
}


@pytest.mark.parametrize("what", LISTS)
def test_a_list_of_images_that_fills_memory(hostile: Hostile, what: str) -> None:
    hostile.answers["/images/json"] = plain(LISTS[what]())
    code, memory, said = measured("ls", "docker-daemon:")
    assert (code, "/images/json of the Docker engine" in said) == (7, True), said
    assert memory <= MEMORY


def test_an_engine_may_have_ten_thousand_images(hostile: Hostile) -> None:
    labels = {f"org.example.label.{number}": "text, and more of it \U0001f600" for number in range(10)}
    names = [f"registry.example:5000/team/app-{number}:1.0.{number}" for number in range(10_000)]
    digests = [f"{name.rpartition(':')[0]}@{ID}" for name in names]
    hostile.says(
        "/images/json",
        [
            {**IMAGE, "Labels": labels, "RepoTags": [name], "RepoDigests": [digest]}
            for name, digest in zip(names, digests, strict=True)
        ],
    )
    found = Engine(Host(hostile.host, "the test")).images()
    assert [node.texts("RepoTags") for node in found] == [[name] for name in names]
    assert [node.texts("RepoDigests") for node in found] == [[digest] for digest in digests]


@pytest.mark.parametrize("raw", [b"null", b"[]", b" [ ] \n"])
def test_an_engine_may_have_no_images(hostile: Hostile, raw: bytes) -> None:
    hostile.answers["/images/json"] = plain(raw)
    assert Engine(Host(hostile.host, "the test")).images() == []


def drip() -> None:
    time.sleep(0.05)


STALLS = {
    "a byte at a time": endless(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n[", b" ", drip),
    "a head without end": endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", drip),
    "100 Continue": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "trailers": endless(CHUNKED + b"2\r\n[]\r\n0\r\n", b"X: y\r\n" * 1000),
    "a size of a chunk without end": endless(CHUNKED, b"0" * 10_000),
    "a chunk of less than nothing": endless(CHUNKED + b"-1\r\n", b" " * 10_000),
    "blanks": endless(CHUNKED, b"10\r\n" + b" " * 16 + b"\r\n", drip),
}


@pytest.mark.parametrize("path", ["/version", "/images/json", f"/images/{ID}/json"])
@pytest.mark.parametrize("what", STALLS)
def test_an_answer_that_does_not_end(
    hostile: Hostile, monkeypatch: pytest.MonkeyPatch, path: str, what: str
) -> None:
    monkeypatch.setattr("toolkit.stores.engine.SHORT", Waits(1.0, 1.0, 2.0))
    hostile.answers[path] = STALLS[what]
    done = (
        ran("copy", "docker-daemon:", "app:1", "docker-daemon:b:1")
        if path == "/version"
        else ran("ls", "docker-daemon:")
    )
    assert (done.code, "the Docker engine at" in done.error) == (7, True), done.err


def test_bytes_that_come_steadily_come_for_no_longer_than_an_answer_may(hostile: Hostile) -> None:
    endpoint = Endpoint("", Path(hostile.host.removeprefix("unix://")))
    hostile.answers["/a"] = endless(b"HTTP/1.1 200 OK\r\n\r\n", b" " * 70_000, drip)
    with pytest.raises(TimeoutError), endpoint.ask("GET", "/a", Waits(5.0, 5.0, 0.5)) as reply:
        for _ in reply.blocks(1000):
            pass
    endpoint.close()


@pytest.mark.parametrize("what", STALLS)
def test_a_save_that_stalls(
    hostile: Hostile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str
) -> None:
    monkeypatch.setattr("toolkit.stores.engine.SAVING", Waits(1.0, 1.0))
    hostile.answers["/images/get"] = STALLS[what]
    done = ran("export", "app:1", "--from", "docker-daemon:", "-o", tmp_path / "out.tar")
    assert done.code in {4, 5, 7}, done.err
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]
)
@pytest.mark.parametrize("path", ["/images/json", "/images/get", "/images/load"])
def test_a_redirect_leads_nowhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bundle: Path, status: str, path: str
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    with hostile_engine(tcp=True) as engine, hostile_engine(tcp=True) as other:
        monkeypatch.setenv("DOCKER_HOST", engine.host)
        elsewhere = other.host.replace("tcp", "http")
        engine.answers[path] = plain(b"", status, f"Location: {elsewhere}{path}")
        done = (
            ran("copy", bundle, "app:1", "docker-daemon:")
            if path == "/images/load"
            else ran("copy", "docker-daemon:", "app:1", tmp_path / "out.tar")
        )
        assert (done.code, f"answers {path} with {status[:3]}" in done.error) == (7, True), done.err
        assert other.heads == []
        assert path in [each.partition("?")[0] for each in engine.paths()]
        assert not any("authorization" in head.lower() for head in engine.heads)


@pytest.mark.parametrize("place", ["http://[bad", "http://", "\x01", "file:///etc/passwd", "//x:99999/"])
def test_a_redirect_to_no_address(hostile: Hostile, place: str) -> None:
    hostile.answers["/images/json"] = plain(b"", "302 Found", f"Location: {place}")
    done = ran("ls", "docker-daemon:")
    assert (done.code, "answers /images/json with 302" in done.error) == (7, True), done.err


WRONG: list[tuple[str, Any]] = [
    ("/version", {"Version": 5}),
    ("/version", {"Components": 5}),
    ("/version", {"Version": "27.0.0", "Components": [5]}),
    ("/version", {"Version": "27.0.0", "Components": [{"Name": []}]}),
    ("/info", {"DriverStatus": {}}),
    ("/images/json", {}),
    ("/images/json", "x"),
    ("/images/json", [5]),
    ("/images/json", [{}]),
    ("/images/json", [{"Id": 5}]),
    ("/images/json", [{"Id": ID, "RepoTags": "app:1"}]),
    ("/images/json", [{"Id": ID, "RepoTags": [5]}]),
    (f"/images/{ID}/json", []),
    (f"/images/{ID}/json", {"Id": ID, "Os": 5, "RootFS": {"Layers": []}}),
    (f"/images/{ID}/json", {"Id": ID, "Size": "5", "RootFS": {"Layers": []}}),
    (f"/images/{ID}/json", {"Id": ID, "RootFS": {"Layers": {}}}),
    (f"/images/{ID}/history", {}),
    (f"/images/{ID}/history", [5]),
    (f"/images/{ID}/history", [{"Created": "now"}]),
    (f"/images/{ID}/history", [{"Created": (1 << 63) - 1}]),
    (f"/images/{ID}/history", [{"Created": -(1 << 63)}]),
]


@pytest.mark.parametrize(("path", "document"), WRONG)
def test_an_answer_of_another_shape(hostile: Hostile, bundle: Path, path: str, document: Any) -> None:
    hostile.says(path, document)
    commands: list[tuple[str | Path, ...]] = [
        ("copy", bundle, "app:1", "docker-daemon:"),
        ("ls", "docker-daemon:"),
        ("history", "docker-daemon:", "app:1"),
        ("export", "app:1", "--from", "docker-daemon:", "-o", bundle.with_name("out.tar")),
    ]
    done = [ran(*command) for command in commands]
    told = [each.error for each in done if f"{path} of the Docker engine" in each.error]
    assert told, [each.err for each in done]
    assert {each.code for each in done if each.error in told} == {7}


def test_a_refusal_is_read_no_further_than_its_beginning(hostile: Hostile) -> None:
    hostile.answers["/images/json"] = endless(b"HTTP/1.1 500 No\r\n\r\n", b"x" * MIB)
    done = ran("ls", "docker-daemon:")
    assert (done.code, done.error.endswith("answers /images/json with 500: No")) == (7, True)


def test_what_an_engine_packs_stays_packed(hostile: Hostile) -> None:
    hostile.answers["/images/json"] = plain(b"\x1f\x8b" + bytes(100), "200 OK", "Content-Encoding: gzip")
    assert ran("ls", "docker-daemon:").code == 7
    assert all("Accept-Encoding: identity\r\n" in head for head in hostile.heads)


def test_the_bounds_fit_into_memory() -> None:
    """Names that are kept have up to 4 bytes a character; so has the text that is looked at."""
    assert 4 * engine_answer.KEPT + 3 * 4 * engine_answer.IMAGE <= MEMORY // 2
