"""What a name means in a registry on a disk, without a walk over its tags.

A name is printed as it is stored, `library/ubuntu:14.04`: a registry on a disk does not know its host. It
is found in any spelling that means the same, `ubuntu:14.04`; one spelt as it is stored comes first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

from toolkit.digest import Digest
from toolkit.document import load
from toolkit.errors import (
    CorruptContent,
    InvalidDigest,
    InvalidReference,
    NotFound,
    ToolkitError,
    UnsafeArchive,
)
from toolkit.limits import limits
from toolkit.model import Manifest, media_type_of
from toolkit.reference import DEFAULT_REGISTRY, DEFAULT_TAG, LEGACY_REGISTRY, OFFICIAL, Reference, near, same
from toolkit.stores.registry_root.disk import LAYERS, REVISIONS, Disk, blob_path


@dataclass(frozen=True, slots=True)
class Found:
    """A manifest or index of one repository, and the name it was asked for by, as it is stored."""

    repository: str
    digest: Digest
    names: tuple[str, ...] = ()


def find(disk: Disk, name: str) -> Found:
    """Return what a name, digest or image ID leads to.

    Raises NotFound with near names, UnsafeArchive where it means two images, and as Disk does.
    """
    digest = _digest(name)
    found = _by_digest(disk, digest) if digest else _by_name(disk, name)
    if found is None:
        close = ", ".join(near(name, _names(disk, name)))
        advice = f"near it: {close}" if close else f"run: lading ls {disk.place}"
        raise NotFound(f"image {name}", f"is not in {disk.place}", advice)
    return found


def repositories(disk: Disk) -> Iterator[str]:
    """Yield the names of the repositories that can be read."""
    return (name for name in disk.repositories() if isinstance(name, str))


def linking(disk: Disk, kind: str, digest: Digest) -> Iterator[str]:
    """Yield the repositories that link a blob; none whose link is broken, as `listings` tells."""
    for repository in repositories(disk):
        with suppress(CorruptContent):
            if disk.links(repository, kind, digest):
                yield repository


def known(disk: Disk) -> Iterator[Digest]:
    """Yield the digests that images are found by; none of a repository whose folders are broken."""
    for repository in repositories(disk):
        with suppress(CorruptContent):
            for revision in disk.revisions(repository):
                yield from filter(None, (revision, _config_of(disk, revision)))


def _by_name(disk: Disk, name: str) -> Found | None:
    found: list[Found] = []
    for repository, reference in _spellings(name):
        if not disk.has_repository(repository):
            continue
        if reference.digest is not None:
            if disk.links(repository, REVISIONS, reference.digest):
                return Found(repository, reference.digest, (name,))
        elif digest := disk.tagged(repository, reference.tag):
            stored = f"{repository}:{reference.tag}"
            if stored in {name, f"{name}:{DEFAULT_TAG}"}:
                return Found(repository, digest, (stored,))
            found.append(Found(repository, digest, (stored,)))
    if len({each.digest for each in found}) > 1:
        both = " and ".join(each.names[0] for each in found)
        raise UnsafeArchive(disk.place, f"has {name} twice, as {both}", "ask for one as it is stored")
    return found[0] if found else None


def _spellings(name: str) -> Iterator[tuple[str, Reference]]:
    """Yield the repositories that a name may be stored in, the one spelt the same first."""
    try:
        reference = Reference.parse(name)
    except InvalidReference:
        return
    official = reference.repository.removeprefix(OFFICIAL)
    full = [reference.repository, *([official] if "/" not in official else [])]
    hosts = [reference.registry]
    if reference.registry == DEFAULT_REGISTRY:
        hosts = ["", DEFAULT_REGISTRY, LEGACY_REGISTRY]
    spelt = [f"{host}/{each}".lstrip("/") for host in hosts for each in full]
    suffix = f"@{reference.digest}" if reference.digest else f":{reference.tag}"
    meant = [repository for repository in spelt if same(repository + suffix, name)]
    for repository in sorted(meant, key=lambda repository: not name.startswith(repository)):
        yield repository, reference


def _by_digest(disk: Disk, digest: Digest) -> Found | None:
    """Return a manifest by its digest, else by its config's, which is the image ID."""
    for repository in linking(disk, REVISIONS, digest):
        return Found(repository, digest)
    for repository in linking(disk, LAYERS, digest):
        for revision in sorted(disk.revisions(repository)):
            if _config_of(disk, revision) == digest:
                return Found(repository, revision)
    return None


def _config_of(disk: Disk, revision: Digest) -> Digest | None:
    """Return the config that a manifest names; None for an index, and for what cannot be read."""
    try:
        raw = disk.files.read(blob_path(revision), limits().document) or b""
        return Manifest.from_bytes(raw, media_type_of(load(raw, f"manifest {revision}"))).config.digest
    except ToolkitError:
        return None


def _names(disk: Disk, name: str) -> Iterator[str]:
    """Yield every name, those of the repository that was meant first."""
    meant = dict.fromkeys(repository for repository, _ in _spellings(name))
    for repository in dict.fromkeys(chain(filter(disk.has_repository, meant), repositories(disk))):
        yield from (f"{repository}:{tag}" for tag in disk.tags(repository))


def _digest(name: str) -> Digest | None:
    try:
        return Digest.parse(name)
    except InvalidDigest:
        return None
