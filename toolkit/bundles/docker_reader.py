"""`docker-v1.2` and its kin, read: archives whose images manifest.json lists (formats D.2-D.7).

Docker 1.10 to 24 wrote them, skopeo, podman, crane, kaniko and bazel do. The file names tell nothing:
what a layer is, only its bytes and the diffID in the config say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

from toolkit import mediatype
from toolkit.ancestry import V1Layer
from toolkit.bundles.archive_reader import Archive, ArchiveSource
from toolkit.bundles.docker_part import MANIFEST, Item, items, items_and_damage
from toolkit.bundles.v1_agreement import V1Agreement
from toolkit.configured import ConfiguredImage
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, NotFound, ToolkitError, UnsafeArchive
from toolkit.image import Finding, Layer, drafts
from toolkit.latest import Latest
from toolkit.model import Config
from toolkit.outline import Listing, Outline, modern_outline
from toolkit.platform import Platform
from toolkit.ports import Content
from toolkit.reading import DOCKER
from toolkit.reference import meaning, near

NAMED = re.compile(r"(?:[^/]+/)*(?:sha256:)?([0-9a-f]{64})(?:\.tar)?(?:\.gz)?")
NO_MANIFESTS = "keeps no manifests: those of its images are made here, and so are their digests"


@dataclass(slots=True)
class _Blobs:
    """Which member holds which layer: a key for each member, and the diffID it is listed under."""

    members: dict[str, str] = field(default_factory=dict)  # key → member
    diff_ids: dict[str, Digest] = field(default_factory=dict)  # member → diffID
    keys: dict[str, str] = field(default_factory=dict)  # member → key
    numbers: dict[Digest, int] = field(default_factory=dict)  # diffID → how many members have it

    def add(self, member: str, diff_id: Digest) -> None:
        """Take one layer of one image; of two members with the same diffID each is a blob of its own."""
        if member in self.keys:
            return
        number = self.numbers[diff_id] = self.numbers.get(diff_id, 0) + 1
        key = str(diff_id) if number == 1 else f"{diff_id}-{number}"
        self.members[key], self.keys[member], self.diff_ids[member] = member, key, diff_id


class DockerArchive(ArchiveSource):
    """The images of manifest.json; a Source."""

    def __init__(self, archive: Archive, prefer: str = "", note: str = "") -> None:
        super().__init__(archive)
        self._v1 = V1Agreement(archive, preferred=prefer == DOCKER)
        self._listed: list[Item] | None = None
        self._latest = Latest[Item, ConfiguredImage]()
        self._note = (Finding(archive.place, note, check="agreement"),) if note else ()

    def listings(self) -> list[Listing]:
        """List named images by name, then those without one."""
        lines = [self._listing(item) for item in self._items]
        return sorted(lines, key=lambda line: (not line.names, line.names))

    def identify(self, name: str) -> str:
        """Return the image ID."""
        return str(self._find(name)[1].image_id)

    def outline(self, name: str, platform: Platform | None = None) -> Outline:
        """Describe an image by its config."""
        return _outline(self.image(name, platform))

    def image(self, name: str, platform: Platform | None = None) -> ConfiguredImage:
        """Return an image; of its layers only the first bytes are read."""
        names, item = self._find(name)
        image = self._image(item).under(names)
        if platform and not image.config.platform.matches(platform):
            raise NotFound(f"image {name}", f"is for {image.config.platform}, expected {platform}")
        return image

    def layer_keys(self, name: str, platform: Platform | None = None) -> tuple[str, ...]:
        """Return the keys of the image's layers, base first."""
        return tuple(layer.key for layer in self.image(name, platform).layers)

    def layer(self, key: str) -> Layer:
        """Return one layer by its key; raises NotFound."""
        if (member := self._blobs.members.get(key)) is None:
            raise NotFound(f"layer {key[:150]}", f"is not in {self.place}")
        return self._layer(member, self._blobs.diff_ids[member], None)

    @contextmanager
    def open(self, layer: Layer) -> Iterator[Content]:
        """Open a layer's file."""
        if (member := self._blobs.members.get(layer.key)) is None:
            raise NotFound(f"layer {layer.key[:150]}", f"is not in {self.place}")
        yield self._archive.extent(member)

    def disagreements(self) -> list[ToolkitError]:
        """Return all that its parts differ in; afterwards what can be read of manifest.json is."""
        if self._listed is not None:
            return []
        read = list(items_and_damage(self._archive))
        self._listed = [item for item in read if isinstance(item, Item)]
        damage = [error for error in read if isinstance(error, ToolkitError)]
        return [*damage, *self._v1.disagreements(self._listed, damage)]

    @property
    def _items(self) -> list[Item]:
        """Return what manifest.json lists; raises where the v1 part of the archive tells other images."""
        if self._listed is None:
            found = items(self._archive)
            self._v1.refuse_other_names(found)
            self._listed = found
        return self._listed

    @cached_property
    def _blobs(self) -> _Blobs:
        blobs = _Blobs()
        for item in self._items:
            try:
                config = Config.from_bytes(item.config)
            except ToolkitError:
                continue  # it is told when that image is asked for
            for member, diff_id in zip(item.layers, config.diff_ids, strict=False):
                blobs.add(member, diff_id)
        return blobs

    @cached_property
    def _named(self) -> dict[tuple[str, ...], tuple[tuple[str, ...], Item]]:
        """Map what a name means to the name as it stands, and to its item; of two names the first counts."""
        pairs = [((stored,), item) for item in self._items for stored in item.names]
        return {meaning(*names): (names, item) for names, item in reversed(pairs)}

    @cached_property
    def _by_id(self) -> dict[str, Item]:
        return {str(item.image_id): item for item in reversed(self._items)}

    def _find(self, name: str) -> tuple[tuple[str, ...], Item]:
        """Return the one name that was asked for, as it stands, and its item; raises NotFound."""
        if item := self._by_id.get(name):
            return (), item
        if found := self._named.get(meaning(name)):
            return found
        close = ", ".join(near(name, [stored for item in self._items for stored in item.names]))
        advice = f"near it: {close}" if close else f"run: lading ls {self.place}"
        raise NotFound(f"image {name}", f"is not in {self.place}", advice)

    def _image(self, item: Item) -> ConfiguredImage:
        """Return an image without its names: read once for those that follow each other."""
        return self._latest.get(item, lambda: self._made(item))

    def _made(self, item: Item) -> ConfiguredImage:
        config = Config.from_bytes(item.config)
        if (files := len(item.layers)) != (ids := len(config.diff_ids)):
            problem = f"has {files} layers in {MANIFEST}, and {ids} diffIDs in its config"
            raise CorruptContent(f"image {item.image_id}", problem)
        chain = self._v1.chain(item, config)
        stack = [
            self._layer(member, diff_id, v1)
            for member, diff_id, v1 in zip(item.layers, config.diff_ids, chain.layers, strict=True)
        ]
        noted = (*self._note, Finding(self.place, NO_MANIFESTS, "note", check="manifest"))
        findings = (*self._archive.findings, *item.findings, *chain.findings, *noted)
        called = {layer.key: name for layer in stack if (name := self._called(layer.key))}
        return ConfiguredImage((), config, tuple(stack), tuple(dict.fromkeys(findings)), called=called)

    def _called(self, key: str) -> Digest | None:
        """Return the digest that a layer's file is called by, packed or unpacked, as skopeo and crane do."""
        found = NAMED.fullmatch(self._blobs.members[key])
        return Digest("sha256", found[1]) if found else None

    def _layer(self, member: str, diff_id: Digest, v1: V1Layer | None) -> Layer:
        if (known := self._blobs.diff_ids[member]) != diff_id:
            raise UnsafeArchive(self.place, f"lists {member!r} under two diffIDs, {known} and {diff_id}")
        extent = self._archive.extent(member)
        compression = extent.compression()
        digest = None if compression else diff_id
        key = self._blobs.keys[member]
        return Layer(key, extent.size, digest, diff_id, mediatype.layer_type(compression), v1)

    def _listing(self, item: Item) -> Listing:
        try:
            image = self._image(item)
        except ToolkitError as error:
            return Listing(item.names, str(item.image_id), problem=str(error))
        size = sum(layer.size for layer in image.stack)
        return Listing(item.names, str(item.image_id), image.config.created, str(image.config.platform), size)


def _outline(image: ConfiguredImage) -> Outline:
    drafted = image.proven(drafts(image.layers))
    (picture,) = drafted.images()
    return modern_outline(image.names, picture, findings=image.findings)
