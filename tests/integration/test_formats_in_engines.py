"""Every format in every engine that is here: it loads what it is said to load, as the images they are.

Docker works an image ID out by itself from v1 layers, and proves every diffID, as umoci does; containerd
unpacks; podman and skopeo read each layer. Docker 0.7 to 1.9 and 21 to 29 are not among today's packages.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.archives import ONE, TWO, image, layout, written
from toolkit.bundles import FORMATS, named, open_bundle
from toolkit.operations.verify import verify

from .cargo import CARGOES, HISTORY, Cargo, expected, in_layout, shown
from .loading import held, says, short
from .workplace import EngineRefused, Workplace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _pytest.mark import ParameterSet

    from .engines import Containerd, Dockerd, Umoci

pytestmark = pytest.mark.engine

ENGINES = ["dockerd", "containerd", "podman", "skopeo"]
KINDS = ["golden", *CARGOES]
FORMAT_NAMES = [format_.name for format_ in FORMATS]
UNFIT = {("several", "dir"), ("empty", "docker-v1"), ("empty", "docker-v1.2")}  # what a format cannot hold
UMOCI_CANNOT = {  # 0.4.7: chooses no platform and needs a name, knows OCI's own types and gzip alone
    "platforms",
    "nameless",
    "schema2",
    "schema2-once",
    "zstd",
    "xz",
}
LAYOUTS = ["universal", "docker", "oci"]


def triples() -> Iterator[ParameterSet]:
    """Yield engine, kind of images and format; a format that an engine never loads with one kind only."""
    for engine, kind, name in itertools.product(ENGINES, KINDS, FORMAT_NAMES):
        engines = named(name).engines
        ever = engines.docker if engine == "dockerd" else engine in engines.others
        if (kind, name) not in UNFIT and (ever or kind == "repeated"):
            marks = [] if engine == "skopeo" else [pytest.mark.root]
            yield pytest.param(engine, kind, name, marks=marks, id=f"{engine}-{kind}-{name}")


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Workplace:
    """The engine of that name, with nothing in it."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Workplace)
    return found


@pytest.fixture
def cargo(request: pytest.FixtureRequest, tmp_path: Path) -> Cargo:
    """Images of that kind."""
    if request.param == "golden":
        found = request.getfixturevalue("golden")
        assert isinstance(found, Cargo)
        return found
    return CARGOES[request.param](tmp_path)


@pytest.mark.parametrize(("engine", "cargo", "format_name"), list(triples()), indirect=["engine", "cargo"])
def test_an_engine_loads_what_it_is_said_to_load(
    engine: Workplace, cargo: Cargo, format_name: str, tmp_path: Path
) -> None:
    path = tmp_path / "bundle"
    images = cargo.bundle(path, format_name)
    wanted = expected(path, format_name, images)
    if says(named(format_name).engines.of(list(images.values())), engine):
        assert held(engine, path, list(wanted)) == wanted
    else:
        with pytest.raises(EngineRefused):
            held(engine, path, list(wanted))


@pytest.mark.parametrize("format_name", LAYOUTS)
@pytest.mark.parametrize("cargo", [kind for kind in KINDS if kind not in UMOCI_CANNOT], indirect=True)
def test_umoci_unpacks_what_has_a_layout(
    umoci: Umoci, cargo: Cargo, format_name: str, tmp_path: Path
) -> None:
    images = cargo.bundle(tmp_path / "bundle", format_name)
    wanted = expected(tmp_path / "bundle", format_name, images)
    assert held(umoci, tmp_path / "bundle", list(wanted)) == wanted


@pytest.mark.root
@pytest.mark.parametrize("format_name", LAYOUTS)
@pytest.mark.parametrize("cargo", ["several", "repeated", "platforms"], indirect=True)
def test_containerd_knows_an_image_by_the_digest_that_it_had(
    containerd: Containerd, cargo: Cargo, format_name: str, tmp_path: Path
) -> None:
    images = cargo.bundle(tmp_path / "bundle", format_name)
    containerd.load(tmp_path / "bundle")
    digests = {short(name): digest for name, digest in containerd.images().items()}
    assert digests == {name: str(image.top.digest) for name, image in images.items()}


# ── docker load, and back ──


@pytest.mark.root
@pytest.mark.parametrize("format_name", ["docker", "docker-v1.2"])
@pytest.mark.parametrize("cargo", ["golden", "several", "repeated", "platforms"], indirect=True)
def test_what_docker_saves_again_is_the_same_image(
    dockerd: Dockerd, cargo: Cargo, format_name: str, tmp_path: Path
) -> None:
    images = cargo.bundle(tmp_path / "bundle", format_name)
    dockerd.load(tmp_path / "bundle")
    dockerd.save(cargo.names, tmp_path / "saved.tar")
    saved = open_bundle(tmp_path / "saved.tar")
    assert verify(saved).ok
    for name, proven in images.items():
        (again,) = verify(saved, [name]).images
        assert shown(again) == shown(proven)


@pytest.mark.root
def test_docker_saves_byte_for_byte_what_we_write_as_docker_v1_2(dockerd: Dockerd, tmp_path: Path) -> None:
    created, config = "2024-01-02T03:04:07.89Z", {"Env": ["A=<b>"]}
    picture = image(ONE, TWO, created=created, config=config, history=HISTORY[:2])
    in_layout(tmp_path, picture, "app:1", "app:2").bundle(tmp_path / "ours.tar", "docker-v1.2")
    dockerd.load(tmp_path / "ours.tar")
    dockerd.save(["app:1", "app:2"], tmp_path / "theirs.tar")
    assert (tmp_path / "theirs.tar").read_bytes() == (tmp_path / "ours.tar").read_bytes()


@pytest.mark.root
@pytest.mark.parametrize("format_name", ["universal", "docker", "docker-v1.2", "docker-v1"])
def test_docker_loads_many_images_and_names_at_once(
    dockerd: Dockerd, format_name: str, tmp_path: Path
) -> None:
    pictures = [image(ONE, TWO, config={"Env": [f"NUMBER={number}"]}) for number in range(20)]
    names = {f"r.example:5000/app:{number}": picture for number, picture in enumerate(pictures)}
    names |= {f"app-{number}:latest": picture for number, picture in enumerate(pictures)}
    source = open_bundle(written(tmp_path / "layout.tar", layout(*names.items())))
    images = Cargo(source, list(names)).bundle(tmp_path / "bundle", format_name)
    wanted = expected(tmp_path / "bundle", format_name, images)
    assert len({each.image_id for each in wanted.values()}) == len(pictures)
    assert held(dockerd, tmp_path / "bundle", list(names)) == wanted
