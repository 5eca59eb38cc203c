"""What once went wrong in containerd, podman and what they are made of, by its number (formats G.2)."""

from __future__ import annotations

import os
import stat
import tarfile
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from tests.archives import (
    INDEX,
    ONE,
    Picture,
    artifact,
    blob,
    docker_item,
    encode,
    image,
    index,
    rewritten,
    tar,
    written,
)
from tests.extracting import NAME, Site
from tests.layers import file, folder, hard_link, layer, symlink
from toolkit.bundles import create_bundle, open_bundle
from toolkit.errors import CorruptContent, MissingMember, ToolkitError, UnsafeArchive, Unsupported
from toolkit.operations.contents import contents
from toolkit.operations.copy import copy
from toolkit.operations.extract import extract
from toolkit.operations.verify import verify
from toolkit.plumbing.tree import Tree

VECTORS = Path(__file__).parents[1] / "data/vectors"
MB = 1 << 20
SIZE, TYPE = 124, 156  # where fields of a header begin


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


# ── containerd ──


def test_cve_2021_32760_modes_are_set_on_what_was_just_made(site: Site) -> None:
    site.refused([symlink("a", str(site.secret)), folder("a/", 0o777)], kind=CorruptContent)
    site.extract([symlink("a", str(site.secret)), hard_link("b", "a", mode=0o4777, uid=7)])
    assert stat.S_IMODE(site.secret.stat().st_mode) == 0o640


def test_cve_2023_25153_a_gigabyte_of_manifest_json_is_not_read(tmp_path: Path) -> None:
    head = tarfile.TarInfo("manifest.json")
    head.size = 1 << 30
    path = tmp_path / "b.tar"
    path.write_bytes(head.tobuf())
    os.truncate(path, (1 << 30) + 2048)  # of which the disk has 512 bytes
    tracemalloc.start()
    try:
        with pytest.raises(UnsafeArchive, match="expected at most"):
            open_bundle(path).listings()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * MB


@pytest.mark.parametrize("number", ["cve_2024_40635", "cve_2026_46680"])
def test_cve_2024_40635_and_cve_2026_46680_whom_an_image_runs_as_owns_nothing(
    site: Site, number: str
) -> None:
    """The number of a user that wraps to root is a text to us: nothing is given to anybody by it."""
    user = {"cve_2024_40635": str((1 << 32) + 1000), "cve_2026_46680": "9" * 40}[number]
    passwd = layer(
        file("etc/passwd", f"{user}:x:0:0::/:/bin/sh\n".encode(), uid=os.geteuid(), gid=os.getegid())
    )
    picture = image(passwd, config={"User": user})
    source = site.opened(picture)
    assert source.outline(NAME).config["User"] == user
    assert any("runs as" in finding.problem for finding in verify(source).findings)
    done = extract(source, NAME, site.root)
    assert (site.root / "etc/passwd").stat().st_uid == os.geteuid()
    assert done.left_out.keys() <= {"owner"}


def test_cve_2026_47262_a_file_of_the_image_is_read_up_to_a_limit(site: Site) -> None:
    """os-release is the one file that anything is read of; passwd and group never are."""
    source = site.opened(image(layer(file("etc/passwd", bytes(8 * MB)), file("etc/os-release", bytes(MB)))))
    with pytest.raises(Unsupported, match="os-release: is 1048576 bytes, expected at most 65536"):
        contents(source, NAME)
    tracemalloc.start()
    try:
        extract(source, NAME, site.root)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * MB


def test_cve_2026_53488_labels_of_an_image_become_no_annotations_of_ours(tmp_path: Path) -> None:
    labels = {"containerd.io/restart.logpath": "binary:///bin/sh", "io.containerd.image.name": "evil:1"}
    picture = image(ONE, config={"Labels": labels})
    saved = {"manifest.json": encode([docker_item(picture, NAME)])}
    saved |= {blob(digest): content for digest, content in picture.blobs.items()}
    told = verify(open_bundle(written(tmp_path / "in.tar", saved))).findings
    assert any("labels that are containerd's own" in finding.problem for finding in told)
    for name in ("universal", "docker", "docker-v1.2", "oci"):
        copy(
            open_bundle(written(tmp_path / "in.tar", saved)),
            create_bundle(tmp_path / "out.tar", name),
            [NAME],
        )
        with tarfile.open(tmp_path / "out.tar") as archive:
            texts = [archive.extractfile(each) for each in archive if each.isreg()]
            read = [text.read() for text in texts if text]
        assert picture.config in read
        others = [raw for raw in read if raw != picture.config and not _is_v1(raw)]
        assert not any(b"containerd.io/restart" in raw or b"evil:1" in raw for raw in others)


def _is_v1(raw: bytes) -> bool:
    """Tell the json of a v1 layer, which has the config in it as Docker writes it."""
    return raw.startswith(b"{") and b'"id"' in raw


CHECKPOINT = "application/vnd.containerd.container.criu.checkpoint.criu.tar"


def checkpoint() -> Picture:
    """Return a checkpoint as containerd keeps one: what CRIU wrote, where an image has its layers."""
    return rewritten(artifact(None, b"criu"), lambda value: value["layers"][0].update(mediaType=CHECKPOINT))


def test_cve_2026_50195_and_cve_2026_53489_and_cve_2026_53492_a_checkpoint_is_no_image(site: Site) -> None:
    exported = tar(
        {"config.dump": b"{}", "spec.dump": b"{}", "checkpoint/core-1.img": b"x", "rootfs-diff.tar": ONE}
    )
    path = site.outside / "checkpoint.tar"
    path.write_bytes(exported)
    with pytest.raises(ToolkitError) as caught:
        open_bundle(path)
    assert caught.value.exit_code in {4, 5}
    path.unlink()
    written_by_containerd = index(checkpoint())
    assert isinstance(site.refuses(written_by_containerd, Unsupported), Unsupported)
    told = verify(site.opened(written_by_containerd)).findings
    assert any("is a checkpoint of a container" in finding.problem for finding in told)


def test_cve_2025_47290_and_containerd_ba50a5645_each_entry_finds_its_own_way(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that was looked up once and became a link since is not believed in."""
    make = os.open

    def open_and_swap(path: Any, flags: int, *words: Any, **more: Any) -> int:
        handle = make(path, flags, *words, **more)
        here = site.outside / ".root.part/d"
        if path == b"first" and here.is_dir() and not here.is_symlink():
            here.rename(here.with_name("aside"))
            here.symlink_to(site.vault)
        return handle

    monkeypatch.setattr(os, "open", open_and_swap)
    with pytest.raises(CorruptContent):
        site.extract([folder("d"), file("d/first"), file("e"), file("d/secret", b"new")])


# ── podman, buildah, containers/image and containers/storage ──


def test_cve_2020_1702_a_manifest_has_a_limit(site: Site) -> None:
    picture = image(ONE)
    large = rewritten(picture, lambda value: value.update(annotations={"a": "x" * (5 * MB)}))
    assert isinstance(site.refuses(large, UnsafeArchive), UnsafeArchive)
    assert "expected at most" in str(site.refuses(image(ONE, comment="x" * (5 * MB)), UnsafeArchive))


BAD_DIGESTS = [
    "sha256:../../../../../../../../etc/passwd", "sha256:" + "../" * 21 + "x", "../x", "sha256:", "",
    "sha256:" + "a" * 63, "sha256:" + "A" * 64, "md5:" + "a" * 32, "sha256:" + "a" * 64 + "/../x", "a" * 64,
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_DIGESTS)
def test_cve_2024_3727_a_digest_is_one_before_it_is_a_path(site: Site, bad: str) -> None:
    for key in ("config", "layers"):

        def change(value: Any, key: str = key) -> None:
            (value[key] if key == "config" else value[key][0])["digest"] = bad

        site.refuses(rewritten(image(ONE), change))
    listed = rewritten(index(image(ONE)), lambda value: value["manifests"][0].update(digest=bad))
    site.refuses(Picture(listed.raw, INDEX, listed.blobs))
    told = image(ONE)
    item = docker_item(told, NAME) | {"LayerSources": {bad: {"digest": bad, "size": 1, "mediaType": "x"}}}
    members = {blob(digest): content for digest, content in told.blobs.items()}
    source = open_bundle(written(site.bundle, {**members, "manifest.json": encode([item])}))
    assert verify(source).ok  # it is read over, whatever it says


def test_cve_2024_9676_a_link_in_a_tree_is_not_read_through(site: Site) -> None:
    tree = site.outside / "tree"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/passwd").symlink_to(site.secret)
    (tree / "var").symlink_to(site.vault)
    with Tree(tree) as opened:
        for name in (b"etc/passwd", b"var/secret"):
            with pytest.raises(MissingMember):
                opened.open_file(name)


def test_cve_2026_55686_where_an_image_works_is_a_text(site: Site) -> None:
    picture = image(ONE, config={"WorkingDir": "/one/../../vault/made", "Volumes": {"/vol": {}}})
    extract(site.opened(picture), NAME, site.root)
    assert site.names() == ["one"]
    assert os.listdir(site.vault) == ["secret"]
