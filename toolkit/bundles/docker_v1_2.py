"""`docker-v1.2`: as Docker 1.12 to 24 save, member by member as 20.10 (formats D.3.1).

    <config>.json  <v1 id>/  <v1 id>/VERSION  <v1 id>/json  <v1 id>/layer.tar …  manifest.json  repositories

In the order of a walk that sorts names. A layer that was there before is a link: ../<v1 id>/layer.tar.
Where Docker writes the time of the save, or the zone of its machine, here stand the image's own time and UTC.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from toolkit import gojson
from toolkit.ancestry import V1Layer
from toolkit.bundles.docker_members import Pictured, pictures
from toolkit.bundles.losses import lost_layersizes, lost_manifest, lost_platforms
from toolkit.bundles.members import Member, file, folder, link
from toolkit.bundles.names import loadable, merged, split_tag, tags
from toolkit.bundles.universal import VERSION
from toolkit.digest import Digest
from toolkit.errors import UnsafeArchive, Unsupported
from toolkit.gotime import seconds
from toolkit.image import Finding, Image, ProvenImage
from toolkit.synthesis import own_chain, saved_chain, v1_json_for_bundle

NAME = "docker-v1.2"
OWNER = "root"
MODES = {"file": 0o100644, "directory": 0o040755, "symlink": 0o120777}  # Docker before 24 writes type bits


def members(images: Sequence[ProvenImage]) -> list[Member]:
    """List the members of a docker-v1.2 bundle, in order.

    Raises Unsupported for what is no image, or one without layers, which Docker cannot save either.
    """
    pictured = pictures(merged(images))
    for proven in images:
        _refuse_empty(proven)
    chains = [own_chain(image) or saved_chain(image) for _, image in pictured]
    stored: dict[Digest, str] = {}  # diffID → the v1 ID that has the file
    listed = [
        member
        for (_, image), chain in zip(pictured, chains, strict=True)
        for member in _members(image, chain, stored)
    ]
    listed.append(file("manifest.json", _manifest_json(pictured, chains)))
    if any(tags(proven.names) for proven, _ in pictured):
        listed.append(file("repositories", _repositories(pictured, chains)))
    once = _once(listed)
    return [replace(member, mode=MODES[member.kind], owner=OWNER) for member in sorted(once, key=_walked)]


def losses(proven: ProvenImage) -> list[Finding]:
    """Return what the format cannot carry: other platforms, manifests, and what a legacy store recorded."""
    return [
        *lost_platforms(proven, NAME),
        *lost_manifest(proven, NAME),
        *lost_layersizes(proven, NAME),
    ]


def _members(image: Image, chain: Sequence[V1Layer], stored: dict[Digest, str]) -> Iterator[Member]:
    created = max(0, seconds(image.config.created))  # Docker sets no earlier time on a file
    dated = [file(f"{image.config.image_id.hex}.json", image.config.raw)]
    for layer, (blob, diff_id) in zip(chain, image.layers, strict=True):
        path = f"{layer.id}/layer.tar"
        holder = stored.setdefault(diff_id, layer.id)
        dated += [
            folder(layer.id),
            file(f"{layer.id}/VERSION", VERSION),
            file(f"{layer.id}/json", v1_json_for_bundle(layer)),
            Member(path, blob=blob) if holder == layer.id else link(path, f"../{holder}/layer.tar"),
        ]
    for member in dated:
        yield replace(member, mtime=created)


def _once(listed: Sequence[Member]) -> list[Member]:
    """Drop what images share; of two images' times the first counts, as in Docker's own save."""
    seen: dict[str, Member] = {}
    for member in listed:
        known = seen.setdefault(member.name, member)
        if replace(known, mtime=0) != replace(member, mtime=0):
            raise UnsafeArchive(member.name, "would stand twice in the bundle, with different content")
    return list(seen.values())


def _walked(member: Member) -> list[bytes]:
    """Return what sorts members as Go's filepath.Walk meets them: a folder, then all that is in it."""
    return [part.encode() for part in member.name.rstrip("/").split("/")]


def _manifest_json(pictured: Pictured, chains: Sequence[Sequence[V1Layer]]) -> bytes:
    items = [
        {
            "Config": f"{image.config.image_id.hex}.json",
            "RepoTags": loadable(proven.names) or None,
            "Layers": [f"{layer.id}/layer.tar" for layer in chain],
        }
        for (proven, image), chain in zip(pictured, chains, strict=True)
    ]
    return gojson.encode(items) + b"\n"


def _repositories(pictured: Pictured, chains: Sequence[Sequence[V1Layer]]) -> bytes:
    names: dict[str, dict[str, str]] = {}
    for (proven, _), chain in zip(pictured, chains, strict=True):
        for name in tags(proven.names):
            repository, tag = split_tag(name)
            names.setdefault(repository, {})[tag] = chain[-1].id
    return gojson.encode(names, sort_keys=True) + b"\n"


def _refuse_empty(proven: ProvenImage) -> None:
    image = proven.preferred()
    if image is None or not image.layers:
        raise Unsupported(
            ", ".join(proven.names) or str(proven.top.digest),
            "has no layers" if image else "is an artifact, not an image",
            "docker-v1.2 carries images with layers only; choose --format universal",
        )
