"""docker-v1.2 as hostile or odd sources would have it."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from pathlib import Path

from tests.archives import (
    ONE,
    TWO,
    A,
    B,
    Body,
    C,
    image,
    layout,
    sha256,
    written,
)
from tests.pictures import content_of, found_in, legacy, modern
from toolkit.bundles import create_bundle, open_bundle
from toolkit.bundles.docker_v1_2 import members
from toolkit.bundles.members import Member
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


def test_a_layer_that_was_there_before_is_a_link_to_it_in_another_image_too() -> None:
    found = by_name(legacy(["a:1"], [A, B], {A: ONE, B: TWO}), legacy(["b:1"], [C], {C: TWO}))
    assert found[f"{C}/layer.tar"].target == f"../{B}/layer.tar"
    assert [name for name, member in found.items() if member.blob] == [f"{A}/layer.tar", f"{B}/layer.tar"]


def test_images_in_any_order_are_the_same_members() -> None:
    images = [modern(image(ONE, TWO), "b:1"), modern(image(ONE), "a:1")]
    assert members(images) == members(images[::-1])


def test_both_of_two_layers_of_one_content_are_found_behind_one_file(tmp_path: Path) -> None:
    files: dict[str, Body] = dict(layout(("app:1", image(ONE, TWO, ONE))))
    ours = rewritten(written(tmp_path / "a.tar", files), tmp_path)
    (item,) = json.loads(content_of(ours, "manifest.json"))
    assert len(set(item["Layers"])) == 3
    assert [content_of(ours, path) for path in item["Layers"]] == [ONE, TWO, ONE]
    assert sum(member.issym() for member in found_in(ours).values()) == 1
