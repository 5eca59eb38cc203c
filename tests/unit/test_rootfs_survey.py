from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from tests.archives import ONE, A, Body, encode, image, layout, tar, v1_folder
from tests.eras import saved_by
from tests.layers import device, file, folder, hard_link, layer, symlink
from tests.unit.test_elf import HEADERS
from toolkit.bundles.rootfs_survey import Survey
from toolkit.errors import CorruptContent, ToolkitError, UnsafeArchive, Unsupported, UsageError
from toolkit.image import Finding

DATA = Path(__file__).parents[1] / "data"
EXPORTED = DATA / "vectors/docker2010-export.tar"
Member = tuple[tarfile.TarInfo, bytes]


def survey(where: Path, content: bytes) -> Survey:
    path = where / "rootfs.tar"
    path.write_bytes(content)
    handle = os.open(path, os.O_RDONLY)
    try:
        return Survey.of(handle, "rootfs.tar")
    finally:
        os.close(handle)


def program(name: str, architecture: str) -> Member:
    return file(name, bytes.fromhex("".join(HEADERS[architecture])) + bytes(44), mode=0o755)


def test_what_docker_exports_is_looked_over(tmp_path: Path) -> None:
    found = survey(tmp_path, EXPORTED.read_bytes())
    assert found.architectures == ["amd64"]
    names = ".dockerenv, dev/console, etc/hostname, etc/hosts, etc/mtab, etc/resolv.conf"
    problem = f"holds what an engine put into a running container, and the image keeps it: {names}"
    assert found.findings() == [Finding("rootfs.tar", problem, "note")]


def test_files_that_are_filled_are_nobodys_stubs(tmp_path: Path) -> None:
    members = [
        file("etc/hosts", b"127.0.0.1 localhost\n"),
        file("etc/resolv.conf", b"nameserver 10.0.0.1\n"),
        symlink("etc/mtab", "../proc/self/mounts"),
        folder("dev/"),
        device("dev/console", 5, 1),
        file("srv/etc/hostname", b""),
    ]
    assert survey(tmp_path, layer(*members)).findings() == []


@pytest.mark.parametrize(
    ("members", "architectures"),
    [
        ([program("bin/sh", "arm64")], ["arm64"]),
        ([program("./usr/bin/bash", "s390x")], ["s390x"]),
        ([program("bin/[", "riscv64"), hard_link("bin/sh", "bin/[")], ["riscv64"]),  # busybox
        ([symlink("bin", "usr/bin"), symlink("usr/bin/sh", "dash"), program("usr/bin/dash", "386")], ["386"]),
        ([program("bin/sh", "arm"), program("usr/bin/qemu-arm-static", "amd64")], ["arm"]),
        ([program("bin/sh", "amd64"), program("lib/ld-linux.so.2", "386")], ["amd64"]),  # runs 386 as well
        ([program("lib/ld-musl-aarch64.so.1", "arm64")], ["arm64"]),
        ([program("lib/x86_64-linux-gnu/ld-2.31.so", "amd64")], ["amd64"]),
        ([program("usr/lib64/ld-linux-x86-64.so.2", "amd64")], ["amd64"]),
        ([program("bin/sh", "arm64"), program("bin/ls", "amd64")], ["amd64", "arm64"]),
        ([file("bin/sh", b"#!/bin/busybox sh\n")], []),
        ([file("bin/sh", b"")], []),
        ([program("opt/bin/sh", "amd64")], []),
        ([folder("bin/sh/")], []),
        ([], []),
    ],
)
def test_well_known_programs_tell_what_it_runs_on(
    tmp_path: Path, members: list[Member], architectures: list[str]
) -> None:
    assert survey(tmp_path, layer(*members)).architectures == architectures


def test_whiteouts_are_counted(tmp_path: Path) -> None:
    members = [file("etc/.wh.shadow", b""), file("var/.wh..wh..opq", b""), file("a.wh.", b"")]
    problem = (
        "holds names that begin with .wh., which engines take for whiteouts (2, the first is etc/.wh.shadow)"
    )
    assert survey(tmp_path, layer(*members)).findings() == [Finding("rootfs.tar", problem)]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (ONE[:1024], "the end of the archive is missing, expected two zero blocks"),
        (ONE + b"x" * 512, "bytes after the end of the archive are not all zero"),
    ],
)
def test_an_odd_end_is_told(tmp_path: Path, content: bytes, problem: str) -> None:
    (finding,) = survey(tmp_path, content).findings()
    assert problem in finding.problem
    assert finding.severity == "warning"


@pytest.mark.parametrize(
    ("member", "problem"),
    [
        (file("/etc/passwd"), "leads out of its folder"),
        (file("../outside"), "leads out of its folder"),
        (file("a/../../outside"), "leads out of its folder"),
        (hard_link("a", "../outside"), "leads out of its folder"),
        (symlink("./", "/"), "would replace the root folder"),
        (file("etc/.wh."), "is a whiteout of nothing"),
        (file("etc/.wh..."), "is a whiteout of nothing"),
        (device("gone", 0, 0), "which overlay file systems take for a whiteout"),
        (file("x", xattrs={"trusted.overlay.opaque": b"y"}), "which overlay file systems act on"),
    ],
)
def test_names_and_nodes_that_are_unsafe_are_refused(tmp_path: Path, member: Member, problem: str) -> None:
    with pytest.raises(UnsafeArchive, match=r"^rootfs\.tar: ") as refused:
        survey(tmp_path, layer(program("bin/sh", "amd64"), member))
    assert problem in str(refused.value)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", CorruptContent),
        (b"no tar at all, but long enough to be one" * 100, CorruptContent),
        (layer(file("a", bytes(1000)))[:1000], CorruptContent),
        (ONE.replace(b"one", b"two", 1), CorruptContent),
        ((DATA / "vectors/sparse-gnu.tar").read_bytes(), Unsupported),
        ((DATA / "vectors/hdr-neg.tar").read_bytes(), ToolkitError),
    ],
)
def test_what_is_no_whole_tar_is_refused(tmp_path: Path, content: bytes, kind: type[ToolkitError]) -> None:
    with pytest.raises(kind, match=r"^rootfs\.tar"):
        survey(tmp_path, content)


MODERN: dict[str, Body] = {**layout(("app:1", image(ONE)))}
BUNDLES = {
    "oci": tar(MODERN),
    "docker": tar({**MODERN, "manifest.json": encode([{"Config": "x"}])}),
    "docker alone": tar({"x.json": b"{}", "manifest.json": b"\n [{}]"}),
    "docker 20.10": (DATA / "vectors/docker2010-save-duplayer.tar").read_bytes(),
    "skopeo": (DATA / "vectors/skopeo-oci-archive.tar").read_bytes(),
    "docker-v1": tar(v1_folder(A)),
    "docker 0.7.6": saved_by("0.7.6"),
    "docker 1.9.1": saved_by("1.9.1", named=False),
}


@pytest.mark.parametrize("name", BUNDLES)
def test_an_image_bundle_is_no_root_file_system(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"^rootfs\.tar: is an image bundle; import it without --rootfs$"):
        survey(tmp_path, BUNDLES[name])


def test_files_that_are_called_as_those_of_a_bundle_make_none(tmp_path: Path) -> None:
    members = [
        file("manifest.json", b'{"name": "an extension"}'),
        file("index.json", b"{}"),
        file("srv/manifest.json", b"[]"),
        file("a/json", b""),
        file("b/layer.tar", b""),
    ]
    assert survey(tmp_path, layer(*members)).findings() == []
