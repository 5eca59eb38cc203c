"""Several sources as one: so bundles are merged, and images taken from many places at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from toolkit.errors import NotFound, UsageError
from toolkit.image import Finding, Layer, Proof, ProvenImage, SourceImage
from toolkit.operations.shortids import ids_of
from toolkit.outline import Listing, Outline
from toolkit.platform import Platform
from toolkit.ports import Content, Distant, Source, remarks_of
from toolkit.reference import near
from toolkit.voucher import vouchers_of

ADVICE = "ask for one by its digest or ID, and name it with --tag"


class Joined:
    """The images of several sources; a Source. A name that two of them have for two images is refused.

    Layer keys are unique in a source only, so those of all but the first end in the source's number: `#1`.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self.place = " and ".join(source.place for source in sources)
        self.at_once = max((each.at_once for each in sources if isinstance(each, Distant)), default=0)
        self.vouchers = tuple(voucher for source in sources for voucher in vouchers_of(source))

    def listings(self) -> list[Listing]:
        """List all images, each once, named ones first."""
        lines = {(line.names, line.id): line for source in self._sources for line in source.listings()}
        return sorted(lines.values(), key=lambda line: (not line.names, line.names))

    def ids(self) -> Iterator[str]:
        """Yield the IDs that images of each source can be asked for by."""
        return (id_ for source in self._sources for id_ in ids_of(source))

    def identify(self, name: str) -> str:
        """Identify as the one source that has it."""
        return self._holder(name)[1].identify(name)

    def outline(self, name: str, platform: Platform | None = None) -> Outline:
        """Outline as the one source that has it."""
        return self._holder(name)[1].outline(name, platform)

    def image(self, name: str, platform: Platform | None = None) -> SourceImage:
        """Return the image of the one source that has it."""
        number, source = self._holder(name)
        return _Keyed(source.image(name, platform), _suffix(number))

    def layer_keys(self, name: str, platform: Platform | None = None) -> tuple[str, ...]:
        """Return the keys of the image's layers, base first."""
        number, source = self._holder(name)
        return tuple(key + _suffix(number) for key in source.layer_keys(name, platform))

    def layer(self, key: str) -> Layer:
        """Return one layer by its key; raises NotFound."""
        source, own = self._split(key)
        return replace(source.layer(own), key=key)

    def open(self, layer: Layer) -> AbstractContextManager[Content]:
        """Open a layer in the source it is of."""
        source, own = self._split(layer.key)
        return source.open(replace(layer, key=own))

    def remarks(self) -> list[Finding]:
        """Return what each of them has to say of itself."""
        return [finding for source in self._sources for finding in remarks_of(source)]

    def _holder(self, name: str) -> tuple[int, Source]:
        """Return the first source that has an image; raises NotFound, or UsageError where two differ."""
        found: dict[str, tuple[int, Source]] = {}
        for number, source in enumerate(self._sources):
            try:
                found.setdefault(source.identify(name), (number, source))
            except NotFound:
                continue
        if len(found) > 1 and not _is_one_image(name, [source for _, source in found.values()]):
            told = " and ".join(f"{id_} in {source.place}" for id_, (_, source) in found.items())
            raise UsageError(f"image {name}", f"is {told}", ADVICE)
        if found:
            return next(iter(found.values()))
        close = ", ".join(near(name, [stored for line in self.listings() for stored in line.names]))
        raise NotFound(f"image {name}", f"is not in {self.place}", f"near it: {close}" if close else "")

    def _split(self, key: str) -> tuple[Source, str]:
        own, _, number = key.partition("#")
        if number and (not number.isdecimal() or not 0 < int(number) < len(self._sources)):
            raise NotFound(f"layer {key[:150]}", f"is not in {self.place}")
        return self._sources[int(number or 0)], own


def _is_one_image(name: str, sources: Sequence[Source]) -> bool:
    """Tell one image that tools have kept in several ways, by the ID that its metadata tells."""
    return len({source.outline(name).id for source in sources}) == 1


def _suffix(number: int) -> str:
    return f"#{number}" if number else ""


@dataclass(frozen=True, slots=True)
class _Keyed:
    """An image whose layers' keys have something behind them; a SourceImage."""

    image: SourceImage
    suffix: str

    @property
    def names(self) -> tuple[str, ...]:
        return self.image.names

    @property
    def layers(self) -> tuple[Layer, ...]:
        return tuple(replace(layer, key=layer.key + self.suffix) for layer in self.image.layers)

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self.image.findings

    def under(self, names: tuple[str, ...]) -> _Keyed:
        return replace(self, image=self.image.under(names))

    def proven(self, proofs: Mapping[str, Proof]) -> ProvenImage:
        return self.image.proven({layer.key: proofs[layer.key + self.suffix] for layer in self.image.layers})
