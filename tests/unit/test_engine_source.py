"""What an EngineSource makes of canned answers; what a real engine has is in tests/integration."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.archives import ONE, TWO, docker_item, encode, image, layout, sha256, tar
from tests.conformance import content, proven
from tests.daemons import Answer, FakeEngine, fake_engine
from toolkit.errors import CorruptContent, NotFound, StoreError
from toolkit.operations.copy import copy
from toolkit.platform import Platform
from toolkit.stores.engine import Engine
from toolkit.stores.engine_host import Host
from toolkit.stores.engine_source import EngineSource
from toolkit.stores.layout import LayoutStore

LARGE = 4 << 20  # bytes; a member above it is no document
APP = image(ONE, TWO)
ID, OTHER = sha256(APP.config), "sha256:" + "2" * 64
INSPECTED: dict[str, Any] = {
    "Id": ID,
    "RepoTags": ["app:1", "app:2"],
    "RepoDigests": [f"app@{APP.digest}"],
    "Created": "2024-01-02T03:04:05Z",
    "Size": 7,
    "Os": "linux",
    "Architecture": "amd64",
    "RootFS": {"Layers": [sha256(ONE), sha256(TWO)]},
}
DANGLING = {
    **INSPECTED,
    "Id": OTHER,
    "RepoTags": ["<none>:<none>"],
    "RepoDigests": [],
    "RootFS": {"Layers": []},
}


def saved(*names: str) -> bytes:
    """What Docker 25 and later saves of the image by these names; by its ID no index.json tells of it."""
    named = layout(*((name, APP) for name in names))
    if not names:
        named |= {name: body for name, body in layout(("x:1", APP)).items() if name.startswith("blobs/")}
    item = docker_item(APP, *names)
    return tar({**named, "manifest.json": encode([item])})


@pytest.fixture
def fake() -> Iterator[FakeEngine]:
    with fake_engine() as engine:
        engine.has(DANGLING, INSPECTED)
        engine.answers["/images/get"] = Answer(saved("app:1"))
        yield engine


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def opened(fake: FakeEngine, only: str = "") -> EngineSource:
    return EngineSource(Engine(Host(fake.host, "the test")), f"docker-daemon:{only}", only)


def test_a_listing_is_what_the_engine_tells_and_bare_images_come_last(fake: FakeEngine) -> None:
    named, bare = opened(fake).listings()
    assert (named.names, named.id, named.created) == (("app:1", "app:2"), ID, "2024-01-02T03:04:05Z")
    assert (named.platform, named.size) == ("linux/amd64", 7)
    assert (bare.names, bare.id) == ((), OTHER)


def test_an_image_that_goes_while_it_is_listed_is_left_out(fake: FakeEngine) -> None:
    del fake.answers[f"/images/{OTHER}/json"]
    assert [line.id for line in opened(fake).listings()] == [ID]


def test_an_image_is_known_by_name_digest_and_id(fake: FakeEngine) -> None:
    for name in ("app:1", "docker.io/library/app:2", ID, ID.removeprefix("sha256:"), f"app@{APP.digest}"):
        assert opened(fake).identify(name) == ID
    with pytest.raises(NotFound, match="image app:3: is not in docker-daemon:; near it: app:2, app:1"):
        opened(fake).identify("app:3")
    with pytest.raises(NotFound, match="is not in docker-daemon:"):
        opened(fake).identify("f" * 64)


def test_an_image_that_is_not_listed_is_found_by_its_id(fake: FakeEngine) -> None:
    hidden = "sha256:" + "3" * 64
    fake.says(f"/images/{hidden}/json", {**INSPECTED, "Id": hidden})
    assert opened(fake).identify(hidden) == hidden


def test_an_outline_is_for_the_platform_that_there_is(fake: FakeEngine) -> None:
    assert opened(fake).outline("app:1").id == ID
    with pytest.raises(NotFound, match=r"is for linux/amd64, expected linux/s390x"):
        opened(fake).outline("app:1", Platform("linux", "s390x"))


@pytest.mark.parametrize("name", ["app:1", ID])
def test_layers_come_out_of_one_save(fake: FakeEngine, name: str) -> None:
    fake.answers["/images/get"] = Answer(saved(*(["app:1"] if name == "app:1" else [])))
    source = opened(fake)
    layers = source.image(name).layers
    assert source.layer_keys(name) == tuple(layer.key for layer in layers)
    assert [content(source, source.layer(layer.key)) for layer in layers] == [ONE, TWO]
    assert [line for line in fake.asked if "/images/get" in line] == [f"GET /images/get?names={name}"]


def test_what_was_saved_last_serves_who_opens_the_place_anew(fake: FakeEngine) -> None:
    first = opened(fake)
    keys = first.layer_keys("app:1")
    assert [opened(fake).layer(key).size for key in keys] == [len(ONE), len(TWO)]
    assert opened(fake).image("app:1").layers == first.image("app:1").layers
    assert sum("/images/get" in line for line in fake.asked) == 1
    fake.has({**INSPECTED, "Id": OTHER})
    opened(fake).image("app:1")
    assert sum("/images/get" in line for line in fake.asked) == 2


def test_a_layer_of_an_unsaved_image_is_found_by_its_diff_id(fake: FakeEngine) -> None:
    fake.answers["/images/get"] = Answer(saved())
    assert opened(fake).layer(sha256(TWO)).size == len(TWO)
    with pytest.raises(NotFound, match="layer sha256:9: is not in docker-daemon:"):
        opened(fake).layer("sha256:9")


def test_images_that_are_gathered_are_saved_at_once(fake: FakeEngine) -> None:
    fake.answers["/images/get"] = Answer(saved("app:1", "app:2"))
    source = opened(fake)
    source.gather(["app:2", "app:1"])
    assert source.image("app:1").names == ("app:1",)
    assert source.image("app:2").names == ("app:2",)
    assert [line for line in fake.asked if "get" in line] == ["GET /images/get?names=app:1&names=app:2"]


@pytest.mark.parametrize("name", ["app:1", ID])
def test_large_layers_go_straight_into_a_store(fake: FakeEngine, tmp_path: Path, name: str) -> None:
    big = tar({"random": os.urandom(LARGE)})
    app = image(ONE, big)
    files = {
        **layout(("app:1", app)),
        "manifest.json": encode([docker_item(app, *(["app:1"] * (name == "app:1")))]),
    }
    files = files if name == "app:1" else {key: body for key, body in files.items() if key != "index.json"}
    fake.answers["/images/get"] = Answer(tar(files))
    source, store = opened(fake), LayoutStore(tmp_path / "store")
    with store.landing() as land:
        source.gather([name], lambda _: land)
        assert (tmp_path / "store/blobs/sha256" / sha256(big).removeprefix("sha256:")).is_file()
        (copied,) = copy(source, store, [name])
    assert proven(LayoutStore(tmp_path / "store"), str(copied.top.digest)).images()


def test_what_is_not_in_the_store_any_more_is_saved_anew(fake: FakeEngine, tmp_path: Path) -> None:
    big = tar({"random": os.urandom(LARGE)})
    app = image(ONE, big)
    files = {**layout(("app:1", app)), "manifest.json": encode([docker_item(app, "app:1")])}
    fake.answers["/images/get"] = Answer(tar(files))
    source, store = opened(fake), LayoutStore(tmp_path / "store")
    with store.landing() as land:
        source.gather(["app:1"], lambda _: land)
    layer = source.image("app:1").layers[1]
    assert [content(each, layer) for each in (source, opened(fake), source)] == [big] * 3
    assert sum("/images/get" in line for line in fake.asked) == 2


def test_a_place_may_name_one_image(fake: FakeEngine) -> None:
    (line,) = opened(fake, "app:2").listings()
    assert (line.names, line.id) == (("app:2",), ID)
    (line,) = opened(fake, OTHER).listings()
    assert (line.names, line.id) == ((), OTHER)
    with pytest.raises(NotFound, match="near it: app:2"):
        opened(fake, "app:2").identify("app:1")
    with pytest.raises(NotFound):
        opened(fake, OTHER).identify(ID)
    with pytest.raises(NotFound, match="image app:3: is not in docker-daemon:; near it: app:"):
        opened(fake, "app:3").listings()
    with pytest.raises(
        NotFound, match=r"image far/away:3: is not in docker-daemon:; run: lading ls docker-daemon:$"
    ):
        opened(fake, "far/away:3").listings()


def test_a_save_that_is_cut_leaves_nothing(fake: FakeEngine, temporary: Path) -> None:
    fake.answers["/images/get"] = Answer(saved("app:1")[:-2000], cut=True)
    with pytest.raises(StoreError, match="the connection broke off"):
        opened(fake).image("app:1")
    fake.answers["/images/get"] = Answer(saved("app:1")[:3000])
    with pytest.raises(CorruptContent):
        opened(fake).image("app:1")
    assert os.listdir(temporary) == []


def test_a_closed_source_holds_no_file(fake: FakeEngine) -> None:
    before = _open_files()
    source = opened(fake)
    source.image("app:1")
    assert any("deleted" in target or "#" in target for target in _open_files() - before)
    source.close()
    late = time.monotonic() + 10  # the fake's own side of a connection is closed when its thread comes to it
    while not _open_files() <= before and time.monotonic() < late:
        time.sleep(0.01)
    assert _open_files() <= before


def _open_files() -> set[str]:
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            found.add(os.readlink(f"/proc/self/fd/{name}"))
    return {each for each in found if not each.startswith("anon_inode:")}  # the fake's thread waits in one
