"""Every store and every bundle format, held to the contract of toolkit/ports.py."""

from __future__ import annotations

import functools
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.archives import Picture, sha256, unpacked
from tests.bolts import database
from tests.conformance import IMAGE_ID, NAME, SinkContract, SourceContract, content, proven
from tests.containerds import CONTENT, META, target
from tests.registries import Registry
from tests.storages import Storage
from tests.webregistry import MemoryRegistry, sink_of, store_of
from toolkit.bundles import FORMATS, create_bundle, open_bundle
from toolkit.operations.copy import copy
from toolkit.ports import Closes, Sink, Source
from toolkit.stores.containerd.store import ContainerdStore
from toolkit.stores.containers_storage.store import ContainersStorage
from toolkit.stores.layout import LayoutStore
from toolkit.stores.registry_root.store import RegistryRoot
from toolkit.stores.sample import sample_store

WRITTEN = [format_.name for format_ in FORMATS if format_.members_of]


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the sample store in it."""
    folder = tmp_path_factory.mktemp("home")
    sample_store(folder)
    return folder


@pytest.fixture
def sample(home: Path) -> Source:
    return sample_store(home)


class TestGraphStore(SourceContract):
    @pytest.fixture
    def source(self, sample: Source) -> Source:
        return sample

    @pytest.fixture
    def folder(self, home: Path) -> Path:
        return home / "sample"


class TestLayoutStore(SourceContract, SinkContract):
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "store"

    @pytest.fixture
    def sink(self, folder: Path) -> Sink:
        return LayoutStore(folder)

    @pytest.fixture
    def reopened(self, folder: Path) -> Callable[[], Source]:
        return lambda: LayoutStore(folder)

    @pytest.fixture
    def source(self, sample: Source, folder: Path) -> Source:
        copy(sample, LayoutStore(folder), [NAME])
        return LayoutStore(folder)


@pytest.mark.parametrize("driver", ["overlay", "vfs"])
class TestContainersStorage(SourceContract):
    names = (f"docker.io/library/{NAME}",)

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "storage"

    @pytest.fixture
    def source(self, sample: Source, folder: Path, driver: str) -> Source:
        (picture,) = proven(sample).images()
        storage, top = Storage(folder, driver), ""
        for layer in sample.image(NAME).layers:
            top = storage.layer(content(sample, layer), top)
        storage.image(picture.config.raw, picture.manifest.raw, top, *self.names)
        return ContainersStorage(folder)


class TestContainerdStore(SourceContract):
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "containerd"

    @pytest.fixture
    def source(self, sample: Source, folder: Path, tmp_path: Path) -> Source:
        copy(sample, LayoutStore(tmp_path / "store"), [NAME])
        (entry,) = LayoutStore(tmp_path / "store").entries()
        top = {b"target": target(str(entry.top.digest), entry.top.size, entry.top.media_type)}
        keys = {b"v1": {b"moby": {b"images": {f"docker.io/library/{NAME}".encode(): top}}}}
        unpacked(folder, {META: database(keys)})
        (folder / CONTENT).mkdir()
        (tmp_path / "store/blobs").rename(folder / CONTENT / "blobs")
        return ContainerdStore(folder)


class TestDir(SourceContract, SinkContract):
    top, names, holds_names = IMAGE_ID, (), False

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "dir"

    @pytest.fixture
    def sink(self, folder: Path) -> Sink:
        return create_bundle(folder, "dir")

    @pytest.fixture
    def reopened(self, folder: Path) -> Callable[[], Source]:
        return lambda: open_bundle(folder)

    @pytest.fixture
    def source(self, sample: Source, sink: Sink, reopened: Callable[[], Source]) -> Source:
        copy(sample, sink, [NAME])
        return reopened()


class TestDirInATar(SourceContract):
    top, names = IMAGE_ID, ()

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "dir.tar"

    @pytest.fixture
    def source(self, sample: Source, folder: Path) -> Iterator[Source]:
        copy(sample, create_bundle(folder.with_suffix(""), "dir"), [NAME])
        with tarfile.open(folder, "w") as archive:
            archive.add(folder.with_suffix(""), ".")
        source = open_bundle(folder)
        yield source
        assert isinstance(source, Closes)
        source.close()


class TestRegistryRoot(SourceContract):
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "registry"

    @pytest.fixture
    def source(self, sample: Source, folder: Path) -> Source:
        Registry(folder).push(NAME, picture(sample))
        return RegistryRoot(folder)


class TestRegistry(SourceContract, SinkContract):
    @pytest.fixture(autouse=True)
    def web(self) -> Iterator[MemoryRegistry]:
        with MemoryRegistry() as web:
            self.top = f"{web.host}/{NAME}"
            self.names = (self.top,)
            yield web

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path  # there is none; what is read is nobody's file

    @pytest.fixture
    def sink(self, web: MemoryRegistry) -> Iterator[Sink]:
        sink = sink_of(web, "/ubuntu")
        yield sink
        sink.close()

    @pytest.fixture
    def reopened(self, web: MemoryRegistry) -> Iterator[Callable[[], Source]]:
        with ExitStack() as stack:

            def reopen() -> Source:
                store = store_of(web, "/ubuntu")
                stack.callback(store.close)
                return store

            yield reopen

    def test_two_names_of_one_image_arrive(
        self, sink: Sink, reopened: Callable[[], Source], sample: Source
    ) -> None:
        copy(sample, sink, [NAME, "ubuntu:trusty"])
        (line,) = reopened().listings()
        assert line.names == (self.top, self.top.replace("14.04", "trusty"))

    @pytest.fixture
    def source(self, sample: Source, web: MemoryRegistry) -> Iterator[Source]:
        web.push(NAME, picture(sample))
        source = store_of(web, "/ubuntu")
        yield source
        source.close()

    def test_reading_writes_nothing(self, source: Source, web: MemoryRegistry) -> None:
        source.listings()
        proven(source, self.top)
        assert {asked.method for asked in web.asked} <= {"GET", "HEAD"}


def picture(sample: Source) -> Picture:
    """The sample image with all its blobs."""
    image = proven(sample)
    blobs = {str(digest): document.raw for digest, document in image.documents.items()}
    layers = map(functools.partial(content, sample), sample.image(NAME).layers)
    blobs |= {sha256(layer): layer for layer in layers}
    return Picture(image.documents[image.top.digest].raw, image.top.media_type, blobs)


@pytest.mark.parametrize("format_name", WRITTEN)
class TestBundle(SourceContract, SinkContract):
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "bundle.tar"

    @pytest.fixture
    def sink(self, folder: Path, format_name: str) -> Sink:
        return create_bundle(folder, format_name)

    @pytest.fixture
    def reopened(self, folder: Path) -> Iterator[Callable[[], Source]]:
        opened: list[Source] = []

        def reopen() -> Source:
            opened.append(open_bundle(folder))
            return opened[-1]

        yield reopen
        for source in opened:
            with suppress(OSError):
                assert isinstance(source, Closes)
                source.close()

    @pytest.fixture
    def source(self, sample: Source, sink: Sink, reopened: Callable[[], Source]) -> Source:
        copy(sample, sink, [NAME])
        return reopened()
