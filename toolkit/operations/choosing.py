"""Places in the order in which they are asked: each image comes from the first one that has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING

from toolkit.errors import NotFound, StoreError, ToolkitError, Unsupported
from toolkit.image import Layer, SourceImage
from toolkit.operations.shortids import ids_of
from toolkit.platform import Platform
from toolkit.ports import Closes, Content, Gathers, Lands, Source

if TYPE_CHECKING:
    from toolkit.outline import Listing, Outline

Way = Callable[[], Source]  # opens one place; raises what a place that is not there raises
PASSED_OVER = (NotFound, StoreError, Unsupported)  # what says that an image does not come from a place
NEAR = "near it: "


class FirstThatHas:
    """A Source over several places, of which none is opened before the ones before it were asked.

    A place that is not there, or that fails, is passed over; one whose content is corrupt is not: the image
    may be there.
    """

    def __init__(self, place: str, ways: Sequence[Way], advice: str = "") -> None:
        """Take the ways; `place` is what it is called until it is known where an image comes from."""
        self.place, self._advice = place, advice
        self._ways, self._open = ways, dict[int, Source]()
        self._by_key: dict[str, Source] = {}  # of a layer: who has it
        self._used: dict[str, None] = {}  # the places that images came from

    def listings(self) -> list[Listing]:
        """List what the first place lists."""
        return self._source(0).listings()

    def ids(self) -> Iterator[str]:
        """Yield the IDs that images of each place can be asked for by."""
        for number in range(len(self._ways)):
            with suppress(*PASSED_OVER):
                yield from ids_of(self._source(number))

    def identify(self, name: str) -> str:
        """Identify as the first place that has the image."""
        return self.holder(name).identify(name)

    def outline(self, name: str, platform: Platform | None = None) -> Outline:
        """Outline as the first place that has the image."""
        return self.holder(name).outline(name, platform)

    def image(self, name: str, platform: Platform | None = None) -> SourceImage:
        """Return the image of the first place that has it."""
        holder = self.holder(name)
        image = holder.image(name, platform)
        self._by_key |= dict.fromkeys((layer.key for layer in image.layers), holder)
        return image

    def layer_keys(self, name: str, platform: Platform | None = None) -> tuple[str, ...]:
        """Return the keys of the first place that has the image."""
        holder = self.holder(name)
        keys = holder.layer_keys(name, platform)
        self._by_key |= dict.fromkeys(keys, holder)
        return keys

    def layer(self, key: str) -> Layer:
        """Return a layer of an image that was asked for, else of the first place that has it."""
        return self._of(key).layer(key)

    def open(self, layer: Layer) -> AbstractContextManager[Content]:
        """Open a layer where its image comes from."""
        return self._of(layer.key).open(layer)

    def gather(self, names: Sequence[str], into: Lands | None = None) -> None:
        """Have each place fetch what comes from it."""
        wanted: dict[str, tuple[Source, list[str]]] = {}
        for name in names:
            holder = self.holder(name)
            wanted.setdefault(holder.place, (holder, []))[1].append(name)
        for holder, own in wanted.values():
            if isinstance(holder, Gathers):
                holder.gather(own, into)

    def holder(self, name: str) -> Source:
        """Return the first place that has an image; raises NotFound that tells all that were asked."""
        said: list[ToolkitError] = []
        for number in range(len(self._ways)):
            try:
                source = self._source(number)
                source.identify(name)
            except PASSED_OVER as error:
                said.append(error)
                continue
            self._used[source.place] = None
            self.place = " and ".join(self._used)
            return source
        raise _nowhere(name, said, self._advice)

    def close(self) -> None:
        """Let what was opened go."""
        for source in self._open.values():
            if isinstance(source, Closes):
                source.close()

    def _source(self, number: int) -> Source:
        if number not in self._open:
            self._open[number] = self._ways[number]()
        return self._open[number]

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


def _nowhere(name: str, said: Sequence[ToolkitError], advice: str) -> NotFound:
    """Return the one sentence: what each place said, and a name that is near in one of them."""
    close = (error.advice for error in said if error.advice.startswith(NEAR))
    subject = f"image {name}"
    told = [f"{'it' if error.subject == subject else error.subject} {error.problem}" for error in said]
    return NotFound(subject, " and ".join(told).removeprefix("it "), next(close, advice))
