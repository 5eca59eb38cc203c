"""Bundles: files that carry images. The table of formats, and the two ways in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from toolkit.bundles import docker_v1, universal
from toolkit.bundles.archive_reader import Archive
from toolkit.bundles.docker_part import MANIFEST
from toolkit.bundles.docker_v1_reader import V1Bundle
from toolkit.bundles.oci_reader import DOCKER, OCI, OciBundle
from toolkit.bundles.ocilayout import LAYOUT
from toolkit.bundles.opening import not_a_bundle
from toolkit.bundles.packed import target_for
from toolkit.bundles.tarsink import LossesOf, MembersOf, Target, TarSink
from toolkit.errors import Unsupported, UsageError
from toolkit.plumbing.archive import TarIndex
from toolkit.ports import Sink, Source
from toolkit.synthesis import losses_as_v1


@dataclass(frozen=True, slots=True)
class BundleFormat:
    """One format: how it is known, read and written, and which engines load it."""

    name: str
    recognises: Callable[[TarIndex], bool]
    reader: Callable[[Archive, str], Source]
    members_of: MembersOf | None  # None where it is read only
    serves: str
    losses_of: LossesOf | None = None  # None where it carries everything


def _has_layout(index: TarIndex) -> bool:
    return LAYOUT in index


def _has_layers(index: TarIndex) -> bool:
    """Tell whether there are v1 folders: a json and a layer.tar, one level down."""
    return any(
        name.endswith("/layer.tar") and name.count("/") == 1 and name[: -len("layer.tar")] + "json" in index
        for name in index.names()
    )


FORMATS = (  # the most specific first
    BundleFormat(
        "universal",
        lambda index: _has_layout(index) and MANIFEST in index and _has_layers(index),
        OciBundle,
        universal.members,
        "Docker 0.7-29, podman, containerd, skopeo, crane",
    ),
    BundleFormat(
        "docker",
        lambda index: _has_layout(index) and MANIFEST in index,
        OciBundle,
        None,
        "Docker 1.10-29, podman, containerd, skopeo, crane",
    ),
    BundleFormat("oci", _has_layout, OciBundle, None, "podman, containerd, skopeo"),
    BundleFormat(
        "docker-v1",
        lambda index: MANIFEST not in index and _has_layers(index),
        V1Bundle,
        docker_v1.members,
        "Docker 0.7-28",
        losses_as_v1,
    ),
)
DEFAULT = "universal"


def recognise(index: TarIndex) -> BundleFormat:
    """Return the format of an archive by the names in it; raises Unsupported."""
    for format_ in FORMATS:
        if format_.recognises(index):
            return format_
    if MANIFEST in index:
        problem = f"is a docker archive with {MANIFEST} and no OCI part, which this version does not read yet"
        raise Unsupported(index.subject, problem, "docker load and docker save it with Docker 25 or later")
    raise not_a_bundle(index.subject, "a tar archive without an image in it")


def open_bundle(path: Path | None, prefer: str = "") -> Source:
    """Open a bundle to read from, its format recognised from its content; without a path, standard input.

    `prefer`, docker or oci, settles an archive whose parts disagree. Raises NotFound, Unsupported,
    CorruptContent or UnsafeArchive; the source has `close`.
    """
    if prefer not in {"", DOCKER, OCI}:
        raise UsageError(f"--prefer {prefer[:50]}", "is no part of a bundle", f"write {DOCKER} or {OCI}")
    archive = Archive(path)
    try:
        format_ = recognise(archive.index)
        archive.format = format_.name
        return format_.reader(archive, prefer)
    except BaseException:
        archive.close()
        raise


def create_bundle(path: Path, format_name: str = DEFAULT, target: Target | None = None) -> Sink:
    """Return a sink for a bundle that does not exist yet; raises Unsupported or UsageError.

    A name that ends in .gz, .zst, .xz or .bz2 has it compressed as a whole, unless `target` says how it
    is written.
    """
    for format_ in FORMATS:
        if format_.name == format_name:
            if format_.members_of is None:
                raise Unsupported(f"--format {format_name}", "is read, and not written yet by this version")
            return TarSink(path, format_.members_of, format_.losses_of, target or target_for(path))
    known = ", ".join(format_.name for format_ in FORMATS if format_.members_of)
    raise UsageError(f"--format {format_name[:50]}", "is no bundle format", f"one of {known}")
