"""Whether the parts of one archive tell the same images (formats G.4 rule 2, D.8).

Docker up to 24 reads manifest.json, Docker up to 1.9 the v1 folders, everything else the OCI part. An
archive in which two of them would see two images is refused by name. The OCI part is the measure: its
bytes are proven by digests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from toolkit.bundles.archive_reader import Archive
from toolkit.bundles.docker_part import MANIFEST, Item, items_and_damage
from toolkit.bundles.entries import Entry
from toolkit.bundles.names import loadable
from toolkit.bundles.told import Rung, Told, ToldImage, joined, listed
from toolkit.bundles.v1_agreement import CHAINS_LIMIT, GUESTHOUSE
from toolkit.bundles.v1_part import REPOSITORIES, V1Part
from toolkit.digest import Digest
from toolkit.errors import Disagreement, MissingMember, ToolkitError, UnsafeArchive
from toolkit.image import Finding, Image
from toolkit.reference import meaning

ADVICE = "choose one with --prefer docker or --prefer oci, if you trust the archive"


ByName = Mapping[tuple[str, ...], Told]


Offer = tuple[Entry, Callable[[], Sequence[Image]]]  # an entry of the OCI part, and how to read its platforms


def refuse_two_images(archive: Archive, offered: Iterable[Offer]) -> tuple[Finding, ...]:
    """Raise where the docker or v1 part tells another image than the OCI part offers, or cannot be read.

    Returns what the docker part has more: Docker 25 and later leaves images without a name out of
    index.json (formats D.3.2).
    """
    agreement = Agreement(archive)
    for problem in agreement.problems(offered):
        raise problem
    return agreement.findings()


class Agreement:
    """The parts of one archive, held against each other."""

    def __init__(self, archive: Archive) -> None:
        self._archive, self._part = archive, V1Part(archive)
        self._has_v1 = bool(self._part.folders())
        self._told: list[Told] = []
        self._unread: set[tuple[str, ...]] = set()  # the names, as they are meant, of what cannot be read
        self._is_whole = True  # all that the OCI part offers was read
        self._more: list[Digest] = []  # image IDs that the docker part alone has

    def problems(self, offered: Iterable[Offer]) -> Iterator[ToolkitError]:
        """Yield all that the parts differ in, and what of them cannot be read.

        Nothing is said of what would be held against an image that cannot be read.
        """
        yield from self._take(offered)
        by_name = {meaning(name): one for one in reversed(self._told) for name in one.names}
        by_id: dict[Digest, set[Digest]] = {}
        for image in (image for one in self._told for image in one.images):
            by_id.setdefault(image.image_id, set()).add(image.layers)
        listed = list(items_and_damage(self._archive))
        damage = [item for item in listed if isinstance(item, ToolkitError)]
        sound = [item for item in listed if isinstance(item, Item)]
        yield from damage
        for item in sound:
            yield from self._compare_item(item, by_id, by_name)
        yield from () if damage else self._left_out(sound)
        names: Mapping[str, str] = {}
        try:
            names = self._part.names()
        except ToolkitError as error:
            yield error
        if self._has_v1:
            yield from self._shared_ids()
            yield from self._compare_folders()
            yield from self._compare_names(names, by_name)
        yield from self._cut(names)
        yield from self._compare_tops(names, by_name)

    def findings(self) -> tuple[Finding, ...]:
        """Return what is odd where nothing differs."""
        if not self._more:
            return ()
        others = f" and {len(self._more) - 1} other images" if len(self._more) > 1 else ""
        problem = f"has {self._more[0]}{others}, without a name, in {MANIFEST} only; --prefer docker reads it"
        return (Finding(self._archive.place, problem, check="agreement"),)

    def _take(self, offered: Iterable[Offer]) -> Iterator[ToolkitError]:
        """Read what the OCI part offers; yield what cannot be read of it."""
        left = CHAINS_LIMIT
        for entry, platforms in offered:
            try:
                images = platforms()
                left -= sum(len(image.manifest.layers) for image in images) if self._has_v1 else 0
                if left < 0:
                    problem = f"has images of more than {CHAINS_LIMIT} layers together beside v1 folders"
                    raise UnsafeArchive(self._archive.place, problem, ADVICE)
                facts = (ToldImage.of(image, self._archive, with_chains=self._has_v1) for image in images)
                self._told.append(Told(entry.names, tuple(facts)))
            except ToolkitError as error:
                self._unread.update(map(meaning, entry.names))
                self._is_whole = False
                error.images = error.images or tuple(entry.names)
                yield error
                if left < 0:
                    return

    def _compare_item(
        self, item: Item, by_id: Mapping[Digest, set[Digest]], by_name: ByName
    ) -> Iterator[ToolkitError]:
        """Hold an image of manifest.json against the OCI part; take note of one that is there alone."""
        place = self._archive.place
        for name in item.names:
            named = by_name.get(meaning(name))
            if named is None and meaning(name) not in self._unread:
                yield Disagreement(place, f"has {name!r} in {MANIFEST} and not in its OCI part", ADVICE)
            elif named and item.image_id not in named.ids:
                problem = f"has {named.text} as {name!r} in its OCI part, and {item.image_id} in {MANIFEST}"
                yield Disagreement(place, problem, ADVICE)
        if item.image_id not in by_id:
            self._more += [item.image_id] if self._is_whole else []
        elif joined(item.layers) not in by_id[item.image_id]:
            problem = f"has {item.image_id} with other layers in {MANIFEST} than in its OCI part"
            yield Disagreement(place, problem, ADVICE)

    def _left_out(self, listed: Sequence[Item]) -> Iterator[ToolkitError]:
        """Yield each image of manifest.json that has not all names there that the OCI part gives it."""
        called: dict[Digest, set[tuple[str, ...]]] = {}
        told = {meaning(name) for item in listed for name in item.names}  # of another image, where it is one
        for item in listed:
            called.setdefault(item.image_id, set()).update(map(meaning, item.names))
        for one in self._told:
            here = [called[image_id] for image_id in one.ids if image_id in called]
            known: set[tuple[str, ...]] = set().union(*here)
            for name in loadable(one.names) if here else ():
                if meaning(name) not in known and meaning(name) not in told:
                    problem = f"has {one.text} as {name!r} in its OCI part, and without that name"
                    yield Disagreement(self._archive.place, f"{problem} in {MANIFEST}", ADVICE)

    def _compare_folders(self) -> Iterator[ToolkitError]:
        """Hold each v1 folder against the chains that the OCI images would be written as."""
        chains = (chain for one in self._told for image in one.images for chain in image.chains)
        expected = {rung for chain in chains for rung in chain}
        whole = listed(list(dict.fromkeys(one.text for one in self._told)), "; ")
        for folder in self._part.folders():
            try:
                layer = self._part.layer(folder)
                member = self._archive.index.resolve(f"{folder}/layer.tar")
            except ToolkitError as error:
                yield error
                continue
            found = Rung(layer.id, Digest.of(layer.raw), member)
            if (found not in expected and self._is_whole) or folder not in {layer.id, GUESTHOUSE}:
                problem = f"has {whole} in its OCI part, and layer {layer.id} in {folder!r} of no such image"
                yield Disagreement(self._archive.place, problem, ADVICE)

    def _compare_names(self, names: Mapping[str, str], by_name: ByName) -> Iterator[ToolkitError]:
        """Hold each name of `repositories` against the tops of those chains."""
        called: dict[tuple[str, ...], list[Told]] = {}
        for one in self._told:
            for name in one.names:
                called.setdefault(meaning(name), []).append(one)
        for name, layer_id in names.items():
            known = any(layer_id in one.v1_tops for one in called.get(meaning(name), ()))
            if not known and meaning(name) not in self._unread:
                named = by_name.get(meaning(name))
                ids = named.text if named else "nothing"
                problem = (
                    f"has {ids} as {name!r} in its OCI part, and layer {layer_id[:64]} in {REPOSITORIES}"
                )
                yield Disagreement(self._archive.place, problem, ADVICE)

    def _cut(self, names: Mapping[str, str]) -> Iterator[ToolkitError]:
        """Yield each v1 folder that is gone, and that names or other folders speak of.

        They stand last, so that an archive cut between two members lacks them first. Docker 25 and later
        has no such folders, and names the top layer's diffID in their stead (formats D.3.2).
        """
        layers: dict[str, str] = {}
        for folder in self._part.folders():
            layers[folder] = ""
            with suppress(ToolkitError):  # it was told before
                layer = self._part.layer(folder)
                layers[layer.id] = layer.parent
        tops = {top for one in self._told for top in one.tops}
        blank = {meaning(name) for one in self._told if not one.images for name in one.names}
        read = (id_ for name, id_ in names.items() if meaning(name) not in self._unread | blank)
        for gone in sorted(({*read} - tops | {*layers.values()}) - layers.keys() - {""}):
            problem = f"speaks of layer {gone[:64]}, and has no folder of it"
            yield MissingMember(self._archive.place, problem, "it was cut short; carry it over again")

    def _compare_tops(self, names: Mapping[str, str], by_name: ByName) -> Iterator[ToolkitError]:
        """Hold what Docker 25 and later writes into `repositories`, the top diffID, against the images.

        A name of a v1 layer was compared with those.
        """
        tops = {top for one in self._told if one.names for top in one.tops}
        for name, layer_id in names.items():
            one = by_name.get(meaning(name))
            own = one.tops if one else frozenset()
            if layer_id in tops and layer_id not in own and meaning(name) not in self._unread:
                ids = one.text if one else "nothing"
                others = f"the layers of another image in {REPOSITORIES}"
                problem = f"has {ids} as {name!r} in its OCI part, and {others}"
                yield Disagreement(self._archive.place, problem, ADVICE)

    def _shared_ids(self) -> Iterator[ToolkitError]:
        """Yield each v1 ID of two different layers: an old engine gives both images the same one."""
        known: dict[str, tuple[Digest, Digest]] = {}
        for rung, diff_id in (pair for one in self._told for image in one.images for pair in image.own):
            facts = (rung.json, diff_id)
            if known.setdefault(rung.v1_id, facts) != facts:
                problem = f"has two different layers under one v1 ID, {rung.v1_id}"
                yield Disagreement(self._archive.place, problem, ADVICE)
