"""`graph:` — a Docker 0.7-1.9 root as a sink: an image looks there, file by file, as Docker 1.9.1 left it.

aufs keeps each layer's own changes, so layers are unpacked as they arrive, several at once. vfs keeps
whole trees, each made of the one below: there the tars wait, and are applied in order at the end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from toolkit.bundles.losses import lost_as_v1
from toolkit.bundles.names import merged
from toolkit.errors import StoreError, Unsupported
from toolkit.image import Finding, Layer, Proof, ProvenImage, SourceImage, drafts
from toolkit.limits import limits
from toolkit.plumbing.files import storing, write_atomically
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.plumbing.space import require_space
from toolkit.ports import Content
from toolkit.stores.graph.chains import Link, links, must_be_same
from toolkit.stores.graph.drivers import DRIVERS, Driver, driver_named
from toolkit.stores.graph.names import with_names
from toolkit.stores.graph.placing import Placer
from toolkit.stores.graph.root import GraphRoot
from toolkit.stores.graph.stage import AufsStage, Stage, VfsStage, only_proven

WRITTEN = ("aufs", "vfs")
ROOT = 0  # the user who may own files for others, and make devices


class GraphSink:
    """A legacy root to write to; made where it is missing, with the driver it has, else aufs."""

    def __init__(self, path: Path, driver: str = "", place: str = "") -> None:
        self.place = place or f"graph{'+' + driver if driver else ''}:{path}"
        self.path = Path(os.path.realpath(path))
        self._driver_name = driver

    def present(self, layer: Layer) -> Proof | None:  # noqa: ARG002 - a v1 ID proves nothing (CVE-2014-8178)
        """Return None: a layer that is there is compared with the bytes that come."""
        return None

    def losses(self, image: ProvenImage) -> list[Finding]:
        """Return what a legacy store cannot hold of an image."""
        return lost_as_v1(image, "a legacy root")

    @contextmanager
    def receive(self, images: Sequence[SourceImage], known: Mapping[str, Proof]) -> Iterator[GraphReceiver]:
        """Begin a delivery. Raises before anything is written where it cannot end well."""
        self._must_be_possible()
        driver = self._driver()
        layers = [layer for image in images for layer in image.layers]
        draft = drafts(layers, known)
        chains = [links(image.proven(draft)) for image in images]
        with Placer.open(self.path, driver) as placer:
            receiver = GraphReceiver(placer, draft, chains, self.place)
            yield receiver
            receiver.must_be_finished()

    def _must_be_possible(self) -> None:
        if os.geteuid() != ROOT:
            raise StoreError(
                self.place, "can be written by root only: layers have owners and devices", "run as root"
            )
        if (self.path / "image").is_dir() and not (self.path / "graph").is_dir():
            raise Unsupported(self.place, "is the data root of a Docker 1.10 or later, which is only read")

        if (
            not (self.path / "graph").is_dir()
            and self.path.is_dir()
            and any(map(_is_foreign, self.path.iterdir()))
        ):
            problem = "is a folder with other things in it, and no legacy root"
            raise Unsupported(self.place, problem, "name a new or an empty folder")

    def _driver(self) -> Driver:
        """Return the driver asked for, else the root's own, else aufs."""
        names = [self._driver_name] if self._driver_name else self._found()
        if len(names) > 1:
            raise Unsupported(
                self.place,
                f"has been used with several storage drivers, {' and '.join(names)}",
                f"name one: graph+{names[0]}:{self.path}",
            )
        driver = driver_named(names[0] if names else WRITTEN[0], self.place)
        if driver.name not in WRITTEN:
            raise Unsupported(
                self.place,
                f"keeps its layers with {driver.name}, which is only read",
                f"name one that is written: {' or '.join(WRITTEN)}, as in graph+{WRITTEN[0]}:PATH",
            )
        return driver

    def _found(self) -> list[str]:
        if not (self.path / "graph").is_dir():
            return []
        return GraphRoot(self.path).drivers() or [name for name in DRIVERS if (self.path / name).is_dir()]


def _is_foreign(path: Path) -> bool:
    """Tell whether a file at the top is nothing that a legacy root has."""
    return path.name not in DRIVERS and not path.name.startswith(("repositories-", ".lading"))


class GraphReceiver:
    """One delivery into a legacy root."""

    def __init__(
        self, placer: Placer, draft: Mapping[str, Proof], chains: Sequence[Sequence[Link]], place: str
    ) -> None:
        self._placer, self._place = placer, place
        self._stage: Stage = (AufsStage if placer.driver.name == "aufs" else VfsStage)(placer)
        wanted: dict[object, list[str]] = {}
        for link in (link for chain in chains for link in chain):
            wanted.setdefault(link.blob, []).append(link.layer.id)
        missing = {blob for blob, ids in wanted.items() if not all(map(self._is_there, ids))}
        self._needed = {key for key, proof in draft.items() if proof.digest in missing}
        self._finished = False
        space = sum(proof.size for key, proof in draft.items() if key in self._needed)
        require_space(placer.handle, space, place)

    def write(self, layer: Layer, content: Content) -> Proof:
        """Prove a layer, and keep it where the root has not got it yet."""
        if layer.key not in self._needed:
            return only_proven(layer, content)
        with storing(self._place):
            return self._stage.take(layer, content)

    def finish(self, images: Sequence[ProvenImage]) -> None:
        """Place the layers, base first, then write the names."""
        names: dict[str, str] = {}
        with storing(self._place):
            self._placer.prepare()
            placed: dict[str, Link] = {}
            for image in merged(images):
                chain = links(image)
                for number, link in enumerate(chain):
                    self._place_layer(link, [below.layer.id for below in chain[:number]][::-1], placed)
                names |= dict.fromkeys(image.names, chain[-1].layer.id)
            self._placer.keep()
            self._write_names({name: layer_id for name, layer_id in names.items() if name})
        self._finished = True

    def must_be_finished(self) -> None:
        """Raise where the block ended without `finish`."""
        if not self._finished:
            raise StoreError(self._place, "was left before it was finished")

    def _place_layer(self, link: Link, ancestors: Sequence[str], placed: dict[str, Link]) -> None:
        layer_id = link.layer.id
        if layer_id in placed:
            link.must_equal(placed[layer_id])
        elif self._is_there(layer_id):
            must_be_same(GraphRoot(self._placer.path), self._placer.driver, link)
        else:
            work, layersize = self._stage.made(link)
            self._placer.place(link.layer, ancestors, work, layersize)
        placed[layer_id] = link

    def _is_there(self, layer_id: str) -> bool:
        return os.path.lexists(self._placer.path / "graph" / layer_id)

    def _write_names(self, names: Mapping[str, str]) -> None:
        path = self._placer.path / f"repositories-{self._placer.driver.name}"
        there = FolderFiles(self._placer.path).read(path.name, limits().names)
        if names or there is None:
            new = with_names(there, names, str(path))
            try:
                write_atomically(path, new, 0o600)
            finally:
                if FolderFiles(self._placer.path).read(path.name, limits().names) == new:
                    self._placer.settle()  # named now: whatever else fails, the layers stay
