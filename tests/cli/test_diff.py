"""`lading diff`: what it prints, for people and for machines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.archives import ONE, A, Picture, encode, image, layout, sha256, v1_folder, written
from tests.cli.conftest import IMAGE, SAMPLE, Lading
from tests.cli.test_reading import DIFF_IDS, IDS, LAYERSIZES
from tests.layers import device, file, folder, layer, symlink

IMAGE_ID = "sha256:192ecff0be21839de44a855480f6306150b7fb833f9071f6653900c8d5e415f0"  # by docker 20.10.24
OLD_BASE = layer(
    folder("etc/"), file("etc/passwd", b"root"), symlink("etc/link", "a"), folder("doc/"), file("doc/a")
)
TOP = layer(
    file("etc/passwd", b"root!", mode=0o600, mtime=1.5), file("etc/.wh.link"), file(".wh.doc"), folder("usr/"),
    file("usr/one"), folder("usr/two/"), file("usr/two/three"), device("null", 1, 3), file("\udcff\x1b", b"x" * 1500),
)  # fmt: skip
OLD = image(
    OLD_BASE, created="2020-01-01T00:00:00Z", config={"Env": ["PATH=/bin", "LANG=C"], "Cmd": ["/bin/sh"]},
    history=[{"created": "2020-01-01T00:00:00Z", "created_by": "ADD base"}],
)  # fmt: skip
NEW = image(
    OLD_BASE, TOP, created="2020-01-02T00:00:00Z",
    config={"Env": ["PATH=/usr/bin", "LANG=C"], "Labels": {"a": "1", "b": ""}, "ExposedPorts": {"80/tcp": {}}},
    history=[
        {"created": "2020-01-01T00:00:00Z", "created_by": "ADD base"},
        {"created": "2020-01-02T00:00:00Z", "created_by": "RUN \x1b[2J", "comment": "new"},
    ],
)  # fmt: skip


def short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


@pytest.fixture
def two(tmp_path: Path) -> list[str]:
    """PLACE REF PLACE REF of two images that differ."""
    words = []
    for name, picture in (("old", OLD), ("new", NEW)):
        words += [str(written(tmp_path / f"{name}.tar", layout(("app:1", picture)))), "app:1"]
    return words


def test_what_differs_is_told_for_people(lading: Lading, two: list[str]) -> None:
    ran = lading("diff", *two)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        f"--- {two[0]} app:1",
        f"+++ {two[2]} app:1",
        f"Image ID       - {short(sha256(OLD.config))}",
        f"               + {short(sha256(NEW.config))}",
        f"Manifest       - {short(OLD.digest)}",
        f"               + {short(NEW.digest)}",
        "Created        - 2020-01-01T00:00:00Z",
        "               + 2020-01-02T00:00:00Z",
        "Size           - 10.2kB (10240 bytes)",
        "               + 30.7kB (30720 bytes)",
        'Cmd            - ["/bin/sh"]',
        "Env            - PATH=/bin",
        "               + PATH=/usr/bin",
        "ExposedPorts   + 80/tcp",
        "Labels         + a=1",
        "               + b",
        "Layers           1 the same from the base up",
        f"               + {short(sha256(TOP))}  20.5kB",
        "History          1 the same from the base up",
        "               + 2020-01-02T00:00:00Z  RUN \\x1b[2J  new",
    ]


def test_files_that_differ_are_told_for_people(lading: Lading, two: list[str]) -> None:
    ran = lading("diff", "--files", *two, "--quiet")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[20:] == [
        "Files          6 added, 3 removed, 1 changed",
        "- doc/   1 in it",
        "- etc/link   symlink to a",
        "~ etc/passwd   size 4 -> 5, mode 0644 -> 0600, mtime 2015-07-09T22:13:20Z -> 1970-01-01T00:00:01.5Z",
        "+ null   character device 1:3",
        "+ usr/   3 in it",
        "+ \\xff\\x1b   1.5kB",
    ]


def test_what_differs_is_told_for_machines(lading: Lading, two: list[str]) -> None:
    document = lading("diff", *two, "--json").json
    assert list(document) == [
        "schema", "same", "left", "right", "changes", "layers", "history", "not_compared", "findings", "files",
        "paths",
    ]  # fmt: skip
    assert (document["same"], document["files"], document["paths"]) == (False, None, [])
    assert document["left"] == {
        "place": two[0],
        "name": "app:1",
        "kind": "oci",
        "id": sha256(OLD.config),
        "manifest": OLD.digest,
        "platform": "linux/amd64",
        "size": 10240,
    }
    assert document["changes"][4:] == [
        {"fact": "config.Cmd", "left": ["/bin/sh"], "right": None},
        {"fact": "config.Env", "item": "PATH", "left": "PATH=/bin", "right": "PATH=/usr/bin"},
        {"fact": "config.ExposedPorts", "item": "80/tcp", "left": None, "right": {}},
        {"fact": "config.Labels", "item": "a", "left": None, "right": "1"},
        {"fact": "config.Labels", "item": "b", "left": None, "right": ""},
    ]
    assert document["layers"] == {
        "compared_by": "diff_id",
        "shared": 1,
        "shared_above": 0,
        "left": [],
        "right": [{"id": sha256(TOP), "size": len(TOP)}],
    }
    item = {
        "created": "2020-01-02T00:00:00Z",
        "created_by": "RUN \x1b[2J",
        "author": "",
        "comment": "new",
        "empty_layer": False,
    }
    assert document["history"] == {"shared": 1, "shared_above": 0, "left": [], "right": [item]}


def test_files_that_differ_are_told_for_machines_a_line_each(lading: Lading, two: list[str]) -> None:
    ran = lading("diff", *two, "--files", "--json")
    assert (ran.code, ran.out.isascii()) == (0, True)
    assert ran.json["files"] == {"added": 6, "removed": 3, "changed": 1}
    paths: dict[str, Any] = {each["path"]: each for each in ran.json["paths"]}
    assert list(paths) == [
        "doc", "doc/a", "etc/link", "etc/passwd", "null", "usr", "usr/one", "usr/two", "usr/two/three", "\\xff\x1b",
    ]  # fmt: skip
    common = {"uid": 0, "gid": 0, "target": None, "device": None}
    assert paths["etc/passwd"] == {
        "path": "etc/passwd",
        "change": "changed",
        "differ": ["size", "content", "mode", "mtime"],
        "left": {"type": "file", "size": 4, "mode": "0644", "mtime": "1436480000", **common},
        "right": {"type": "file", "size": 5, "mode": "0600", "mtime": "1.5", **common},
    }
    assert (paths["null"]["left"], paths["null"]["right"]["device"]) == (None, "1:3")
    assert paths["etc/link"]["left"]["target"] == "a"
    assert paths["\\xff\x1b"]["path_hex"] == "ff1b"
    lines = [line for line in ran.out.splitlines() if line.startswith('    {"path": ')]
    assert [json.loads(line.rstrip(","))["path"] for line in lines] == list(paths)


def test_an_image_is_the_same_as_itself_wherever_it_is(lading: Lading, bundle: Path) -> None:
    words = [SAMPLE, IMAGE, str(bundle), IMAGE]
    ran = lading("diff", *words)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[2:] == ["no difference in metadata; --files compares files too"]
    ran = lading("diff", *words, "--files", "--quiet")
    assert ran.out.splitlines()[2:] == ["no difference in metadata and files"]
    document = lading("diff", *words, "--files", "--json").json
    assert (document["same"], document["paths"], document["not_compared"]) == (True, [], [])
    assert document["files"] == {"added": 0, "removed": 0, "changed": 0}
    assert document["left"]["id"] == document["right"]["id"] == IMAGE_ID


def test_one_place_may_be_given_twice(lading: Lading, home: Path) -> None:
    lading("sample")
    place = f"graph:{home}/sample"
    document = lading("diff", place, IDS[1], place, IMAGE, "--files", "--json").json
    assert document["layers"]["shared"] == 2
    assert [line["id"] for line in document["layers"]["right"]] == DIFF_IDS[2:]
    assert [line["size"] for line in document["layers"]["right"]] == LAYERSIZES[2:]
    assert "etc/lading.list" in {each["path"] for each in document["paths"]}
    assert document["files"]["removed"] == 0


def test_what_cannot_be_compared_is_said_in_one_sentence(lading: Lading, tmp_path: Path) -> None:
    old = written(
        tmp_path / "old.tar", {**v1_folder(A, layer=ONE), "repositories": encode({"app": {"1": A}})}
    )
    picture = image(ONE, created="2015-07-10T00:13:44.35Z", history=[{"created": "2015-07-10T00:13:44.35Z"}])
    words = [str(old), "app:1", str(written(tmp_path / "new.tar", layout(("app:1", picture)))), "app:1"]
    ran = lading("diff", *words)
    why = f"the diffIDs of app:1 in {old}, a legacy image, are not known before its layers are read"
    assert ran.out.splitlines()[2:] == [
        f"Not compared   layers, image ID and size: {why}, as --files does",
        "no difference in what was compared; --files compares files too",
    ]
    document = lading("diff", *words, "--json").json
    assert (document["same"], document["layers"]["compared_by"], len(document["not_compared"])) == (
        True,
        None,
        1,
    )
    read = lading("diff", *words, "--files", "--json").json
    assert (read["not_compared"], read["layers"]["compared_by"], read["layers"]["shared"]) == (
        [],
        "diff_id",
        1,
    )


@pytest.mark.parametrize("more", [[], ["--files"], ["--json"]])
def test_an_unknown_name_is_not_found(lading: Lading, two: list[str], more: list[str]) -> None:
    for words in ([*two[:3], "app:2"], [two[0], "app:2", *two[2:]]):
        ran = lading("diff", *words, *more)
        assert ran.code == 3
        assert ran.sentence.startswith("image app:2: is not in ")


def test_a_place_that_is_not_there_is_not_found(lading: Lading, two: list[str]) -> None:
    ran = lading("diff", *two[:2], "none.tar", "app:1")
    assert (ran.code, ran.last) == (3, "error: none.tar: is not there")


def test_two_images_are_needed(lading: Lading, two: list[str]) -> None:
    assert lading("diff", *two[:2]).code == 2
    assert lading("diff", *two[:3]).code == 2


def broken(tmp_path: Path, tar: bytes) -> list[str]:
    pictures: list[tuple[str, Picture]] = [("app:1", image(ONE)), ("app:2", image(ONE, tar))]
    path = str(written(tmp_path / "in.tar", layout(*pictures)))
    return [path, "app:1", path, "app:2"]


@pytest.mark.parametrize(
    ("tar", "code", "sentence"),
    [
        (b"no tar", 5, "tar header at byte 0: is no tar header: this is not a tar archive"),
        (layer(file("a"), file("./a")), 6, "./a: stands twice in the layer, and engines choose differently"),
        (layer(file("x/../../a")), 6, "x/../../a: name b'x/../../a' leads out of its folder"),
        (
            layer(file("a"), file("a/b")),
            6,
            "error: a: is a link or a file, and other entries of the same layer",
        ),
        (layer(file("a/" * 2100 + "b")), 6, "has a path of 4201 bytes, expected at most 4096"),
        (layer(file("x/.wh.")), 6, "x/.wh.: is a whiteout of nothing"),
    ],
)
def test_a_hostile_layer_ends_in_a_sentence(
    lading: Lading, tmp_path: Path, tar: bytes, code: int, sentence: str
) -> None:
    ran = lading("diff", *broken(tmp_path, tar), "--files", "--quiet")
    assert (ran.code, ran.out) == (code, "")
    assert sentence in ran.last
    document = lading("diff", *broken(tmp_path, tar), "--files", "--json").json
    assert document["error"]["exit_code"] == code


@pytest.mark.parametrize(
    ("tar", "lines"),
    [
        (layer(file("none/.wh.none"), file(".wh.nothing")), []),
        (
            layer(file(".wh.one"), folder("one/"), file("one/x")),
            ["~ one   type file -> folder", "+ one/x   7B"],
        ),
        (layer(file("a/" * 2047 + "b", b"")), ["+ " + "a/" * 999 + "…"]),
        (layer(file("t", mtime=2**60)), ["+ t   7B"]),
    ],
)
def test_an_odd_layer_has_a_sound_answer(
    lading: Lading, tmp_path: Path, tar: bytes, lines: list[str]
) -> None:
    ran = lading("diff", *broken(tmp_path, tar), "--files", "--quiet")
    assert (ran.code, ran.err) == (0, "")
    assert [line for line in ran.out.splitlines() if line[:2] in {"+ ", "- ", "~ "}] == lines


def test_a_link_that_engines_see_differently_is_a_warning(lading: Lading, tmp_path: Path) -> None:
    words = broken(tmp_path, layer(file("one/x")))
    ran = lading("diff", *words, "--files", "--quiet")
    assert ran.code == 0
    assert ran.last.startswith(
        f"warning: image app:2 in {words[0]}: one is no folder, and an upper layer has files"
    )
    assert [each["severity"] for each in lading("diff", *words, "--files", "--json").json["findings"]] == [
        "warning"
    ]


def test_progress_is_shown_of_what_is_read_whole(lading: Lading, two: list[str]) -> None:
    done = f"layer {short(sha256(TOP))} (right) done: 1 of 1 layers, 20.5kB of 20.5kB\n"
    assert lading("diff", *two, "--files").err == done
