from __future__ import annotations

import bz2
import gzip
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.archives import (
    EMPTY,
    ONE,
    TWO,
    A,
    B,
    Body,
    C,
    Folder,
    Link,
    encode,
    sha256,
    v1_folder,
    v1_json,
    written,
)
from tests.stores.facts import DIFF_IDS, IDS, IMAGE_ID
from toolkit.bundles import open_bundle
from toolkit.bundles.archive_reader import Archive
from toolkit.bundles.docker_v1_reader import V1Bundle
from toolkit.errors import MissingMember, NotFound, UnsafeArchive
from toolkit.operations.verify import verify
from toolkit.plumbing.streams import nowhere, transfer

GOLDEN = Path(__file__).parents[1] / "golden" / "engines.tar.xz"


def bundle(folder: Path, members: Mapping[str, Body], mode: int = 0o644) -> V1Bundle:
    return V1Bundle(Archive(written(folder / "a.tar", members, mode)))


def proof_of(source: V1Bundle, name: str) -> list[str]:
    found = []
    for layer in source.image(name).layers:
        with source.open(layer) as content:
            found.append(str(transfer(content, layer, nowhere).diff_id))
    return found


NAMES: dict[str, Body] = {"repositories": encode({"app": {"1": B}})}
CHAIN = v1_folder(A, layer=ONE) | v1_folder(B, A, layer=TWO)


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Docker 1.9.1 saved."""
    import tarfile

    path = tmp_path_factory.mktemp("saved") / "docker-1.9.1.tar"
    with tarfile.open(GOLDEN) as golden:
        content = golden.extractfile("docker-1.9.1.tar")
        assert content
        path.write_bytes(content.read())
    return path


def test_what_engine_stores_saved_is_the_image_that_docker_20_10_loads(saved: Path) -> None:
    source = open_bundle(saved)
    assert isinstance(source, V1Bundle)
    (line,) = source.listings()
    assert (line.names, line.id, line.platform) == (("ubuntu:14.04",), IDS[-1], "linux/amd64")
    assert [layer.id for layer in source.image("ubuntu:14.04").chain] == list(IDS)
    report = verify(source)
    assert [finding.severity for finding in report.findings] == ["note"]  # it records no digest of its layers
    (image,) = report.images[0].images()
    assert str(image.config.image_id) == IMAGE_ID
    assert [diff_id.hex for diff_id in image.config.diff_ids] == list(DIFF_IDS)
    source.close()


def test_a_bundle_in_the_manner_of_0_7_is_read(tmp_path: Path) -> None:
    members = {f"./{name}": body for name, body in (CHAIN | NAMES).items()}
    folders = {name: Folder(0) if isinstance(body, Folder) else body for name, body in members.items()}
    source = bundle(tmp_path, {"./": Folder(0), **folders}, mode=0)
    assert proof_of(source, "app:1") == [sha256(ONE), sha256(TWO)]


def test_images_without_a_name_are_listed_and_found_by_id(tmp_path: Path) -> None:
    source = bundle(tmp_path, CHAIN)
    (line,) = source.listings()
    assert (line.names, line.id) == ((), B)
    assert source.image(B).names == ()


@pytest.mark.parametrize(
    ("packed", "media_type"),
    [
        (ONE, "application/vnd.oci.image.layer.v1.tar"),
        (gzip.compress(ONE), "application/vnd.oci.image.layer.v1.tar+gzip"),
        (bz2.compress(ONE), "application/vnd.oci.image.layer.v1.tar"),
    ],
)
def test_a_layer_may_be_compressed(tmp_path: Path, packed: bytes, media_type: str) -> None:
    source = bundle(tmp_path, v1_folder(B, layer=packed) | NAMES)
    (layer,) = source.image("app:1").layers
    assert (layer.key, layer.size, layer.media_type) == (B, len(packed), media_type)
    assert proof_of(source, "app:1") == [sha256(ONE)]


@pytest.mark.parametrize("link", [Link("../d/x"), Link("d/x", hard=True), Link("../over")])
def test_a_layer_may_be_a_link_inside_the_archive(tmp_path: Path, link: Link) -> None:
    files: dict[str, Body] = {"d/x": ONE, "over": Link("d/x")}
    source = bundle(tmp_path, files | v1_folder(B, layer=link) | NAMES)
    assert proof_of(source, "app:1") == [sha256(ONE)]


@pytest.mark.parametrize("link", [Link("../../x"), Link("../loop")])
def test_a_link_that_leads_outside_or_nowhere_is_refused(tmp_path: Path, link: Link) -> None:
    source = bundle(tmp_path, {"loop": Link("loop")} | v1_folder(B, layer=link) | NAMES)
    with pytest.raises(UnsafeArchive):
        source.image("app:1")


def test_a_layer_that_is_missing_is_told(tmp_path: Path) -> None:
    members = CHAIN | NAMES
    del members[f"{A}/layer.tar"]
    source = bundle(tmp_path, members)
    with pytest.raises(MissingMember, match=A):
        source.image("app:1")
    assert source.outline("app:1").id == B


def test_a_layer_in_the_folder_of_another_is_refused(tmp_path: Path) -> None:
    source = bundle(tmp_path, CHAIN | v1_folder(C, json_=v1_json(B, A)) | NAMES)
    for ask in (source.listings, lambda: source.image("app:1"), lambda: source.identify("app:1")):
        with pytest.raises(UnsafeArchive, match=f"layer {B[:12]} in folder '{C}'"):
            ask()


def test_a_name_that_leads_nowhere_is_listed_as_such(tmp_path: Path) -> None:
    source = bundle(tmp_path, CHAIN | {"repositories": encode({"app": {"1": B, "2": C, "3": "../.."}})})
    lines = {line.names: line.problem for line in source.listings()}
    assert lines["app:1",] == ""
    assert "not there" in lines["app:2",]
    assert "not there" in lines["app:3",]
    with pytest.raises(MissingMember):
        source.image("app:2")


def test_a_folder_that_old_engines_stumble_over_is_told(tmp_path: Path) -> None:
    stray, undigested = bundle(tmp_path, CHAIN | NAMES | {"extra/file": b""}).image("app:1").findings
    assert "folder 'extra' holds no layer" in stray.problem
    assert (undigested.severity, "no digest of its layers" in undigested.problem) == ("note", True)


def test_version_and_repositories_may_be_missing(tmp_path: Path) -> None:
    members = {name: body for name, body in CHAIN.items() if "VERSION" not in name}
    assert len(bundle(tmp_path, members).image(B).layers) == 2


def test_no_layer_is_read_for_metadata(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    written(path, v1_folder(A) | v1_folder(B, A, layer=b"\0" * (1 << 20)) | NAMES)
    source = V1Bundle(Archive(path))
    damaged = path.read_bytes().replace(b"\0" * (1 << 20), b"\0" * 512 + b"damage!!" * ((1 << 17) - 64))
    with open(path, "r+b") as stream:
        stream.write(damaged)
    assert source.image("app:1").layers[1].size == 1 << 20


def test_an_unknown_name_is_not_found(tmp_path: Path) -> None:
    source = bundle(tmp_path, CHAIN | NAMES)
    with pytest.raises(NotFound, match="near it: app:1"):
        source.image("app:2")
    assert EMPTY
