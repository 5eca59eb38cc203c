"""Tags that tell what a manifest refers to: cosign's, and the one of a list where a registry keeps none.

Source: OCI distribution-spec 1.1 (spec.md, Referrers Tag Schema); sigstore/cosign specs/SIGNATURE_SPEC.md.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

from toolkit.bundles.names import split_tag, tags
from toolkit.digest import Digest
from toolkit.document import Node, load
from toolkit.errors import InvalidDocument
from toolkit.image import ProvenImage
from toolkit.model import Descriptor
from toolkit.reference import TAG

COSIGN = ("sig", "att", "sbom")
LONGEST_ALGORITHM, LONGEST_HEX = 32, 64  # characters that the tag of a list takes of a digest


def list_tag(subject: Digest) -> str:
    """Return the tag under which a registry without the referrers API has the list of them."""
    return f"{subject.algorithm[:LONGEST_ALGORITHM]}-{subject.hex[:LONGEST_HEX]}"


def cosign_tags(subject: Digest) -> list[str]:
    """Return the tags that cosign gives to what refers to a manifest; none where they would be no tags."""
    tags = [f"{subject.algorithm}-{subject.hex}.{kind}" for kind in COSIGN]
    return [tag for tag in tags if TAG.fullmatch(tag)]


def repository_of(name: str) -> str:
    """Return the repository of an image's name, which may end in a digest."""
    return split_tag(name.partition("@")[0])[0]


def tag_of(name: str) -> tuple[str, str]:
    """Return a name's repository and tag; layouts also name things by their tag alone."""
    repository, tag = split_tag(name)
    return (repository, tag) if name.startswith(f"{repository}:") else ("", repository)


def names_beside(names: Iterable[str], tags: Iterable[str]) -> list[str]:
    """Return what tags are called beside an image of these names: in each of its repositories."""
    repositories = dict.fromkeys(map(repository_of, names))
    return [f"{repository}:{tag}" for tag in tags for repository in repositories] or list(tags)


def listed(images: Sequence[ProvenImage]) -> list[tuple[Descriptor, list[str]]]:
    """Return what an index.json lists: each image with its names, then what refers to them.

    That has no name but for cosign's tags, which stand beside the image; its annotations are its own affair.
    """
    tops: dict[Digest, Descriptor] = {}
    called: dict[Digest, dict[str, None]] = {}
    for image in images:
        for referrer in image.referrers:
            beside = names_beside(tags(image.names) or image.names, referrer.tags)
            tops.setdefault(referrer.top.digest, replace(referrer.top, annotations={}))
            called.setdefault(referrer.top.digest, {}).update(dict.fromkeys(beside))
    own = [(image.top, tags(image.names)) for image in images]
    return [*own, *((top, list(called[digest])) for digest, top in tops.items())]


def subject_in(top: Node) -> Digest | None:
    """Return the manifest that a manifest or index refers to."""
    return Descriptor.from_node(top.child("subject")).digest if top.value.get("subject") else None


def of_their_own(images: Sequence[ProvenImage]) -> list[ProvenImage]:
    """Return images without the artifacts among them that refer to one: an engine passes over those."""
    known = {digest for image in images for digest in image.documents}
    tags = {tag for digest in known for tag in cosign_tags(digest)}
    return [image for image in images if image.images() or not _refers(image, known, tags)]


def _refers(artifact: ProvenImage, known: Container[Digest], tags: Container[str]) -> bool:
    digest = artifact.top.digest
    with suppress(InvalidDocument):  # of an index, nobody has looked at it yet
        if subject_in(load(artifact.documents[digest].raw, f"manifest {digest}")) in known:
            return True
    return any(tag_of(name)[1] in tags for name in artifact.names)
