"""docker-daemon: against real engines: what it lists, what it saves, and what they hold after a load."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conformance import IMAGE_ID, NAME, SourceContract, content, proven
from tests.engine_made import lading, luigi
from toolkit.bundles import create_bundle, open_bundle
from toolkit.errors import CorruptContent, StoreError, ToolkitError, Unsupported, UsageError
from toolkit.image import ProvenImage
from toolkit.operations.copy import copy
from toolkit.places import open_rootfs, open_sink, open_source
from toolkit.platform import Platform
from toolkit.ports import Closes, Gathers, Source
from toolkit.settings import Settings
from toolkit.stores.engine import Engine

from .cargo import SAVED_ID, diff_ids_of, empty, image_id_of, nameless, packed, platforms, repeated
from .conftest import started
from .engines import Dockerd, PodmanService
from .workplace import Daemon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from toolkit.ports import Block

pytestmark = [pytest.mark.engine, pytest.mark.root]
OTHER = "ubuntu:trusty"
DAEMON = "docker-daemon:"


@pytest.fixture(scope="session")
def running_podman() -> Iterator[PodmanService]:
    yield from started(PodmanService)


@pytest.fixture
def engine(dockerd: Dockerd, monkeypatch: pytest.MonkeyPatch) -> Dockerd:
    """The engine that the environment names, without images."""
    monkeypatch.setenv("DOCKER_HOST", dockerd.host)
    return dockerd


@pytest.fixture
def own() -> Iterator[Dockerd]:
    """An engine that may be killed."""
    yield from started(Dockerd)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def sample(settings: Settings) -> Source:
    return open_source("sample:", settings)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files are made, alone."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def put(source: Source, names: Sequence[str], place: str = DAEMON) -> list[ProvenImage]:
    return copy(source, open_sink(place, Settings()), names)


def opened(place: str = DAEMON) -> Source:
    return open_source(place, Settings())


class TestDockerDaemon(SourceContract):
    """The contract of every source, on an engine that has the sample."""

    @pytest.fixture
    def source(self, engine: Dockerd, sample: Source) -> Iterator[Source]:
        del engine
        put(sample, [NAME])
        source = opened()
        yield source
        assert isinstance(source, Closes)
        source.close()

    @pytest.fixture
    def folder(self, engine: Dockerd) -> Path:
        return engine.root / "image"


def test_a_listing_is_that_of_docker_images(engine: Dockerd, sample: Source, tmp_path: Path) -> None:
    put(sample, [NAME, OTHER])
    cargo = nameless(tmp_path)
    put(cargo.source, [cargo.source.listings()[0].id])
    found = {name: line.id for line in opened().listings() for name in line.names}
    assert found == engine.images()
    assert next(line.id for line in opened().listings()) == IMAGE_ID
    assert {line.id for line in opened().listings()} == engine.image_ids()
    (named, bare) = opened().listings()
    told = engine.inspect(NAME)
    assert (named.created, named.size, named.platform) == (told["Created"], told["Size"], "linux/amd64")
    assert bare.names == ()


def test_an_export_has_the_ids_of_docker_save(engine: Dockerd, tmp_path: Path) -> None:
    cargo = repeated(tmp_path)
    put(cargo.source, cargo.names)
    engine.save(cargo.names, tmp_path / "theirs.tar")
    (ours,) = {
        image_id_of(image): image for image in copy(opened(), create_bundle(tmp_path / "a.tar"), cargo.names)
    }.values()
    theirs = proven(open_bundle(tmp_path / "theirs.tar"), cargo.names[0])
    assert image_id_of(ours) == image_id_of(theirs) == SAVED_ID
    assert diff_ids_of(ours) == diff_ids_of(theirs) == engine.inspect(cargo.names[0])["RootFS"]["Layers"]


def test_an_image_is_exported_by_its_id(engine: Dockerd, sample: Source, tmp_path: Path) -> None:
    put(sample, [NAME])
    engine.docker("tag", NAME, "x:1")
    (image,) = copy(opened(), create_bundle(tmp_path / "a.tar"), [IMAGE_ID])
    assert (image.names, image_id_of(image)) == ((), IMAGE_ID)


def test_only_what_is_asked_for_is_saved_and_at_once(
    engine: Dockerd, sample: Source, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[list[str]] = []
    save = Engine.save

    def counted(self: Engine, names: Sequence[str]) -> Iterator[Block]:
        asked.append(list(names))
        return save(self, names)

    monkeypatch.setattr(Engine, "save", counted)
    put(sample, [NAME, OTHER])
    engine.docker("tag", NAME, "x:1")
    source = opened()
    assert isinstance(source, Gathers)
    source.gather([NAME, OTHER])
    copy(source, create_bundle(tmp_path / "a.tar"), [NAME, OTHER])
    assert asked == [[NAME, OTHER]]
    copy(opened(), create_bundle(tmp_path / "b.tar"), [NAME])
    assert asked == [[NAME, OTHER]]


def test_a_layer_is_found_by_who_opens_the_place_anew(engine: Dockerd, sample: Source) -> None:
    put(sample, [NAME])
    for diff_id in engine.inspect(NAME)["RootFS"]["Layers"]:
        assert str(opened().layer(diff_id).diff_id) == diff_id


def test_names_arrive_with_the_same_image(engine: Dockerd, sample: Source) -> None:
    put(sample, [NAME, OTHER])
    assert engine.images() == {NAME: IMAGE_ID, OTHER: IMAGE_ID}


def test_a_place_with_a_name_is_that_image_alone(engine: Dockerd, sample: Source) -> None:
    put(sample, [NAME], "docker-daemon:registry.example:5000/app:2")
    put(sample, [NAME])
    assert set(engine.images()) == {"registry.example:5000/app:2", NAME}
    (line,) = opened(f"docker-daemon:{NAME}").listings()
    assert line.names == (NAME,)
    (line,) = opened(f"docker-daemon:{IMAGE_ID}").listings()
    assert line.id == IMAGE_ID
    with pytest.raises(ToolkitError, match=r"is not in docker-daemon:ubuntu:14\.04"):
        opened(f"docker-daemon:{NAME}").identify("registry.example:5000/app:2")


def test_one_name_is_for_one_image(engine: Dockerd, sample: Source, tmp_path: Path) -> None:
    cargo = repeated(tmp_path)
    put(cargo.source, cargo.names[:1])
    put(sample, [NAME])
    with pytest.raises(UsageError, match="names one image, and 2 are to be loaded"):
        put(opened(), [NAME, cargo.names[0]], "docker-daemon:x:1")
    assert "x:1" not in engine.images()


def test_an_image_without_layers_arrives(engine: Dockerd, tmp_path: Path) -> None:
    cargo = empty(tmp_path)
    (image,) = put(cargo.source, cargo.names)
    assert engine.images() == {cargo.names[0]: image_id_of(image)}


def test_other_platforms_are_told_to_be_lost(engine: Dockerd, tmp_path: Path) -> None:
    cargo = platforms(tmp_path)
    (image,) = put(cargo.source, cargo.names)
    assert engine.images() == {cargo.names[0]: image_id_of(image)}
    assert any("loses its other platforms in docker-daemon" in one.problem for one in image.findings)


def test_what_the_engine_cannot_unpack_is_not_sent(engine: Dockerd, tmp_path: Path) -> None:
    cargo = packed(tmp_path, "zstd")
    with pytest.raises(
        Unsupported, match=r"is Docker 20\.10\.\S+, and these images need Docker 23\.0 or later"
    ):
        put(cargo.source, cargo.names)
    assert engine.image_ids() == set()


def test_a_damaged_bundle_is_refused_before_anything_is_loaded(
    engine: Dockerd, sample: Source, temporary: Path, tmp_path: Path
) -> None:
    path = tmp_path / "a.tar"
    (image,) = copy(sample, create_bundle(path, "oci"), [NAME])
    raw = path.read_bytes()
    middle = raw.index(content(sample, sample.image(NAME).layers[1])) + 5000
    path.write_bytes(raw[:middle] + b"w" + raw[middle + 1 :])
    with pytest.raises(ToolkitError, match=str(image.blobs[1].digest)) as caught:
        put(open_bundle(path), [NAME])
    assert caught.value.exit_code == 5
    assert engine.image_ids() == set()
    assert list(temporary.iterdir()) == []


def test_another_image_under_our_name_is_told(
    engine: Dockerd, sample: Source, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cargo = repeated(tmp_path)
    put(cargo.source, cargo.names[:1])
    engine.docker("tag", cargo.names[0], NAME)
    monkeypatch.setattr(Engine, "load", lambda _, blocks: [None for _ in blocks])
    with pytest.raises(StoreError, match=f"has {SAVED_ID} as {NAME}, expected {IMAGE_ID}"):
        put(sample, [NAME])


@pytest.mark.parametrize("moment", ["save", "load"])
def test_an_engine_that_dies_is_one_sentence_and_leaves_nothing(
    moment: str, own: Dockerd, temporary: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", own.host)
    large(tmp_path / "large")
    put(open_source(f"oci:{tmp_path}/large", Settings()), ["large:1"])
    target = tmp_path / "a.tar"
    monkeypatch.setattr(Engine, moment, dying(moment, own))
    with pytest.raises(StoreError, match=f"the Docker engine at {own.host}") as caught:  # noqa: PT012
        if moment == "save":
            copy(opened(), create_bundle(target), ["large:1"])
        else:
            put(open_source(f"oci:{tmp_path}/large", Settings()), ["large:1"])
    assert caught.value.exit_code == 7
    assert "\n" not in str(caught.value)
    assert list(temporary.iterdir()) == []
    assert not target.exists()
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.fixture
def no_room(temporary: Path) -> Iterator[None]:
    """Temporary files find half a megabyte of room."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", temporary], check=True)
    yield
    subprocess.run(["umount", temporary], check=True)


@pytest.mark.usefixtures("no_room")
@pytest.mark.parametrize("format_name", ["universal", "docker-v1.2", "store"])
def test_large_layers_pass_without_a_temporary_copy(
    engine: Dockerd, tmp_path: Path, format_name: str
) -> None:
    large(tmp_path / "large")
    put(open_source(f"oci:{tmp_path}/large", Settings()), ["large:1"])
    target = f"oci:{tmp_path}/store" if format_name == "store" else str(tmp_path / "out.tar")
    words = [] if format_name == "store" else ["--format", format_name]
    lading("copy", DAEMON, "large:1", target, *words)
    engine.forget()
    put(open_source(target, Settings()), ["large:1"])
    assert engine.images().keys() == {"large:1"}


@pytest.mark.usefixtures("no_room")
def test_what_cannot_fit_is_refused_with_the_size_that_the_engine_tells(
    engine: Dockerd, tmp_path: Path, temporary: Path
) -> None:
    """The image is one file of 64 MiB: no tar of it is smaller."""
    large(tmp_path / "large")
    put(open_source(f"oci:{tmp_path}/large", Settings()), ["large:1"])
    assert engine.images().keys() == {"large:1"}
    told = f"temporary file in {temporary} for docker-daemon: needs {64 << 20} bytes and its file system has "
    with pytest.raises(StoreError, match=told):
        opened().image("large:1")


@pytest.mark.usefixtures("no_room")
def test_the_pipeline_needs_no_temporary_copy_either(engine: Dockerd, tmp_path: Path) -> None:
    large(tmp_path / "large")
    put(open_source(f"oci:{tmp_path}/large", Settings()), ["large:1"])
    luigi("ExportImage", "--tag", "large:1", "--source", DAEMON, home=tmp_path / "home")
    engine.forget()
    put(open_bundle(tmp_path / "home/bundles/large_1.tar"), ["large:1"])
    assert engine.images().keys() == {"large:1"}
    assert list((tmp_path / "home/layers").iterdir()) == []


def test_a_delivery_that_breaks_off_leaves_nothing_in_the_engine(engine: Dockerd, tmp_path: Path) -> None:
    large(tmp_path / "large")
    source = open_source(f"oci:{tmp_path}/large", Settings())
    (layer,) = source.image("large:1").layers
    blob = tmp_path / "large/blobs/sha256" / layer.key.removeprefix("sha256:")
    raw = blob.read_bytes()
    blob.write_bytes(raw[:-5000] + b"w" + raw[-4999:])
    with pytest.raises(CorruptContent):
        put(source, ["large:1"])
    assert engine.image_ids() == set()
    late = time.monotonic() + 10  # the engine notices when it comes to it
    while (left := os.listdir(engine.root / "tmp")) and time.monotonic() < late:
        time.sleep(0.05)
    assert left == []


def large(folder: Path) -> None:
    """Make a layout with an image of one layer of 64 MB that no buffer on the way holds."""
    root = folder.parent / "root"
    root.mkdir()
    (root / "file").write_bytes(os.urandom(1 << 20) * 64)
    shutil.make_archive(str(root), "tar", root)
    source = open_rootfs(f"{root}.tar", Settings(), ["large:1"], Platform("linux", "amd64"))
    copy(source, open_sink(f"oci:{folder}", Settings()), ["large:1"])


def dying(moment: str, engine: Daemon) -> Callable[..., object]:
    """Return a method of Engine's in which the engine is killed while it sends, or is sent to."""
    save, load = Engine.save, Engine.load

    def deadly(blocks: Iterator[Block]) -> Iterator[Block]:
        for number, block in enumerate(blocks):
            if number == 5:
                kill(engine)
            yield block

    def saving(self: Engine, names: Sequence[str]) -> Iterator[Block]:
        return deadly(save(self, names))

    return saving if moment == "save" else lambda self, blocks: load(self, deadly(blocks))


def kill(engine: Daemon) -> None:
    engine.process.kill()
    engine.process.wait()


def test_podman_answers_as_an_engine(
    running_podman: PodmanService, sample: Source, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", running_podman.host)
    put(sample, [NAME, OTHER])
    (line,) = opened().listings()
    assert (line.id, line.platform) == (IMAGE_ID, "linux/amd64")
    assert sorted(line.names) == [f"localhost/{NAME}", f"localhost/{OTHER}"]
    images = copy(opened(), create_bundle(tmp_path / "a.tar"), line.names)
    assert {image_id_of(image) for image in images} == {IMAGE_ID}
    assert opened().outline(f"localhost/{NAME}").id == IMAGE_ID
