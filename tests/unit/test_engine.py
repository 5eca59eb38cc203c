from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance import Bytes
from tests.daemons import Answer, FakeEngine, certificates, fake_engine, tls_engine
from toolkit.errors import NotFound, StoreError
from toolkit.stores.engine import Engine, image_id
from toolkit.stores.engine_host import Certificates, Host, find_host

ID = "sha256:" + "1" * 64


@pytest.fixture
def fake() -> Iterator[FakeEngine]:
    with fake_engine() as engine:
        yield engine


@pytest.fixture
def engine(fake: FakeEngine) -> Iterator[Engine]:
    engine = Engine(Host(fake.host, "the test"))
    yield engine
    engine.close()


def test_an_engine_says_what_it_is(fake: FakeEngine, engine: Engine) -> None:
    assert (engine.version, engine.is_podman, engine.keeps_manifests) == ("20.10.24", False, False)
    again = Engine(engine.host)
    fake.says("/version", {"Version": "4.3.1", "Components": [{"Name": "Podman Engine"}]})
    fake.says("/info", {"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]})
    assert (again.version, again.is_podman, again.keeps_manifests) == ("4.3.1", True, True)
    assert (engine.version, engine.is_podman, engine.keeps_manifests) == ("20.10.24", False, False)
    again.close()


def test_names_are_asked_for_as_they_stand(fake: FakeEngine, engine: Engine) -> None:
    fake.has({"Id": ID, "RepoTags": ["host:5000/team/app:1"]})
    assert engine.inspect("host:5000/team/app:1").get("Id", str) == ID
    assert [node.get("Id", str) for node in engine.images()] == [ID]
    assert engine.history(ID) == []
    fake.answers["/images/get"] = Answer(b"tar")
    assert b"".join(map(bytes, engine.save(["a:1", "b:2"]))) == b"tar"
    assert fake.asked[-1] == "GET /images/get?names=a:1&names=b:2"


def test_a_load_is_sent_whole(fake: FakeEngine, engine: Engine) -> None:
    fake.answers["/images/load"] = Answer(b'{"stream":"Loaded image: a:1\\n"}\r\n')
    engine.load(Bytes(b"x" * 3_000_000).blocks())
    assert fake.taken == [b"x" * 3_000_000]


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (Answer(b'{"errorDetail":{"message":"no room"},"error":"no room"}\r\n'), "says: no room"),
        (Answer(b'{"stream":"a"}\r\n{"error":"no room"}\r\n'), "says: no room"),
        (Answer(b'{"message":"no room"}', 500), "answers /images/load with 500: no room"),
        (Answer(b"<html>", 502), "answers /images/load with 502: Bad Gateway"),
    ],
)
def test_what_an_engine_says_against_a_load_is_told(
    fake: FakeEngine, engine: Engine, answer: Answer, sentence: str
) -> None:
    fake.answers["/images/load"] = answer
    with pytest.raises(StoreError) as caught:
        engine.load(iter([b"x"]))
    assert str(caught.value) == f"the Docker engine at {fake.host}: {sentence}"


def test_a_stream_that_breaks_off_is_one_sentence(fake: FakeEngine, engine: Engine) -> None:
    fake.answers["/images/get"] = Answer(b"x" * 5000, cut=True)
    with pytest.raises(StoreError, match=r"failed us: the connection broke off; see its log") as caught:
        list(engine.save(["a:1"]))
    assert caught.value.exit_code == 7


def test_a_save_that_ends_in_an_error_is_no_bundle(fake: FakeEngine, engine: Engine) -> None:
    failure = b'{"errorDetail":{"message":"layer is gone"},"error":"layer is gone"}\r\n'
    fake.answers["/images/get"] = Answer(b"x" * 5000 + failure)
    with pytest.raises(StoreError, match="says: layer is gone"):
        list(engine.save(["a:1"]))


def test_an_image_that_is_not_there_is_not_found(engine: Engine) -> None:
    with pytest.raises(NotFound, match="has no such image: no such image"):
        engine.inspect(ID)
    with pytest.raises(NotFound):
        list(engine.save(["a:1"]))


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b'{"Version": '])
def test_who_speaks_something_else_is_no_engine(fake: FakeEngine, engine: Engine, body: bytes) -> None:
    fake.answers["/version"] = Answer(body)
    with pytest.raises(StoreError, match=r"/version of .* is no JSON.*; is it a Docker engine\?"):
        _ = engine.version


def test_an_answer_is_bounded(fake: FakeEngine, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.stores.engine_answer.ANSWER", 100)
    fake.answers["/version"] = Answer(b" " * 101)
    with pytest.raises(StoreError, match="has more than 100 bytes"):
        _ = engine.version


def sentence_of(host: Host) -> str:
    engine = Engine(host)
    with pytest.raises(StoreError) as caught:
        _ = engine.version
    engine.close()
    return str(caught.value)


def test_an_engine_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    advice = "is it running? DOCKER_HOST or a docker context names another one"
    missing = Host(f"unix://{tmp_path}/s", "the test")
    assert sentence_of(missing) == f"the Docker engine at {missing}: is not there: no such socket; {advice}"
    refusing = Host("tcp://127.0.0.1:1", "the test")
    told = f"the Docker engine at {refusing}: is not there: connection refused; {advice}"
    assert sentence_of(refusing) == told


def test_a_socket_that_lets_us_not_in_is_one_sentence(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("toolkit.plumbing.endpoint.UnixConnection.connect", refuse)
    host = Host(fake.host, "the test")
    advice = "join the group of its socket (docker), or run as root"
    assert sentence_of(host) == f"the Docker engine at {host}: lets us not in: permission denied; {advice}"


def test_an_engine_that_does_not_answer_is_one_sentence(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(*_: object, **__: object) -> None:
        raise TimeoutError("timed out")

    monkeypatch.setattr("toolkit.plumbing.endpoint.UnixConnection.connect", wait)
    assert "does not answer within 60 seconds" in sentence_of(Host(fake.host, "the test"))


def test_certificates_that_cannot_be_used_are_one_sentence(tmp_path: Path) -> None:
    host = Host("tcp://127.0.0.1:1", "the test", Certificates(f"{tmp_path}/ca", "", "", verify=True))
    assert "cannot be reached: its address or certificates cannot be used" in sentence_of(host)


def test_an_engine_is_asked_over_tls_with_its_own_authority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates(tmp_path / "ours")
    certificates(tmp_path / "theirs")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "theirs/ca.pem"))  # no business of ours
    with tls_engine(tmp_path / "ours") as fake:
        words = {"DOCKER_HOST": fake.host, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": f"{tmp_path}/ours"}
        engine = Engine(find_host(words))
        assert engine.version == "20.10.24"
        engine.close()
        told = sentence_of(find_host({**words, "DOCKER_CERT_PATH": f"{tmp_path}/theirs"}))
        assert f"the Docker engine at {fake.host}: is not trusted: " in told
        plain = sentence_of(find_host({"DOCKER_HOST": fake.host}))
        assert plain.startswith(f"the Docker engine at {fake.host}: failed us: ")


def test_an_id_is_told_from_a_name() -> None:
    assert image_id(ID) == image_id("1" * 64) == ID
    assert image_id("app:1") == image_id("1" * 12) == ""


def test_nothing_is_asked_before_it_is_needed(fake: FakeEngine) -> None:
    Engine(Host(fake.host, "the test")).close()
    assert fake.asked == []
    assert os.path.exists(fake.host.removeprefix("unix://"))
