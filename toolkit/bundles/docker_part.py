"""manifest.json of an archive: which configs, names and layer files it lists (formats D.2, D.4).

    [{"Config": path, "RepoTags": [name:tag, …] or null, "Layers": [path, …]}, …]

`Parent` and `LayerSources`, which only Docker itself writes and uses, are read over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from toolkit.bundles.archive_reader import Archive
from toolkit.digest import Digest
from toolkit.document import Allowance, Node, json_type, load_any
from toolkit.errors import InvalidDocument, InvalidReference, Misnamed, ToolkitError, UnsafeArchive
from toolkit.image import Finding
from toolkit.limits import above, limits
from toolkit.plumbing.archive import clean
from toolkit.reference import Reference, meaning

MANIFEST, INDEX = "manifest.json", "index.json"
ITEM_KEYS = ("Config", "RepoTags", "Layers", "Parent", "LayerSources")
ITEMS = 10_000  # images of one manifest.json, and names of them all
CLAIM = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")  # the digest that a file's name tells


@dataclass(frozen=True, slots=True)
class Item:
    """One image of manifest.json."""

    names: tuple[str, ...]
    image_id: Digest  # of the config
    config: bytes = field(repr=False)
    layers: tuple[str, ...]  # members that hold them, links followed, base first
    folder: str  # of the top layer's file as it is listed: its v1 ID where Docker wrote the archive
    findings: tuple[Finding, ...] = ()


def items(archive: Archive) -> list[Item]:
    """Read manifest.json; nothing where there is none.

    Raises InvalidDocument, MissingMember, or UnsafeArchive where engines would see two things.
    """
    found = []
    for item in items_and_damage(archive):
        if isinstance(item, ToolkitError):
            raise item
        found.append(item)
    return found


def items_and_damage(archive: Archive) -> Iterator[Item | ToolkitError]:
    """Yield each image of manifest.json, or what is wrong with it, and what it is called all the same.

    Raises InvalidDocument where it is no list of images, and UnsafeArchive where that is too long.
    """
    raw = archive.read(MANIFEST, limits().document)
    if raw is None:
        return
    subject = f"{MANIFEST} of {archive.place}"
    names, allowance, named = 0, Allowance(subject), dict[tuple[str, ...], Digest]()
    for node in _nodes(raw, subject):
        try:
            item = _item(archive, node)
        except ToolkitError as error:
            error.images = _told_names(archive, node)
            yield error
            continue
        allowance.take(item.config)
        names += len(item.names)
        if names > ITEMS:
            raise UnsafeArchive(subject, f"gives {names} names or more, expected at most {ITEMS}")
        yield from _names_twice(item, named, subject)
        yield item


def _nodes(raw: bytes, subject: str) -> Iterator[Node]:
    listed = load_any(raw, subject)
    if not isinstance(listed, list):
        raise InvalidDocument(subject, f"is a JSON {json_type(listed)}, expected a list")
    if len(listed) > ITEMS:
        raise UnsafeArchive(subject, f"lists {len(listed)} images, expected at most {ITEMS}")
    return Node({"": listed}, subject).children("")


def _item(archive: Archive, node: Node) -> Item:
    node.only_as_written(ITEM_KEYS)
    node.undamaged(ITEM_KEYS)
    path = archive.index.resolve(node.get("Config", str))
    config = archive.index.read(path, limits().document)
    image_id = Digest.of(config)
    _refuse_edited(archive, path, image_id)
    if len(members := node.texts("Layers")) > (limit := limits().layers):
        raise above(node.subject, f"{node.path}Layers are {len(members)}", limit)
    names = tuple(dict.fromkeys(_names(archive, node)))
    findings = (*_untagged(archive, node), *_unclean(archive, node))
    folder = clean(members[-1], archive.place).rpartition("/")[0] if members else ""
    layers = tuple(map(archive.index.resolve, members))
    return Item(names, image_id, config, layers, folder, findings)


def _told_names(archive: Archive, node: Node) -> tuple[str, ...]:
    """Return what an image is called that cannot be had; nothing where that cannot be read either."""
    with suppress(ToolkitError):
        return tuple(dict.fromkeys(_names(archive, node)))
    return ()


def _names(archive: Archive, node: Node) -> Iterator[str]:
    """Yield the names; raises InvalidDocument for one that Docker refuses, after it stored the image.

    Beside a layout containerd writes names with a digest here too, and reads the layout itself.
    """
    for number, name in enumerate(node.texts("RepoTags")):
        key = f"RepoTags[{number}]"
        try:
            reference = Reference.parse(name)
        except InvalidReference as error:
            node.fail(key, str(error))
        if reference.digest and INDEX not in archive:
            node.fail(key, f"is {name!r}, expected a name with a tag and no digest")
        yield name if _has_tag(name, reference) else f"{name}:{reference.tag}"


def _has_tag(name: str, reference: Reference) -> bool:
    return reference.digest is not None or name.endswith(f":{reference.tag}")


def _untagged(archive: Archive, node: Node) -> Iterator[Finding]:
    """Say of names without a tag, as bazel wrote them, that Docker does not load them."""
    for name in node.texts("RepoTags"):
        if not _has_tag(name, Reference.parse(name)):
            problem = f"names an image {name!r} without a tag; Docker refuses the archive"
            yield Finding(archive.place, problem, check="names")


def _refuse_edited(archive: Archive, path: str, image_id: Digest) -> None:
    """Raise Misnamed for a config that is called by another digest than its own (formats G.4 rule 6)."""
    claimed = CLAIM.search(path.rpartition("/")[2])
    if claimed and claimed[0] != image_id.hex:
        subject, advice = f"config {path!r} of {archive.place}", "it was edited, or renamed; no engine looks"
        raise Misnamed(subject, "digest", advice, image_id, f"sha256:{claimed[0]}")


def _unclean(archive: Archive, node: Node) -> Iterator[Finding]:
    """Say of paths that containerd, which compares them as they are written, does not find."""
    for path in (node.get("Config", str), *node.texts("Layers")):
        if path not in archive.index:
            problem = f"{MANIFEST} spells a path {path[:200]!r}, which containerd does not find"
            yield Finding(archive.place, problem, check="names")
            return


def _names_twice(item: Item, named: dict[tuple[str, ...], Digest], subject: str) -> Iterator[ToolkitError]:
    """Yield each name that is another image too: Docker gives it to the last, others to the first."""
    for name in item.names:
        if named.setdefault(meaning(name), item.image_id) != item.image_id:
            both = f"{named[meaning(name)]} and {item.image_id}"
            yield UnsafeArchive(subject, f"has {name!r} twice, as {both}", images=(name,))
