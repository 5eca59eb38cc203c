"""`docker-daemon:` read: the images of a running engine.

What it has is told by its lists; the bytes come out of its save endpoint, a tar in one stream, which goes
into a nameless temporary file once and is read as the bundle that it is; large layers go straight into the
bundle or store that is written. Only what is asked for is saved.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from toolkit.bundles import open_arriving
from toolkit.document import Node
from toolkit.errors import NotFound
from toolkit.image import Layer, SourceImage
from toolkit.limits import limits
from toolkit.outline import Listing, Outline
from toolkit.platform import Platform
from toolkit.plumbing.nameless import require_temporary_space
from toolkit.ports import Closes, Content, Landing, Source
from toolkit.reading import DOCKER
from toolkit.reference import meaning
from toolkit.stores.engine import Engine, image_id
from toolkit.stores.engine_outline import engine_outline, platform_of
from toolkit.stores.trees.source import not_found

EVERYTHING = "docker-daemon:"
NO_NAME = "<none>:<none>"
TELLS_DIGESTS = (1, 10)  # the Docker since which images have configs with diffIDs


@dataclass(frozen=True, slots=True)
class Known:
    """An image that the engine has: its ID as the engine has it, and the one name it was asked for by."""

    id: str
    name: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the name as a source tells names."""
        return (self.name,) if self.name else ()


class Saved:
    """A bundle that the engine saved; its temporary file goes when nobody holds this any more."""

    def __init__(self, source: Source, asked: frozenset[Known], *, landed: bool) -> None:
        self.source, self.asked = source, asked
        self.landed = landed  # its large layers are in the sink
        if isinstance(source, Closes):
            weakref.finalize(self, source.close)

    def name_of(self, known: Known) -> str:
        """Return what the bundle calls an image: one that was saved by its ID is alone in it."""
        return known.name or self.source.listings()[0].id


# The last bundle that this process had saved, by the engine's host: a pipeline opens the place anew for each
# layer of an image, and the engine would save the whole image each time.
_last: dict[str, Saved] = {}


class EngineSource:
    """The images of a running engine, or the one of them that the place names; a Source."""

    def __init__(self, engine: Engine, place: str = EVERYTHING, only: str = "") -> None:
        self.place, self._engine, self._only = place, engine, only
        self._saved: list[Saved] = []
        self._saving = threading.Lock()

    def listings(self) -> list[Listing]:
        """List what `docker images` lists, named images first; raises NotFound of the one that is meant."""
        images = self._engine.images()
        lines = [line for node in images if (line := self._listing(node))]
        if self._only and not lines:
            raise not_found(
                self._only, EVERYTHING, [name for node in images for name in node.texts("RepoTags")]
            )
        return sorted(lines, key=lambda line: (not line.names, line.names))

    def identify(self, name: str) -> str:
        """Return the ID that the engine has for a name."""
        return self._find(name).id

    def outline(self, name: str, platform: Platform | None = None) -> Outline:
        """Describe an image by what the engine tells of it."""
        known = self._find(name)
        node = self._engine.inspect(known.id)
        if platform and not platform_of(node).matches(platform):
            advice = f"that is what {self.place} has; name the place that has {platform}"
            raise NotFound(f"image {name}", f"is for {platform_of(node)}, expected {platform}", advice)
        return engine_outline(known.names, node, self._engine.history(known.id))

    def gather(self, names: Sequence[str], land: Callable[[int], Landing] | None = None) -> None:
        """Have all these images saved at once, where they have names: layers that they share come once.

        Large layers go straight into a sink that takes them so, where the engine tells their digests: a sink
        knows what it has by nothing else.
        """
        found = dict.fromkeys(map(self._find, names))
        wanted = [frozenset(known for known in found if known.name)]
        wanted += [frozenset({known}) for known in found if not known.name]
        for each in wanted:
            if each:
                self._save(each, land if self._engine.release >= TELLS_DIGESTS else None)

    def image(self, name: str, platform: Platform | None = None) -> SourceImage:
        """Return an image out of what the engine saves of it."""
        known = self._find(name)
        saved = self._of(known)
        return saved.source.image(saved.name_of(known), platform)

    def layer_keys(self, name: str, platform: Platform | None = None) -> tuple[str, ...]:
        """Return the keys of an image's layers; for an engine tells no sizes, this saves the image."""
        known = self._find(name)
        saved = self._of(known)
        return saved.source.layer_keys(saved.name_of(known), platform)

    def layer(self, key: str) -> Layer:
        """Return a layer of what was saved, else of the first image that has a layer of this diffID."""
        return self._holder(key).source.layer(key)

    @contextmanager
    def open(self, layer: Layer) -> Iterator[Content]:
        """Open a layer where it was saved; one that has gone from the sink it went into is saved anew."""
        with self._saving:
            saved = self._holder(layer.key)
            if layer.size > limits().document and saved.landed:
                self._saved.remove(saved)
                saved = self._save(saved.asked)
        with saved.source.open(layer) as content:  # held until it is read, whoever lets it go meanwhile
            yield content

    def let_go(self, name: str) -> None:
        """Forget what was saved of an image by its ID alone: each has the size of its image."""
        with self._saving:
            gone = [saved for saved in (*self._saved, *self._last()) if saved.asked == {Known(name)}]
            for saved in gone:
                with suppress(ValueError):
                    self._saved.remove(saved)
            if set(self._last()) <= set(gone):
                _last.pop(str(self._engine.host), None)

    def close(self) -> None:
        """Let the saved bundles and the connection go."""
        if set(self._last()) <= set(self._saved):
            _last.pop(str(self._engine.host), None)
        self._saved.clear()
        self._engine.close()

    def _find(self, name: str) -> Known:
        """Return the image of a name or ID; raises NotFound with the names that are near."""
        images = [node for node in self._engine.images() if self._is_served(node)]
        for node in images:
            for stored in self._names(node):
                if meaning(stored) == meaning(name):
                    return Known(node.get("Id", str), stored)
        for node in images:
            digests = {meaning(each) for each in node.texts("RepoDigests")} if "@" in name else set()
            if meaning(name) in digests or node.get("Id", str) == image_id(name):
                return Known(node.get("Id", str))
        if image_id(name) and not self._only:  # docker images does not list what others are built upon
            with suppress(NotFound):
                return Known(self._engine.inspect(image_id(name)).get("Id", str))
        raise not_found(name, self.place, [each for node in images for each in self._names(node)])

    def _listing(self, node: Node) -> Listing | None:
        """Return a line; None for an image that is not meant, or has gone since it was listed."""
        if not self._is_served(node):
            return None
        id_ = node.get("Id", str)
        try:
            told = self._engine.inspect(id_)
        except NotFound:
            return None
        names = tuple(self._names(node))
        created = told.optional("Created", str) or None
        return Listing(names, id_, created, str(platform_of(told)), told.optional("Size", int))

    def _is_served(self, node: Node) -> bool:
        if not self._only:
            return True
        if id_ := image_id(self._only):
            return node.get("Id", str) == id_
        return bool(self._names(node))

    def _names(self, node: Node) -> list[str]:
        """Return an image's names; where the place names one, that alone."""
        names = [name for name in node.texts("RepoTags") if name != NO_NAME]
        if not self._only or image_id(self._only):
            return names
        return [name for name in names if meaning(name) == meaning(self._only)]

    def _of(self, known: Known) -> Saved:
        """Return the bundle with an image in it, saved now if it is in none."""
        for saved in (*self._saved, *self._last()):
            if known in saved.asked:
                if saved not in self._saved:
                    self._saved.append(saved)
                return saved
        return self._save(frozenset({known}))

    def _save(self, wanted: frozenset[Known], land: Callable[[int], Landing] | None = None) -> Saved:
        names = sorted(known.name or known.id for known in wanted)
        # The OCI part of Docker 25 and later has no image that was saved by its ID (formats D.3.2).
        prefer = "" if all(known.name for known in wanted) else DOCKER
        least = self._least(wanted)
        landing = land and land(least)
        if landing is None:
            require_temporary_space(least, self.place)
        source = open_arriving(self.place, self._engine.save(names), prefer, landing)
        saved = Saved(source, wanted, landed=land is not None)
        self._saved.append(saved)
        _last.clear()  # one at a time: each has the size of its images
        _last[str(self._engine.host)] = saved
        return saved

    def _least(self, wanted: frozenset[Known]) -> int:
        """Return how many bytes the tar of these images has at least: those of the largest; 0 where unknown.

        With a graph driver an image's size is that of its files. With containerd it is another one: that of
        compressed layers, or of those and what they were unpacked to.
        """
        if self._engine.keeps_manifests:
            return 0
        return max(_size_of_files(self._engine.inspect(known.id)) for known in wanted)

    def _last(self) -> list[Saved]:
        """Return what this process had saved last, where the engine still has the same under those names."""
        saved = _last.get(str(self._engine.host))
        return [saved] if saved else []

    def _holder(self, key: str) -> Saved:
        """Return the saved bundle that has a layer; raises NotFound."""
        for saved in (*self._saved, *self._last()):
            with suppress(NotFound):
                saved.source.layer(key)
                if saved not in self._saved:
                    self._saved.append(saved)
                return saved
        for node in self._engine.images():
            told = self._engine.inspect(node.get("Id", str))
            if self._is_served(node) and _has_layer(told, key):
                return self._of(Known(node.get("Id", str), next(iter(self._names(node)), "")))
        raise NotFound(f"layer {key}", f"is not in {self.place}")


def _size_of_files(told: Node) -> int:
    """Return the size of an inspect document, 0 where a layer counts twice in it: its tar is saved once."""
    if not told.optional("RootFS", dict):  # before Docker 1.10
        return 0
    diff_ids = told.child("RootFS").texts("Layers")
    return (told.optional("Size", int) or 0) if len(set(diff_ids)) == len(diff_ids) else 0


def _has_layer(told: Node, key: str) -> bool:
    """Tell whether an image has a layer: keys are diffIDs, with a number where one occurs twice."""
    return any(key in {each, f"{each}-2"} for each in told.child("RootFS").texts("Layers"))
