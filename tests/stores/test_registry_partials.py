"""A registry's blobs of which an earlier run has kept a piece, right or wrong."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.archives import LAYER, Picture, image, sha256, tar
from tests.webregistry import MemoryRegistry, client_of, refusal
from tests.webs import Asked, Reply, ranged
from toolkit.bundles import create_bundle, open_bundle
from toolkit.errors import Mismatch, MissingMember, Spoiled
from toolkit.event import Event, nobody
from toolkit.image import Layer
from toolkit.operations.copy import copy
from toolkit.operations.recompress import recompressed
from toolkit.operations.staging import Staging
from toolkit.operations.taking import taken
from toolkit.operations.through import Through
from toolkit.operations.verify import verify
from toolkit.plumbing.partials import Partials
from toolkit.plumbing.streams import Stream
from toolkit.ports import Content, Source
from toolkit.stores.layout import LayoutStore
from toolkit.stores.registry.store import RegistryStore
from toolkit.tally import Tally

MB = 1 << 20
TAR = tar({"file": random.Random(1).randbytes(6 * MB)})
PACKED = gzip.compress(TAR, 1, mtime=0)
APP = image(TAR)
GZIP = image(PACKED, diff_ids=[sha256(TAR)], media_types=[f"{LAYER}+gzip"])
SIZE = len(TAR)


@dataclass
class Site:
    """A registry, and a home that keeps what came from there."""

    web: MemoryRegistry
    home: Path
    source: RegistryStore

    def keep(self, start: int, piece: bytes, blob: bytes = TAR) -> None:
        """Keep a piece of a blob, as toolkit.plumbing.kept has it."""
        folder = self.home / "partial"
        folder.mkdir(0o700, parents=True)
        name = sha256(blob).replace(":", "-")
        (folder / name).write_bytes(start.to_bytes(8, "big") + piece)

    def ranges(self, blob: bytes = TAR) -> list[str]:
        """What was asked for of a blob."""
        asked = [one for one in self.web.asked if one.path.endswith(f"/blobs/{sha256(blob)}")]
        return [one.headers.get("range", "all") for one in asked if one.method == "GET"]

    @property
    def is_clear(self) -> bool:
        return not (self.home / "partial").exists()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with MemoryRegistry() as web:
        web.push("app:1", APP).push("gzip:1", GZIP)
        client = client_of(web)
        store = RegistryStore(
            client.address, client, f"docker://{web.host}", Partials(tmp_path / "home" / "partial")
        )
        yield Site(web, tmp_path / "home", store)
        client.close()


def arrives(source: Source, folder: Path, name: str = "app:1", picture: Picture = APP) -> None:
    copy(source, LayoutStore(folder / "layout"), [name])
    store = LayoutStore(folder / "layout")
    assert store.identify(store.listings()[0].names[0]) == picture.digest
    assert not verify(store).errors


@pytest.mark.parametrize(
    ("start", "end", "asked"),
    [
        (0, 2 * MB, [f"bytes={2 * MB}-"]),
        (MB, 2 * MB, [f"bytes=0-{MB - 1}", f"bytes={2 * MB}-"]),
        (1, SIZE - 1, ["bytes=0-0", f"bytes={SIZE - 1}-"]),
        (3, SIZE, ["bytes=0-2"]),
        (0, SIZE, []),
    ],
)
def test_what_is_kept_is_not_asked_for(
    site: Site, tmp_path: Path, start: int, end: int, asked: list[str]
) -> None:
    site.keep(start, TAR[start:end])
    arrives(site.source, tmp_path)
    assert site.ranges() == asked
    assert site.is_clear


def test_what_breaks_off_around_a_piece_is_gone_on_with(site: Site, tmp_path: Path) -> None:
    site.web.odd = lambda asked: ranged(asked, TAR, cut=MB) if asked.path.endswith(sha256(TAR)) else None
    site.keep(3 * MB, TAR[3 * MB : 4 * MB])
    arrives(site.source, tmp_path)
    assert site.ranges()[:3] == [
        f"bytes=0-{3 * MB - 1}",
        f"bytes={MB}-{3 * MB - 1}",
        f"bytes={2 * MB}-{3 * MB - 1}",
    ]
    assert site.ranges()[3] == f"bytes={4 * MB}-"


def test_a_registry_that_sends_all_is_read_past_what_is_kept(site: Site, tmp_path: Path) -> None:
    site.web.odd = lambda asked: Reply(200, TAR) if asked.path.endswith(sha256(TAR)) else None
    site.keep(0, TAR[: 2 * MB])
    arrives(site.source, tmp_path)
    assert len(site.ranges()) == 1


def to_layout(source: Source, folder: Path) -> None:
    arrives(source, folder)


def to_bundle(format_: str) -> Callable[[Source, Path], None]:
    def carried(source: Source, folder: Path) -> None:
        copy(source, create_bundle(folder / "b", format_), ["app:1"])
        assert not verify(open_bundle(folder / "b")).errors

    return carried


def to_staging(source: Source, folder: Path) -> None:
    [layer] = source.image("app:1").layers
    staging = Staging(folder / "layers")
    staging.stage(source, layer)
    with staging.open(source.place, layer) as content:
        assert b"".join(map(bytes, content.blocks())) == TAR


def to_gzip(source: Source, folder: Path) -> None:
    with recompressed(source, "gzip") as packed:
        copy(packed, LayoutStore(folder / "layout"), ["app:1"])
    assert not verify(LayoutStore(folder / "layout")).errors


def to_nowhere(source: Source, folder: Path) -> None:
    del folder
    assert not verify(source, ["app:1"]).findings


WAYS = {
    "oci": to_layout,
    **{name: to_bundle(name) for name in ("universal", "docker-v1.2", "docker-v1", "dir")},
    "staging": to_staging,
    "gzip": to_gzip,
    "verify": to_nowhere,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_wrong_piece_costs_no_run_on_any_way(site: Site, tmp_path: Path, way: str) -> None:
    site.keep(MB, bytes(MB))
    WAYS[way](site.source, tmp_path)
    assert "all" in site.ranges()
    assert site.is_clear


def test_a_wrong_piece_of_a_packed_layer_costs_no_run(site: Site, tmp_path: Path) -> None:
    site.keep(0, PACKED[:MB] + bytes(MB), PACKED)
    arrives(site.source, tmp_path, "gzip:1", GZIP)
    assert site.is_clear


def no_parts(reply: Callable[[Asked], Reply]) -> Callable[[Asked], Reply | None]:
    """Answer so where a part of a blob is asked for."""
    return lambda asked: reply(asked) if "range" in asked.headers else None


@pytest.mark.parametrize(
    "reply",
    [
        lambda _: Reply(200, TAR),
        lambda _: Reply(206, TAR[9:], {"Content-Range": f"bytes 9-{SIZE - 1}/{SIZE}"}),
        lambda _: Reply(206, TAR),
        lambda _: Reply(416),
        lambda _: refusal(400, "UNSUPPORTED"),
        lambda _: refusal(404, "BLOB_UNKNOWN"),
        lambda _: refusal(501, "UNSUPPORTED"),
        lambda _: Reply(206, TAR, {"Content-Range": f"bytes 0-{SIZE - 1}/{SIZE}"}),
    ],
    ids=["all", "another part", "an unnamed part", "416", "400", "404", "501", "more than asked"],
)
def test_a_registry_that_gives_no_parts_costs_no_run(
    site: Site, tmp_path: Path, reply: Callable[[Asked], Reply]
) -> None:
    site.web.odd = no_parts(reply)
    site.keep(1, TAR[1 : 2 * MB])
    arrives(site.source, tmp_path)
    assert site.ranges()[-1] == "all"
    assert site.is_clear


def test_what_is_wrong_in_the_registry_is_told_as_that(site: Site, tmp_path: Path) -> None:
    digest = sha256(TAR)
    site.keep(0, TAR[:MB])
    site.web.blobs["app", digest] = bytes(SIZE)
    with pytest.raises(Mismatch, match="digest"):
        arrives(site.source, tmp_path)
    assert site.is_clear
    site.keep(0, TAR[:MB])
    del site.web.blobs["app", digest]
    with pytest.raises(MissingMember, match="BLOB_UNKNOWN"):
        arrives(site.source, tmp_path)
    assert site.is_clear


def test_what_passed_in_vain_is_told_and_not_counted_twice(site: Site, tmp_path: Path) -> None:
    events: list[Event] = []
    tally = Tally()
    site.keep(0, bytes(MB))
    copy(site.source, LayoutStore(tmp_path / "layout"), ["app:1"], progress=events.append)
    for event in events:
        tally.take(event)
        assert tally.done <= SIZE
    words = [event.word for event in events if event.word != "blob.progress"]
    assert words == ["image.begun", "blob.begun", "blob.failed", "blob.begun", "blob.done", "image.done"]
    assert (tally.done, tally.size, tally.over) == (SIZE, SIZE, 1)


class Bad(Through):
    """A source of which every opening finds something that an earlier run has spoiled."""

    opened = 0

    @contextmanager
    def open(self, layer: Layer) -> Iterator[Content]:
        self.opened += 1
        yield Stream(layer.size, iter(()), "nothing")
        raise Spoiled(layer.key, "is spoiled")


def test_what_is_spoiled_again_and_again_is_given_up(site: Site) -> None:
    bad = Bad(site.source)
    with pytest.raises(Spoiled):
        taken(bad, Layer("key", 3), lambda content, _: content.size, nobody)
    assert bad.opened == 2
