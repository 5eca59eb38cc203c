"""What an image is does not depend on the way it came: every format, one after the other."""

from __future__ import annotations

import gzip
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.archives import (
    LAYER,
    ONE,
    TWO,
    A,
    B,
    Body,
    C,
    encode,
    image,
    index,
    layout,
    sha256,
    v1_folder,
    written,
)
from tests.conformance import IMAGE_ID as SAMPLE_ID
from tests.stores.facts import DIFF_IDS, IDS, IMAGE_ID, LAYERSIZES
from toolkit.ancestry import V1Layer
from toolkit.bundles import FORMATS, create_bundle, open_bundle
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.platform import Platform
from toolkit.ports import Closes, Sink, Source
from toolkit.report import Report
from toolkit.stores.graph.store import GraphStore
from toolkit.stores.graph.writer import GraphSink
from toolkit.stores.layout import LayoutStore
from toolkit.synthesis import own_chain

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: layers have owners and devices")
TAG, TRUSTY = "ubuntu:14.04", "ubuntu:trusty"
BUNDLES = [format_.name for format_ in FORMATS if format_.members_of]
STATIONS = ["layout", *BUNDLES]
KEEPS_LAYERSIZE = {"layout", "universal", "docker", "oci"}


@dataclass(frozen=True)
class Told:
    """What a place tells of an image once every byte of it was read."""

    image_id: str
    diff_ids: list[str]
    jsons: list[bytes]
    layersizes: list[str | None]

    @classmethod
    def of(cls, report: Report) -> Told:
        assert report.ok, report.errors
        (told,) = {proven.top.digest: proven for proven in report.images}.values()
        (picture,) = told.images()
        chain: list[V1Layer] = own_chain(picture) or []
        return cls(
            str(picture.config.image_id),
            [digest.hex for digest in picture.config.diff_ids],
            [layer.raw for layer in chain],
            [layer.layersize.text for layer in chain],
        )


def way(station: str, folder: Path) -> tuple[Sink, Callable[[], Source]]:
    """Return how a place is written, and how what was written is read."""
    if station == "layout":
        return LayoutStore(folder), lambda: LayoutStore(folder)
    if station.startswith("graph"):
        return GraphSink(folder, station.partition("+")[2]), lambda: GraphStore(folder)
    return create_bundle(folder, station), lambda: open_bundle(folder)


def travel(source: Source, stations: list[str], folder: Path, *names: str) -> Iterator[tuple[str, Source]]:
    """Carry images from place to place, and yield each place that they reach."""
    for number, station in enumerate(stations):
        sink, opened = way(station, folder / f"{number}-{station}")
        copy(source, sink, names)
        if isinstance(source, Closes):
            source.close()
        source = opened()
        yield station, source
    if isinstance(source, Closes):
        source.close()


# ── an image that Docker 1.9.1 wrote ──


@ROOT
@pytest.mark.root
@pytest.mark.parametrize(
    ("driver", "stations"),
    [
        ("aufs", ["universal", "layout", "docker-v1", "graph"]),
        ("aufs", ["graph+vfs", "docker-v1.2", "graph+aufs", "oci"]),
        ("overlay", ["docker-v1", "layout", "docker", "graph+vfs"]),
        ("overlay", ["universal", "docker-v1", "universal", "graph+aufs"]),
        ("vfs", ["oci", "docker-v1", "docker-v1.2", "graph+aufs"]),
        ("vfs", ["graph+aufs", "docker-v1", "graph+vfs", "universal"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_a_legacy_image_is_the_same_wherever_it_goes(
    engine_stores: Path, tmp_path: Path, driver: str, stations: list[str]
) -> None:
    engine = engine_stores / f"docker-1.9.1-{driver}"
    jsons = [(engine / "graph" / layer_id / "json").read_bytes() for layer_id in IDS]
    sizes: list[str | None] = list(LAYERSIZES[driver])
    for station, place in travel(GraphStore(engine), stations, tmp_path, TAG, TRUSTY):
        told = Told.of(verify(place))
        assert (told.image_id, told.diff_ids, told.jsons) == (IMAGE_ID, list(DIFF_IDS), jsons)
        assert names_in(place) == {TAG, TRUSTY}
        if station.startswith("graph"):  # a store records what its own driver counts
            sizes = list(LAYERSIZES[station.partition("+")[2] or "aufs"])
        elif station not in KEEPS_LAYERSIZE:
            sizes = [None] * 4
        assert told.layersizes == sizes


def names_in(place: Source) -> set[str]:
    return {name for line in place.listings() for name in line.names}


@ROOT
@pytest.mark.root
def test_the_save_of_docker_gives_what_its_store_gives(engine_stores: Path, tmp_path: Path) -> None:
    save = open_bundle(engine_stores / "docker-1.9.1.tar")
    told = Told.of(verify(save))
    assert (told.image_id, told.diff_ids) == (IMAGE_ID, list(DIFF_IDS))
    for _, place in travel(save, ["docker-v1", "universal", "oci"], tmp_path, TAG):
        assert Told.of(verify(place)) == told
        assert names_in(place) == {TAG}


# ── the sample ──


@pytest.mark.parametrize("stations", list(itertools.permutations(STATIONS, 3)), ids="-".join)
def test_the_sample_is_the_same_wherever_it_goes(
    sample: Source, tmp_path: Path, stations: tuple[str, ...]
) -> None:
    before = Told.of(verify(sample, [TAG]))
    assert before.image_id == SAMPLE_ID
    sizes = before.layersizes
    for station, place in travel(sample, list(stations), tmp_path, TAG, TRUSTY):
        told = Told.of(verify(place))
        assert (told.image_id, told.diff_ids, told.jsons) == (SAMPLE_ID, before.diff_ids, before.jsons)
        assert names_in(place) == {TAG, TRUSTY}
        sizes = sizes if station in KEEPS_LAYERSIZE else [None] * 4
        assert told.layersizes == sizes


@pytest.mark.parametrize("station", STATIONS)
def test_an_image_without_a_name_stays_without_one(sample: Source, tmp_path: Path, station: str) -> None:
    for _, place in travel(sample, [station], tmp_path, sample.identify(TAG)):
        (line,) = place.listings()
        assert line.names == ()
        assert Told.of(verify(place)).image_id == SAMPLE_ID


@pytest.mark.parametrize("format_name", BUNDLES)
def test_carried_once_more_in_the_same_format_it_is_the_same_file(
    sample: Source, tmp_path: Path, format_name: str
) -> None:
    list(travel(sample, [format_name, format_name], tmp_path, TAG, TRUSTY))
    first, second = ((tmp_path / f"{number}-{format_name}").read_bytes() for number in (0, 1))
    assert first == second


@pytest.mark.parametrize("format_name", BUNDLES)
def test_a_detour_through_a_layout_changes_no_byte(sample: Source, tmp_path: Path, format_name: str) -> None:
    list(travel(sample, [format_name], tmp_path, TAG))
    list(travel(sample, ["oci", format_name], tmp_path, TAG))
    straight, around = (tmp_path / f"{number}-{format_name}" for number in (0, 1))
    assert straight.read_bytes() == around.read_bytes()


def test_docker_v1_cannot_carry_a_layersize_and_the_rest_says_so(sample: Source, tmp_path: Path) -> None:
    for _, place in travel(sample, ["docker-v1", "universal"], tmp_path, TAG):
        layers = [
            layer for one in verify(place).to_json()["images"] for layer in one["platforms"][0]["layers"]
        ]
        assert [layer["layersize"] for layer in layers] == [None] * 4


# ── a dir, which has no place for a name ──


@pytest.mark.parametrize(
    "stations", [[first, "dir", second] for first in STATIONS for second in STATIONS], ids="-".join
)
def test_a_dir_on_the_way_costs_the_names_and_nothing_else(
    sample: Source, tmp_path: Path, stations: list[str]
) -> None:
    first, _, last = stations
    before = Told.of(verify(sample, [TAG]))
    (tmp_path / "after").mkdir()
    for _, place in travel(sample, [first], tmp_path, TAG):
        copy(place, create_bundle(tmp_path / "d", "dir"), [TAG])
    for _, after in travel(open_bundle(tmp_path / "d"), [last], tmp_path / "after", SAMPLE_ID):
        told = Told.of(verify(after))
        assert (told.image_id, told.diff_ids, told.jsons) == (SAMPLE_ID, before.diff_ids, before.jsons)
        assert told.layersizes == (before.layersizes if {first, last} <= KEEPS_LAYERSIZE else [None] * 4)
        assert names_in(after) == set()


@pytest.mark.parametrize("format_name", BUNDLES)
def test_a_detour_through_a_dir_changes_no_byte_of_an_image_without_a_name(
    sample: Source, tmp_path: Path, format_name: str
) -> None:
    nameless = sample.identify(TAG)
    copy(sample, create_bundle(tmp_path / "straight", format_name), [nameless])
    copy(sample, create_bundle(tmp_path / "d", "dir"), [nameless])
    copy(open_bundle(tmp_path / "d"), create_bundle(tmp_path / "around", format_name), [SAMPLE_ID])
    assert (tmp_path / "straight").read_bytes() == (tmp_path / "around").read_bytes()


def test_a_dir_of_a_dir_is_the_same_dir(sample: Source, tmp_path: Path) -> None:
    places = [tmp_path / number for number in "12"]
    copy(sample, create_bundle(places[0], "dir"), [TAG])
    copy(open_bundle(places[0]), create_bundle(places[1], "dir"), [SAMPLE_ID])
    first, second = ({path.name: path.read_bytes() for path in place.iterdir()} for place in places)
    assert first == second
    assert len(first) == 7  # version, manifest.json, config and four layers


# ── several images ──


@pytest.fixture
def several(tmp_path: Path) -> Path:
    """A docker-v1 bundle: one image's top is another's parent, a third shares the base."""
    folders: dict[str, Body] = {
        **v1_folder(A, "", ONE),
        **v1_folder(B, A, TWO),
        **v1_folder(C, B),
        **v1_folder("d" * 64, A, ONE),
    }
    names = {"base": {"1": B, "old": B}, "app": {"1": C}, "r.example:5000/x/y": {"2": "d" * 64}}
    return written(tmp_path / "several.tar", {**folders, "repositories": encode(names)})


NAMES = {"base:1", "base:old", "app:1", "r.example:5000/x/y:2"}


@pytest.mark.parametrize("stations", list(itertools.permutations(STATIONS, 2)), ids="-".join)
def test_several_images_keep_their_names_apart(
    several: Path, tmp_path: Path, stations: tuple[str, ...]
) -> None:
    source = open_bundle(several)
    before = {name: Told.of(verify(source, [name])) for name in NAMES}
    assert len({told.image_id for told in before.values()}) == 3
    for _, place in travel(source, list(stations), tmp_path, *sorted(NAMES)):
        assert names_in(place) == NAMES
        assert {name: Told.of(verify(place, [name])) for name in NAMES} == before
        assert verify(place).ok


@pytest.mark.parametrize("format_name", BUNDLES)
def test_several_images_asked_for_in_any_order_are_the_same_file(
    several: Path, tmp_path: Path, format_name: str
) -> None:
    found = set()
    for names in (sorted(NAMES), sorted(NAMES, reverse=True)):
        copy(open_bundle(several), create_bundle(tmp_path / "b.tar", format_name), names)
        found.add((tmp_path / "b.tar").read_bytes())
    assert len(found) == 1


# ── images that were never legacy ──


@pytest.mark.parametrize(
    "stations",
    [["layout", "universal"], ["universal", "oci"], ["docker", "layout"], ["oci", "docker"], ["oci", "dir"]],
)
def test_an_index_keeps_every_platform(tmp_path: Path, stations: list[str]) -> None:
    both = index(image(ONE), image(ONE, TWO, architecture="arm64"))
    source = open_bundle(written(tmp_path / "a.tar", layout(("app:1", both))))
    for _, place in travel(source, stations, tmp_path, "app:1"):
        report = verify(place)
        assert report.ok
        (proven,) = report.images
        assert str(proven.top.digest) == both.digest
        assert {str(picture.config.platform) for picture in proven.images()} == {"linux/amd64", "linux/arm64"}
        for name in names_in(place) or {both.digest}:
            assert place.image(name, Platform("linux", "arm64")).layers


def test_a_modern_image_keeps_its_id_through_universal(tmp_path: Path) -> None:
    history = [{"created_by": "one"}, {"created_by": "env", "empty_layer": True}, {"created_by": "two"}]
    picture = image(ONE, TWO, history=history, config={"Env": ["A=b"]})
    source = open_bundle(written(tmp_path / "a.tar", layout(("app:1", picture))))
    for _, place in travel(source, ["universal", "oci", "universal"], tmp_path, "app:1"):
        (proven,) = verify(place).images
        assert (str(proven.top.digest), proven.images()[0].config.raw) == (picture.digest, picture.config)


def test_what_docker_v1_makes_of_a_modern_image_is_told_beforehand(tmp_path: Path) -> None:
    picture = image(ONE, TWO, history=[{"created_by": "one"}, {"created_by": "two"}])
    source = open_bundle(written(tmp_path / "a.tar", layout(("app:1", picture))))
    sink, opened = way("docker-v1", tmp_path / "v1.tar")
    (copied,) = copy(source, sink, ["app:1"])
    becomes = Told.of(verify(opened())).image_id
    assert any(becomes in finding.problem for finding in copied.findings)


@pytest.mark.parametrize("format_name", [row.name for row in FORMATS if row.members_of])
def test_two_images_whose_shared_layer_is_compressed_in_one_go_into_one_bundle(
    tmp_path: Path, format_name: str
) -> None:
    """Found by a law: formats that hold a layer once by its v1 ID refused the second, as another content."""
    packed = gzip.compress(ONE, mtime=0)
    plain, other = (
        image(ONE),
        image(packed, TWO, diff_ids=[sha256(ONE), sha256(TWO)], media_types=[f"{LAYER}+gzip", LAYER]),
    )
    source = open_bundle(written(tmp_path / "in.tar", layout(("plain:1", plain), ("other:1", other))))
    copy(source, create_bundle(tmp_path / "out.tar", format_name), ["plain:1", "other:1"])
    report = verify(open_bundle(tmp_path / "out.tar"))
    assert report.ok
    found = {
        image.names: [str(diff_id) for diff_id in image.images()[0].config.diff_ids]
        for image in report.images
    }
    assert found == {("plain:1",): [sha256(ONE)], ("other:1",): [sha256(ONE), sha256(TWO)]}
