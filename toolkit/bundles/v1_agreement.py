"""Whether the v1 folders beside a manifest.json tell the same images (formats D.3.1, G.4).

Docker up to 1.9 reads the folders and `repositories`, everything newer manifest.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from toolkit import v1image
from toolkit.ancestry import CHAIN_LIMIT, V1Layer
from toolkit.bundles.archive_reader import Archive
from toolkit.bundles.docker_part import MANIFEST, Item
from toolkit.bundles.v1_part import REPOSITORIES, V1Part
from toolkit.document import Node
from toolkit.errors import InvalidDocument, MissingMember, ToolkitError, UnsafeArchive
from toolkit.image import Finding
from toolkit.migration import migrated_config
from toolkit.model import Config
from toolkit.reference import meaning
from toolkit.synthesis import saved_ids

GUESTHOUSE = "blobs"  # the one folder that is no layer's ID, and holds one all the same
ADVICE = "choose one with --prefer docker, if you trust the archive"
STARTS = ("Cmd", "Entrypoint", "Env", "User", "WorkingDir")  # what an image runs, and as whom


@dataclass(frozen=True, slots=True)
class V1Chain:
    """The v1 layers of a legacy image, one for each layer; None for each where they were made up."""

    layers: tuple[V1Layer | None, ...]
    findings: tuple[Finding, ...] = ()


class V1Agreement:
    """The v1 part of one archive, held against its manifest.json."""

    def __init__(self, archive: Archive) -> None:
        self._archive, self._part = archive, V1Part(archive)

    def refuse_other_names(self, items: Sequence[Item]) -> None:
        """Raise UnsafeArchive where `repositories` gives a name to other layers than manifest.json does."""
        named = {meaning(name): item for item in items for name in item.names}
        for name, layer_id in self._names.items():
            item = named.get(meaning(name))
            if item is None:
                problem = f"has {name!r} in {REPOSITORIES} and not in {MANIFEST}"
                raise UnsafeArchive(self._archive.place, problem, ADVICE)
            if layer_id not in self._folders:
                self._refuse_missing(name, layer_id, item)
            elif self._members(self._walk(layer_id)) != item.layers:
                problem = f"has other layers of {name!r} in its v1 folders than {item.image_id} in {MANIFEST}"
                raise UnsafeArchive(self._archive.place, problem, ADVICE)

    def chain(self, item: Item, config: Config) -> V1Chain:
        """Return the v1 layers of an image; raises UnsafeArchive where they run something else."""
        nothing = V1Chain((None,) * len(item.layers))
        top = self._top(item)
        if top is None:
            return nothing
        chain = self._walk(top)
        try:
            if migrated_config(chain, config.diff_ids) == config.raw:
                return V1Chain(tuple(chain))
            here, there = _starts(chain[-1].node), _starts(Node(config.value, f"config {config.image_id}"))
            findings = self._zone(chain, config)
        except InvalidDocument:
            return nothing  # no old engine can read that json, so it is no second image
        for key in STARTS:
            if here[key] != there[key]:
                problem = f"has another {key} in the v1 json of layer {top[:12]} than in its config"
                raise UnsafeArchive(f"image {config.image_id}", problem, ADVICE)
        return V1Chain(nothing.layers, tuple(findings))

    @cached_property
    def _names(self) -> dict[str, str]:
        return self._part.names()

    @cached_property
    def _folders(self) -> dict[str, tuple[str, V1Layer]]:
        """Map each layer's ID to its folder; raises UnsafeArchive where folder and ID differ."""
        found: dict[str, tuple[str, V1Layer]] = {}
        for folder, layer in self._part.layers():
            if folder not in {layer.id, GUESTHOUSE} or layer.id in found:
                problem = f"has layer {layer.id[:12]} in folder {folder[:64]!r}"
                raise UnsafeArchive(self._archive.place, problem, "readers differ on which layer it is")
            found[layer.id] = folder, layer
        return found

    def _walk(self, layer_id: str) -> list[V1Layer]:
        """Return a layer and all below it, base first; raises MissingMember or UnsafeArchive."""
        chain: list[V1Layer] = []
        while layer_id:
            if layer_id not in self._folders:
                problem = f"speaks of layer {layer_id[:64]}, and has no folder of it"
                raise MissingMember(self._archive.place, problem, "it was cut short; carry it over again")
            chain.append(self._folders[layer_id][1])
            if len(chain) > CHAIN_LIMIT:
                raise UnsafeArchive(f"image {chain[0].id[:12]}", f"has more than {CHAIN_LIMIT} v1 layers")
            layer_id = chain[-1].parent
        return chain[::-1]

    def _members(self, chain: Sequence[V1Layer]) -> tuple[str, ...]:
        return tuple(self._member(layer.id) for layer in chain)

    def _member(self, layer_id: str) -> str:
        return self._archive.index.resolve(f"{self._folders[layer_id][0]}/layer.tar")

    def _top(self, item: Item) -> str | None:
        """Return the v1 ID of an image's top layer: the one its names lead to, else one of its layers."""
        wanted = {meaning(name) for name in item.names}
        tops = [layer_id for name, layer_id in self._names.items() if meaning(name) in wanted]
        if not tops and not item.names and item.layers:
            tops = [layer_id for layer_id in self._folders if self._member(layer_id) == item.layers[-1]]
        for layer_id in tops:
            if layer_id in self._folders and self._members(self._walk(layer_id)) == item.layers:
                return layer_id
        return None

    def _refuse_missing(self, name: str, layer_id: str, item: Item) -> None:
        """Raise where a name leads to no folder; Docker 25 and later writes the top diffID there."""
        try:
            ids = Config.from_bytes(item.config).diff_ids
        except ToolkitError:
            return  # it is told when that image is asked for
        if not ids or layer_id != ids[-1].hex:
            problem = f"has {name!r} as layer {layer_id[:64]!r} in {REPOSITORIES}, and no folder of it"
            raise MissingMember(self._archive.place, problem, "it was cut short; carry it over again")

    def _zone(self, chain: Sequence[V1Layer], config: Config) -> list[Finding]:
        """Say of v1 IDs that were made in another time zone than UTC (formats B.7, the trap)."""
        created = chain[0].node.value.get("created")
        ids = [layer.id for layer in chain]
        if len(chain) < 2 or not isinstance(created, str) or saved_ids(config) == ids:  # noqa: PLR2004
            return []
        if saved_ids(config, created) != ids:
            return []  # made by another tool, by its own formula
        problem = f"has v1 IDs of a local-time variant, as a Docker whose epoch is {created} makes them"
        return [Finding(f"image {config.image_id}", problem, "note")]


def _starts(node: Node) -> dict[str, object]:
    """Return what an engine would run; the rest of a json that was made up differs from tool to tool."""
    config = v1image.struct(node).get("config") or {}
    return {key: config.get(key) or None for key in STARTS}
