"""A modern image becomes a legacy chain: the v1 jsons that Docker 0.7 to 1.9 read.

Three chains for three ends. `saved_chain` is what `docker save` of 1.12 to 24 writes: IDs, and no
history. `told_chain` carries the history, so that rule R gives the image ID back where it can.
`own_chain` is what a legacy image brought along, byte for byte. All are base first.
Source: formats B.6, B.7.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from toolkit import gojson, v1image
from toolkit.ancestry import V1Layer
from toolkit.digest import Digest, chain_ids
from toolkit.document import Node
from toolkit.errors import InvalidDocument, UnsafeArchive
from toolkit.gotime import EPOCH, go_time
from toolkit.image import Finding, Image, ProvenImage
from toolkit.migration import FORGOTTEN, migrated_config
from toolkit.model import Config, HistoryItem

MODERN = frozenset({"rootfs", "history"})  # what a config has and a v1 json has not
KEYS_TOLD = 20


def saved_chain(image: Image) -> list[V1Layer]:
    """Return the chain that `docker save` makes up, in UTC (formats B.7).

    Raises InvalidDocument where the config has a value that Docker cannot read.
    """
    return saved_layers(image.config)


def saved_layers(config: Config, epoch: str = EPOCH) -> list[V1Layer]:
    """Return the layers of that chain where time 0 is written as `epoch`: in a zone of its own."""
    whole = _whole(config)
    system = {"os": whole["os"]} if "os" in whole else {}  # in every file, but not in the IDs below the top
    return _linked(_saved_bodies(whole, config, epoch), config.diff_ids, gojson.members_of(system))


def saved_ids(config: Config, epoch: str = EPOCH) -> Iterator[str]:
    """Yield the v1 IDs that `docker save` makes up where time 0 is written as `epoch`: in its own zone."""
    return _v1_ids(_saved_bodies(_whole(config), config, epoch), config.diff_ids)


def _whole(config: Config) -> dict[str, Any]:
    """Return the config as a v1 json that has no IDs yet."""
    struct = v1image.struct(Node(config.value, f"config {config.image_id}"))
    return {key: value for key, value in struct.items() if key not in {"id", "parent"}}


def _saved_bodies(whole: Mapping[str, Any], config: Config, epoch: str) -> list[dict[str, bytes]]:
    bare = {**v1image.struct(Node({}, "")), "created": epoch}
    below = [gojson.members_of(bare)] * (len(config.diff_ids) - 1)
    return [*below, gojson.members_of(whole)] if config.diff_ids else []


def told_chain(image: Image) -> list[V1Layer]:
    """Return a chain whose jsons carry the history, and the top one the whole config.

    History items without a layer have no place in it: `losses` says so. Raises InvalidDocument.
    """
    ids = image.config.diff_ids
    told = _told(image)
    if not told:
        return []
    raw = gojson.raw_members(image.config.raw, f"config {image.config.image_id}")
    whole = {key: gojson.compact(value) for key, value in raw.items() if key not in FORGOTTEN | MODERN}
    exact = _linked([*told[:-1], whole], ids)
    if migrated_config(exact, ids) == image.config.raw:
        return exact
    return _linked([*told[:-1], {**told[-1], **whole}], ids)  # never the same ID: tell more


def own_chain(image: Image) -> list[V1Layer] | None:
    """Return the layers of the legacy image that this one was; None where it was none.

    Raises UnsafeArchive where they are not the chain of this very image: an old engine would then
    see another image than a new one.
    """
    chain: list[V1Layer] = []
    for descriptor in image.manifest.layers:
        layer = V1Layer.from_annotations(descriptor.annotations, chain[-1].id if chain else "")
        if layer is None:
            return None
        chain.append(layer)
    if not chain:
        return None
    subject = f"image {image.config.image_id}"
    if (broken := _broken_link(chain)) is not None:
        raise UnsafeArchive(subject, f"its annotations name {broken} out of its place in the chain")
    for reading in _readings(chain):
        if migrated_config(reading, image.config.diff_ids) == image.config.raw:
            return reading
    raise UnsafeArchive(
        subject, "its annotations tell v1 layers of another image, so that two readers would see two"
    )


def v1_json_for_bundle(layer: V1Layer) -> bytes:
    """Return the json as a v1 loader needs it: its exact bytes, where they name the layer and its parent.

    A json of a strong ID (1.8.3 to 1.9.1) names neither; both are put in front (formats A.7).
    """
    node = layer.node
    if node.value.get("id") == layer.id and (node.optional("parent", str) or "") == layer.parent:
        return layer.raw
    keys = ("Id", "Parent") if layer.camelcase else ("id", "parent")
    members = gojson.raw_members(layer.raw, node.subject)
    rest = {key: value for key, value in members.items() if key not in keys}
    return gojson.join({**_names(layer.id, layer.parent, keys), **rest})


def losses(image: Image, chain: Sequence[V1Layer]) -> list[Finding]:
    """Return what rule R will not give back from this chain of the image; nothing where it gives all."""
    subject = f"image {image.config.image_id}"
    if not chain:
        return [Finding(subject, "has no layers, so no engine can read it as a v1 image")]
    migrated = migrated_config(chain, image.config.diff_ids)
    if migrated == image.config.raw:
        return []
    changed = f"its ID becomes {Digest.of(migrated)} in an engine that reads its v1 layers"
    after = Config.from_bytes(migrated)
    reasons = [*_lost_history(image.config, after), *_lost_members(image.config.raw, migrated)]
    return [Finding(subject, changed), *(Finding(subject, reason, "note") for reason in reasons)]


def _told(image: Image) -> list[dict[str, bytes]]:
    """Return each layer's json without its IDs, as its history item tells it."""
    items = [item for item in image.config.history if not item.empty_layer][: len(image.layers)]
    unknown = [HistoryItem()] * (len(image.layers) - len(items))
    platform = image.config.platform
    system = {"architecture": platform.architecture, "os": platform.os}
    return [gojson.members_of(_present({**_facts(item), **system})) for item in [*items, *unknown]]


def _facts(item: HistoryItem) -> dict[str, Any]:
    return {
        "created": EPOCH if item.created is None else go_time(item.created),
        "author": item.author,
        "comment": item.comment,
        "container_config": {"Cmd": [item.created_by]} if item.created_by else None,
    }


def _present(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in facts.items() if value}


def _linked(
    bodies: Sequence[Mapping[str, bytes]],
    diff_ids: Sequence[Digest],
    unhashed: Mapping[str, bytes] = MappingProxyType({}),
) -> list[V1Layer]:
    """Return one layer for each body."""
    chain: list[V1Layer] = []
    for body, v1_id in zip(bodies, _v1_ids(bodies, diff_ids), strict=True):
        parent = chain[-1].id if chain else ""
        chain.append(V1Layer.from_bytes(gojson.join({**_names(v1_id, parent), **body, **unhashed})))
    return chain


def _v1_ids(bodies: Sequence[Mapping[str, bytes]], diff_ids: Sequence[Digest]) -> Iterator[str]:
    """Name each body by its content and everything below it (Docker's CreateID)."""
    below: dict[str, str] = {}
    for body, chain_id in zip(bodies, chain_ids(diff_ids), strict=True):
        hashed = {**body, **gojson.members_of({"layer_id": str(chain_id), **below})}
        v1_id = Digest.of(gojson.join(dict(sorted(hashed.items())))).hex
        below = {"parent": f"sha256:{v1_id}"}
        yield v1_id


def _names(v1_id: str, parent: str, keys: tuple[str, str] = ("id", "parent")) -> dict[str, bytes]:
    return gojson.members_of(dict(zip(keys, (v1_id, parent) if parent else (v1_id,), strict=False)))


def _readings(chain: list[V1Layer]) -> Iterator[list[V1Layer]]:
    """Yield the chain, and where its jsons are CamelCase as Docker reads it too, if it can."""
    yield chain
    if any(layer.camelcase for layer in chain):
        with suppress(InvalidDocument):
            yield [layer.as_docker_reads() for layer in chain]


def _broken_link(chain: Sequence[V1Layer]) -> str | None:
    """Return the ID of a layer that stands twice, or whose own json names another parent."""
    seen: set[str] = set()
    for layer in chain:
        said = layer.node.optional("parent", str) or layer.parent
        if not seen:  # above the base, a store's own file may overrule `parent_id` (formats A.7)
            said = said or layer.node.optional("parent_id", str) or ""
        if layer.id in seen or said != layer.parent:
            return layer.id
        seen.add(layer.id)
    return None


def _lost_history(before: Config, after: Config) -> list[str]:
    kept = tuple(item for item in before.history if not item.empty_layer)
    reasons = []
    if left_out := len(before.history) - len(kept):
        reasons.append(f"v1 layers cannot carry its history items without a layer ({left_out})")
    if kept != after.history:
        reasons.append("its history items come back changed")
    return reasons


def _lost_members(before: bytes, after: bytes) -> list[str]:
    """Tell which other members of the config come back with other bytes."""
    old, new = gojson.raw_members(before), gojson.raw_members(after)
    changed = [key for key in sorted({*old, *new} - {"history"}) if old.get(key) != new.get(key)]
    if changed:
        return [f"its config comes back with other {', '.join(changed[:KEYS_TOLD])}"]
    return [] if list(old) == list(new) else ["the keys of its config come back in Docker's order"]


def losses_as_v1(proven: ProvenImage) -> list[Finding]:
    """Return what an image loses where only v1 jsons carry it; a legacy image loses what Docker misreads."""
    image = proven.preferred()
    if image is None:
        return []
    if (own := own_chain(image)) is None:
        return losses(image, told_chain(image))
    try:
        return losses(image, [layer.as_docker_reads() for layer in own])
    except InvalidDocument as error:
        return [Finding(error.subject, error.problem)]
