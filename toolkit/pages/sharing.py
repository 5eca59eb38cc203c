"""Sharing: which images have which layers, and what it saves that each layer is kept once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from toolkit.figures import size_text
from toolkit.pages.room import counted, cut, fitting

MOST_USERS = 4  # named of those that have a layer
ROOM = 500_000  # bytes of the page for the table


@dataclass(frozen=True, slots=True)
class Stack:
    """One image: its names, and its layers, base first, each as its digest and its size in bytes."""

    names: tuple[str, ...]
    layers: tuple[tuple[str, int], ...]
    more: int = 0  # names that it has beside these

    @property
    def size(self) -> int:
        """Return the bytes of all its layers; one that it has twice counts twice."""
        return sum(size for _, size in self.layers)


@dataclass(frozen=True, slots=True)
class UsedLayer:
    """A layer, and the numbers of the stacks that have it, each once."""

    digest: str
    size: int
    users: tuple[int, ...]

    @property
    def is_shared(self) -> bool:
        """Tell whether more than one image has it."""
        return len(self.users) > 1

    @property
    def worth(self) -> int:
        """Return the bytes that sharing it saves; of one that a single image has, its own."""
        return self.size * max(1, len(self.users) - 1)


@dataclass(frozen=True, slots=True)
class TableRow:
    """A layer in words, with the names of the images that have it."""

    layer: UsedLayer
    users: tuple[str, ...]

    def texts(self) -> Iterable[str]:
        """Return all that is shown of it."""
        return (self.layer.digest, str(self.layer.size), *self.users)


@dataclass(frozen=True, slots=True)
class Sharing:
    """The images, and their layers in the order of first use."""

    stacks: tuple[Stack, ...]
    layers: tuple[UsedLayer, ...]

    @classmethod
    def of(cls, stacks: Iterable[Stack]) -> Sharing:
        """Gather the layers; a digest has one size."""
        stacks = tuple(stacks)
        sizes: dict[str, int] = {}
        users: dict[str, dict[int, None]] = {}
        for number, stack in enumerate(stacks):
            for digest, size in stack.layers:
                sizes.setdefault(digest, size)
                users.setdefault(digest, {})[number] = None
        return cls(stacks, tuple(UsedLayer(each, size, tuple(users[each])) for each, size in sizes.items()))

    @property
    def listed(self) -> int:
        """Return the bytes that the images would take one by one."""
        return sum(stack.size for stack in self.stacks)

    @property
    def kept(self) -> int:
        """Return the bytes of all layers, each once."""
        return sum(layer.size for layer in self.layers)

    @property
    def saved(self) -> int:
        """Return the bytes that are saved because each layer is kept once."""
        return self.listed - self.kept

    @property
    def percent(self) -> str:
        """Return what is saved of what is listed, `38%`."""
        share = round(100 * self.saved / self.listed) if self.listed else 0
        return f"{share}%" if share or not self.saved else "less than 1%"

    def sentence(self) -> str:
        """Say what is saved, in words."""
        if not self.stacks:
            return "There is no image whose layers could be shown."
        images, layers = counted(len(self.stacks), "image"), sum(len(stack.layers) for stack in self.stacks)
        have = "has" if len(self.stacks) == 1 else "have"
        listed = f"{images} {have} {counted(layers, 'layer')}, {size_text(self.listed)} together."
        if self.saved:
            once = f"{counted(len(self.layers), 'layer')} and {size_text(self.kept)}"
            saved = f"{size_text(self.saved)}, {self.percent}"
            return f"{listed} Each layer is kept once, which makes {once}: sharing saves {saved}."
        if len(self.stacks) == 1 or any(layer.is_shared for layer in self.layers):
            return listed
        return f"{listed} No layer is in more than one of them."

    def table(self) -> Sequence[TableRow]:
        """Return the layers in words, as many as there is room for, the most shared first."""
        ordered = sorted(self.layers, key=lambda layer: -len(layer.users))
        return fitting([TableRow(layer, tuple(self._users(layer))) for layer in ordered], ROOM)

    def _users(self, layer: UsedLayer) -> Iterator[str]:
        for number in layer.users[:MOST_USERS]:
            yield cut(self.stacks[number].names[0])
        if (more := len(layer.users) - MOST_USERS) > 0:
            yield f"and {more:,} more"
