"""`graph:` — a Docker 0.7-1.9 root as a source (formats A)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from toolkit.ancestry import V1Layer
from toolkit.digest import is_v1_id
from toolkit.errors import CorruptContent, NotFound, ToolkitError, UnsafeArchive, Unsupported
from toolkit.image import Finding, Layer
from toolkit.limits import limits
from toolkit.migration import LegacyImage, camelcase_findings
from toolkit.outline import Listing, Outline, legacy_outline
from toolkit.platform import Platform
from toolkit.plumbing.parallel import in_parallel
from toolkit.ports import Content
from toolkit.reference import near
from toolkit.stores.graph.drivers import DRIVERS, Driver, driver_named, holds
from toolkit.stores.graph.reader import LayerReader, examine
from toolkit.stores.graph.root import GraphRoot
from toolkit.stores.graph.totals import Totals
from toolkit.stores.kinds import TOLD
from toolkit.stores.nameindex import BY_ID, names_lost


class GraphStore:
    """A legacy store. `driver` settles which one is meant where a root has been used with several."""

    def __init__(self, path: Path, driver: str = "", place: str = "", *, allow_rebuilt: bool = False) -> None:
        self.place = place or f"graph{'+' + driver if driver else ''}:{path}"
        self.root = GraphRoot(Path(os.path.realpath(path)))  # a link may lead to a root; none leads out
        names = self._asked(driver) if driver else self._found()
        self._drivers = [driver_named(name, self.place) for name in names]
        self.docker_compatible = False
        self._allow_rebuilt = allow_rebuilt

    def listings(self) -> list[Listing]:
        """List named images by name, then those that are nobody's parent and have no name."""
        names: dict[tuple[str, str], list[str]] = {}
        for driver in self._drivers:
            for name, layer_id in self.root.names(driver.name).names:
                names.setdefault((driver.name, layer_id), []).append(name)
        totals = {driver.name: Totals(self.root, driver.name) for driver in self._drivers}
        named = [self._listing(tuple(found), id_, totals[driver]) for (driver, id_), found in names.items()]
        tops = self._nameless({layer_id for _, layer_id in names})
        nameless = [self._listing((), layer_id, totals[self._holder(layer_id).name]) for layer_id in tops]
        once = {(line.names, line.id): line for line in reversed(named)}  # alike in two drivers: of the first
        return sorted(once.values(), key=lambda line: line.names) + nameless

    def identify(self, name: str) -> str:
        """Return the ID of the top layer."""
        return self._find(name)[2]

    def ids(self) -> Iterator[str]:
        """Yield the ID of every layer: each is the top of an image, for its parents are here too."""
        return self.root.layer_ids()

    def outline(self, name: str, platform: Platform | None = None) -> Outline:
        """Describe an image by its chain of json files."""
        found, driver, layer_id = self._find(name)
        chain = self._sized(driver, layer_id)
        self._check_platform(found, chain, platform)
        return legacy_outline((found,) if found else (), chain, camelcase_findings(chain))

    def image(self, name: str, platform: Platform | None = None) -> LegacyImage:
        """Return an image: its chain read, its layers measured, its layersizes weighed."""
        found, driver, layer_id = self._find(name)
        chain = self._sized(driver, layer_id)
        self._check_platform(found, chain, platform)
        examined = in_parallel(self._examiner(driver), chain, lambda layer: layer.layersize.value or 0)
        findings: list[Finding] = [finding for _, own in examined for finding in own]
        layers = tuple(layer for layer, _ in examined)
        weighed = tuple(layer.v1 or whole for layer, whole in zip(layers, chain, strict=True))
        names = (found,) if found else ()
        return LegacyImage(names, weighed, layers, (*findings, *camelcase_findings(chain)))

    def layer_keys(self, name: str, platform: Platform | None = None) -> tuple[str, ...]:
        """Return the layer IDs, base first."""
        found, _, layer_id = self._find(name)
        chain = self.root.chain(layer_id)
        self._check_platform(found, chain, platform)
        return tuple(layer.id for layer in chain)

    def layer(self, key: str) -> Layer:
        """Measure one layer, of the first driver that holds it."""
        if not is_v1_id(key) or self.root.files.read(f"graph/{key}/json", limits().v1_json) is None:
            raise NotFound(f"layer {key[:64]!r}", f"is not in {self.place}")
        driver = self._holder(key)
        bare = self.root.layer(key)
        sized = replace(bare, layersize=self.root.layersize(key, driver.name))
        return self._examiner(driver)(sized)[0]

    @contextmanager
    def open(self, layer: Layer) -> Iterator[Content]:
        """Open a layer's tar."""
        v1 = layer.v1 or self.root.layer(layer.key)
        driver = driver_named(v1.layersize.driver or self._drivers[0].name, self.place)
        with LayerReader.open(self.root, driver, v1) as reader:
            yield reader.content(layer.size)

    def described(self) -> dict[str, str]:
        """Say which drivers the root was used with."""
        return {
            "kind": TOLD["graph"][0],
            "driver": ", ".join(self.driver_names()),
        }

    def remarks(self) -> list[Finding]:
        """Say which names are lost, where there are images that may have had some."""
        return [names_lost(self.place, why) for why in self._lost()]

    def driver_names(self) -> list[str]:
        """Name the drivers."""
        return [driver.name for driver in self._drivers]

    def _examiner(self, driver: Driver) -> Callable[[V1Layer], tuple[Layer, list[Finding]]]:
        return partial(examine, self.root, driver, allow_rebuilt=self._allow_rebuilt)

    def _asked(self, driver: str) -> list[str]:
        """Return the driver that was asked for; raises Unsupported for one that is not here, or not read."""
        if driver_named(driver, self.place).name not in (used := self._used()):
            told = ", ".join(used) or "none"
            raise Unsupported(self.place, f"has no images of the driver {driver!r}", f"it has {told}")
        return [driver]

    def _found(self) -> list[str]:
        """Name the drivers of this root that we read; those that recorded names come first."""
        if not (known := self._used()):
            driver_named(next(iter(self.root.drivers()), "unknown"), self.place)
        return known

    def _used(self) -> list[str]:
        named = self.root.drivers()
        there = [name for name in DRIVERS if (self.root.path / name).is_dir() and name not in named]
        return [name for name in named if name in DRIVERS] + there

    def _holder(self, layer_id: str) -> Driver:
        """Return the first driver that holds a layer; the first of all where none does."""
        here = (driver for driver in self._drivers if holds(self.root.path, driver, layer_id))
        return next(here, self._drivers[0])

    def _find(self, name: str) -> tuple[str, Driver, str]:
        """Return the name as stored, its driver and its layer ID.

        Raises NotFound with near names, CorruptContent where names are lost, UnsafeArchive where the name
        means two images.
        """
        tables = [(driver, self.root.names(driver.name)) for driver in self._drivers]
        found = [(stored, driver, id_) for driver, names in tables for stored, id_ in names.called(name)]
        if len({layer_id for _, _, layer_id in found}) > 1:
            raise self._ambiguous(name, [driver for _, driver, _ in found])
        if found:
            return found[0]
        if is_v1_id(name) and self.root.files.read(f"graph/{name}/json", limits().v1_json) is not None:
            return "", self._holder(name), name
        for lost in self._lost():
            raise replace(lost, advice=BY_ID)
        every = [stored for _, names in tables for stored, _ in names.names]
        close = ", ".join(near(name, every))
        advice = f"near it: {close}" if close else f"run: lading ls {self.place}"
        raise NotFound(f"image {name}", f"is not in {self.place}", advice)

    def _lost(self) -> Iterator[CorruptContent]:
        """Yield why a driver that has layers has no names."""
        for driver in self._drivers:
            lost = self.root.lost(driver.name)
            if lost and any(self._held(layer_id, (driver,)) for layer_id in self.root.layer_ids()):
                yield lost

    def _ambiguous(self, name: str, drivers: list[Driver]) -> UnsafeArchive:
        """Return the sentence for a name that stands for one image here and for another there."""
        names = list(dict.fromkeys(driver.name for driver in drivers))
        if len(names) == 1:
            return UnsafeArchive(
                self.place, f"has {name} twice, as different images", "ask for one by its ID"
            )
        advice = f"name the driver: graph+{names[0]}:PATH"
        return UnsafeArchive(
            self.place, f"has {name} twice, as different images of {' and '.join(names)}", advice
        )

    def _sized(self, driver: Driver, layer_id: str) -> list[V1Layer]:
        chain = self.root.chain(layer_id)
        if self.docker_compatible:
            chain = [layer.as_docker_reads() for layer in chain]
        return [
            replace(
                layer,
                layersize=self.root.layersize(layer.id, driver.name),
                checksum=self.root.checksum(layer.id),
            )
            for layer in chain
        ]

    def _check_platform(self, name: str, chain: list[V1Layer], platform: Platform | None) -> None:
        own = Platform.from_node(chain[-1].node)
        if platform and own.architecture and not own.matches(platform):
            raise NotFound(f"image {name}", f"is for {own}, expected {platform}")

    def _listing(self, names: tuple[str, ...], layer_id: str, totals: Totals) -> Listing:
        try:
            top = self.root.layer(layer_id)
            outline = legacy_outline(names, [top.as_docker_reads() if self.docker_compatible else top])
            size = totals.size(top)
        except ToolkitError as error:
            return Listing(names, layer_id, problem=str(error))
        return Listing(names, layer_id, outline.created, outline.platform, size)

    def _nameless(self, known: set[str]) -> list[str]:
        """Return the top layers that are nobody's parent, have no name and are not another driver's alone."""
        ids = set(self.root.layer_ids())
        parents: set[str] = set()
        for layer_id in ids:
            try:
                parents.add(self.root.layer(layer_id).parent)
            except ToolkitError:
                continue
        others = [DRIVERS[name] for name in self._used() if name not in self.driver_names()]
        tops = sorted(ids - parents - known)
        return [top for top in tops if self._held(top, self._drivers) or not self._held(top, others)]

    def _held(self, layer_id: str, drivers: Iterable[Driver]) -> bool:
        return any(holds(self.root.path, driver, layer_id) for driver in drivers)
