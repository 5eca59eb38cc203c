"""Cases 16 to 18: archives in the manner of Docker 29 and 25.0, and what `docker export` wrote."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests.archives import (
    CONFIG,
    IMAGE_NAME,
    INDEX,
    LAYER,
    MANIFEST,
    ONE,
    REF_NAME,
    TWO,
    Body,
    Folder,
    Picture,
    blob,
    described,
    docker_item,
    encode,
    image,
    layout,
    sha256,
)
from tests.pictures import content_of

from .conftest import Tell
from .judging import Judge, ran

DATA = Path(__file__).parents[1] / "data"
IN_TOTO = "application/vnd.in-toto+json"


def attestation() -> Picture:
    """Return what BuildKit says of an image: a manifest that borrows a config's type (formats D.3.3)."""
    statement = encode({"_type": "https://in-toto.io/Statement/v0.1", "subject": [{"name": "app"}]})
    rootfs = {"type": "layers", "diff_ids": [sha256(statement)]}
    config = encode({"architecture": "unknown", "os": "unknown", "config": {}, "rootfs": rootfs})
    raw = encode(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described(config, CONFIG),
            "layers": [described(statement, IN_TOTO)],
        }
    )
    unknown = {"architecture": "unknown", "os": "unknown"}
    return Picture(raw, MANIFEST, {sha256(each): each for each in (raw, config, statement)}, unknown)


def saved_by_docker_29() -> tuple[dict[str, Body], bytes, Picture]:
    """Return an archive of two platforms, one of them not here, and an attestation; its index and its image."""
    packed = gzip.compress(ONE, mtime=0)
    here = image(packed, diff_ids=[sha256(ONE)], media_types=[f"{LAYER}+gzip"])
    gone = image(TWO, architecture="arm64")
    beside = attestation()
    notes = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": here.digest}
    listed = [described(each.raw, MANIFEST, platform=each.platform) for each in (here, gone)]
    listed.append(described(beside.raw, MANIFEST, annotations=notes, platform=beside.platform))
    raw = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}, indent=3).encode()
    names = {IMAGE_NAME: "docker.io/library/app:1", REF_NAME: "1"}
    top = encode({"schemaVersion": 2, "manifests": [described(raw, INDEX, annotations=names)]})
    kept = {**here.blobs, **beside.blobs, sha256(raw): raw}
    members: dict[str, Body] = {"blobs/": Folder(), "blobs/sha256/": Folder()}
    members |= {blob(digest): kept[digest] for digest in sorted(kept)}
    members |= {"index.json": top, "manifest.json": encode([docker_item(here, "app:1")])}
    return {**members, "oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}, raw, here


@pytest.mark.parametrize("format_name", ["universal", "docker", "oci"])
def test_case_16_a_platform_that_is_not_here_is_told_and_the_index_keeps_its_bytes(
    judge: Judge, here: Path, format_name: str
) -> None:
    members, index, picture = saved_by_docker_29()
    found = judge(members)
    assert (found.code, found.names) == (0, ["app:1"])
    assert found.images == [(sha256(picture.config), [sha256(ONE)])]  # the attestation is none
    (warning,) = found.told("warning")
    assert warning == "is incomplete: the index names it for linux/arm64, and it is not there"
    assert ran("copy", here / "a.tar", here / "again.tar", "--format", format_name).code == 0
    assert content_of(here / "again.tar", blob(sha256(index))) == index
    statement = next(raw for name, raw in members.items() if isinstance(raw, bytes) and b"in-toto.io" in raw)
    assert content_of(here / "again.tar", blob(sha256(statement))) == statement
    assert judge(here / "again.tar").images == found.images


def test_case_17_layers_out_of_order_come_in_the_order_of_the_config(
    judge: Judge, ours: Tell, here: Path
) -> None:
    right = image(ONE, TWO, ONE)
    body = json.loads(right.raw)
    body["layers"] = [described(layer, LAYER) for layer in (TWO, ONE)]  # each once, as out of a map
    raw = encode(body)
    wrong = Picture(raw, MANIFEST, {**right.blobs, sha256(raw): raw})
    members = {**layout(("app:1", wrong)), "manifest.json": encode([docker_item(right, "app:1")])}
    found = judge(members)
    assert (found.code, found.images) == (
        0,
        [(sha256(right.config), [sha256(ONE), sha256(TWO), sha256(ONE)])],
    )
    (warning,) = found.told("warning")
    assert "whose layers are out of order, as Docker 25.0 wrote them; they are made anew" in warning
    assert ran("copy", here / "a.tar", here / "new.tar", "--format", "docker").code == 0
    again = judge(here / "new.tar")
    assert (again.images, again.told("warning")) == (found.images, [])
    (made,) = [
        entry["digest"] for entry in json.loads(content_of(here / "new.tar", "index.json"))["manifests"]
    ]
    assert made != wrong.digest
    layers = json.loads(content_of(here / "new.tar", blob(made)))["layers"]
    assert [layer["digest"] for layer in layers] == [sha256(ONE), sha256(TWO), sha256(ONE)]
    ours("a manifest in the order of the config, with another digest")


def test_case_18_a_root_file_system_is_a_layer_byte_for_byte(ours: Tell, here: Path) -> None:
    path, time = DATA / "vectors/docker2010-export.tar", "2024-01-31T12:00:00Z"
    words = ["--tag", "app:1", "--into", f"oci:{here / 'store'}", "--created", time, "--json"]
    done = ran("import", "--rootfs", path, *words, "--platform", "linux/amd64")
    assert done.code == 0, done.err
    (image_,) = done.json["images"]
    (layer,) = image_["platforms"][0]["layers"]
    assert layer["diff_id"] == sha256(path.read_bytes())
    told = [finding["problem"] for finding in done.json["findings"]]
    assert any(".dockerenv" in each and "dev/console" in each for each in told), told
    shown = ran("inspect", f"oci:{here / 'store'}", "app:1", "--json").json["images"][0]
    assert shown["created"] == time
    ours(f"diffID {layer['diff_id'][:19]}…; {told[0]}")
