"""`docker-v1`, read: what Docker 0.6.7 to 1.9 saved (formats A.10, A.11)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property

from toolkit import mediatype
from toolkit.ancestry import V1Layer
from toolkit.bundles.archive_reader import Archive, ArchiveSource
from toolkit.bundles.v1_part import V1Part
from toolkit.digest import is_v1_id
from toolkit.errors import MissingMember, NotFound, ToolkitError, UnsafeArchive
from toolkit.image import NO_DIGESTS, Finding, Layer
from toolkit.latest import Latest
from toolkit.limits import limits
from toolkit.migration import LegacyImage, camelcase_findings
from toolkit.outline import Listing, Outline, legacy_outline
from toolkit.platform import Platform
from toolkit.ports import Content
from toolkit.reference import meaning, near


class V1Bundle(ArchiveSource):
    """A docker-v1 bundle as a Source."""

    def __init__(self, archive: Archive, prefer: str = "") -> None:  # noqa: ARG002 - one part, no choice
        super().__init__(archive)
        self._part = V1Part(archive)
        self._parents: dict[str, str] | None = None
        self.docker_compatible = False
        self._latest = Latest[tuple[str, bool], LegacyImage]()

    def listings(self) -> list[Listing]:
        """List names, those that lead nowhere too, then images that nobody names or builds upon."""
        parents = self._checked()
        names: dict[str, list[str]] = {}
        for name, layer_id in self._names.items():
            names.setdefault(layer_id, []).append(name)
        named = [self._listing(tuple(sorted(found)), layer_id) for layer_id, found in names.items()]
        tops = sorted(parents.keys() - set(parents.values()) - names.keys())
        return sorted(named, key=lambda line: line.names) + [self._listing((), top) for top in tops]

    def identify(self, name: str) -> str:
        """Return the ID of the top layer."""
        return self._find(name)[1]

    def ids(self) -> Iterable[str]:
        """Return the ID of every layer: each is the top of an image."""
        return self._checked()

    def outline(self, name: str, platform: Platform | None = None) -> Outline:
        """Describe an image by its chain of jsons."""
        names, chain = self._asked(name, platform)
        return legacy_outline(names, chain, self._findings(chain))

    def image(self, name: str, platform: Platform | None = None) -> LegacyImage:
        """Return an image; of its layers only the first bytes are read."""
        names, layer_id = self._find(name)
        image = self._latest.get((layer_id, self.docker_compatible), lambda: self._image(layer_id))
        _must_be_for(platform, image.chain[-1], name)
        return image.under(names)

    def _image(self, layer_id: str) -> LegacyImage:
        """Return an image without its names: read once for those that follow each other."""
        chain = self._chain(layer_id)
        return LegacyImage((), tuple(chain), tuple(map(self._layer, chain)), self._findings(chain))

    def layer_keys(self, name: str, platform: Platform | None = None) -> tuple[str, ...]:
        """Return the layer IDs, base first."""
        return tuple(layer.id for layer in self._asked(name, platform)[1])

    def layer(self, key: str) -> Layer:
        """Return one layer by its ID; raises NotFound."""
        if key not in self._checked():
            raise NotFound(f"layer {key[:64]!r}", f"is not in {self.place}")
        return self._layer(self._part.layer(key))

    @contextmanager
    def open(self, layer: Layer) -> Iterator[Content]:
        """Open a layer.tar."""
        yield self._archive.extent(f"{layer.key}/layer.tar")

    def _checked(self) -> dict[str, str]:
        """Return every layer's parent; raises UnsafeArchive where a folder holds another layer.

        An engine knows a layer by the id in its json, and finds its parent by the folder's name: where
        they differ, it depends on the order of reading which of two layers an image gets.
        """
        if self._parents is None:
            parents, damage = self._read()
            for error in damage:
                raise error
            self._parents = parents
        return self._parents

    def disagreements(self) -> list[ToolkitError]:
        """Return what is wrong with its folders and names; afterwards what is sound of them is read."""
        if self._parents is not None:
            return []
        self._parents, damage = self._read()
        try:
            self._names  # noqa: B018 - reads them
        except ToolkitError as error:
            damage.append(error)
            self.__dict__["_names"] = {}
        return damage

    def _read(self) -> tuple[dict[str, str], list[ToolkitError]]:
        """Return the parents of the layers whose folders can be read, and what is wrong with the others."""
        parents: dict[str, str] = {}
        damage: list[ToolkitError] = []
        for folder in self._part.folders():
            try:
                layer = self._part.layer(folder)
                if folder != layer.id:
                    problem = f"has layer {layer.id[:12]} in folder {folder[:64]!r}"
                    raise UnsafeArchive(self.place, problem, "readers differ on which of the two it is")
                parents[layer.id] = layer.parent
            except ToolkitError as error:
                damage.append(error)
        return parents, [*damage, *_circles(parents)]

    def _find(self, name: str) -> tuple[tuple[str, ...], str]:
        """Return the name as it stands, and the layer ID; raises NotFound with near names."""
        parents = self._checked()
        if stored := self._named.get(meaning(name)):
            self._must_be(stored, self._names[stored])
            return (stored,), self._names[stored]
        if is_v1_id(name) and name in parents:
            return (), name
        close = ", ".join(near(name, self._names))
        advice = f"near it: {close}" if close else f"run: lading ls {self.place}"
        raise NotFound(f"image {name}", f"is not in {self.place}", advice)

    def _must_be(self, stored: str, layer_id: str) -> None:
        if layer_id not in self._checked():
            raise MissingMember(f"image {stored}", f"is layer {layer_id[:64]!r}, which is not there")

    @cached_property
    def _names(self) -> dict[str, str]:
        return self._part.names()

    @cached_property
    def _named(self) -> dict[tuple[str, ...], str]:
        """Map what a name means to the name as it stands; of two the first counts."""
        return {meaning(stored): stored for stored in reversed(self._names)}

    def _asked(self, name: str, platform: Platform | None) -> tuple[tuple[str, ...], list[V1Layer]]:
        names, layer_id = self._find(name)
        chain = self._chain(layer_id)
        _must_be_for(platform, chain[-1], name)
        return names, chain

    def _chain(self, layer_id: str) -> list[V1Layer]:
        chain = self._part.chain(layer_id)
        return [layer.as_docker_reads() for layer in chain] if self.docker_compatible else chain

    def _layer(self, v1: V1Layer) -> Layer:
        extent = self._archive.extent(f"{v1.id}/layer.tar")
        return Layer(v1.id, extent.size, media_type=mediatype.layer_type(extent.compression()), v1=v1)

    def _findings(self, chain: Sequence[V1Layer]) -> tuple[Finding, ...]:
        problem = "folder {!r} holds no layer; Docker up to 1.9 refuses the bundle"
        strays = [
            Finding(self.place, problem.format(name[:64]), check="structure") for name in self._part.strays()
        ]
        undigested = Finding(self.place, NO_DIGESTS, "note", check="proof")
        return (*self._archive.findings, *strays, *camelcase_findings(chain), undigested)

    def _top(self, name: str, layer_id: str) -> V1Layer:
        """Return the top layer alone: there may be very many chains; raises where one is not whole."""
        self._must_be(name, layer_id)
        parents, below = self._checked(), layer_id
        for _ in range(limits().layers):
            if below not in parents:
                break
            below = parents[below]
        if below:
            self._part.chain(layer_id)  # which says why it is not
        return self._part.layer(layer_id)

    def _listing(self, names: tuple[str, ...], layer_id: str) -> Listing:
        try:
            name = names[0] if names else layer_id
            # Docker fails on any layer of a chain, so that each has to be looked at.
            chain = self._asked(name, None)[1] if self.docker_compatible else [self._top(name, layer_id)]
            told = legacy_outline(names, chain)
        except ToolkitError as error:
            return Listing(names, layer_id, problem=str(error))
        return Listing(names, layer_id, told.created, told.platform, told.size)


def _must_be_for(platform: Platform | None, top: V1Layer, name: str) -> None:
    """Raise NotFound where an image is told to be for another platform."""
    own = Platform.from_node(top.node)
    if platform and own.architecture and not own.matches(platform):
        raise NotFound(f"image {name}", f"is for {own}, expected {platform}")


def _circles(parents: Mapping[str, str]) -> Iterator[UnsafeArchive]:
    """Yield a refusal for each layer that is its own ancestor, whether an image has it or not."""
    known: set[str] = set()
    for start in parents:
        chain: dict[str, None] = {}
        layer_id = start
        while layer_id in parents and layer_id not in known:
            if layer_id in chain:
                yield UnsafeArchive(f"layer {layer_id[:12]}", "is its own ancestor")
                break
            chain[layer_id] = None
            layer_id = parents[layer_id]
        known.update(chain)
