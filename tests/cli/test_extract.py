"""`lading extract`: what it prints, for people and for machines, and how it ends."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.archives import ONE, TWO, Picture, artifact, image, index, layout, sha256, written
from tests.cli.conftest import IMAGE, SAMPLE, Lading, Ran
from tests.cli.test_reading import DIFF_IDS
from tests.layers import device, file, folder, hard_link, layer, symlink

IMAGE_ID = "sha256:192ecff0be21839de44a855480f6306150b7fb833f9071f6653900c8d5e415f0"  # by docker 20.10.24
ME: dict[str, Any] = {"uid": os.geteuid(), "gid": os.getegid()}
ODD = layer(
    folder("d/", **ME), file("d/\x1b[2J", b"x" * 1500, **ME), hard_link("h", "d/\x1b[2J"),
    symlink("s", "h", **ME), file("su", mode=0o4755, **ME), device("null", 1, 3), device("zero", 1, 5),
)  # fmt: skip


def bundle(folder: Path, picture: Picture) -> str:
    return str(written(folder / "b.tar", layout(("app:1", picture))))


@pytest.fixture
def odd(tmp_path: Path) -> str:
    """A bundle of an image that has something to be left out."""
    return bundle(tmp_path, image(ODD))


def test_what_was_extracted_is_told_for_people(lading: Lading, tmp_path: Path, odd: str) -> None:
    ran = lading("extract", odd, "app:1", "out")
    assert ran.code == 0
    amounts = "1 layer: 2 files, 1 folder, 1 symlink, 1 hard link, 1.51kB"
    assert ran.out.splitlines() == [
        f"extracted app:1 into {tmp_path}/out",
        f"linux/amd64, image ID {sha256(image(ODD).config)[7:19]}, {amounts}",
    ]
    assert ran.err.splitlines()[-2:] == [
        "note: image app:1: setuid bits left out: su; --setuid keeps them",
        "note: image app:1: character devices left out: null and 1 more; --devices keeps them",
    ]


def test_a_quiet_run_says_what_there_is_alone(lading: Lading, odd: str) -> None:
    ran = lading("extract", odd, "app:1", "out", "--quiet")
    assert (ran.code, ran.err, len(ran.out.splitlines())) == (0, "", 2)


def test_what_was_extracted_is_told_for_machines(lading: Lading, tmp_path: Path, odd: str) -> None:
    document = lading("extract", odd, "app:1", "out", "--json").json
    assert document == {
        "schema": 1,
        "place": odd,
        "name": "app:1",
        "folder": str(tmp_path / "out"),
        "platform": "linux/amd64",
        "image_id": sha256(image(ODD).config),
        "layers": [{"digest": sha256(ODD), "size": len(ODD), "diff_id": sha256(ODD)}],
        "files": 2,
        "folders": 1,
        "symlinks": 1,
        "hard_links": 1,
        "special_files": 0,
        "size": 1507,
        "left_out": [
            {"kind": "setuid bit", "count": 1, "first": "su"},
            {"kind": "character device", "count": 2, "first": "null"},
        ],
        "findings": [
            {
                "severity": "note",
                "subject": "image app:1",
                "problem": "setuid bits left out: su; --setuid keeps them",
            },
            {
                "severity": "note",
                "subject": "image app:1",
                "problem": "character devices left out: null and 1 more; --devices keeps them",
            },
        ],
    }


def test_events_tell_of_each_layer(lading: Lading, tmp_path: Path) -> None:
    events = lading("extract", bundle(tmp_path, image(ONE, TWO)), "app:1", "out", "--json").events
    assert [event["event"] for event in events] == [
        "blobs.expected", "blob.begun", "blob.done", "blob.begun", "blob.done",
    ]  # fmt: skip
    assert events[0]["blobs"] == 2
    assert events[-1]["all"] == {"done": len(ONE) + len(TWO), "skipped": 0, "size": len(ONE) + len(TWO)}


def test_the_sample_is_extracted_from_a_legacy_store(lading: Lading) -> None:
    document = lading("extract", SAMPLE, IMAGE, "out", "--json").json
    assert document["image_id"] == IMAGE_ID
    assert [each["diff_id"] for each in document["layers"]] == DIFF_IDS
    assert (Path("out/usr/bin/borrow").exists(), document["files"]) == (True, 17)


def test_an_image_is_asked_for_by_a_short_id_and_from_a_pipe(lading: Lading, odd: str) -> None:
    assert lading("extract", odd, sha256(image(ODD).config)[7:19], "one").code == 0
    with open(odd, "rb") as stream:
        saved = os.dup(0)
        os.dup2(stream.fileno(), 0)
        try:
            assert lading("extract", "-", "app:1", "two").code == 0
        finally:
            os.dup2(saved, 0)
            os.close(saved)
    assert sorted(os.listdir("one")) == sorted(os.listdir("two")) == ["d", "h", "s", "su"]


def test_a_platform_is_chosen(lading: Lading, tmp_path: Path) -> None:
    place = bundle(tmp_path, index(image(ONE), image(TWO, architecture="arm64")))
    assert lading("extract", place, "app:1", "one").code == 0
    assert lading("extract", place, "app:1", "two", "--platform", "linux/arm64").code == 0
    assert (os.listdir("one"), os.listdir("two")) == (["one"], ["two"])


def test_setuid_bits_are_kept_where_they_are_asked_for(lading: Lading, odd: str) -> None:
    ran = lading("extract", odd, "app:1", "out", "--setuid", "--json")
    assert os.stat("out/su").st_mode & 0o7777 == 0o4755
    assert [each["kind"] for each in ran.json["left_out"]] == ["character device"]


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: owners and devices")
@pytest.mark.parametrize(
    ("words", "left_out"),
    [
        (["--full"], set()),
        (["--owners", "--devices", "--setuid", "--xattrs"], set()),
        (["--owners"], {"setuid bit", "character device"}),
        (["--devices"], {"setuid bit"}),
    ],
)
def test_root_may_keep_more(lading: Lading, odd: str, words: list[str], left_out: set[str]) -> None:
    document = lading("extract", odd, "app:1", "out", *words, "--json").json
    assert {each["kind"] for each in document["left_out"]} == left_out
    assert document["special_files"] == (0 if "character device" in left_out else 2)


@pytest.mark.parametrize("word", ["--owners", "--devices", "--full"])
def test_nobody_else_may(lading: Lading, odd: str, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    ran = lading("extract", odd, "app:1", "out", word)
    assert (ran.code, ran.last) == (2, f"error: {word}: is for root alone; run as root, or leave it out")
    assert not os.path.lexists("out")


def test_the_folder_may_be_written_in_any_way(lading: Lading, odd: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    for text in ("one/", "./two", str(tmp_path / "three"), "link/four"):
        assert lading("extract", odd, "app:1", text).code == 0
    assert {"one", "two", "three", "four"} <= set(os.listdir(tmp_path))
    for text in (".", "..", "/", "one", "link"):
        assert lading("extract", odd, "app:1", text).code == 2


def failed(lading: Lading, folder: Path, picture: Picture, *words: str) -> Ran:
    ran = lading("extract", bundle(folder, picture), "app:1", "out", "--quiet", *words)
    assert not os.path.lexists("out")
    assert not list(folder.glob(".out*"))
    return ran


HOSTILE = image(ONE, layer(symlink("a", "/etc"), file("a/x")))


@pytest.mark.parametrize(
    ("picture", "words", "end"),
    [
        (HOSTILE, [], (6, f"layer {sha256(HOSTILE.blobs[HOSTILE.layers[1]])}: a/x: leads through a")),
        (image(layer(device("w", 0, 0))), [], (6, "--as-whiteout takes it for one")),
        (image(ONE, TWO, diff_ids=[sha256(ONE)] * 2), [], (5, "diffID is")),
        (artifact(None, b"x"), [], (4, "is an artifact")),
        (image(ONE), ["--platform", "linux/arm64"], (3, "linux/arm64")),
        (image(layer(file("a"), file(".wh.a", b""))), ["--strict"], (5, "--strict makes warnings errors")),
    ],
)
def test_what_fails_is_told_in_one_sentence_and_leaves_nothing(
    lading: Lading, tmp_path: Path, picture: Picture, words: list[str], end: tuple[int, str]
) -> None:
    ran = failed(lading, tmp_path, picture, *words)
    assert (ran.code, len(ran.err.splitlines())) == (end[0], 1)
    assert end[1] in ran.last


def test_a_failure_has_a_document_too(lading: Lading, tmp_path: Path) -> None:
    ran = failed(lading, tmp_path, HOSTILE, "--json")
    assert (ran.code, ran.json["error"]["kind"]) == (6, "UnsafeArchive")


def test_overlays_marks_are_whiteouts_where_they_are_asked_for(lading: Lading, tmp_path: Path) -> None:
    place = bundle(tmp_path, image(ONE, TWO, layer(device("one", 0, 0))))
    assert lading("extract", place, "app:1", "out", "--as-whiteout").code == 0
    assert os.listdir("out") == ["two"]


@pytest.mark.parametrize(
    ("setting", "about"),
    [("layer_limit = 9K", "holds more than 9216 bytes"), ("entry_limit = 5", "more than 5 entries")],
)
def test_limits_are_those_of_the_settings(
    lading: Lading, tmp_path: Path, odd: str, setting: str, about: str
) -> None:
    (tmp_path / "luigi.cfg").write_text(f"[lading]\n{setting}\n")
    ran = lading("extract", odd, "app:1", "out")
    assert ran.code == 6
    assert about in ran.last


def test_a_folder_that_is_not_there_and_an_image_that_is_not(lading: Lading, odd: str) -> None:
    ran: Any = lading("extract", odd, "app:1", "no/out")
    assert (ran.code, "mkdir -p" in ran.last) == (3, True)
    ran = lading("extract", odd, "app:2", "out")
    assert (ran.code, "near it: app:1" in ran.last) == (3, True)
    assert lading("extract", odd, "app:1").code == 2
