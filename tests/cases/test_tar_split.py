"""Cases 27 to 30: layers that are put together again from their files and the record of their tar."""

from __future__ import annotations

import gzip
import json
import os
import tarfile
from collections.abc import Callable
from hashlib import sha256 as hashed
from pathlib import Path

import pytest

from tests.archives import A, Body, Folder, encode, sha256
from tests.graphs import legacy_layer, name
from tests.pictures import content_of

from .conftest import Tell
from .judging import Ran, ran

VECTORS = Path(__file__).parents[1] / "data" / "vectors"
TAR = (VECTORS / "layer-31629fae.tar").read_bytes()
DIFF_ID = "sha256:31629fae8a9a3d0b35bfad1c821c14e177f35ba144d42ff67fb852d4522a2037"
LINES = gzip.decompress((VECTORS / "tar-split-31629fae.json.gz").read_bytes())
ONLY = "etc/va1795457507.214360"
CONFIG = encode({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [DIFF_ID]}})
CACHE = "c" * 64


def content() -> bytes:
    with tarfile.open(VECTORS / "layer-31629fae.tar") as tar:
        found = tar.extractfile(ONLY)
        assert found is not None
        return found.read()


def docker_root(here: Path, lines: bytes | None = LINES) -> Path:
    """Return a root as Docker 20.10 keeps it on overlay2, with one image of one layer (formats B)."""
    root = here / "docker"
    image_db, layer_db = root / "image/overlay2/imagedb", root / "image/overlay2/layerdb/sha256"
    layer = layer_db / DIFF_ID.removeprefix("sha256:")
    diff = root / "overlay2" / CACHE / "diff"
    (image_db / "content/sha256").mkdir(parents=True)
    (image_db / "content/sha256" / hashed(CONFIG).hexdigest()).write_bytes(CONFIG)
    layer.mkdir(parents=True)
    (diff / "etc").mkdir(parents=True)
    (diff / ONLY).write_bytes(content())
    (root / "overlay2" / CACHE / "link").write_text("A" * 26)
    facts = {"diff": DIFF_ID, "size": str(len(content())), "cache-id": CACHE}
    for fact, text in facts.items():
        (layer / fact).write_text(text)
    if lines is not None:
        (layer / "tar-split.json.gz").write_bytes(gzip.compress(lines))
    image_id = sha256(CONFIG)
    names = {"Repositories": {"app": {"app:1": image_id}}}
    (root / "image/overlay2/repositories.json").write_bytes(encode(names))
    return root


def exported(root: Path, here: Path, *flags: str) -> Ran:
    return ran("export", "app:1", "--from", f"docker-root:{root}", "-o", here / "app.tar", *flags, "--json")


def test_case_27_a_layer_of_overlay2_is_the_tar_that_its_diff_says(here: Path, ours: Tell) -> None:
    done = exported(docker_root(here), here)
    assert done.code == 0, done.err
    platform = done.json["images"][0]["platforms"][0]
    assert (platform["image_id"], platform["layers"][0]["digest"]) == (sha256(CONFIG), DIFF_ID)
    assert content_of(here / "app.tar", f"blobs/{DIFF_ID.replace(':', '/')}") == TAR
    assert not [each for each in done.json["findings"] if each["severity"] != "note"]
    size = here / "docker/image/overlay2/layerdb/sha256" / DIFF_ID[7:] / "size"
    size.write_text("191")
    (warning,) = [
        each["problem"]
        for each in exported(here / "docker", here).json["findings"]
        if "size" in each["problem"]
    ]
    assert warning == "layersize is 191, which no rule of the overlay2 driver gives"
    ours(f"{DIFF_ID[:19]}…; a wrong size: {warning}")


def test_case_28_a_tar_split_and_its_files_are_the_tar(here: Path, ours: Tell) -> None:
    root = here / "root"
    legacy_layer(root, "aufs", A, {"etc": Folder(), ONLY: content()}, size="190", tar_split=LINES)
    name(root, "aufs", **{"1": A})
    done = ran("export", "app:1", "--from", f"graph:{root}", "-o", here / "app.tar", "--json")
    (layer,) = done.json["images"][0]["platforms"][0]["layers"]
    assert (layer["digest"], layer["proof"], layer["layersize"]["rule"]) == (DIFF_ID, "tar-split", "S3")
    ours(f"{DIFF_ID[:19]}…, proven by its tar-split")


def edited(number: int, **members: object) -> bytes:
    lines = LINES.splitlines()
    lines[number] = encode({**json.loads(lines[number]), **members})
    return b"\n".join(lines) + b"\n"


def cut(lines: int) -> bytes:
    return b"".join(LINES.splitlines(keepends=True)[:-lines])


def again() -> bytes:
    last = json.loads(LINES.splitlines()[-1])["position"]
    return (
        LINES.rstrip(b"\n")
        + b"\n"
        + encode({"type": 1, "name": "etc", "payload": None, "position": last + 1})
    )


def replaced(put: Callable[[Path], object]) -> Callable[[Path], object]:
    def damage(path: Path) -> None:
        path.rename(path.with_name("was"))
        put(path)

    return damage


def untouched(path: Path) -> None:
    """Leave the file as it is: the record is what was damaged."""


DAMAGE: dict[str, tuple[bytes, Callable[[Path], object], int, str]] = {
    "one byte": (LINES, lambda path: path.write_bytes(content()[:-1] + b"?"), 5, f"{ONLY}: CRC-64 is"),
    "no last line": (cut(3), untouched, 5, f", expected {DIFF_ID}"),
    "a name twice": (again(), untouched, 6, "two entries of the same name"),
    "a name that leads out": (edited(3, name="../x"), untouched, 6, "leads out of its folder"),
    "a link": (LINES, replaced(lambda path: path.symlink_to("was")), 5, "is a link where a file was"),
    "a pipe": (LINES, replaced(os.mkfifo), 5, "is not a regular file"),
}


@pytest.mark.parametrize("what", DAMAGE)
@pytest.mark.parametrize("kind", ["graph", "docker-root"])
def test_case_29_what_was_changed_is_refused_by_its_name(
    here: Path, ours: Tell, kind: str, what: str
) -> None:
    """A legacy root records no diffID: a list that lacks the end of its tar alone is told there."""
    lines, damage, code, says = DAMAGE[what]
    if kind == "docker-root":
        root = docker_root(here, lines)
        damage(root / "overlay2" / CACHE / "diff" / ONLY)
    else:
        root = here / "root"
        tree: dict[str, Body | None] = {"etc": Folder(), ONLY: content()}
        damage(legacy_layer(root, "aufs", A, tree, size="190", tar_split=lines) / ONLY)
        name(root, "aufs", **{"1": A})
    done = ran("export", "app:1", "--from", f"{kind}:{root}", "-o", here / "app.tar")
    if (kind, what) == ("graph", "no last line"):
        code, says = 0, "is a tar without its end; either it was made so, or its tar-data.json.gz was cut"
    assert (done.code, (here / "app.tar").exists()) == (code, not code), done.err
    assert says in done.err
    ours((done.error or done.err).replace(str(here), ""))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: marks of deleted files may be xattrs that it sees")
def test_case_30_a_layer_without_its_record_is_made_anew_only_where_that_is_allowed(
    here: Path, ours: Tell
) -> None:
    root = docker_root(here, None)
    refused = exported(root, here)
    assert (refused.code, (here / "app.tar").exists()) == (5, False)
    sentence = refused.json["error"]["sentence"]
    assert "--allow-rebuilt" in sentence
    done = exported(root, here, "--allow-rebuilt")
    assert done.code == 0, done.err
    platform = done.json["images"][0]["platforms"][0]
    assert platform["layers"][0]["diff_id"] != DIFF_ID
    assert platform["image_id"] != sha256(CONFIG)
    told = [each["problem"] for each in done.json["findings"] if each["severity"] == "warning"]
    assert any("made anew" in each for each in told), told
    ours(sentence.replace(str(here), ""))
