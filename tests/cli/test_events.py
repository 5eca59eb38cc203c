"""`--json` while it works: what is told on stderr is what docs/events.md says, and every line parses alone."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.archives import ONE, TWO, A, Picture, encode, image, layout, sha256, tar, v1_folder, written
from tests.daemons import Answer, fake_engine
from tests.webregistry import MemoryRegistry, forgetful
from tests.webs import Reply, ranged
from toolkit.event import Event
from toolkit.stores.registry.upload import WINDOW

from .conftest import IMAGE, SAMPLE, Lading

DOC = Path(__file__).parents[2] / "docs/events.md"
ROW = re.compile(r"^\| `([a-z.]+)` \| .* \| ((?:`[a-z_]+`(?:, )?)+) \|$", re.MULTILINE)
DOCUMENTED = {
    word: set(re.findall(r"`([a-z_]+)`", members)) for word, members in ROW.findall(DOC.read_text())
}
COMMON = {"schema", "event", "time", "all"}
LARGE = 4 << 20  # bytes; a member above it is no document
BIG = bytes(range(251)) * (WINDOW // 251 + 9)
APP = image(ONE, TWO)


@pytest.fixture
def web() -> Iterator[MemoryRegistry]:
    with MemoryRegistry() as web:
        yield web.push("app:1", APP)


def kinds(of: type[Event]) -> Iterator[type[Event]]:
    for kind in of.__subclasses__():
        yield from kinds(kind) if kind.__subclasses__() else (kind,)


def docker_20(picture: Picture) -> dict[str, bytes]:
    """What Docker 20.10 saves: nothing says that a layer is called by its digest."""
    config = f"{sha256(picture.config).removeprefix('sha256:')}.json"
    layers = {f"{digest[7:]}/layer.tar": picture.blobs[digest] for digest in picture.layers}
    item = {"Config": config, "RepoTags": ["app:1"], "Layers": list(layers)}
    return {config: picture.config, **layers, "manifest.json": encode([item])}


def totals(events: list[dict[str, Any]]) -> tuple[int, int, int]:
    last = events[-1]["all"]
    return last["done"], last["skipped"], last["size"]


def test_every_event_is_documented() -> None:
    """Those of a mirror run stand in docs/scheduling.md."""
    here = {kind.word for kind in kinds(Event) if kind.__module__ == Event.__module__}
    assert set(DOCUMENTED) == {*here, "failed"}


def test_what_is_told_has_the_members_that_are_documented(
    lading: Lading, web: MemoryRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.cli.progress.PAUSE", 0)
    bad = written(tmp_path / "bad.tar", layout(("app:1", image(ONE))))
    bad.write_bytes(bad.read_bytes().replace(ONE, bytes(len(ONE))))
    cut = [100]
    path = f"/v2/app/blobs/{sha256(ONE)}"
    web.odd = lambda asked: ranged(asked, ONE, cut=cut.pop()) if cut and asked.path == path else None
    events = [
        event
        for words in (
            ("copy", f"docker://{web.host}/app:1", "oci:a"),
            ("copy", "oci:a", "oci:b"),
            ("copy", "oci:a", "oci:b"),
            ("export", IMAGE, "--from", SAMPLE, "-o", "x.tar", "--compression", "gzip"),
            ("verify", "bad.tar"),
        )
        for event in lading(*words, "--json").events
    ]
    assert {event["event"] for event in events} == set(DOCUMENTED)
    for event in events:
        assert set(event) - DOCUMENTED[event["event"]] == COMMON - (
            {"all"} if event["event"] == "failed" else set()
        )
        assert (event["schema"], len(event["time"])) == (1, len("2026-11-26T23:10:36.123Z"))


def test_a_line_is_ascii_and_says_nothing_to_a_terminal(lading: Lading, tmp_path: Path) -> None:
    name = "é\x1b[2J\x7f:1"
    files = {**v1_folder(A, layer=ONE), "repositories": encode({"é\x1b[2J\x7f": {"1": A}})}
    written(tmp_path / "in.tar", files)
    ran = lading("verify", "in.tar", "--json")
    assert name in ran.json["images"][0]["names"]
    assert re.fullmatch(r"[ -~\n]+", ran.err)
    assert ran.events[0]["names"] == [r"é\x1b[2J\x7f:1"]


def test_the_first_line_tells_the_image_and_the_last_that_it_is_done(lading: Lading, bundle: Path) -> None:
    ran = lading("import", str(bundle), "--json")
    first, last = ran.events[0], ran.events[-1]
    assert (first["event"], first["names"], first["blobs"]) == ("image.begun", [IMAGE], 4)
    assert (last["event"], last["names"], last["digest"]) == (
        "image.done",
        [IMAGE],
        ran.json["images"][0]["digest"],
    )
    assert totals(ran.events) == (first["size"], 0, first["size"])


def test_a_blob_that_is_sent_again_is_counted_once(
    lading: Lading, web: MemoryRegistry, tmp_path: Path
) -> None:
    written(tmp_path / "in.tar", layout(("large:1", image(BIG, ONE))))
    web.odd = forgetful(web, 2)
    ran = lading("copy", "in.tar", f"docker://{web.host}", "--json")
    assert web.blobs["large", sha256(BIG)] == BIG
    again = [event["done"] for event in ran.events if event["event"] == "blob.retried"]
    assert (again, totals(ran.events)) == ([0, 0], (len(BIG) + len(ONE), 0, len(BIG) + len(ONE)))
    assert max(event["all"]["done"] for event in ran.events) == len(BIG) + len(ONE)


def test_a_blob_that_comes_in_pieces_is_counted_once(lading: Lading, web: MemoryRegistry) -> None:
    web.push("large:1", image(BIG))
    path = f"/v2/large/blobs/{sha256(BIG)}"
    web.odd = lambda asked: ranged(asked, BIG, cut=1 << 20) if asked.path == path else None
    ran = lading("copy", f"docker://{web.host}/large:1", "oci:store", "--json")
    assert ran.code == 0
    again = [event["done"] for event in ran.events if event["event"] == "blob.retried"]
    assert again == [number << 20 for number in range(1, len(again) + 1)]
    assert totals(ran.events) == (len(BIG), 0, len(BIG))


def test_what_is_there_and_what_is_taken_over_are_told_apart(lading: Lading, web: MemoryRegistry) -> None:
    for reason in ("mounted", "present"):
        ran = lading("copy", f"docker://{web.host}/app:1", f"docker://{web.host}/other", "--json")
        assert [event["reason"] for event in ran.events if event["event"] == "blob.skipped"] == [reason] * 2
        assert totals(ran.events) == (0, len(ONE) + len(TWO), len(ONE) + len(TWO))


@pytest.mark.parametrize("has_digests", [True, False])
def test_a_layer_that_comes_before_its_image_is_followed(
    lading: Lading, monkeypatch: pytest.MonkeyPatch, *, has_digests: bool
) -> None:
    large = tar({"noise": random.Random(1).randbytes(LARGE)})
    picture = image(large, ONE)
    saved = layout(("app:1", picture)) if has_digests else docker_20(picture)
    with fake_engine() as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.host)
        told = {"Id": sha256(picture.config), "RepoTags": ["app:1"], "Os": "linux", "Architecture": "amd64"}
        engine.has(told)
        engine.answers["/images/get"] = Answer(tar(saved))
        ran = lading("copy", "docker-daemon:", "app:1", "oci:store", "--json")
    assert ran.code == 0
    words = [event["event"] for event in ran.events if event.get("size") == len(large)]
    assert (words[0], words[-2:]) == ("blob.begun", ["blob.done", "blob.skipped"])
    twice = 0 if has_digests else len(large)
    assert totals(ran.events) == (len(large) + len(ONE), twice, len(large) + len(ONE) + twice)


def test_the_query_of_a_place_is_not_told(lading: Lading, web: MemoryRegistry, tmp_path: Path) -> None:
    written(tmp_path / "in.tar", layout(("large:1", image(BIG))))
    place = {"Location": "/v2/large/blobs/uploads/x?_state=SECRET"}
    web.odd = lambda asked: Reply(202, b"", place) if asked.method == "POST" else None
    ran = lading("copy", "in.tar", f"docker://{web.host}", "--json")
    assert ran.code != 0
    assert "blob.failed" in {event["event"] for event in ran.events}
    assert "SECRET" not in ran.err


@pytest.mark.parametrize(
    "words", [("ls", "none.tar"), ("ls",), ("ls", "x", "--loud"), ("export", "--jobs", "0")]
)
def test_the_last_line_of_a_failure_is_why(lading: Lading, words: tuple[str, ...]) -> None:
    told, plain = lading(*words, "--json"), lading(*words)
    (failed,) = told.events
    assert (failed["event"], failed["exit_code"]) == ("failed", plain.code)
    assert f"error: {failed['sentence']}\n" == plain.err == lading(*words, "--json", "-q").err


def test_quiet_leaves_events_out(lading: Lading, bundle: Path) -> None:
    assert lading("verify", str(bundle), "--json", "--quiet").err == ""
