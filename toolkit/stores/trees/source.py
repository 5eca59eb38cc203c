"""The images that one graph driver of an engine's store holds, by its records and its trees; a Source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

from toolkit.configured import ConfiguredImage
from toolkit.digest import Digest, is_v1_id
from toolkit.errors import InvalidDigest, InvalidDocument, NotFound, ToolkitError, UnsafeArchive
from toolkit.image import Finding, Layer, SourceImage, drafts
from toolkit.model import Config
from toolkit.outline import Listing, Outline, OutlineLayer, modern_outline
from toolkit.platform import Platform
from toolkit.plumbing.parallel import in_parallel
from toolkit.ports import Content
from toolkit.reference import near, same
from toolkit.stores.nameindex import BY_ID, NameIndex, names_lost
from toolkit.stores.trees.rebuiltimage import RebuiltImage
from toolkit.stores.trees.records import Records
from toolkit.stores.trees.stored import Examined, StoredLayer, StoredLayers

A_LIST = "is a list of manifests and no image, and left out: its images are stored each by itself"
IMAGES = 100_000  # to list; each costs a kilobyte, and a look at its config and layers
FEW, DIGEST = 3, "sha256:"
LOCAL = "localhost/"  # podman's registry of what came from none


class TreeSource:
    """Images whose configs and layers `records` tell of, and whose layers are put together of `trees`."""

    def __init__(self, place: str, driver: str, records: Records, trees: StoredLayers) -> None:
        self.place, self.driver_name = place, driver
        self._records, self._trees = records, trees
        self._stored: dict[str, StoredLayer] = {}  # key of a layer → where it lies
        self._recorded: Sequence[tuple[str, str]] = ()
        self._index = NameIndex(())

    def listings(self) -> list[Listing]:
        """List named images by name, then those without a name that no other one is built on."""
        names, lists = self._named(), self._records.lists()
        for list_id in lists:
            names.pop(list_id, None)
        named = (self._listing(tuple(sorted(set(found))), image_id) for image_id, found in names.items())
        if len(names) > IMAGES:
            raise UnsafeArchive(self.place, f"names {len(names)} images, expected at most {IMAGES}")
        known = names.keys() | lists | self._records.intermediate()
        nameless = [image_id for image_id in self._records.ids() if image_id not in known]
        if len(nameless) > IMAGES:
            raise UnsafeArchive(self.place, f"has {len(nameless)} images, expected at most {IMAGES}")
        lines = sorted(named, key=lambda line: line.names)
        return [*lines, *(self._listing((), image_id) for image_id in nameless)]

    def identify(self, name: str) -> str:
        """Return the image ID."""
        return str(self._find(name)[1])

    def ids(self) -> Iterator[str]:
        """Yield the ID of every image, listed or not, and the digests of manifests that are kept of them."""
        yield from self._records.ids()
        yield from (digest for digest, _ in self._manifests())

    def outline(self, name: str, platform: Platform | None = None) -> Outline:
        """Describe an image by its config and the recorded sizes."""
        found, image_id, config = self._config(name, platform)
        sizes = self._records.sizes(image_id, config)
        stack = tuple(
            Layer(f"{number}", size or 0, diff_id, diff_id)
            for number, (size, diff_id) in enumerate(zip(sizes, config.diff_ids, strict=True))
        )
        image = ConfiguredImage(found, config, stack)
        (picture,) = image.proven(drafts(stack)).images()
        told = modern_outline(found, picture)
        manifest = self._records.manifest(image_id)
        return replace(told, layers=tuple(_sized(told.layers, sizes)), manifest=manifest)

    def image(self, name: str, platform: Platform | None = None) -> SourceImage:
        """Return an image: its config proven, its layers measured, their recorded sizes weighed."""
        names, image_id, config = self._config(name, platform)
        stored = self._records.stack(image_id, config)
        examined = in_parallel(self._examined, stored, lambda layer: layer.size.value or 0)
        findings = tuple(dict.fromkeys(finding for each in examined for finding in each.findings))
        image = ConfiguredImage(names, config, tuple(each.layer for each in examined), findings)
        anew = {each.layer.key: each.was for each in examined if each.was}
        if not anew and (kept := self._records.kept(image_id, image)):
            return kept
        image = replace(image, findings=(*findings, *self._records.notes(image_id, config)))
        return RebuiltImage(image, anew) if anew else image

    def layer_keys(self, name: str, platform: Platform | None = None) -> tuple[str, ...]:
        """Return the layers' keys, base first; they are read only where some may be made anew."""
        if not self._trees.allow_rebuilt:
            return tuple(dict.fromkeys(map(str, self._config(name, platform)[2].diff_ids)))
        return tuple(layer.key for layer in self.image(name, platform).layers)

    def layer(self, key: str) -> Layer:
        """Measure one layer; raises NotFound."""
        return self._examined(self._where(key)).layer

    @contextmanager
    def open(self, layer: Layer) -> Iterator[Content]:
        """Open a layer's tar."""
        with self._trees.open(self._where(layer.key), layer) as content:
            yield content

    def remarks(self) -> list[Finding]:
        """Say that the names are lost, or that some are none, and of what is no image that it is left out."""
        names, lost = self._named(), self._records.lost()
        found = [names_lost(self.place, lost)] if lost else []
        if odd := [name for name, _ in self._records.names() if _is_digest(name)]:
            problem = f"calls an image {', '.join(odd[:FEW])}, which is no name but what has that digest"
            found.append(Finding(self.place, problem, check="names"))
        for list_id in sorted(self._records.lists()):
            called = (*sorted(names.get(list_id, ())), list_id)
            found.append(Finding(f"image {called[0]}", A_LIST, "note", check="unsupported").of(called[:-1]))
        return found

    def names(self) -> list[str]:
        """Return every name there is."""
        return [name for name, _ in self._names().names]

    def damage(self) -> ToolkitError | None:
        """Return why the list of images cannot be read; None where it can. What names mean is not asked."""
        try:
            self._records.names()
        except ToolkitError as error:
            return error
        return None

    def has(self, name: str) -> bool:
        """Tell whether an image is called so, or has this ID."""
        try:
            self._find(name)
        except NotFound:
            return False
        return True

    def has_read(self, key: str) -> bool:
        """Tell whether an image that was asked for has a layer of this key."""
        return key in self._stored

    def holds(self, key: str) -> bool:
        """Tell whether there is a layer of this key."""
        return key in self._stored or self._records.layer(key) is not None

    def _named(self) -> dict[str, list[str]]:
        """Map the ID of each image that has a name to its names."""
        names: dict[str, list[str]] = {}
        for name, image_id in self._names().names:
            names.setdefault(image_id, []).append(name)
        return names

    def _examined(self, stored: StoredLayer) -> Examined:
        examined = self._trees.examine(stored)
        self._stored.setdefault(examined.layer.key, stored)
        return examined

    def _where(self, key: str) -> StoredLayer:
        """Return where a layer lies; asked by its diffID alone, the first of that diffID serves."""
        if found := self._stored.get(key) or self._records.layer(key):
            return found
        raise NotFound(f"layer {key[:150]}", f"is not in {self.place}")

    def _config(self, name: str, platform: Platform | None) -> tuple[tuple[str, ...], Digest, Config]:
        names, image_id = self._find(name)
        config = self._records.config(image_id)
        if platform and not config.platform.matches(platform):
            raise NotFound(f"image {name}", f"is for {config.platform}, expected {platform}")
        return names, image_id, config

    def _find(self, name: str) -> tuple[tuple[str, ...], Digest]:
        """Return the name as stored, and its image ID; raises NotFound, or UnsafeArchive for two.

        A whole digest is of what has it, and of no name that is spelt so, `sha256:<64 digits>`: repositories
        may be called anything (CVE-2014-5278).
        """
        if found := self._by_digest(name):
            return (), found
        called = {image_id: stored for stored, image_id in self._names().called(name)}
        if len(called) > 1:
            raise UnsafeArchive(f"image {name}", f"is {' and '.join(sorted(called))}, expected one image")
        for image_id, stored in called.items():
            return (stored,), _parsed(image_id, stored)
        if lost := self._records.lost():
            raise replace(lost, advice=BY_ID)
        raise not_found(name, self.place, self.names())

    def _names(self) -> NameIndex:
        """Return the names: what is recorded, without digests, which are none."""
        recorded = self._records.names()
        if recorded is not self._recorded:
            self._recorded = recorded
            self._index = NameIndex([each for each in recorded if not _is_digest(each[0])])
        return self._index

    def _by_digest(self, name: str) -> Digest | None:
        """Return the ID of the image that has this ID, or this manifest; None of what is no whole digest."""
        try:
            wanted = Digest.parse(name)
        except InvalidDigest:
            return None
        if self._records.has(name):
            return wanted
        return next((image_id for digest, image_id in self._manifests() if digest == str(wanted)), None)

    def _manifests(self) -> Iterator[tuple[str, Digest]]:
        """Yield the digest of each manifest that is kept, and its image's ID."""
        for text in self._records.ids():
            with suppress(ToolkitError):
                image_id = Digest.parse(text)
                if digest := self._records.manifest(image_id):
                    yield digest, image_id

    def _listing(self, names: tuple[str, ...], text: str) -> Listing:
        try:
            image_id = _parsed(text, names[0] if names else text)
            config = self._records.config(image_id)
            sizes = [stored.size.value for stored in self._records.stack(image_id, config)]
        except ToolkitError as error:
            return Listing(names, text, problem=str(error))
        size = None if None in sizes else sum(size or 0 for size in sizes)
        return Listing(names, text, config.created, str(config.platform), size)


def not_found(name: str, place: str, names: Sequence[str]) -> NotFound:
    """Say that there is no such image, and which ones may have been meant."""
    local = [stored for stored in names if same(stored, LOCAL + name)]
    close = ", ".join(dict.fromkeys((*local, *near(name, names))))
    return NotFound(
        f"image {name}", f"is not in {place}", f"near it: {close}" if close else f"run: lading ls {place}"
    )


def _parsed(text: str, name: str) -> Digest:
    """Return an image ID as a record has it; raises InvalidDocument."""
    try:
        return Digest.parse(text)
    except InvalidDigest as error:
        raise InvalidDocument(f"image {name}", f"its ID {error.subject} {error.problem}") from error


def _is_digest(name: str) -> bool:
    return name.startswith(DIGEST) and is_v1_id(name.removeprefix(DIGEST))


def _sized(lines: Iterable[OutlineLayer], sizes: Iterable[int | None]) -> Iterator[OutlineLayer]:
    """Give each line that is a layer its recorded size."""
    recorded = iter(sizes)
    for line in lines:
        yield replace(line, size=next(recorded, None)) if line.id else line
