"""The docker part of an archive: manifest.json, and the blobs that it shares with a layout (formats D.2).

For one who prefers it, its images are shown as a layout of their own: manifests are made for them.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from toolkit import gojson, mediatype
from toolkit.ancestry import CHAIN_LIMIT
from toolkit.bundles.archive_reader import Archive
from toolkit.bundles.modern import blob_name
from toolkit.bundles.names import name_annotations
from toolkit.bundles.universal import OCI_LAYOUT
from toolkit.digest import Digest
from toolkit.document import LIMIT, Node, load_any
from toolkit.errors import InvalidDocument, ToolkitError, UnsafeArchive, Unsupported
from toolkit.model import Descriptor
from toolkit.ports import Content

MANIFEST = "manifest.json"
ITEM_KEYS = ("Config", "RepoTags", "Layers", "Parent", "LayerSources")
ITEMS = 10_000  # images of one manifest.json
CONFIGS_LIMIT = 64 << 20  # bytes of all their configs, which are held in memory


@dataclass(frozen=True, slots=True)
class Item:
    """One image of manifest.json."""

    names: tuple[str, ...]
    config: bytes = field(repr=False)
    layers: tuple[str, ...]  # members that hold them, links followed, base first

    @property
    def image_id(self) -> Digest:
        """Return the digest of the config."""
        return Digest.of(self.config)


def items(archive: Archive) -> list[Item]:
    """Read manifest.json; nothing where there is none. Raises InvalidDocument or MissingMember."""
    raw = archive.read(MANIFEST, LIMIT)
    if raw is None:
        return []
    subject = f"{MANIFEST} of {archive.place}"
    listed = load_any(raw, subject)
    if not isinstance(listed, list):
        raise InvalidDocument(subject, f"is a JSON {type(listed).__name__}, expected a list")
    if len(listed) > ITEMS:
        raise UnsafeArchive(subject, f"lists {len(listed)} images, expected at most {ITEMS}")
    configs: dict[str, bytes] = {}
    return [_item(archive, node, configs) for node in Node({"": listed}, subject).children("")]


def _item(archive: Archive, node: Node, configs: dict[str, bytes]) -> Item:
    node.only_as_written(ITEM_KEYS)
    path = archive.index.resolve(node.get("Config", str))
    if path not in configs:
        configs[path] = archive.index.read(path, LIMIT)
        if sum(map(len, configs.values())) > CONFIGS_LIMIT:
            raise UnsafeArchive(node.subject, f"names configs of more than {CONFIGS_LIMIT} bytes together")
    if len(members := node.texts("Layers")) > CHAIN_LIMIT:
        node.fail("Layers", f"are {len(members)}, expected at most {CHAIN_LIMIT}")
    return Item(tuple(node.texts("RepoTags")), configs[path], tuple(map(archive.index.resolve, members)))


class DockerPart:
    """The images of manifest.json, over the blobs of the archive; `Blobs` of a layout that is not there."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._made: dict[str, bytes] = {"oci-layout": OCI_LAYOUT}
        entries = [entry for item in items(archive) for entry in self._entries(item)]
        index = {"schemaVersion": 2, "manifests": [entry.to_json() for entry in entries]}
        self._made["index.json"] = gojson.encode(index)

    def read(self, name: str, limit: int) -> bytes | None:
        """Return a document, one that we made or one of the archive."""
        return self._made[name] if name in self._made else self._archive.read(name, limit)

    def size(self, digest: Digest) -> int | None:
        """Return the size of a document or blob."""
        made = self._made.get(blob_name(digest))
        return self._archive.size(digest) if made is None else len(made)

    def open(self, digest: Digest, size: int) -> AbstractContextManager[Content]:
        """Open a blob of the archive."""
        return self._archive.open(digest, size)

    def _entries(self, item: Item) -> list[Descriptor]:
        """Make a manifest for an item; return its entries in index.json, one for each name."""
        config = Descriptor.of(mediatype.OCI_CONFIG, item.config)
        body = {
            "schemaVersion": 2,
            "mediaType": mediatype.OCI_MANIFEST,
            "config": config.to_json(),
            "layers": [self._blob(name).to_json() for name in item.layers],
        }
        raw = gojson.encode(body)
        top = Descriptor.of(mediatype.OCI_MANIFEST, raw)
        self._made[blob_name(config.digest)] = item.config
        self._made[blob_name(top.digest)] = raw
        return [top.annotated(name_annotations(name)) for name in item.names] or [top]

    def _blob(self, member: str) -> Descriptor:
        """Describe a layer by its member's name, which reading it will prove."""
        extent = self._archive.extent(member)
        try:
            digest = Digest.parse(member.removeprefix("blobs/").replace("/", ":"))
        except ToolkitError as error:
            problem = f"keeps a layer in {member[:100]!r}, which tells no digest"
            raise Unsupported(self._archive.place, problem, "this version does not read it") from error
        return Descriptor(mediatype.layer_type(extent.compression()), digest, extent.size)
