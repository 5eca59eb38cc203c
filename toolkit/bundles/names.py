"""Names in a bundle: what a reference is called in each of the files that list them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from toolkit import gojson
from toolkit.digest import Digest
from toolkit.errors import ToolkitError
from toolkit.image import ProvenImage
from toolkit.reference import Reference

REF_NAME = "org.opencontainers.image.ref.name"
IMAGE_NAME = "io.containerd.image.name"
TAG_ALONE = re.compile(r"sha[0-9]{3}-[0-9a-f]{64,128}\.(sig|att|sbom)")  # cosign's, with no repository


def tags(names: Iterable[str]) -> list[str]:
    """Return the names that are tags; a digest is no name that a loader could give."""
    return [name for name in names if "@" not in name]


def loadable(names: Iterable[str]) -> list[str]:
    """Return the names that Docker 1.10 and later load, as it writes them itself.

    For one that is no reference they refuse the whole archive, after they have stored the image.
    """
    return [told[REF_NAME] for name in tags(names) if IMAGE_NAME in (told := name_annotations(name))]


def split_tag(name: str) -> tuple[str, str]:
    """Split `repository:tag` as `repositories` files do: at the last colon, ports aside."""
    repository, colon, tag = name.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (name, "latest")


def repositories_json(tops: Iterable[tuple[Iterable[str], str]]) -> bytes:
    """Return a `repositories` file for images' names and the IDs of their top layers (formats A.10)."""
    repositories: dict[str, dict[str, str]] = {}
    for names, top in tops:
        for name in tags(names):
            repository, tag = split_tag(name)
            repositories.setdefault(repository, {})[tag] = top
    return gojson.encode(repositories, sort_keys=True) + b"\n"


def name_annotations(name: str) -> dict[str, str]:
    """Return the two annotations by which OCI readers and containerd know a name."""
    if TAG_ALONE.fullmatch(name):
        return {REF_NAME: name}
    try:
        reference = Reference.parse(name)
    except ToolkitError:
        return {REF_NAME: name}  # a legacy store's own spelling is kept as it stands
    return {REF_NAME: reference.familiar, IMAGE_NAME: str(reference)}


def merged(images: Sequence[ProvenImage]) -> list[ProvenImage]:
    """Join images that are the same one asked for by several names, in the order of their names.

    So a bundle does not depend on the order of the request; of images without a name the request decides.
    """
    by_top: dict[Digest, ProvenImage] = {}
    for image in images:
        known = by_top.setdefault(image.top.digest, image)
        if known is not image:
            names = tuple(sorted({*known.names, *image.names}))
            findings = tuple(dict.fromkeys((*known.findings, *image.findings)))
            referrers = {(each.top.digest, each.tags): each for each in (*known.referrers, *image.referrers)}
            by_top[image.top.digest] = replace(
                known, names=names, findings=findings, referrers=tuple(referrers.values())
            )
    return sorted(by_top.values(), key=lambda image: (not image.names, image.names))
