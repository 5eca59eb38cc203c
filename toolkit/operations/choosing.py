"""Places in the order in which they are asked: each image comes from the first one that has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from toolkit.errors import NotFound, RegistryError, StoreError, ToolkitError, Unsupported
from toolkit.image import Finding, Layer, SourceImage
from toolkit.operations.shortids import full_name, is_known
from toolkit.platform import Platform
from toolkit.ports import Closes, Content, Distant, Gathers, Landing, Source, remarks_of

if TYPE_CHECKING:
    from toolkit.outline import Listing, Outline

# Opens the place where an image of this name may be, or any image of a place that has no say in names ("");
# the same for the same name. Raises what a place that is not there raises.
Way = Callable[[str], Source]
PASSED_OVER = (NotFound, StoreError, Unsupported)  # what says that an image does not come from a place
NEAR = "near it: "


def one_place(open_: Callable[[], Source]) -> Way:
    """Return the way to a place that is the same for all names."""
    opened = cache(open_)
    return lambda name: opened()  # noqa: ARG005 - a way's shape


class FirstThatHas:
    """A Source over several places, of which none is opened before the ones before it were asked.

    A place that is not there, or that fails, is passed over; one whose content is corrupt is not: the image
    may be there.
    """

    def __init__(self, place: str, ways: Sequence[Way], advice: str = "") -> None:
        """Take the ways; `place` is what it is called until it is known where an image comes from."""
        self.place, self._advice = place, advice
        self._ways, self._open = ways, dict[int, Source]()  # by their identity
        self._by_key: dict[str, Source] = {}  # of a layer: who has it
        self._used: dict[str, None] = {}  # the places that images came from

    @property
    def at_once(self) -> int:
        """Return how many blobs to carry at once: what the farthest place asks for."""
        return max(
            (source.at_once for source in self._open.values() if isinstance(source, Distant)), default=0
        )

    def listings(self) -> list[Listing]:
        """List what the first place lists."""
        return self._source(0).listings()

    def full_name(self, name: str) -> str:
        """Return what the first place that has such a name or ID has it as: no registry before those here."""
        for number in range(len(self._ways)):
            with suppress(*PASSED_OVER):
                source = self._source(number, name)
                if (found := full_name(source, name)) != name or is_known(source, name):
                    return found
        return name

    def remarks(self) -> list[Finding]:
        """Return what the places that were asked have to say of themselves."""
        return [remark for source in self._open.values() for remark in remarks_of(source)]

    def identify(self, name: str) -> str:
        """Identify as the first place that has the image."""
        return self.holder(name).identify(name)

    def outline(self, name: str, platform: Platform | None = None) -> Outline:
        """Outline as the first place that has the image."""
        holder = self.holder(name)
        with _asked_first(holder, platform):
            return holder.outline(name, platform)

    def image(self, name: str, platform: Platform | None = None) -> SourceImage:
        """Return the image of the first place that has it."""
        holder = self.holder(name)
        with _asked_first(holder, platform):
            image = holder.image(name, platform)
        self._by_key |= dict.fromkeys((layer.key for layer in image.layers), holder)
        return image

    def layer_keys(self, name: str, platform: Platform | None = None) -> tuple[str, ...]:
        """Return the keys of the first place that has the image."""
        holder = self.holder(name)
        with _asked_first(holder, platform):
            keys = holder.layer_keys(name, platform)
        self._by_key |= dict.fromkeys(keys, holder)
        return keys

    def layer(self, key: str) -> Layer:
        """Return a layer of an image that was asked for, else of the first place that has it."""
        return self._of(key).layer(key)

    def open(self, layer: Layer) -> AbstractContextManager[Content]:
        """Open a layer where its image comes from."""
        return self._of(layer.key).open(layer)

    def gather(self, names: Sequence[str], land: Callable[[int], Landing] | None = None) -> None:
        """Have each place fetch what comes from it."""
        wanted: dict[str, tuple[Source, list[str]]] = {}
        for name in names:
            holder = self.holder(name)
            wanted.setdefault(holder.place, (holder, []))[1].append(name)
        for holder, own in wanted.values():
            if isinstance(holder, Gathers):
                holder.gather(own, land)

    def holder(self, name: str) -> Source:
        """Return the first place that has an image.

        Raises an error that tells all that were asked: NotFound, but StoreError where a registry could not be
        asked, which is where the image was to be had.
        """
        said: list[tuple[str, ToolkitError]] = []
        for number in range(len(self._ways)):
            place = ""
            try:
                source = self._source(number, name)
                place = source.place
                source.identify(name)
            except PASSED_OVER as error:
                said.append((place, error))
                continue
            self._used[place] = None
            self.place = " and ".join(self._used)
            return source
        raise _nowhere(name, said, self._advice)

    def narrowed(self, name: str) -> str:
        """Return the place that an image comes from."""
        return self.holder(name).place

    def close(self) -> None:
        """Let what was opened go."""
        for source in self._open.values():
            if isinstance(source, Closes):
                source.close()

    def _source(self, number: int, name: str = "") -> Source:
        source = self._ways[number](name)
        return self._open.setdefault(id(source), source)

    def _of(self, key: str) -> Source:
        if holder := self._by_key.get(key):
            return holder
        for number in range(len(self._ways)):
            try:
                self._source(number).layer(key)
            except PASSED_OVER:
                continue
            return self._source(number)
        raise NotFound(f"layer {key[:150]}", f"is not in {self.place}")


@contextmanager
def _asked_first(holder: Source, platform: Platform | None) -> Iterator[None]:
    """Tell of a platform that is not in the first place that has the image that no other place was asked."""
    try:
        yield
    except NotFound as error:
        if platform is None:
            raise
        advice = f"that is what {holder.place} has, which is asked first; name the place that has {platform}"
        raise replace(error, advice=advice) from error


def _nowhere(name: str, said: Sequence[tuple[str, ToolkitError]], advice: str) -> ToolkitError:
    """Return the one sentence: what each place said, and a name that is near in one of them."""
    told = [_told(name, place, error) for place, error in said]
    last = ", and " if len(told) > 2 else " and "  # noqa: PLR2004 - English
    whole = last.join(filter(None, (", ".join(told[:-1]), told[-1])))
    failed = [error for _, error in said if isinstance(error, RegistryError)]
    offers = [error.advice for _, error in said if error.advice.startswith(NEAR)]
    offers += [error.advice for error in failed if error.advice]
    kind = StoreError if failed else NotFound
    return kind(f"image {name}", whole.removeprefix("it "), next(iter(offers), advice))


def _told(name: str, place: str, error: ToolkitError) -> str:
    if isinstance(error, RegistryError):
        return f"{place} cannot be asked: {error.problem}"
    return f"{'it' if error.subject == f'image {name}' else error.subject} {error.problem}"
