"""Whether the parts of one archive tell the same images (formats G.4 rule 2, D.8).

Docker up to 24 reads manifest.json, Docker up to 1.9 the v1 folders, everything else the OCI part. An
archive in which two of them would see two images is refused by name. The OCI part is the measure: its
bytes are proven by digests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from toolkit.ancestry import V1Layer
from toolkit.bundles.archive_reader import Archive
from toolkit.bundles.docker_part import MANIFEST, Item, items
from toolkit.bundles.modern import ModernImage, blob_name
from toolkit.bundles.v1_agreement import GUESTHOUSE
from toolkit.bundles.v1_part import REPOSITORIES, V1Part
from toolkit.digest import Digest
from toolkit.errors import MissingMember, ToolkitError, UnsafeArchive
from toolkit.image import Finding, Image
from toolkit.reference import meaning
from toolkit.synthesis import own_chain, saved_chain, told_chain, v1_json_for_bundle

ADVICE = "choose one with --prefer docker or --prefer oci, if you trust the archive"


@dataclass(frozen=True, slots=True)
class Told:
    """What one name, or none, stands for in the OCI part."""

    names: tuple[str, ...]
    images: tuple[Image, ...]

    @classmethod
    def of(cls, image: ModernImage) -> Told:
        """Take an image's platforms."""
        return cls(image.names, tuple(image.offered.images()))

    def ids(self) -> str:
        """Return the image IDs, for a message."""
        return ", ".join(str(image.config.image_id) for image in self.images) or "no image"


ByName = Mapping[tuple[str, ...], Told]
ById = Mapping[Digest, Sequence[Image]]


def refuse_two_images(archive: Archive, told: Sequence[Told]) -> tuple[Finding, ...]:
    """Raise UnsafeArchive where the docker or v1 part tells another image than the OCI part.

    Returns what the docker part has more: Docker 25 and later leaves images without a name out of
    index.json (formats D.3.2).
    """
    named = {meaning(name): one for one in reversed(told) for name in one.names}
    by_id: dict[Digest, list[Image]] = {}
    for image in (image for one in told for image in one.images):
        by_id.setdefault(image.config.image_id, []).append(image)
    found = [_compare_item(archive, item, named, by_id) for item in items(archive)]
    part = V1Part(archive)
    if part.folders():
        _compare_layers(archive, part, told, named)
    _refuse_cut(part, told)
    return tuple(finding for finding in found if finding)


def _compare_item(archive: Archive, item: Item, by_name: ByName, by_id: ById) -> Finding | None:
    for name in item.names:
        named = by_name.get(meaning(name))
        if named is None:
            raise UnsafeArchive(archive.place, f"has {name!r} in {MANIFEST} and not in its OCI part", ADVICE)
        if all(image.config.image_id != item.image_id for image in named.images):
            problem = f"has {named.ids()} as {name!r} in its OCI part, and {item.image_id} in {MANIFEST}"
            raise UnsafeArchive(archive.place, problem, ADVICE)
    same_id = by_id.get(item.image_id)
    if not same_id:
        problem = f"has {item.image_id}, without a name, in {MANIFEST} only; --prefer docker reads it"
        return Finding(archive.place, problem)
    if all(_layer_members(archive, image) != item.layers for image in same_id):
        problem = f"has {item.image_id} with other layers in {MANIFEST} than in its OCI part"
        raise UnsafeArchive(archive.place, problem, ADVICE)
    return None


def _compare_layers(archive: Archive, part: V1Part, told: Sequence[Told], by_name: ByName) -> None:
    """Hold each v1 folder, and each name, against the chains that the OCI images would be written as."""
    _refuse_shared_ids(archive, told)
    expected: dict[str, set[tuple[bytes, str]]] = {}
    tops: dict[tuple[str, ...], set[str]] = {}
    for one in told:
        for image in one.images:
            for chain in _chains(image):
                members = _layer_members(archive, image)
                for layer, member in zip(chain, members, strict=True):
                    expected.setdefault(layer.id, set()).add((v1_json_for_bundle(layer), member))
                for name in one.names if chain else ():
                    tops.setdefault(meaning(name), set()).add(chain[-1].id)
    for folder, layer in part.layers():
        found = (layer.raw, archive.index.resolve(f"{folder}/layer.tar"))
        if found not in expected.get(layer.id, ()) or folder not in {layer.id, GUESTHOUSE}:
            ids = "; ".join(dict.fromkeys(one.ids() for one in told))
            problem = f"has {ids} in its OCI part, and layer {layer.id} in {folder!r} of no such image"
            raise UnsafeArchive(archive.place, problem, ADVICE)
    for name, layer_id in part.names().items():
        if layer_id not in tops.get(meaning(name), ()):
            named = by_name.get(meaning(name))
            ids = named.ids() if named else "nothing"
            problem = f"has {ids} as {name!r} in its OCI part, and layer {layer_id[:64]} in {REPOSITORIES}"
            raise UnsafeArchive(archive.place, problem, ADVICE)


def _refuse_cut(part: V1Part, told: Sequence[Told]) -> None:
    """Raise MissingMember where v1 folders are gone that names or other folders speak of.

    They stand last, so that an archive cut between two members lacks them first. Docker 25 and later
    has no such folders, and names the top layer's diffID in their stead (formats D.3.2).
    """
    layers = {layer.id: layer.parent for _, layer in part.layers()}
    tops = {image.config.diff_ids[-1].hex for one in told for image in one.images if image.layers}
    needed = {layer_id for layer_id in part.names().values() if layer_id not in tops} | set(layers.values())
    for gone in sorted(needed - layers.keys() - {""}):
        problem = f"speaks of layer {gone[:64]}, and has no folder of it"
        raise MissingMember(part.place, problem, "it was cut short; carry it over again")


def _refuse_shared_ids(archive: Archive, told: Sequence[Told]) -> None:
    """Raise where two images keep different layers under one v1 ID: an old engine gives both the same."""
    known: dict[str, tuple[bytes, Digest]] = {}
    for image in (image for one in told for image in one.images):
        for layer, (_, diff_id) in zip(own_chain(image) or (), image.layers, strict=False):
            facts = (v1_json_for_bundle(layer), diff_id)
            if known.setdefault(layer.id, facts) != facts:
                problem = f"has two different layers under one v1 ID, {layer.id}"
                raise UnsafeArchive(archive.place, problem, ADVICE)


def _chains(image: Image) -> Iterator[list[V1Layer]]:
    """Yield every chain that a writer may have given the image."""
    if own := own_chain(image):
        yield own
        return
    for synthesis in (saved_chain, told_chain):
        try:
            yield synthesis(image)
        except ToolkitError:
            continue  # it cannot be written as v1 layers, so no folder of it is expected


def _layer_members(archive: Archive, image: Image) -> tuple[str, ...]:
    return tuple(archive.index.resolve(blob_name(layer.digest)) for layer in image.manifest.layers)
