from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.archives import ONE, image
from tests.registries import V2, Registry
from toolkit.digest import Digest
from toolkit.errors import InvalidDocument, Mismatch, MissingMember, NotFound, UnsafeArchive, Unsupported
from toolkit.stores.registry_root.disk import LAYERS, REVISIONS, Broken, Disk, blob_path

APP = image(ONE)
TOP = Digest.parse(APP.digest)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    found = Registry(tmp_path / "registry")
    found.push("app:1", APP)
    return found


def disk(registry: Registry) -> Disk:
    return Disk(registry.folder, "registry-root:x")


@pytest.mark.parametrize("below", ["", "docker/registry", V2])
def test_the_tree_is_found_from_any_of_its_upper_folders(registry: Registry, below: str) -> None:
    found = Disk(registry.folder / below, "registry-root:x")
    assert list(found.repositories()) == ["app"]
    assert found.tagged("app", "1") == TOP


def test_the_folder_itself_may_be_reached_by_a_link(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(registry.folder)
    assert list(Disk(tmp_path / "link", "x").repositories()) == ["app"]


def test_a_repository_may_lie_in_another_ones_folder(registry: Registry) -> None:
    registry.push("app/sub/deep:1", APP)
    registry.push("a.b/c:1", APP)
    assert list(disk(registry).repositories()) == ["a.b/c", "app", "app/sub/deep"]


@pytest.mark.parametrize("name", ["Upper", "-x", "a..b", "lost+found", "x" * 256, ".hidden"])
def test_what_no_registry_could_name_is_no_repository(registry: Registry, name: str) -> None:
    folder = registry.v2 / "repositories" / name[:250] / "below" / "_manifests"
    folder.mkdir(parents=True)
    assert list(disk(registry).repositories()) in (["app"], ["app", f"{name[:250]}/below"][:1])
    assert not disk(registry).has_repository(f"{name}/below")


@pytest.mark.parametrize("name", ["..", "../app", "/app", "app/..", "", "app/_manifests"])
def test_a_name_that_is_a_path_is_no_repository(registry: Registry, name: str) -> None:
    assert not disk(registry).has_repository(name)


@pytest.mark.parametrize("tag", ["..", "../1", "1/current", "", "a" * 129])
def test_a_tag_that_is_a_path_is_no_tag(registry: Registry, tag: str) -> None:
    assert disk(registry).tagged("app", tag) is None


def test_a_link_where_a_repository_was_is_told_and_not_followed(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (registry.v2 / "repositories" / "evil").symlink_to(tmp_path / "other")
    broken, app = sorted(disk(registry).repositories(), key=str)
    assert app == "app"
    assert isinstance(broken, Broken)
    assert broken.name == "evil"
    assert broken.problem.endswith("repositories/evil: is a link, expected a folder")


@pytest.mark.parametrize(
    ("text", "error", "sentence"),
    [
        (b"", InvalidDocument, "is '', expected a digest"),
        (b"sha256:abc", InvalidDocument, "is 'sha256:abc', expected a digest and nothing else"),
        (APP.digest.encode() + b"\n", InvalidDocument, "expected a digest and nothing else"),
        (b"../../../../etc/passwd", InvalidDocument, "is '../../../../etc/passwd', expected a digest"),
        (b"md5:" + b"0" * 32, InvalidDocument, "expected a digest"),
        (b"\xff\0", InvalidDocument, "expected a digest"),
        (b"x" * 4097, UnsafeArchive, "is 4097 bytes, expected at most 4096"),
    ],
)
def test_a_link_file_holds_a_digest_and_nothing_else(
    registry: Registry, text: bytes, error: type[Exception], sentence: str
) -> None:
    registry.write(registry.tag("app", "1"), text)
    with pytest.raises(error, match=sentence):
        disk(registry).tagged("app", "1")
    [(tag, told)] = disk(registry).pointers("app")
    assert tag == "1"
    assert type(told) is error


def test_a_folder_of_a_tag_without_a_link_is_damage_that_names_it(registry: Registry) -> None:
    registry.tag("app", "1").unlink()
    problem = f"tag app:1: its link {registry.tag('app', '1')} is not there"
    with pytest.raises(MissingMember) as caught:
        disk(registry).tagged("app", "1")
    [(tag, told)] = disk(registry).pointers("app")
    assert (tag, str(told), str(told).partition(";")[0]) == ("1", str(caught.value), problem)
    shutil.rmtree(registry.tag("app", "1").parent)
    with pytest.raises(MissingMember):
        disk(registry).tagged("app", "1")


def test_a_repository_links_what_its_link_files_say(registry: Registry) -> None:
    layer = Digest.parse(APP.layers[0])
    found = disk(registry)
    assert found.links("app", REVISIONS, TOP)
    assert found.links("app", LAYERS, layer)
    assert not found.links("app", LAYERS, TOP)
    assert list(found.revisions("app")) == [TOP]
    registry.link(registry.layer("app", APP.layers[0]), APP.digest)
    with pytest.raises(Mismatch, match=f"digest is {APP.digest}, expected {layer}"):
        found.links("app", LAYERS, layer)


def test_a_blob_lies_in_a_folder_of_its_first_two_digits() -> None:
    assert blob_path(Digest("sha256", "ab" * 32)) == f"blobs/sha256/ab/{'ab' * 32}/data"


def test_a_walk_over_too_many_names_is_given_up(registry: Registry) -> None:
    for number in range(4):
        registry.link(registry.tag("app", f"t{number}"), APP.digest)
    found = Disk(registry.folder, "registry-root:x", many=4)  # app, and its three folders
    assert list(found.repositories()) == ["app"]
    with pytest.raises(UnsafeArchive, match="registry-root:x: has more than 4 names in its folders"):
        list(found.tags("app"))


def test_a_folder_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="registry-root:x: is not there"):
        Disk(tmp_path / "gone", "registry-root:x")


def test_a_file_is_no_registry(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unsupported, match="registry-root:x: is no folder"):
        Disk(tmp_path / "file", "registry-root:x")


@pytest.mark.parametrize("inside", ["", "blobs/sha256"])
def test_another_folder_is_no_registry(tmp_path: Path, inside: str) -> None:
    (tmp_path / inside).mkdir(parents=True, exist_ok=True)  # an OCI layout has blobs too
    with pytest.raises(
        NotFound, match="holds no storage of a v2 registry: there is no docker/registry/v2 in it"
    ):
        Disk(tmp_path, "registry-root:x")


def test_the_storage_of_a_registry_of_the_first_protocol_is_named(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "repositories").mkdir()
    with pytest.raises(Unsupported, match="registry of protocol v1, which is not read"):
        Disk(tmp_path, "registry-root:x")


def test_a_tree_behind_a_link_is_not_read(registry: Registry, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "docker").symlink_to(registry.folder / "docker")
    with pytest.raises(UnsafeArchive, match="is a link, expected a folder"):
        Disk(other, "registry-root:x")
