"""The images of a report, as a page shows them: one for each platform, under all the names that it has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.pages.room import cut
from toolkit.pages.sharing import Stack

MOST_NAMES = 8  # shown of an image
NAMELESS = "<none>"
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """A layer of an image; the last four are what a legacy store said of it, empty where none did.

    A digest that nobody knows before the layer is read is empty.
    """

    digest: str
    size: int
    diff_id: str
    v1_id: str = ""
    layersize: str = ""
    fate: str = ""  # how its layersize fared: `by S3`
    proof: str = ""

    @classmethod
    def of(cls, layer: Json) -> LayerFacts:
        """Read a layer of the JSON form."""
        facts = (layer.get("digest", ""), layer["size"], layer.get("diff_id", ""))
        if (v1_id := layer.get("v1_id")) is None:
            return cls(*facts)
        fate, recorded = "not recorded", ""
        if size := layer.get("layersize"):
            fate = f"by {cut(size['rule'])}" if size["rule"] else "by no rule"
            recorded = f"{cut(size['recorded'])} {fate} ({cut(size['driver']) or 'unknown driver'})"
        return cls(*facts, v1_id, recorded or fate, fate, cut(layer["proof"]))

    @property
    def key(self) -> str:
        """Return what tells it from others: its digest, or what else is known of it."""
        return self.digest or self.diff_id or self.v1_id

    def texts(self) -> Iterable[str]:
        """Return all that is shown of it."""
        return (str(self.size), self.digest, self.diff_id, self.v1_id, self.layersize, self.proof)


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """One platform of an image; `index` is empty where its names point at the manifest itself.

    The other digests are empty where nobody knows them before the layers are read.
    """

    names: tuple[str, ...]
    platform: str
    image_id: str
    manifest: str
    index: str
    layers: tuple[LayerFacts, ...]

    @property
    def key(self) -> str:
        """Return what tells it from others: its manifest, or what it is called."""
        return self.manifest or " ".join((*self.names, self.platform))

    @property
    def size(self) -> int:
        """Return the bytes of its layers."""
        return sum(layer.size for layer in self.layers)

    @property
    def is_legacy(self) -> bool:
        """Tell whether a legacy store said anything of its layers."""
        return any(layer.v1_id for layer in self.layers)

    @property
    def layersizes(self) -> str:
        """Return how its layersizes fared: how many match which rule."""
        fates = Counter(layer.fate for layer in self.layers if layer.v1_id)
        return ", ".join(f"{count} {fate}" for fate, count in sorted(fates.items()))

    @property
    def shown_names(self) -> tuple[str, ...]:
        """Return its names, as many and as much of them as is shown."""
        return _shown(self.names)

    def texts(self) -> Iterable[str]:
        """Return all that a row of the table shows."""
        digests = (self.image_id, self.manifest)
        return (*self.shown_names, self.platform, *digests, str(self.size), self.layersizes)


@dataclass(frozen=True, slots=True)
class LayerList:
    """All that is known of one image: its digests and its layers, in full."""

    image: ImageFacts

    def texts(self) -> Iterable[str]:
        """Return all that is shown of it."""
        layers = (text for layer in self.image.layers for text in layer.texts())
        return (*self.image.texts(), self.image.index, *layers)


@dataclass(frozen=True, slots=True)
class Artifact:
    """Something with a manifest that is no image: a chart, a file, a signature with a name."""

    names: tuple[str, ...]
    digest: str

    def texts(self) -> Iterable[str]:
        """Return all that is shown of it."""
        return (*self.names, self.digest)


@dataclass(frozen=True, slots=True)
class ReferrerFacts:
    """A signature, SBOM or attestation, and what it refers to."""

    artifact_type: str
    digest: str
    subject: str
    tags: tuple[str, ...]

    def texts(self) -> Iterable[str]:
        """Return all that is shown of it."""
        return (self.artifact_type, self.digest, self.subject, *self.tags)


def images_of(images: Sequence[Json]) -> list[ImageFacts]:
    """Return each platform of each image once, in the order of the JSON form."""
    names = _names(images)
    tops = {key_of(image): image for image in images}
    return [
        _image(names[key], image.get("digest", ""), one)
        for key, image in tops.items()
        for one in image["platforms"]
    ]


def _image(names: tuple[str, ...], top: str, one: Json) -> ImageFacts:
    manifest = one.get("manifest", "")
    return ImageFacts(
        names,
        cut(one["platform"]),
        one.get("image_id", ""),
        manifest,
        top if top != manifest else "",
        tuple(map(LayerFacts.of, one["layers"])),
    )


def key_of(image: Json) -> str:
    """Return what tells an image of the JSON form from others: what its names point at, or these."""
    return image.get("digest") or " ".join(image["names"])


def artifacts_of(images: Sequence[Json]) -> list[Artifact]:
    """Return what is no image for any platform."""
    names = _names(images)
    bare = dict.fromkeys(key_of(image) for image in images if not image["platforms"])
    return [Artifact(_shown(names[digest]), digest) for digest in bare]


def referrers_of(images: Sequence[Json]) -> list[ReferrerFacts]:
    """Return each referrer once."""
    found = (referrer for image in images for referrer in image.get("referrers", ()))
    facts = (
        ReferrerFacts(cut(each["artifact_type"]), each["digest"], each["subject"], _shown(each["tags"]))
        for each in found
    )
    return list(dict.fromkeys(facts))


def stacks_of(images: Iterable[ImageFacts]) -> Iterator[Stack]:
    """Yield the layers of each manifest, under all the names that lead to it."""
    images = list(images)
    platforms = Counter(image.index for image in images if image.index)
    names: dict[str, dict[str, None]] = {}
    more: Counter[str] = Counter()
    layers = {image.key: tuple((layer.key, layer.size) for layer in image.layers) for image in images}
    for image in images:
        suffix = f" {image.platform}" if platforms[image.index] > 1 else ""
        own = [f"{name}{suffix}" for name in image.names[:MOST_NAMES] or (NAMELESS,)]
        names.setdefault(image.key, {}).update(dict.fromkeys(own))
        more[image.key] += max(0, len(image.names) - MOST_NAMES)
    for key, titles in names.items():
        yield Stack(tuple(titles), layers[key], more[key])


def _names(images: Sequence[Json]) -> dict[str, tuple[str, ...]]:
    """Return all names of each image: a place lists it once for each."""
    names: dict[str, dict[str, None]] = {}
    for image in images:
        names.setdefault(key_of(image), {}).update(dict.fromkeys(image["names"]))
    return {key: tuple(own) for key, own in names.items()}


def _shown(names: Sequence[str]) -> tuple[str, ...]:
    more = len(names) - MOST_NAMES
    shown = tuple(cut(name) for name in names[:MOST_NAMES])
    return (*shown, f"and {more:,} more") if more > 0 else shown
