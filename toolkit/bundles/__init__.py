"""Bundles: files that carry images. The table of formats, and the two ways in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit.bundles.engines import CONTAINERD, CRANE, PODMAN, SKOPEO, Engines
from toolkit.errors import UsageError
from toolkit.limits import limits
from toolkit.reading import DOCKER, OCI

if TYPE_CHECKING:  # the table is read to print a help; what its rows name is imported when it is used
    from pathlib import Path

    from toolkit.bundles.archive_reader import Archive
    from toolkit.bundles.members import Member
    from toolkit.bundles.tarsink import LossesOf, MembersOf, Target
    from toolkit.image import Finding, ProvenImage
    from toolkit.plumbing.archive import TarIndex
    from toolkit.ports import Block, Landing, Sink, Source


@dataclass(frozen=True, slots=True)
class BundleFormat:
    """One format: how it is known, read and written, and which engines load it."""

    name: str
    recognises: Callable[[TarIndex], bool]
    reader: Callable[[Archive, str], Source]
    members_of: MembersOf | None  # None where it is a folder and no tar
    engines: Engines
    losses_of: LossesOf | None = None  # None where it carries everything

    @property
    def serves(self) -> str:
        """Name the engines that load it, whatever is in it."""
        return str(self.engines)


def _has_layout(index: TarIndex) -> bool:
    from toolkit.bundles.ocilayout import INDEX, LAYOUT

    return LAYOUT in index or INDEX in index


def _has_manifest(index: TarIndex) -> bool:
    from toolkit.bundles.docker_part import MANIFEST

    return MANIFEST in index


def _has_layers(index: TarIndex) -> bool:
    """Tell whether there are v1 folders: a json and a layer.tar, one level down."""
    return any(
        name.endswith("/layer.tar") and name.count("/") == 1 and name[: -len("layer.tar")] + "json" in index
        for name in index.names()
    )


def _has_version(index: TarIndex) -> bool:
    from toolkit.bundles.dir_reader import VERSION, is_dir
    from toolkit.plumbing.archive import FILE

    version = index.entry(VERSION)
    limit = limits().text
    is_small = version is not None and version.kind == FILE and version.size <= limit
    return is_small and _has_manifest(index) and is_dir(index.read(VERSION, limit))


def _read_layout(archive: Archive, prefer: str) -> Source:
    from toolkit.bundles.oci_reader import open_archive

    return open_archive(archive, prefer)


def _read_dir(archive: Archive, prefer: str) -> Source:
    from toolkit.bundles.dir_reader import DirBundle

    return DirBundle.of_archive(archive, prefer)


def _read_docker(archive: Archive, prefer: str) -> Source:
    from toolkit.bundles.docker_reader import DockerArchive

    return DockerArchive(archive, prefer)


def _read_v1(archive: Archive, prefer: str) -> Source:
    from toolkit.bundles.docker_v1_reader import V1Bundle

    return V1Bundle(archive, prefer)


def _universal(images: Sequence[ProvenImage]) -> Sequence[Member]:
    from toolkit.bundles import universal

    return universal.members(images)


def _docker(images: Sequence[ProvenImage]) -> Sequence[Member]:
    from toolkit.bundles import docker_members

    return docker_members.members(images)


def _oci(images: Sequence[ProvenImage]) -> Sequence[Member]:
    from toolkit.bundles import layout_members

    return layout_members.members(images)


def _docker_v1_2(images: Sequence[ProvenImage]) -> Sequence[Member]:
    from toolkit.bundles import docker_v1_2

    return docker_v1_2.members(images)


def _lost_in_v1_2(image: ProvenImage) -> Sequence[Finding]:
    from toolkit.bundles import docker_v1_2

    return docker_v1_2.losses(image)


def _docker_v1(images: Sequence[ProvenImage]) -> Sequence[Member]:
    from toolkit.bundles import docker_v1

    return docker_v1.members(images)


def _lost_in_v1(image: ProvenImage) -> Sequence[Finding]:
    from toolkit.bundles import docker_v1

    return docker_v1.losses(image)


ALL = (PODMAN, CONTAINERD, SKOPEO, CRANE)
FORMATS = (  # the most specific first
    BundleFormat(
        "universal",
        lambda index: _has_layout(index) and _has_manifest(index) and _has_layers(index),
        _read_layout,
        _universal,
        Engines(((0, 7), (29, 0)), ALL),
    ),
    BundleFormat(
        "docker",
        lambda index: _has_layout(index) and _has_manifest(index),
        _read_layout,
        _docker,
        Engines(((1, 10), (29, 0)), ALL),
    ),
    BundleFormat(
        "oci",
        _has_layout,
        _read_layout,
        _oci,
        Engines(None, (PODMAN, CONTAINERD, SKOPEO), layout_only=True),
    ),
    BundleFormat("dir", _has_version, _read_dir, None, Engines(None, (PODMAN, SKOPEO))),
    BundleFormat(
        "docker-v1.2",
        _has_manifest,
        _read_docker,
        _docker_v1_2,
        Engines(((1, 10), (29, 0)), ALL),
        _lost_in_v1_2,
    ),
    BundleFormat("docker-v1", _has_layers, _read_v1, _docker_v1, Engines(((0, 7), (28, 0))), _lost_in_v1),
)
DEFAULT = "universal"
NAMES = {format_.name: format_ for format_ in FORMATS}


def recognise(index: TarIndex) -> BundleFormat:
    """Return the format of an archive by the names in it; raises Unsupported."""
    for format_ in FORMATS:
        if format_.recognises(index):
            return format_
    from toolkit.bundles.opening import not_a_bundle

    raise not_a_bundle(index.subject, "a tar archive without an image in it")


def open_bundle(path: Path | None, prefer: str = "") -> Source:
    """Open a bundle to read from, its format recognised from its content; without a path, standard input.

    `prefer`, docker or oci, settles an archive whose parts disagree. Raises NotFound, Unsupported,
    CorruptContent or UnsafeArchive; the source has `close`.
    """
    from toolkit.bundles.archive_reader import Archive
    from toolkit.plumbing.files import storing

    if prefer not in {"", DOCKER, OCI}:
        raise UsageError(f"--prefer {prefer[:50]}", "is no part of a bundle", f"write {DOCKER} or {OCI}")
    if path is not None:
        with storing(path):
            if path.is_dir() and (folder := _dir_folder(path)):
                return folder
    return _opened(Archive(path), prefer)


def open_arriving(
    place: str, blocks: Iterator[Block], prefer: str = "", land: Landing | None = None
) -> Source:
    """Open a bundle that an engine sends: kept in a nameless temporary file (TMPDIR) until it is closed.

    Where there is a `land`, it gets the large members, and they cannot be opened here. Raises what the blocks
    and `land` raise, and as `open_bundle`.
    """
    from toolkit.bundles.archive_reader import Archive, Arriving

    return _opened(Archive(None, Arriving(place, blocks, land)), prefer)


def _opened(archive: Archive, prefer: str) -> Source:
    try:
        format_ = recognise(archive.index)
        archive.format = format_.name
        return format_.reader(archive, prefer)
    except BaseException:
        archive.close()
        raise


def _dir_folder(path: Path) -> Source | None:
    """Open a folder that is a `dir`; None for another one."""
    from toolkit.bundles.dir_reader import DirBundle, is_dir_folder
    from toolkit.plumbing.folder_files import FolderFiles

    return DirBundle(FolderFiles(path), str(path)) if is_dir_folder(path) else None


def create_bundle(path: Path, format_name: str = DEFAULT, target: Target | None = None) -> Sink:
    """Return a sink for a bundle that does not exist yet; raises UsageError.

    A name that ends in .gz, .zst, .xz or .bz2 has it compressed as a whole, unless `target` says how it
    is written.
    """
    format_ = named(format_name)
    if format_.members_of is None:
        from toolkit.bundles.dir_sink import DirSink

        return DirSink(path)
    from toolkit.bundles.packed import target_for
    from toolkit.bundles.tarsink import TarSink

    return TarSink(path, format_.members_of, format_.losses_of, target or target_for(path))


def engines(format_name: str, images: Sequence[ProvenImage], outer: str = "") -> list[str]:
    """Name the engines that load these images out of such a bundle, compressed as a whole by `outer`."""
    return named(format_name).engines.of(images, outer).names()


def served(source: Source, images: Sequence[ProvenImage]) -> tuple[str, ...]:
    """Name the engines that load these images out of an open bundle; none for a store."""
    format_name, outer = getattr(source, "format", ""), getattr(source, "outer", "")
    return tuple(engines(format_name, images, outer)) if images and format_name in NAMES else ()


def named(format_name: str) -> BundleFormat:
    """Return the format of that name; raises UsageError."""
    if (format_ := NAMES.get(format_name)) is None:
        raise UsageError(f"--format {format_name[:50]}", "is no bundle format", f"one of {', '.join(NAMES)}")
    return format_
