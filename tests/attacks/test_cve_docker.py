"""What once went wrong in Docker, by its number (formats G.1): none of it goes wrong here."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from tests.archives import (
    ONE,
    TWO,
    A,
    encode,
    image,
    layout,
    sha256,
    unpacked,
    v1_folder,
    v1_json,
    written,
)
from tests.extracting import Site
from tests.graphs import legacy_layer, name
from tests.layers import file, folder, hard_link, layer, symlink
from tests.registries import schema1, signed, three_layers
from toolkit.bundles import create_bundle, open_bundle
from toolkit.digest import Digest
from toolkit.errors import (
    CorruptContent,
    InvalidReference,
    Mismatch,
    MissingMember,
    ToolkitError,
    UnsafeArchive,
)
from toolkit.limits import Limits, hold
from toolkit.operations.copy import copy
from toolkit.operations.extract import extract
from toolkit.operations.shortids import full_name
from toolkit.operations.verify import verify
from toolkit.plumbing.profile import EVERYTHING, SAFE
from toolkit.reference import Reference
from toolkit.schema1 import Schema1
from toolkit.stores.graph.store import GraphStore
from toolkit.stores.layout import LayoutStore

AS_MUCH = EVERYTHING if os.geteuid() == 0 else SAFE
MB = 1 << 20


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_cve_2014_5278_a_name_of_hex_digits_is_no_id(tmp_path: Path) -> None:
    hidden, meant = image(ONE), image(TWO)
    short, whole = sha256(hidden.config)[7:19], sha256(hidden.config)[7:]
    store = LayoutStore(unpacked(tmp_path, layout((short, meant), ("app:1", hidden))))
    assert full_name(store, short) == short
    assert store.outline(short).id == sha256(meant.config)
    with pytest.raises(InvalidReference, match="which is an ID and no name"):
        Reference.parse(whole)


def test_cve_2014_6407_nothing_is_written_through_a_link(site: Site) -> None:
    site.refused([symlink("a", str(site.vault)), file("a/x")], kind=UnsafeArchive)
    site.refused([hard_link("b", str(site.secret))], kind=MissingMember)
    site.refused([hard_link("b", "/etc/passwd"), file("b", b"root")], kind=CorruptContent)


def test_cve_2014_6408_security_options_of_an_image_are_bytes_and_nothing_else(tmp_path: Path) -> None:
    raw = v1_json(A, architecture="amd64", config={"SecurityOpt": ["label:disable"], "Cmd": ["/bin/sh"]})
    members = {**v1_folder(A, layer=ONE, json_=raw), "repositories": encode({"app": {"1": A}})}
    source = open_bundle(written(tmp_path / "in.tar", members))
    assert any("security options" in finding.problem for finding in verify(source).findings)
    copy(source, create_bundle(tmp_path / "out.tar", "docker-v1"), ["app:1"])
    (proven,) = copy(open_bundle(tmp_path / "out.tar"), LayoutStore(tmp_path / "store"), ["app:1"])
    assert b"SecurityOpt" not in proven.images()[0].config.raw  # which engines of today would read
    back = open_bundle(tmp_path / "out.tar").image("app:1")
    assert [each.v1.raw for each in back.layers if each.v1] == [raw]


def test_cve_2014_9356_nothing_is_written_through_an_absolute_link(site: Site) -> None:
    site.refused([symlink("secret", str(site.secret)), file("secret/x")], kind=UnsafeArchive)
    site.refused([symlink("l", "/"), file("l/etc/lading-was-here")], kind=UnsafeArchive)
    site.extract([symlink("a", str(site.secret))], [file("a", b"new")])
    assert not Path("/etc/lading-was-here").exists()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "xz": lzma.compress, "bzip2": bz2.compress, "gzip": gzip.compress, "zstd": zstandard.compress,
}  # fmt: skip
DECOMPRESSORS = ("xz", "unxz", "lzma", "unpigz", "pigz", "gzip", "gunzip", "zstd", "unzstd", "bzip2", "tar")


def no_program_is_started(site: Site, monkeypatch: pytest.MonkeyPatch, packed: bytes) -> None:
    """Extract a layer where each program that could unpack it is one of the image's, and would be seen."""
    mark = f"#!/bin/sh\ntouch {site.vault}/was-run\n".encode()
    programs = [file(f"bin/{program}", mark, mode=0o755) for program in DECOMPRESSORS]
    site.extract([folder("bin"), *programs])
    tools = site.outside / "tools"
    site.root.rename(tools)
    monkeypatch.setenv("PATH", str(tools / "bin"))
    monkeypatch.chdir(tools / "bin")
    picture = image(packed, diff_ids=[sha256(ONE)], media_types=["application/vnd.oci.image.layer.v1.tar"])
    written(site.bundle, layout(("app:1", picture)))
    extract(open_bundle(site.bundle), "app:1", site.root)
    assert site.names() == ["one"]
    assert os.listdir(site.vault) == ["secret"]


def test_cve_2014_9357_no_program_is_started_to_unpack(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    no_program_is_started(site, monkeypatch, lzma.compress(ONE))


@pytest.mark.parametrize("compression", PACKED)
def test_cve_2026_41567_no_program_of_the_image_is_started(
    site: Site, monkeypatch: pytest.MonkeyPatch, compression: str
) -> None:
    no_program_is_started(site, monkeypatch, PACKED[compression](ONE))


BAD_IDS = [
    "../../x",
    "a/b",
    "",
    "a" * 63,
    "a" * 65,
    "A" * 64,
    "a" * 64 + "\n",
    ".",
    "..",
    "/etc",
    "a" * 63 + "\0",
]


@pytest.mark.parametrize("bad", BAD_IDS)
def test_cve_2014_9358_what_is_no_id_is_refused(tmp_path: Path, bad: str) -> None:
    own = v1_json(
        bad or " ", architecture="amd64"
    )  # without one, as of Docker 1.8.3, the folder's name is it
    inside = {**v1_folder(A, layer=ONE, json_=own), "repositories": encode({"app": {"1": A}})}
    named = {**v1_folder(A, layer=ONE), "repositories": encode({"app": {"1": bad}})}
    below = {**v1_folder(A, bad or " ", ONE), "repositories": encode({"app": {"1": A}})}
    for number, members in enumerate((inside, named, below)):
        with pytest.raises(CorruptContent):
            open_bundle(written(tmp_path / f"{number}.tar", members)).image("app:1")


@pytest.mark.parametrize("bad", BAD_IDS)
def test_cve_2014_9358_what_is_no_id_is_refused_in_a_store(site: Site, bad: str) -> None:
    root = site.outside / "store"
    legacy_layer(root, "vfs", A, {"one": b"1"})
    name(root, "vfs", **{"1": bad})
    with pytest.raises(ToolkitError):
        extract(GraphStore(root), "app:1", site.root)
    name(root, "vfs", **{"1": A})
    (root / f"graph/{A}/json").write_bytes(v1_json(A, bad or " ", architecture="amd64"))
    with pytest.raises(ToolkitError):
        extract(GraphStore(root), "app:1", site.root)
    assert not site.root.exists()


def test_cve_2014_8178_and_cve_2014_8179_a_signed_manifest_is_what_is_signed_of_it() -> None:
    payload = schema1(three_layers(thrown_away=True))
    digest = Digest.parse(sha256(payload))
    other = payload.replace(b"amd64", b"arm64")
    with pytest.raises(Mismatch):
        Schema1.from_bytes(signed(other), digest)
    shown = signed(payload).replace(b'"signatures"', b'"tag": "other", "signatures"')
    with pytest.raises(ToolkitError):
        Schema1.from_bytes(shown, digest)
    assert Schema1.from_bytes(signed(payload), digest).raw == payload


def zeros_behind_the_end(count: int) -> bytes:
    """Return a gzip layer with so many bytes of zeros behind its end."""
    piece = gzip.compress(bytes(16 * MB), mtime=0)
    return gzip.compress(layer(file("a")), mtime=0) + piece * (count // (16 * MB))


def test_cve_2017_14992_zeros_behind_the_end_take_no_memory(site: Site) -> None:
    tar = layer(file("a")) + bytes(48 * MB)
    packed = zeros_behind_the_end(48 * MB)
    written(site.bundle, layout(("app:1", image(packed, diff_ids=[sha256(tar)]))))
    tracemalloc.start()
    try:
        extract(open_bundle(site.bundle), "app:1", site.root)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert site.names() == ["a"]
    assert peak < 8 * MB


@pytest.mark.parametrize(
    ("held", "setting"), [(Limits(layer=32 * MB), "layer_limit"), (Limits(), "ratio_limit")]
)
def test_cve_2017_14992_ten_gigabytes_of_them_are_stopped(site: Site, held: Limits, setting: str) -> None:
    hold(held)
    packed = zeros_behind_the_end(10 << 30)
    written(site.bundle, layout(("app:1", image(packed, diff_ids=[sha256(ONE)]))))
    with pytest.raises(UnsafeArchive, match=setting):
        extract(open_bundle(site.bundle), "app:1", site.root)
    assert not site.root.exists()
