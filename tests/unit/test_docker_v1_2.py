"""Members of a docker-v1.2 bundle, held against what Docker 20.10 itself saved, byte for byte."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.archives import (
    ONE,
    TWO,
    A,
    B,
    Body,
    C,
    Picture,
    described,
    encode,
    image,
    index,
    layout,
    sha256,
    v1_json,
    written,
)
from tests.pictures import content_of, found_in, legacy, modern
from toolkit.bundles import create_bundle, open_bundle
from toolkit.bundles.docker_v1_2 import losses, members
from toolkit.bundles.members import Member
from toolkit.errors import Unsupported
from toolkit.image import ProvenImage
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify

VECTORS = Path(__file__).parents[1] / "data/vectors"
SAVED = VECTORS / "docker2010-save-duplayer.tar"
CREATED = 1_577_934_245  # 2020-01-02T03:04:05.123Z, which the config of SAVED says
MTIME, CHECKSUM = range(136, 148), range(148, 156)  # of a header block


@dataclass(frozen=True)
class Block:
    """One member as it lies in the file."""

    name: str
    header: bytes
    body: bytes  # with its padding

    def differs(self, other: Block) -> set[int]:
        """Return the bytes of the header that are others, but the checksum over them."""
        pairs = enumerate(zip(self.header, other.header, strict=True))
        return {place for place, (ours, theirs) in pairs if ours != theirs} - set(CHECKSUM)


def blocks(path: Path) -> list[Block]:
    raw = path.read_bytes()
    with tarfile.open(path) as archive:
        found = archive.getmembers()
    ends = [*(member.offset for member in found[1:]), len(raw)]
    return [
        Block(member.name, raw[member.offset : member.offset_data], raw[member.offset_data : end])
        for member, end in zip(found, ends, strict=True)
    ]


def rewritten(saved: Path, folder: Path, *names: str) -> Path:
    """Read what an engine saved, all its names unless some are asked for, and write it as docker-v1.2."""
    source = open_bundle(saved)
    every = [name for line in source.listings() for name in line.names]
    copy(source, create_bundle(folder / "ours.tar", "docker-v1.2"), names or every)
    return folder / "ours.tar"


def test_docker_20_10_saves_the_same_bytes_but_for_the_times_in_the_folder_with_the_link(
    tmp_path: Path,
) -> None:
    """There Docker writes the time of the save, so that two saves differ."""
    pairs = list(zip(blocks(rewritten(SAVED, tmp_path)), blocks(SAVED), strict=True))
    assert [ours.name for ours, _ in pairs] == [theirs.name for _, theirs in pairs]
    assert [ours.body for ours, _ in pairs] == [theirs.body for _, theirs in pairs]
    differing = {ours.name: ours.differs(theirs) for ours, theirs in pairs if ours.header != theirs.header}
    (link,) = (member for member in found_in(SAVED).values() if member.issym())
    folder = link.name.removesuffix("/layer.tar")
    assert list(differing) == [folder, f"{folder}/VERSION", f"{folder}/json", f"{folder}/layer.tar"]
    assert set().union(*differing.values()) <= set(MTIME)
    assert {found_in(tmp_path / "ours.tar")[name].mtime for name in differing} == {CREATED}


def test_docker_20_10_saves_the_same_file_where_no_layer_stands_twice(corpus: Path, tmp_path: Path) -> None:
    saved = corpus / "bundles/docker-20.10.tar"
    assert rewritten(saved, tmp_path).read_bytes() == saved.read_bytes()


def test_the_zone_of_the_machine_that_saved_leaves_no_trace(tmp_path: Path) -> None:
    (tmp_path / "utc").mkdir()
    kolkata = rewritten(VECTORS / "docker2010-save-duplayer-kolkata.tar", tmp_path, "v1id:x")
    assert kolkata.read_bytes() == rewritten(SAVED, tmp_path / "utc", "v1id:x").read_bytes()


def test_what_skopeo_saved_becomes_what_docker_would_save(tmp_path: Path) -> None:
    ours = rewritten(VECTORS / "skopeo-docker-archive.tar", tmp_path)
    (item,) = json.loads(content_of(ours, "manifest.json"))
    assert item["Config"] == "53429c67c0ece6e27df5475616b4ac841946da95223d7e08654fd7053b12fa99.json"
    assert item["RepoTags"] == ["foo/bar:baz"]
    assert [sha256(content_of(ours, path)) for path in item["Layers"]] == [
        f"sha256:{each}"
        for each in (
            "31629fae8a9a3d0b35bfad1c821c14e177f35ba144d42ff67fb852d4522a2037",
            "3a18bad8bb6288e15a836530e4ca166ca391fc7d6d70e8676c91d063ae877f56",
            "31629fae8a9a3d0b35bfad1c821c14e177f35ba144d42ff67fb852d4522a2037",
        )
    ]
    assert verify(open_bundle(ours)).ok


def by_name(*images: ProvenImage) -> dict[str, Member]:
    listed = members(images)
    found = {member.name: member for member in listed}
    assert len(found) == len(listed)
    return found


def test_members_stand_in_the_order_of_a_walk() -> None:
    """Go's filepath.Walk sorts names in each folder; `-` sorts before `/`."""
    found = [name.rstrip("/") for name in by_name(legacy(["app:1"], [C, A, B], {A: ONE}))]
    assert found == sorted(found, key=lambda name: name.split("/"))
    assert found[-2:] == ["manifest.json", "repositories"]


def test_a_legacy_image_keeps_its_own_ids_and_jsons() -> None:
    found = by_name(legacy(["app:1"], [A, B], {A: ONE, B: TWO}))
    assert (found[f"{A}/json"].content, found[f"{B}/json"].content) == (
        v1_json(A, architecture="amd64"),
        v1_json(B, A, architecture="amd64"),
    )
    assert json.loads(found["repositories"].content) == {"app": {"1": B}}
    assert json.loads(found["manifest.json"].content)[0]["Layers"] == [f"{A}/layer.tar", f"{B}/layer.tar"]


def test_a_layer_that_was_there_before_is_a_link_to_it_in_another_image_too() -> None:
    found = by_name(legacy(["a:1"], [A, B], {A: ONE, B: TWO}), legacy(["b:1"], [C], {C: TWO}))
    assert found[f"{C}/layer.tar"].target == f"../{B}/layer.tar"
    assert [name for name, member in found.items() if member.blob] == [f"{A}/layer.tar", f"{B}/layer.tar"]


def test_modes_and_owners_are_those_of_docker_before_24() -> None:
    found = by_name(legacy(["a:1"], [A, B], {A: ONE, B: ONE}))
    assert {(member.kind, member.mode, member.owner) for member in found.values()} == {
        ("file", 0o100644, "root"),
        ("directory", 0o40755, "root"),
        ("symlink", 0o120777, "root"),
    }


@pytest.mark.parametrize(
    ("created", "mtime"),
    [
        ("2020-01-02T03:04:05.123Z", CREATED),
        ("1970-01-01T05:30:00+05:30", 0),
        ("0001-01-01T00:00:00Z", 0),
        ("1931-07-01T00:00:00Z", 0),
        (None, 0),
    ],
)
def test_files_of_an_image_are_as_old_as_it_and_never_older_than_1970(
    created: str | None, mtime: int
) -> None:
    found = by_name(modern(image(ONE, created=created), "app:1"))
    times = {name: member.mtime for name, member in found.items()}
    assert (times.pop("manifest.json"), times.pop("repositories")) == (0, 0)
    assert set(times.values()) == {mtime}


def test_images_in_any_order_are_the_same_members() -> None:
    images = [modern(image(ONE, TWO), "b:1"), modern(image(ONE), "a:1")]
    assert members(images) == members(images[::-1])


def test_an_image_without_a_name_has_no_repositories() -> None:
    found = by_name(modern(image(ONE)))
    assert "repositories" not in found
    assert json.loads(found["manifest.json"].content)[0]["RepoTags"] is None


def test_an_image_without_layers_is_refused_as_docker_cannot_save_it_either() -> None:
    with pytest.raises(Unsupported, match=r"^none:1: has no layers; .*--format universal"):
        members([modern(image(), "none:1")])


def test_an_artifact_is_refused() -> None:
    raw = encode(
        {
            "schemaVersion": 2,
            "config": described(b"{}", "application/vnd.example.config"),
            "layers": [described(b"chart", "application/vnd.example.chart")],
        }
    )
    chart = Picture(raw, image().media_type, {sha256(each): each for each in (raw, b"{}", b"chart")})
    with pytest.raises(Unsupported, match="is an artifact, not an image"):
        members([modern(chart, "chart:1")])


def test_other_platforms_are_lost_and_told() -> None:
    both = modern(index(image(ONE), image(TWO, architecture="arm64")), "app:1")
    (finding,) = losses(both)
    assert "linux/arm64" in finding.problem
    assert [member.name for member in members([both]) if member.blob] == [
        member.name for member in members([modern(image(ONE), "app:1")]) if member.blob
    ]
    assert losses(modern(image(ONE))) == []


def test_both_of_two_layers_of_one_content_are_found_behind_one_file(tmp_path: Path) -> None:
    files: dict[str, Body] = dict(layout(("app:1", image(ONE, TWO, ONE))))
    ours = rewritten(written(tmp_path / "a.tar", files), tmp_path)
    (item,) = json.loads(content_of(ours, "manifest.json"))
    assert len(set(item["Layers"])) == 3
    assert [content_of(ours, path) for path in item["Layers"]] == [ONE, TWO, ONE]
    assert sum(member.issym() for member in found_in(ours).values()) == 1
