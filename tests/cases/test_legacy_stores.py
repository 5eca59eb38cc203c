"""Cases 22 to 26: what a Docker root of 0.7 to 1.9 may hold (formats A)."""

from __future__ import annotations

import hashlib
import os
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.archives import A, B, Body, C, Folder, Link, encode, sha256, v1_folder, v1_json, written
from tests.graphs import FOLDERS, fill, legacy_layer, name, split_lines
from tests.layers import file, folder, hard_link, layer

from .conftest import Tell
from .judging import Ran, ran

FILES: dict[str, Body | None] = {"etc": Folder(), "etc/a": b"12345", "b": b"123"}  # 8 bytes


def root_with(here: Path, driver: str, size: str | bytes | None) -> Path:
    """Return a root of one layer whose layersize is this."""
    root = here / "root"
    legacy_layer(root, driver, A, FILES)
    if size is not None:
        (root / "graph" / A / "layersize").write_bytes(size.encode() if isinstance(size, str) else size)
    name(root, driver, **{"1": A})
    return root


def exported(place: Path, here: Path, driver: str = "") -> Ran:
    """Export the image app:1 of a root, and verify the bundle."""
    prefix = f"graph+{driver}" if driver else "graph"
    done = ran("export", "app:1", "--from", f"{prefix}:{place}", "-o", here / "app.tar", "--json")
    if not done.code:
        assert ran("verify", here / "app.tar").code == 0
    return done


def verified(place: Path) -> Ran:
    return ran("verify", f"graph:{place}", "--json")


def warnings(done: Ran) -> list[str]:
    return [each["problem"] for each in done.json["findings"] if each["severity"] == "warning"]


@pytest.mark.parametrize("driver", ["aufs", "vfs"])
@pytest.mark.parametrize(
    ("size", "told"),
    [
        ("-1", ""),
        (None, ""),
        ("", "layersize is ''"),
        ("12\n", "layersize is '12\\n'"),
        ("123", "layersize is 123, which no rule of the"),
        ("8", ""),
    ],
    ids=["-1", "missing", "empty", "line", "wrong", "right"],
)
def test_case_22_a_layersize_is_computed_told_or_named_and_never_stops_an_export(
    here: Path, ours: Tell, driver: str, size: str | None, told: str
) -> None:
    done = exported(root_with(here, driver, size), here)
    assert done.code == 0, done.err
    said = [each for each in warnings(done) if "layersize" in each]
    assert [told in each for each in said] == ([True] if told else [])
    (image,) = done.json["images"]
    (one,) = image["platforms"][0]["layers"]
    rule = {"aufs": "S3", "vfs": "S5"}[driver]
    expected = {"8": {"recorded": "8", "driver": driver, "rule": rule}}.get(size or "")
    if expected:
        assert one["layersize"] in (expected, {**expected, "rule": "S3"})
        ours(f"8: {one['layersize']['rule']}")
    elif said:
        ours(said[0])


def test_case_23_aufs_own_files_stay_in_the_tar_and_are_not_shown(here: Path, ours: Tell) -> None:
    """As Docker up to 1.3.3 saved such a layer: links lead into the plink folder (formats A.9.1)."""
    tar = layer(
        folder("./"), folder(".wh..wh.plnk/"), file(".wh..wh.plnk/12.34", b"shared"), file(".wh..wh.aufs", b""),
        folder(".wh..wh.orph/"), hard_link("one", ".wh..wh.plnk/12.34"), hard_link("two", ".wh..wh.plnk/12.34"),
        folder("d/"), file("d/.wh..wh..opq", b""),
    )  # fmt: skip
    lines = split_lines(*_in_parts(tar))
    root = here / "root"
    tree: dict[str, Body | None] = {
        ".wh..wh.plnk": Folder(),
        ".wh..wh.plnk/12.34": b"shared",
        ".wh..wh.aufs": b"",
        ".wh..wh.orph": Folder(),
        "one": Link(".wh..wh.plnk/12.34", hard=True),
        "two": Link(".wh..wh.plnk/12.34", hard=True),
        "d": Folder(),
        "d/.wh..wh..opq": b"",
    }
    legacy_layer(root, "aufs", A, tree, size="6", tar_split=lines)
    name(root, "aufs", **{"1": A})
    done = exported(root, here)
    (one,) = done.json["images"][0]["platforms"][0]["layers"]
    assert (one["digest"], one["layersize"]["rule"]) == (sha256(tar), "S3")
    # What an image shows of it: two names of the same content, and nothing of aufs's own.
    plain = layer(folder("d/"), file("one", b"shared"), file("two", b"shared"))
    names = {"repositories": encode({"app": {"1": B}})}
    other = written(here / "plain.tar", {**v1_folder(B, layer=plain), **names})
    shown = ran("diff", here / "app.tar", "app:1", other, "app:1", "--files", "--json")
    assert shown.json["files"] == {"added": 0, "removed": 0, "changed": 0}, shown.out
    ours("the very tar, layersize by S3; its tree has one, two and d, and no .wh..wh.*")


def _in_parts(tar: bytes) -> list[bytes | tuple[str, bytes]]:
    """Return what split_lines takes: headers, and each file with its content."""
    parts: list[bytes | tuple[str, bytes]] = []
    at = 0
    with tarfile.open(fileobj=BytesIO(tar)) as archive:
        for member in archive:
            end = member.offset_data
            content = tar[end : end + (member.size if member.isreg() else 0)]
            shown = member.name + ("/" if member.isdir() else "")
            parts += [tar[at:end], (shown, content)]
            at = end + len(content)
    return [*parts, tar[at:]]


@pytest.mark.parametrize("listed", [True, False], ids=["its own tar", "links"])
def test_case_24_an_inode_shared_with_the_parent_is_no_change_and_no_hard_link(
    here: Path, ours: Tell, *, listed: bool
) -> None:
    root = here / "root"
    files: dict[str, Body | None] = {"a": b"aaa", "b": b"bbb", "d": Folder(), "d/c": b"ccc"}
    base = legacy_layer(root, "overlay", A, files)
    own = root / "graph" / B
    own.mkdir(parents=True)
    (own / "json").write_bytes(v1_json(B, A, architecture="amd64"))
    top = root / FOLDERS["overlay"].format(B)
    for path in (base, *base.rglob("*")):  # as the driver made it: every file a link to the parent's
        there = top / path.relative_to(base)
        there.mkdir(parents=True, exist_ok=True) if path.is_dir() else os.link(path, there)
    fill(top, {"b": b"other", "new": b"new", **({"twin": Link("new", hard=True)} if not listed else {})})
    name(root, "overlay", **{"1": B})
    done = exported(root, here)
    assert done.code == 0, done.err
    (_, one) = done.json["images"][0]["platforms"][0]["layers"]
    with tarfile.open(fileobj=BytesIO(_blob(here / "app.tar", one["digest"]))) as tar:
        found = {member.name: (member.isfile(), member.islnk()) for member in tar}
    expected = {"b": (True, False), "new": (True, False)}
    assert found == expected | ({} if listed else {"twin": (False, True)})
    ours(f"the layer has {', '.join(found)}")


def _blob(bundle: Path, digest: str) -> bytes:
    with tarfile.open(bundle) as archive:
        content = archive.extractfile(f"blobs/{digest.replace(':', '/')}")
        assert content is not None
        return content.read()


def strong_store(here: Path, **changed: Any) -> Path:
    """Return a root as Docker 1.8.3 pulled into it: the top layer's folder is its strong ID (formats A.7)."""
    root = here / "root"
    legacy_layer(root, "aufs", A, {"a": b"a"})
    config = {
        "created": "2015-07-10T00:13:44.35Z",
        "docker_version": "1.9.1",
        "os": "linux",
        "layer_id": sha256(b"blob"),
        "parent_id": f"sha256:{C}",
    }
    raw = encode(dict(sorted(config.items())))
    strong = hashlib.sha256(raw).hexdigest()
    legacy_layer(root, "aufs", strong, {"b": b"b"})
    (root / "graph" / strong / "json").write_bytes(encode(dict(sorted({**config, **changed}.items()))))
    (root / "graph" / strong / "parent").write_text(A)
    name(root, "aufs", **{"1": strong})
    return root


def test_case_25_the_file_parent_counts_and_a_strong_id_is_computed_again(here: Path, ours: Tell) -> None:
    done = exported(strong_store(here), here)
    assert done.code == 0, done.err
    layers = done.json["images"][0]["platforms"][0]["layers"]
    assert next(each["v1_id"] for each in layers) == A
    assert not [each for each in done.json["findings"] if "strong" in each["problem"]]
    ours("the parent is that of the file")
    assert [each for each in warnings(verified(here / "root")) if "v1 ID" in each] == []
    of_another = verified(strong_store(here / "another", author="evil"))
    (said,) = [each for each in warnings(of_another) if each.startswith("v1 ID is")]
    assert (of_another.code, said.endswith("the digest of its json")) == (0, True)
    ours(said)


def test_case_26_a_layer_s_folder_that_is_an_absolute_link_is_sought_inside_the_root(
    here: Path, ours: Tell
) -> None:
    root = here / "root"
    moved = legacy_layer(root, "aufs", A, {"a": b"inside"})
    moved.rename(root / "graph" / A / "layer")
    outside = here / "var/lib/docker/graph" / A / "layer"
    fill(outside, {"a": b"outside"})
    moved.symlink_to(f"/var/lib/docker/graph/{A}/layer")
    name(root, "aufs", **{"1": A})
    done = exported(root, here)
    assert done.code == 0, done.err
    (one,) = done.json["images"][0]["platforms"][0]["layers"]
    assert b"inside" in _blob(here / "app.tar", one["digest"])
    assert b"outside" not in _blob(here / "app.tar", one["digest"])
    moved.unlink()
    moved.symlink_to(outside)  # which is there, on this very machine
    assert exported(root, here).json["images"][0]["platforms"][0]["layers"] == [one]
    (root / "graph" / A / "layer").rename(here / "gone")
    refused = ran("export", "app:1", "--from", f"graph:{root}", "-o", here / "no.tar")
    assert (refused.code, (here / "no.tar").exists()) == (5, False)
    ours(f"inside the root; where it is not there: {refused.error.replace(str(here), '')}")
