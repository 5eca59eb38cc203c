"""Members of a docker-v1.2 bundle, held against what Docker 20.10.24 itself saved."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.archives import (
    MANIFEST,
    ONE,
    TWO,
    A,
    B,
    C,
    Picture,
    described,
    encode,
    image,
    index,
    sha256,
    v1_json,
)
from tests.pictures import legacy, modern
from toolkit.bundles import create_bundle, open_bundle
from toolkit.bundles.docker_v1_2 import losses, members
from toolkit.bundles.members import Member
from toolkit.errors import UnsafeArchive, Unsupported
from toolkit.image import ProvenImage
from toolkit.operations.copy import copy

VECTORS = Path(__file__).parents[1] / "data" / "vectors"
MTIME, CHECKSUM = slice(136, 148), slice(148, 156)  # of a header block: POSIX ustar
LINKED = "015a5d725ee264479e8a4c497063311618ce9339e5ce90e5e2a892bb00041f22/"  # its layer.tar is a link
HISTORY = [{"created": "2015-07-10T00:13:44Z", "created_by": "one"}]


def blocks_of(raw: bytes) -> Iterator[tuple[bytearray, bytes]]:
    """Yield each member's header and body, as they stand; last the end, with no body."""
    offset = 0
    while raw[offset] if offset < len(raw) else 0:
        header = bytearray(raw[offset : offset + 512])
        size = int(header[124:135], 8)
        offset += 512 + -(-size // 512) * 512
        yield header, raw[offset - -(-size // 512) * 512 : offset]
    yield bytearray(), raw[offset:]


def settled(raw: bytes) -> list[tuple[bytearray, bytes]]:
    """Return what two saves of one image have in common: Docker dates the linked folder when it saves."""
    found = list(blocks_of(raw))
    for header, _ in found:
        if header.startswith(LINKED.encode()):
            header[MTIME], header[CHECKSUM] = bytes(12), bytes(8)
    return found


@pytest.fixture
def again(tmp_path: Path) -> bytes:
    """What Docker saved, read and written in the same format."""
    saved = open_bundle(VECTORS / "docker2010-save-duplayer.tar")
    copy(saved, create_bundle(tmp_path / "b.tar", "docker-v1.2"), ["v1id:x", "v1id:y"])
    return (tmp_path / "b.tar").read_bytes()


def test_what_docker_saved_comes_out_byte_for_byte_but_for_the_time_of_the_save(again: bytes) -> None:
    saved = (VECTORS / "docker2010-save-duplayer.tar").read_bytes()
    assert settled(again) == settled(saved)
    assert len(again) == len(saved) == 34816
    different = {position for position in range(len(saved)) if again[position] != saved[position]}
    allowed = {
        offset + at
        for offset in range(0, len(saved), 512)
        if saved[offset:].startswith(LINKED.encode())
        for at in (*range(136, 148), *range(148, 156))
    }
    assert different <= allowed


def test_the_linked_folder_has_the_time_of_the_image(again: bytes) -> None:
    created = 1577934245  # 2020-01-02T03:04:05Z, of the config
    times = {
        bytes(header[:100]).rstrip(b"\0").decode(): int(header[136:147], 8)
        for header, _ in blocks_of(again)
        if header
    }
    assert {time for name, time in times.items() if name.startswith(LINKED)} == {created}
    assert (times["manifest.json"], times["repositories"]) == (0, 0)


def test_what_a_docker_in_another_zone_saved_comes_out_as_one_in_utc_saves_it(
    again: bytes, tmp_path: Path
) -> None:
    saved = open_bundle(VECTORS / "docker2010-save-duplayer-kolkata.tar")
    copy(saved, create_bundle(tmp_path / "k.tar", "docker-v1.2"), ["v1id:x"])
    named = ("manifest.json", "repositories")  # that save has one name, the other two

    def images(raw: bytes) -> list[tuple[bytearray, bytes]]:
        return [each for each in blocks_of(raw) if not each[0].startswith(tuple(map(str.encode, named)))]

    assert images((tmp_path / "k.tar").read_bytes()) == images(again)


# ── members ──


def by_name(*images: ProvenImage) -> dict[str, Member]:
    listed = members(images)
    found = {member.name: member for member in listed}
    assert len(found) == len(listed)
    return found


def items(found: dict[str, Member]) -> list[dict[str, object]]:
    listed: list[dict[str, object]] = json.loads(found["manifest.json"].content)
    return listed


def test_members_stand_in_the_order_of_a_walk_and_each_image_in_manifest_json() -> None:
    proven = legacy(["app:1"], [A, B], {A: ONE, B: TWO})
    (picture,) = proven.images()
    config = f"{picture.config.image_id.hex}.json"
    found = by_name(proven)
    folders = [f"{each}/{name}" for each in (A, B) for name in ("", "VERSION", "json", "layer.tar")]
    assert list(found) == sorted([config, *folders, "manifest.json", "repositories"])
    assert found[config].content == picture.config.raw
    assert items(found) == [
        {"Config": config, "RepoTags": ["app:1"], "Layers": [f"{A}/layer.tar", f"{B}/layer.tar"]}
    ]
    assert found["repositories"].content == encode({"app": {"1": B}}) + b"\n"


def test_a_legacy_image_keeps_its_own_v1_jsons() -> None:
    found = by_name(legacy(["app:1"], [A, B], {A: ONE, B: TWO}))
    assert found[f"{A}/json"].content == v1_json(A, architecture="amd64")
    assert found[f"{B}/json"].content == v1_json(B, A, architecture="amd64")


def test_a_layer_that_was_there_before_is_a_link_also_across_images() -> None:
    one = legacy(["x:1"], [A, B], {A: ONE, B: TWO})
    other = legacy(["y:1"], [C], {C: ONE})
    found = by_name(other, one)
    assert {name: each.target for name, each in found.items() if each.kind == "symlink"} == {
        f"{C}/layer.tar": f"../{A}/layer.tar"
    }
    assert [item["Layers"] for item in items(found)] == [
        [f"{A}/layer.tar", f"{B}/layer.tar"],
        [f"{C}/layer.tar"],
    ]


def test_modes_have_the_type_bits_that_docker_20_10_writes_and_root_is_the_owner() -> None:
    found = by_name(modern(image(ONE, TWO, ONE), "app:1"))
    assert {(each.kind, f"{each.mode:#o}", each.owner) for each in found.values()} == {
        ("file", "0o100644", "root"),
        ("directory", "0o40755", "root"),
        ("symlink", "0o120777", "root"),
    }


def test_a_time_before_1970_is_1970() -> None:
    early, late = (image(ONE, created=f"{year}-01-01T00:00:00Z") for year in (1969, 1971))
    assert {each.mtime for each in by_name(modern(early)).values()} == {0}
    assert {each.mtime for each in by_name(modern(late)).values()} == {0, 31536000}


def test_without_a_tag_there_are_no_repositories() -> None:
    found = by_name(modern(image(ONE), f"app@{sha256(ONE)}"))
    assert "repositories" not in found
    assert items(found)[0]["RepoTags"] is None


def test_of_an_index_the_preferred_platform_goes() -> None:
    arm, amd = image(ONE, architecture="arm64"), image(TWO)
    found = by_name(modern(index(arm, amd), "app:1"))
    assert [item["Config"] for item in items(found)] == [f"{sha256(amd.config)[7:]}.json"]
    assert [str(each.blob.digest) for each in found.values() if each.blob] == [sha256(TWO)]


def test_an_image_without_layers_is_refused_since_docker_cannot_save_it_either() -> None:
    with pytest.raises(Unsupported, match=r"^none:1: has no layers; .*universal"):
        members([modern(image(), "none:1")])


def test_an_artifact_is_refused() -> None:
    raw = encode(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described(b"{}", "application/vnd.example.config"),
            "layers": [],
        }
    )
    chart = Picture(raw, MANIFEST, {sha256(each): each for each in (raw, b"{}")})
    with pytest.raises(Unsupported, match=r"^chart:1: is an artifact, not an image"):
        members([modern(chart, "chart:1")])


def test_two_different_layers_under_one_v1_id_are_refused() -> None:
    with pytest.raises(UnsafeArchive, match="would stand twice"):
        members([legacy(["x:1"], [A], {A: ONE}), legacy(["y:1"], [A, B], {A: TWO, B: ONE})])


def test_what_it_cannot_carry_is_told_and_a_plain_image_loses_nothing() -> None:
    both = index(image(ONE), image(TWO, architecture="arm64"))
    assert [finding.problem for finding in losses(modern(both, "app:1"))] == [
        "loses its other platforms in docker-v1.2: linux/arm64",
        f"loses its index {both.digest}: docker-v1.2 keeps none",
    ]
    assert losses(modern(image(ONE, history=HISTORY), "app:1")) == []
