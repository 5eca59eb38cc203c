"""One byte of a bundle is another: it is refused, or it is one of the few that nobody can or need notice."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.archives import A, B, Body, encode, tar, v1_folder, written
from tests.flips import Member, exit_codes, members_of, verified
from toolkit.bundles import create_bundle, open_bundle
from toolkit.operations.copy import copy

STEP = 61  # bytes; every so many one is changed, besides those that stand for something

DOCKER_V1_2 = {"json"}  # has no digest; of a v1 json that makes up no config it is only compared what runs
DOCKER_V1 = {"layer.tar", "json", 'repositories: "app"', 'repositories: "1"'}  # has no digest at all


def short(name: str) -> bytes:
    """Return a layer of one file, without the zeros that Python puts behind it."""
    return tar({name: name.encode()})[:2048]


LAYERS = {A: short("one"), B: short("two")}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A docker-v1 bundle of two layers, as a legacy engine might have saved it."""
    files: dict[str, Body] = {**v1_folder(A, "", LAYERS[A]), **v1_folder(B, A, LAYERS[B])}
    folder = tmp_path_factory.mktemp("corruption")
    return written(folder / "v1.tar", {**files, "repositories": encode({"app": {"1": B}})})


UNNOTICED: dict[str, set[str]] = {
    "universal": set(),
    "docker": set(),
    "docker-v1.2": DOCKER_V1_2,
    "oci": set(),
    "docker-v1": DOCKER_V1,
}


@pytest.mark.parametrize("format_name", UNNOTICED)
def test_every_changed_byte_is_noticed_but_those_named_here(
    source: Path, tmp_path: Path, format_name: str
) -> None:
    copy(open_bundle(source), create_bundle(tmp_path / "b.tar", format_name), ["app:1"])
    raw = (tmp_path / "b.tar").read_bytes()
    members = members_of(tmp_path / "b.tar")
    starts = [member.header for member in members]
    told = {position for member in members for position in member.telling()}
    damaged, unnoticed = tmp_path / "damaged.tar", set()
    for position in sorted(told | set(range(0, len(raw), STEP))):
        changed = bytearray(raw)
        changed[position] ^= 1
        damaged.write_bytes(changed)
        codes = exit_codes(damaged)
        if not codes:
            unnoticed.add(members[bisect(starts, position) - 1].what(position))
        assert codes <= {5, 6}, position
    assert unnoticed == UNNOTICED[format_name]


def test_where_nothing_can_be_noticed_the_report_says_so(source: Path, tmp_path: Path) -> None:
    copy(open_bundle(source), create_bundle(tmp_path / "b.tar", "docker-v1"), ["app:1"])
    (finding,) = verified(tmp_path / "b.tar").findings
    assert "records no digest of its layers" in finding.problem


@pytest.mark.parametrize("format_name", UNNOTICED)
def test_a_bundle_cut_anywhere_is_refused_or_said_to_be_cut(
    source: Path, tmp_path: Path, format_name: str
) -> None:
    copy(open_bundle(source), create_bundle(tmp_path / "b.tar", format_name), ["app:1"])
    raw = (tmp_path / "b.tar").read_bytes()
    damaged = tmp_path / "damaged.tar"
    for length in (*range(0, len(raw) - 1024, 255), *range(0, len(raw) - 1023, 512)):
        damaged.write_bytes(raw[:length])
        codes = exit_codes(damaged)
        assert codes <= {4, 5, 6}, length
        if not codes:  # between two members: what stands before is whole
            said = [finding.problem for finding in verified(damaged).findings]
            assert any("may have been cut short" in problem for problem in said), length


# ── a dir ──

DIR = {
    "version: its number",  # skopeo looks at the words before it, and at no number
    # Nothing holds a digest of manifest.json itself. What it says of digests and sizes is held against the
    # files, and v1 jsons against the config; under another media type the files are blobs of another kind.
    'manifest.json: "mediaType"',
    'manifest.json: "application/vnd.oci.image.config.v1+json"',
    'manifest.json: "application/vnd.oci.image.layer.v1.tar"',
    'manifest.json: "annotations"',
    'manifest.json: "io.lading.v1.driver"',
    'manifest.json: "io.lading.v1.id"',
    f'manifest.json: "{A}"',
    f'manifest.json: "{B}"',
    'manifest.json: "io.lading.v1.json"',
    "manifest.json: a v1 json",  # where it tells its own ID
    'manifest.json: "io.lading.v1.proof"',
    'manifest.json: "io.lading.v1.rule"',
}


def changes(folder: Path) -> Iterator[tuple[str, int, bytes]]:
    """Yield every file of a folder with one byte changed, and what stands there."""
    for path in sorted(folder.iterdir()):
        raw = path.read_bytes()
        told = Member(0, 0, path.name, raw)
        for position in sorted({*range(0, len(raw), STEP), *told.telling()}):
            if position < len(raw):
                changed = bytearray(raw)
                changed[position] ^= 1
                yield path.name, position, bytes(changed)


def place(name: str, position: int, whole: bytes) -> str:
    """Return what stands at a byte of a file of a dir."""
    if name == "version":
        return "version: its number" if position >= len("Directory Transport Version: ") else name
    what = Member(0, 0, name, whole).what(position)
    return "manifest.json: a v1 json" if what.startswith('manifest.json: "eyJ') else what


def test_every_changed_byte_of_a_dir_is_noticed_but_those_named_here(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "d"
    copy(open_bundle(source), create_bundle(folder, "dir"), ["app:1"])
    unnoticed, odd = set(), set()
    blobs = {str(blob.digest) for image in verified(folder).images for blob in image.blobs}
    for name, position, changed in changes(folder):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(changed)
        codes = exit_codes(folder)
        what = place(name, position, whole)
        if not codes:
            unnoticed.add(what)
            images = verified(folder).images
            assert blobs <= {str(blob.digest) for image in images for blob in image.blobs}
        elif not codes <= {5, 6}:
            odd.add((what, *codes))
        (folder / name).write_bytes(whole)
    assert unnoticed == DIR
    assert odd == {("version", 4), ('manifest.json: "application/vnd.oci.image.manifest.v1+json"', 4)}


def test_a_dir_in_which_a_file_is_missing_or_cut_is_refused(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "d"
    copy(open_bundle(source), create_bundle(folder, "dir"), ["app:1"])
    names = sorted(path.name for path in folder.iterdir())
    assert len(names) == 5  # version, manifest.json, config and two layers
    for name in names:
        path, whole = folder / name, (folder / name).read_bytes()
        path.unlink()
        assert exit_codes(folder) == {4 if name == "version" else 5}, name
        end = len("Directory Transport Version: ") if name == "version" else len(whole)
        for length in range(0, end, max(1, len(whole) // 20)):
            path.write_bytes(whole[:length])
            assert exit_codes(folder) == {4 if name == "version" else 5}, (name, length)
        path.write_bytes(whole)
    assert exit_codes(folder) == set()
