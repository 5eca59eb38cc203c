"""What once went wrong in umoci, Go's own tar and others, by its number or name (formats G.2)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.archives import (
    INDEX,
    ONE,
    Body,
    Link,
    Picture,
    blob,
    encode,
    image,
    layout,
    rewritten,
    sha256,
    unpacked,
    written,
)
from tests.extracting import NAME, Site
from tests.layers import file, folder, hard_link, layer, patched, symlink
from toolkit.bundles import open_bundle
from toolkit.errors import CorruptContent, ToolkitError, UnsafeArchive, Unsupported
from toolkit.operations.extract import extract
from toolkit.stores.layout import LayoutStore

VECTORS = Path(__file__).parents[1] / "data/vectors"
MB = 1 << 20
SIZE, TYPE = 124, 156  # where fields of a header begin


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


# ── umoci ──


@pytest.mark.parametrize("name", ["./", ".", "/", ".//."])
@pytest.mark.parametrize("make", [symlink, hard_link])
def test_cve_2021_29136_the_top_folder_stays_one(site: Site, name: str, make: Any) -> None:
    site.refused([folder("d"), make(name, "d")], kind=UnsafeArchive, match="replace the root")
    site.refused([file("x")], [make(name, "/etc")], kind=UnsafeArchive, match="replace the root")


@pytest.mark.parametrize("size", [-1, 1 << 63, True, 0.5, None])
def test_umoci_0_5_1_a_size_is_a_number_of_bytes(site: Site, size: object) -> None:
    for key in ("config", "layers"):

        def change(value: Any, key: str = key) -> None:
            (value[key] if key == "config" else value[key][0])["size"] = size

        site.refuses(rewritten(image(ONE), change))


@pytest.mark.parametrize("more", [-1, 1])
def test_umoci_0_5_1_a_blob_ends_where_its_descriptor_says(site: Site, more: int) -> None:
    picture = rewritten(image(ONE), lambda value: value["layers"][0].update(size=len(ONE) + more))
    assert "size is" in str(site.refuses(picture))
    store = LayoutStore(unpacked(site.outside / "store", layout((NAME, image(ONE)))))
    lies = site.outside / "store" / blob(sha256(ONE))
    lies.write_bytes(ONE + b"x" if more > 0 else ONE[:-1])
    with pytest.raises(CorruptContent, match="size is"):
        extract(store, NAME, site.root)


# ── archive/tar of Go ──


@pytest.mark.parametrize("kind", [b"x", b"L", b"K", b"g"])
def test_cve_2022_2879_a_header_has_a_limit(site: Site, kind: bytes) -> None:
    head = patched(patched(layer(file("a")), TYPE, kind), SIZE, b"%011o\0" % (2 * MB))[:512]
    error = site.refused(head + bytes(2 * MB) + layer(file("b")), kind=UnsafeArchive)
    assert "extension of 2097152 bytes" in str(error)


@pytest.mark.parametrize("number", ["cve_2025_58183 sparse-pax.tar", "cve_2026_32288 sparse-gnu.tar"])
def test_cve_2025_58183_and_cve_2026_32288_sparse_files_are_not_unpacked(site: Site, number: str) -> None:
    raw = (VECTORS / number.split()[1]).read_bytes()
    assert "sparse" in str(site.refused(raw, kind=Unsupported))


@pytest.mark.parametrize("name", ["link/", "link//", "link/."])
def test_cve_2026_39822_a_slash_at_the_end_follows_no_link(site: Site, name: str) -> None:
    site.extract([symlink("link", str(site.vault))], [folder(name, 0o777)])
    assert (site.root / "link").is_dir()
    assert not (site.root / "link").is_symlink()


# ── others ──


def test_cve_2020_27833_a_chain_of_links_is_no_way_out(site: Site) -> None:
    site.refused([symlink("a", ".."), symlink("a/b", ".."), file("a/b/vault/x")], kind=UnsafeArchive)
    site.refused(
        [folder("d"), symlink("d/up", ".."), symlink("d/a", "up/up"), file("d/a/x")], kind=UnsafeArchive
    )
    site.extract([symlink("a", "..")], [symlink("b", "a/..")], [file("a/vault/x"), file("b/vault/y")])
    assert site.names() == ["a", "b", "vault", "vault/x", "vault/y"]


@pytest.mark.parametrize("target", ["secret", "./secret", "../vault/secret", "vault/secret"])
def test_cve_2026_50163_a_hard_link_is_not_sought_in_the_working_folder(
    site: Site, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    for here in (site.vault, site.outside):
        monkeypatch.chdir(here)
        site.refused([hard_link("b", target)], kind=CorruptContent)
        site.refused([folder("d"), hard_link("d/b", target)], kind=CorruptContent)


@pytest.mark.parametrize("name", ["../x", "../../x", "a/../../x", "/../x"])
def test_ghsa_apple_container_names_lead_nowhere(site: Site, name: str) -> None:
    site.refused([file(name)], kind=UnsafeArchive, match="leads out")
    written(site.bundle, {**layout((NAME, image(ONE))), name: b"x"})
    with pytest.raises(UnsafeArchive, match="not a plain path inside the archive"):
        open_bundle(site.bundle)


def test_gcr_nothing_is_written_through_links_of_a_layer(site: Site) -> None:
    site.refused([symlink("a", ".."), file("a/vault/x")], kind=UnsafeArchive)
    site.refused([file("a/../../vault/x")], kind=UnsafeArchive)


def test_gcr_blobs_are_regular_files(site: Site) -> None:
    picture = image(ONE)
    outside = site.vault / "blob"
    for make in (Path.symlink_to, lambda path, _: os.mkfifo(path)):
        store = unpacked(site.outside / "store", layout((NAME, picture)))
        lies = store / blob(sha256(ONE))
        outside.write_bytes(ONE)
        lies.unlink()
        make(lies, outside)
        with pytest.raises(ToolkitError):
            extract(LayoutStore(store), NAME, site.root)
        lies.unlink()
        outside.unlink()
    assert not site.root.exists()


def test_gcr_a_backslash_is_a_letter(site: Site) -> None:
    site.extract([file("..\\..\\x"), file("C:\\x"), symlink("l", "..\\vault"), file("C:/y")])
    assert site.names() == ["..\\..\\x", "C:", "C:/y", "C:\\x", "l"]


@pytest.mark.parametrize("manifests", [[None], [{}], [[]], "x", 1, {"a": 1}])
def test_gcr_a_broken_index_is_an_error_and_no_panic(site: Site, manifests: Any) -> None:
    raw = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})
    site.refuses(Picture(raw, INDEX, {sha256(raw): raw}))


@pytest.mark.parametrize("value", ["x", {"a": 1}, [None], [[]]])
@pytest.mark.parametrize("key", ["layers", "config"])
def test_gcr_a_broken_manifest_is_an_error_and_no_panic(site: Site, key: str, value: Any) -> None:
    site.refuses(rewritten(image(ONE), lambda told: told.update({key: value})))


@pytest.mark.parametrize("vector", ["hdr-paxsize.tar", "hdr-paxsizeL.tar"])
def test_cve_2025_62518_and_cve_2026_53655_a_body_hides_no_entries(site: Site, vector: str) -> None:
    """Where PAX and ustar sizes differ, and where a body is a tar itself."""
    site.extract((VECTORS / vector).read_bytes(), [file("inner.tar", layer(file("hidden")))])
    assert not [name for name in site.names() if "hidden" in name]
    assert {"after", "inner.tar"} <= set(site.names())


@pytest.mark.parametrize(
    "vector", ["hdr-Lpax.tar", "hdr-badpax.tar", "hdr-neg.tar", "hdr-paxL.tar", "hdr-twox.tar"]
)
def test_ghsa_tokio_tar_what_readers_take_differently_is_refused(site: Site, vector: str) -> None:
    assert site.refused((VECTORS / vector).read_bytes(), kind=CorruptContent).exit_code in {5, 6}


def test_a_link_of_a_bundle_leads_to_its_own_members_alone(site: Site) -> None:
    """And what a layer is, its bytes say: a link to something else is not what the digest promises."""
    for target in ("/etc/passwd", "../vault/secret", str(site.secret), blob(sha256(ONE))):
        members: dict[str, Body] = {**layout((NAME, image(ONE))), blob(sha256(ONE)): Link(target)}
        with pytest.raises(ToolkitError):
            extract(open_bundle(written(site.bundle, members)), NAME, site.root)
