"""Whether the v1 folders beside a manifest.json tell the same images (formats D.3.1, G.4).

Docker up to 1.9 reads the folders and `repositories`, everything newer manifest.json.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, reduce

from toolkit import v1image
from toolkit.ancestry import V1Layer
from toolkit.bundles.archive_reader import Archive
from toolkit.bundles.docker_part import MANIFEST, Item
from toolkit.bundles.v1_part import REPOSITORIES, V1Part
from toolkit.document import Node
from toolkit.errors import Disagreement, InvalidDocument, MissingMember, ToolkitError, UnsafeArchive
from toolkit.image import Finding
from toolkit.limits import limits, more_than
from toolkit.migration import migrated_config
from toolkit.model import Config
from toolkit.reference import meaning
from toolkit.synthesis import saved_ids, saved_layers

GUESTHOUSE = "blobs"  # the one folder that is no layer's ID, and holds one all the same
ADVICE = "choose one with --prefer docker, if you trust the archive"
FEW = 2  # layers, of many, that a message names
CHAINS_LIMIT = 50_000  # layers of all chains of one archive that are read
STARTS = ("Cmd", "Entrypoint", "Env", "User", "WorkingDir")  # what an image runs, and as whom


@dataclass(frozen=True, slots=True)
class V1Chain:
    """The v1 layers of a legacy image, one for each layer; None for each where they were made up."""

    layers: tuple[V1Layer | None, ...]
    findings: tuple[Finding, ...] = ()


class V1Agreement:
    """The v1 part of one archive, held against its manifest.json; if that is preferred, nothing is refused.

    An archive may have tens of thousands of folders and of names, and stacks of a thousand layers that
    share all but one: stacks are compared by a number, which each layer gets once.
    """

    def __init__(self, archive: Archive, *, preferred: bool = False) -> None:
        self._archive, self._part, self._preferred = archive, V1Part(archive), preferred
        self._stacks: dict[tuple[int, str], int] = {}  # what lies below, and the member on it → their number
        self._numbers = {"": 0}  # v1 ID → number of its stack; below the base there is none
        self._left = CHAINS_LIMIT

    def refuse_other_names(self, items: Sequence[Item]) -> None:
        """Raise UnsafeArchive where `repositories` gives a name to other layers than manifest.json does."""
        for problem in () if self._preferred else self.problems(items):
            raise problem

    def disagreements(self, items: Sequence[Item], damage: Sequence[ToolkitError]) -> list[ToolkitError]:
        """Return all that it would be refused for; from now on manifest.json is preferred.

        `damage` is what of manifest.json cannot be had: nothing is held against that.
        """
        if self._preferred:
            return []
        found = list(self.problems(items, damage)) or self._read[1]
        self._preferred = bool(found)
        return found

    def problems(self, items: Sequence[Item], damage: Sequence[ToolkitError] = ()) -> Iterator[ToolkitError]:
        """Yield each name that `repositories` gives to other layers, and what cannot be read."""
        try:
            names = self._names
        except ToolkitError as error:
            yield error
            return
        if names and self._read[1]:
            yield from self._read[1]
            return
        numbered = [(item, self._number(item.layers)) for item in items]
        named = {meaning(name): pair for pair in numbered for name in pair[0].names}
        unread = {meaning(name) for error in damage for name in error.images}
        is_whole = all(error.images for error in damage)  # else some name is of nobody knows what
        for name, layer_id in names.items():
            if meaning(name) not in named and (meaning(name) in unread or not is_whole):
                continue
            try:
                self._compare_name(name, layer_id, named.get(meaning(name)))
            except ToolkitError as error:
                yield error

    def _compare_name(self, name: str, layer_id: str, found: tuple[Item, int] | None) -> None:
        if found is None:
            problem = f"has {name!r} in {REPOSITORIES} and not in {MANIFEST}"
            raise Disagreement(self._archive.place, problem, ADVICE)
        item, number = found
        if layer_id not in self._folders:
            self._refuse_missing(name, layer_id, item)
        elif self._number_of(layer_id) != number:
            problem = f"has other layers of {name!r} in its v1 folders than {item.image_id} in {MANIFEST}"
            raise Disagreement(self._archive.place, problem, ADVICE)

    def chain(self, item: Item, config: Config) -> V1Chain:
        """Return the v1 layers of an image; raises UnsafeArchive where they run something else."""
        try:
            return self._compared(item, config)
        except ToolkitError:
            if self._preferred:
                return _made_up(item)
            raise

    def _compared(self, item: Item, config: Config) -> V1Chain:
        if (top := self._top(item)) is None:
            return _made_up(item)
        try:
            if len(config.history) == len(item.layers):  # by rule R each v1 layer has an item
                chain = self._chain(top)
                if migrated_config(chain, config.diff_ids) == config.raw:
                    return V1Chain(tuple(chain))
            here = _starts(self._layer(top).node)
            there = _starts(Node(config.value, f"config {config.image_id}"))
            findings = self._zone(top, config)
        except InvalidDocument:
            return _made_up(item)  # no old engine can read that json, so it is no second image
        for key in STARTS:
            if here[key] != there[key]:
                problem = f"has another {key} in the v1 json of layer {top[:12]} than in its config"
                raise Disagreement(f"image {config.image_id}", problem, ADVICE)
        return _made_up(item, findings)

    def _top(self, item: Item) -> str | None:
        """Return the v1 ID of an image's top layer: by its names, its files, or its layers; None of none.

        Docker lists the files of the v1 folders themselves, others link from there to what they list.
        """
        number = self._number(item.layers)
        ids = {layer_id for name in item.names for layer_id in self._named.get(meaning(name), ())}
        if not ids and item.folder in self._folders:
            ids = {item.folder}
        ids = ids or self._tops.get(number, set())
        found = {layer_id for layer_id in ids if self._number_of(layer_id) == number}
        if len(found) > 1:
            both = " and ".join(sorted(layer_id[:12] for layer_id in found)[:FEW])
            problem = f"has v1 layers {both}, and each may be the top of {item.image_id}"
            raise Disagreement(self._archive.place, problem, ADVICE)
        return next(iter(found), None)

    @cached_property
    def _names(self) -> dict[str, str]:
        return self._part.names()

    @cached_property
    def _named(self) -> dict[tuple[str, ...], set[str]]:
        """Map what a name means to the v1 IDs that it leads to: several where it is spelt in two ways."""
        found: dict[tuple[str, ...], set[str]] = {}
        for name, layer_id in self._names.items():
            if layer_id in self._folders:
                found.setdefault(meaning(name), set()).add(layer_id)
        return found

    @cached_property
    def _folders(self) -> dict[str, tuple[str, str]]:
        """Map each layer's ID to its folder and parent; raises UnsafeArchive where folder and ID differ."""
        found, damage = self._read
        for error in damage:
            raise error
        return found

    @cached_property
    def _read(self) -> tuple[dict[str, tuple[str, str]], list[ToolkitError]]:
        """Return the folders that can be read, and what is wrong with the others."""
        found: dict[str, tuple[str, str]] = {}
        damage: list[ToolkitError] = []
        for folder in self._part.folders():
            try:
                layer = self._part.layer(folder)
                if folder not in {layer.id, GUESTHOUSE} or layer.id in found:
                    problem = f"has layer {layer.id[:12]} in folder {folder[:64]!r}"
                    raise UnsafeArchive(self._archive.place, problem, "readers differ on which layer it is")
                found[layer.id] = folder, layer.parent
            except ToolkitError as error:
                damage.append(error)
        return found, damage

    @cached_property
    def _guests(self) -> dict[str, str]:
        return {layer_id: folder for layer_id, (folder, _) in self._folders.items() if folder != layer_id}

    @cached_property
    def _tops(self) -> dict[int, set[str]]:
        """Map the number of a stack to a layer on its top that nobody builds upon, or to two of many."""
        parents = {parent for _, parent in self._folders.values()}
        found: dict[int, set[str]] = {}
        for layer_id in sorted(self._folders.keys() - parents):
            with suppress(MissingMember):
                tops = found.setdefault(self._number_of(layer_id), set())
                if len(tops) < FEW:
                    tops.add(layer_id)
        return found

    def _number(self, members: Sequence[str]) -> int:
        """Return the number of a stack of members, base first: equal stacks have the same."""
        return reduce(self._put, members, 0)

    def _put(self, below: int, member: str) -> int:
        return self._stacks.setdefault((below, member), len(self._stacks) + 1)

    def _number_of(self, layer_id: str) -> int:
        """Return the number of a layer and all below it; raises MissingMember or UnsafeArchive."""
        chain: list[str] = []
        while layer_id not in self._numbers:
            if layer_id not in self._folders:
                problem = f"speaks of layer {layer_id[:64]}, and has no folder of it"
                raise MissingMember(self._archive.place, problem, "it was cut short; carry it over again")
            chain.append(layer_id)
            if len(chain) > (limit := limits().layers):
                raise more_than(f"image {chain[0][:12]}", "has more than {} v1 layers", limit)
            layer_id = self._folders[layer_id][1]
        number = self._numbers[layer_id]
        for each in reversed(chain):
            member = self._archive.index.resolve(f"{self._folders[each][0]}/layer.tar")
            number = self._numbers[each] = self._put(number, member)
        return number

    def _refuse_missing(self, name: str, layer_id: str, item: Item) -> None:
        """Raise where a name leads to no folder; Docker 25 and later writes the top diffID there."""
        try:
            ids = Config.from_bytes(item.config).diff_ids
        except ToolkitError:
            return  # it is told when that image is asked for
        if not ids or layer_id != ids[-1].hex:
            problem = f"has {name!r} as layer {layer_id[:64]!r} in {REPOSITORIES}, and no folder of it"
            raise MissingMember(self._archive.place, problem, "it was cut short; carry it over again")

    def _zone(self, top: str, config: Config) -> list[Finding]:
        """Say of v1 IDs that were made in another time zone than UTC (formats B.7, the trap)."""
        ids = self._ids(top)
        created = self._layer(ids[0]).node.value.get("created")
        if _are(ids, saved_ids(config)):
            self._refuse_changed(saved_layers(config))
            return []
        if len(ids) < 2 or not isinstance(created, str) or not _are(ids, saved_ids(config, created)):  # noqa: PLR2004
            return []  # made by another tool, by its own formula
        self._refuse_changed(saved_layers(config, created))
        problem = f"has v1 IDs of a local-time variant, as a Docker whose epoch is {created} makes them"
        return [Finding(f"image {config.image_id}", problem, "note", check="v1-id")]

    def _refuse_changed(self, chain: Sequence[V1Layer]) -> None:
        """Raise Disagreement for a json that is not the one that Docker makes of it; some leave out `os`."""
        for made in chain:
            told = self._layer(made.id).node.value
            if {"os": made.node.value.get("os"), **told} != {"os": None, **made.node.value}:
                problem = f"has another v1 json of layer {made.id[:12]} than Docker makes of its config"
                raise Disagreement(self._archive.place, problem, ADVICE)

    def _ids(self, top: str) -> list[str]:
        """Return the v1 IDs of a layer and all below it, base first."""
        ids = []
        while top:
            ids.append(top)
            top = self._folders[top][1]
        return ids[::-1]

    def _layer(self, layer_id: str) -> V1Layer:
        return self._part.layer(self._folders[layer_id][0])

    def _chain(self, top: str) -> list[V1Layer]:
        """Return a layer and all below it, base first; raises UnsafeArchive where it is too much together."""
        chain = self._part.chain(top, self._guests)
        self._left -= len(chain)
        if self._left < 0:
            problem = f"has v1 chains of more than {CHAINS_LIMIT} layers together"
            raise UnsafeArchive(self._archive.place, problem, ADVICE)
        return chain


def _are(ids: Sequence[str], made: Iterable[str]) -> bool:
    """Tell whether v1 IDs are these, which are made one after the other as long as they are asked for."""
    return all(ours == theirs for ours, theirs in zip(ids, made, strict=True))


def _made_up(item: Item, findings: Sequence[Finding] = ()) -> V1Chain:
    return V1Chain((None,) * len(item.layers), tuple(findings))


def _starts(node: Node) -> dict[str, object]:
    """Return what an engine would run; the rest of a json that was made up differs from tool to tool."""
    config = v1image.struct(node).get("config") or {}
    return {key: config.get(key) or None for key in STARTS}
