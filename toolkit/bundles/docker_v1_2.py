"""`docker-v1.2`: as Docker 1.12 to 24 save, member by member as 20.10 (formats D.3.1).

    <config>.json  <v1 id>/  <v1 id>/VERSION  <v1 id>/json  <v1 id>/layer.tar …  manifest.json  repositories

In the order of a walk that sorts names. A layer that was there before is a link: ../<v1 id>/layer.tar.
Where Docker writes the time of the save, or the zone of its machine, here stand the image's own time and UTC.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from toolkit.ancestry import VERSION, V1Layer
from toolkit.bundles.docker_members import Pictured, items_json, layered, pictures
from toolkit.bundles.losses import lost_layersizes, lost_manifest, lost_platforms, lost_referrers
from toolkit.bundles.members import Member, file, folder, link, once
from toolkit.bundles.names import merged, repositories_json, tags
from toolkit.digest import Digest
from toolkit.gotime import seconds
from toolkit.image import Finding, Image, ProvenImage
from toolkit.model import Descriptor
from toolkit.synthesis import own_chain, saved_chain, v1_json_for_bundle

NAME = "docker-v1.2"
ADVICE = "docker-v1.2 carries images with layers only; choose --format universal"
OWNER = "root"
MODES = {"file": 0o100644, "directory": 0o040755, "symlink": 0o120777}  # Docker before 24 writes type bits


def members(images: Sequence[ProvenImage]) -> list[Member]:
    """List the members of a docker-v1.2 bundle, in order.

    Raises Unsupported for what is no image, or one without layers, which Docker cannot save either.
    """
    pictured = pictures(merged(images))
    for proven in images:
        layered(proven, ADVICE)
    chains = [own_chain(image) or saved_chain(image) for _, image in pictured]
    stored: dict[Digest, tuple[str, Descriptor]] = {}  # diffID → the v1 ID that has the file, and the file
    listed = [
        member
        for (_, image), chain in zip(pictured, chains, strict=True)
        for member in _members(image, chain, stored)
    ]
    listed.append(file("manifest.json", _manifest_json(pictured, chains)))
    if any(tags(proven.names) for proven, _ in pictured):
        listed.append(file("repositories", _repositories(pictured, chains)))
    unique = sorted(once(listed, key=_undated), key=_walked)
    return [replace(member, mode=MODES[member.kind], owner=OWNER) for member in unique]


def losses(proven: ProvenImage) -> list[Finding]:
    """Return what the format cannot carry: other platforms, manifests, and what a legacy store recorded."""
    return [
        *lost_platforms(proven, NAME),
        *lost_referrers(proven, NAME),
        *lost_manifest(proven, NAME),
        *lost_layersizes(proven, NAME),
    ]


def _members(
    image: Image, chain: Sequence[V1Layer], stored: dict[Digest, tuple[str, Descriptor]]
) -> Iterator[Member]:
    created = max(0, seconds(image.config.created))  # Docker sets no earlier time on a file
    dated = [file(f"{image.config.image_id.hex}.json", image.config.raw)]
    for layer, (own, diff_id) in zip(chain, image.layers, strict=True):
        path = f"{layer.id}/layer.tar"
        # In another image it may be compressed otherwise: the first one counts, as they unpack to the same.
        holder, blob = stored.setdefault(diff_id, (layer.id, own))
        dated += [
            folder(layer.id),
            file(f"{layer.id}/VERSION", VERSION),
            file(f"{layer.id}/json", v1_json_for_bundle(layer)),
            Member(path, blob=blob) if holder == layer.id else link(path, f"../{holder}/layer.tar"),
        ]
    for member in dated:
        yield replace(member, mtime=created)


def _undated(member: Member) -> Member:
    """Return what images must share of a member: of two times the first counts, as in Docker's own save."""
    return replace(member, mtime=0)


def _walked(member: Member) -> list[bytes]:
    """Return what sorts members as Go's filepath.Walk meets them: a folder, then all that is in it."""
    return [part.encode() for part in member.name.rstrip("/").split("/")]


def _manifest_json(pictured: Pictured, chains: Sequence[Sequence[V1Layer]]) -> bytes:
    return items_json(
        (proven, f"{image.config.image_id.hex}.json", [f"{layer.id}/layer.tar" for layer in chain])
        for (proven, image), chain in zip(pictured, chains, strict=True)
    )


def _repositories(pictured: Pictured, chains: Sequence[Sequence[V1Layer]]) -> bytes:
    return repositories_json(
        (proven.names, chain[-1].id) for (proven, _), chain in zip(pictured, chains, strict=True)
    )
