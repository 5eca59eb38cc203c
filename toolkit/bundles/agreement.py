"""Whether the parts of one archive tell the same images (formats G.4 rule 2, D.8).

Docker up to 24 reads manifest.json, Docker up to 1.9 the v1 folders, everything else the OCI part. An
archive in which two of them would see two images is refused by name. The OCI part is the measure: its
bytes are proven by digests.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from toolkit.ancestry import V1Layer
from toolkit.bundles.archive_reader import Archive
from toolkit.bundles.docker_part import MANIFEST, Item, items
from toolkit.bundles.entries import Entry
from toolkit.bundles.modern import blob_name
from toolkit.bundles.names import loadable
from toolkit.bundles.v1_agreement import CHAINS_LIMIT, GUESTHOUSE
from toolkit.bundles.v1_part import REPOSITORIES, V1Part
from toolkit.digest import Digest
from toolkit.errors import MissingMember, ToolkitError, UnsafeArchive
from toolkit.image import Finding, Image
from toolkit.reference import meaning
from toolkit.synthesis import own_chain, saved_chain, told_chain, v1_json_for_bundle

ADVICE = "choose one with --prefer docker or --prefer oci, if you trust the archive"


@dataclass(frozen=True, slots=True)
class Rung:
    """A v1 layer that a writer may have given an image, and the member that holds it."""

    v1_id: str
    json: Digest
    member: str


@dataclass(frozen=True, slots=True)
class ToldImage:
    """What is compared of an image: little enough to be held of each one in an archive."""

    image_id: Digest
    layers: Digest  # of the names of the members that hold them
    top: Digest | None  # diffID of the top layer
    chains: tuple[tuple[Rung, ...], ...] = ()  # where the archive has v1 folders at all
    own: tuple[tuple[Rung, Digest], ...] = ()  # the layers of the legacy image that it was, and their diffIDs

    @classmethod
    def of(cls, image: Image, archive: Archive, *, with_chains: bool) -> ToldImage:
        """Take an image; raises MissingMember where a layer is not there."""
        members = [archive.index.resolve(blob_name(layer.digest)) for layer in image.manifest.layers]
        ids = image.config.diff_ids
        bare = cls(image.config.image_id, _joined(members), ids[-1] if ids else None)
        if not with_chains:
            return bare
        chains = tuple(_rungs(chain, members) for chain in _chains(image))
        own = tuple(zip(chains[0], ids, strict=True)) if own_chain(image) else ()
        return replace(bare, chains=chains, own=own)


@dataclass(frozen=True, slots=True)
class Told:
    """What one name, or none, stands for in the OCI part."""

    names: tuple[str, ...]
    images: tuple[ToldImage, ...]  # its platforms

    def ids(self) -> str:
        """Return the image IDs, for a message."""
        return ", ".join(str(image.image_id) for image in self.images) or "no image"


ByName = Mapping[tuple[str, ...], Told]


def refuse_two_images(
    archive: Archive, offered: Iterable[tuple[Entry, Sequence[Image]]]
) -> tuple[Finding, ...]:
    """Raise UnsafeArchive where the docker or v1 part tells another image than the OCI part offers.

    Returns what the docker part has more: Docker 25 and later leaves images without a name out of
    index.json (formats D.3.2).
    """
    part = V1Part(archive)
    has_v1, left = bool(part.folders()), CHAINS_LIMIT
    told = []
    for entry, images in offered:
        left -= sum(len(image.manifest.layers) for image in images) if has_v1 else 0
        if left < 0:
            problem = f"has images of more than {CHAINS_LIMIT} layers together beside v1 folders"
            raise UnsafeArchive(archive.place, problem, ADVICE)
        facts = tuple(ToldImage.of(image, archive, with_chains=has_v1) for image in images)
        told.append(Told(entry.names, facts))
    named = {meaning(name): one for one in reversed(told) for name in one.names}
    by_id: dict[Digest, set[Digest]] = {}
    for image in (image for one in told for image in one.images):
        by_id.setdefault(image.image_id, set()).add(image.layers)
    listed = items(archive)
    more = [item.image_id for item in listed if not _is_told(archive, item, by_id, named)]
    _refuse_left_out(archive, listed, told)
    if has_v1:
        _compare_layers(archive, part, told, named)
    names = part.names()
    _refuse_cut(part, names, told)
    _compare_tops(archive, names, named)
    if not more:
        return ()
    others = f" and {len(more) - 1} other images" if len(more) > 1 else ""
    problem = f"has {more[0]}{others}, without a name, in {MANIFEST} only; --prefer docker reads it"
    return (Finding(archive.place, problem),)


def _is_told(archive: Archive, item: Item, by_id: Mapping[Digest, set[Digest]], by_name: ByName) -> bool:
    """Tell whether the OCI part has an image too; raises UnsafeArchive where it has another one."""
    for name in item.names:
        named = by_name.get(meaning(name))
        if named is None:
            raise UnsafeArchive(archive.place, f"has {name!r} in {MANIFEST} and not in its OCI part", ADVICE)
        if all(image.image_id != item.image_id for image in named.images):
            problem = f"has {named.ids()} as {name!r} in its OCI part, and {item.image_id} in {MANIFEST}"
            raise UnsafeArchive(archive.place, problem, ADVICE)
    if item.image_id not in by_id:
        return False
    if _joined(item.layers) not in by_id[item.image_id]:
        problem = f"has {item.image_id} with other layers in {MANIFEST} than in its OCI part"
        raise UnsafeArchive(archive.place, problem, ADVICE)
    return True


def _refuse_left_out(archive: Archive, listed: Sequence[Item], told: Sequence[Told]) -> None:
    """Raise UnsafeArchive where manifest.json has an image, and not all names that the OCI part gives it."""
    called: dict[Digest, set[tuple[str, ...]]] = {}
    for item in listed:
        called.setdefault(item.image_id, set()).update(map(meaning, item.names))
    for one in told:
        names = [called[image.image_id] for image in one.images if image.image_id in called]
        for name in loadable(one.names) if names else ():
            if not any(meaning(name) in each for each in names):
                problem = f"has {one.ids()} as {name!r} in its OCI part, and without that name in {MANIFEST}"
                raise UnsafeArchive(archive.place, problem, ADVICE)


def _compare_tops(archive: Archive, names: Mapping[str, str], by_name: ByName) -> None:
    """Hold what Docker 25 and later writes into `repositories`, the top layer's diffID, against the images.

    A name of a v1 layer was compared with those.
    """
    tops = {image.top.hex for one in by_name.values() for image in one.images if image.top}
    for name, layer_id in names.items():
        one = by_name.get(meaning(name))
        own = {image.top.hex for image in one.images if image.top} if one else set()
        if layer_id in tops - own:
            problem = f"has {one.ids() if one else 'nothing'} as {name!r} in its OCI part, and the layers of"
            raise UnsafeArchive(archive.place, f"{problem} another image in {REPOSITORIES}", ADVICE)


def _compare_layers(archive: Archive, part: V1Part, told: Sequence[Told], by_name: ByName) -> None:
    """Hold each v1 folder, and each name, against the chains that the OCI images would be written as."""
    _refuse_shared_ids(archive, told)
    expected: set[Rung] = set()
    tops: dict[tuple[str, ...], set[str]] = {}
    for one in told:
        for chain in (chain for image in one.images for chain in image.chains):
            expected.update(chain)
            for name in one.names if chain else ():
                tops.setdefault(meaning(name), set()).add(chain[-1].v1_id)
    for folder, layer in part.layers():
        found = Rung(layer.id, Digest.of(layer.raw), archive.index.resolve(f"{folder}/layer.tar"))
        if found not in expected or folder not in {layer.id, GUESTHOUSE}:
            ids = "; ".join(dict.fromkeys(one.ids() for one in told))
            problem = f"has {ids} in its OCI part, and layer {layer.id} in {folder!r} of no such image"
            raise UnsafeArchive(archive.place, problem, ADVICE)
    for name, layer_id in part.names().items():
        if layer_id not in tops.get(meaning(name), ()):
            named = by_name.get(meaning(name))
            ids = named.ids() if named else "nothing"
            problem = f"has {ids} as {name!r} in its OCI part, and layer {layer_id[:64]} in {REPOSITORIES}"
            raise UnsafeArchive(archive.place, problem, ADVICE)


def _refuse_cut(part: V1Part, names: Mapping[str, str], told: Sequence[Told]) -> None:
    """Raise MissingMember where v1 folders are gone that names or other folders speak of.

    They stand last, so that an archive cut between two members lacks them first. Docker 25 and later
    has no such folders, and names the top layer's diffID in their stead (formats D.3.2).
    """
    layers = {layer.id: layer.parent for _, layer in part.layers()}
    tops = {image.top.hex for one in told for image in one.images if image.top}
    needed = {layer_id for layer_id in names.values() if layer_id not in tops} | set(layers.values())
    for gone in sorted(needed - layers.keys() - {""}):
        problem = f"speaks of layer {gone[:64]}, and has no folder of it"
        raise MissingMember(part.place, problem, "it was cut short; carry it over again")


def _refuse_shared_ids(archive: Archive, told: Sequence[Told]) -> None:
    """Raise where two images keep different layers under one v1 ID: an old engine gives both the same."""
    known: dict[str, tuple[Digest, Digest]] = {}
    for rung, diff_id in (pair for one in told for image in one.images for pair in image.own):
        facts = (rung.json, diff_id)
        if known.setdefault(rung.v1_id, facts) != facts:
            problem = f"has two different layers under one v1 ID, {rung.v1_id}"
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


def _joined(members: Sequence[str]) -> Digest:
    return Digest.of("\0".join(members).encode(errors="surrogateescape"))


def _rungs(chain: Sequence[V1Layer], members: Sequence[str]) -> tuple[Rung, ...]:
    return tuple(
        Rung(layer.id, Digest.of(v1_json_for_bundle(layer)), member)
        for layer, member in zip(chain, members, strict=True)
    )
