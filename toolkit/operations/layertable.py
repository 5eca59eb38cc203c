"""The layers of two images in one table of files, each of them read once, under a number."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from toolkit.event import BlobsExpected, Tell, nobody
from toolkit.image import Finding, Layer, Proof
from toolkit.operations.layersizes import layer_entries
from toolkit.plumbing.filetable import FileTable
from toolkit.plumbing.followed import followed
from toolkit.plumbing.layerfiles import hash_files, list_files
from toolkit.plumbing.odd import Odd
from toolkit.plumbing.parallel import in_parallel
from toolkit.plumbing.tarball import Entries
from toolkit.plumbing.tarreader import StreamReader
from toolkit.plumbing.unpacking import unpacked
from toolkit.ports import Block, Source

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HeldLayer:
    """A layer, and who can open it."""

    source: Source
    layer: Layer
    side: str  # left or right: two stores may have different layers of one v1 ID

    @property
    def subject(self) -> str:
        """Name it for messages."""
        return f"layer {self.layer.key}"


class LayerTable:
    """Layers by number, and what lies in them."""

    def __init__(self, files: FileTable, progress: Tell = nobody) -> None:
        self.files = files
        self.has_unhashed = False  # layers whose contents were passed over
        self._progress = progress
        self._held: list[HeldLayer] = []
        self._numbers: dict[str, int] = {}
        self._proofs: dict[tuple[str, str], Proof] = {}
        self._odd: dict[int, Odd] = {}

    def __contains__(self, diff_id: str) -> bool:
        return diff_id in self._numbers

    def number(self, diff_id: str) -> int:
        """Return the number of a layer that is here."""
        return self._numbers[diff_id]

    def read(self, layers: Sequence[HeldLayer]) -> dict[str, Proof]:
        """Read layers whole, those of one place once; return by key what their bytes prove.

        Raises Mismatch where they are not what the layers promised.
        """
        new = [held for held in layers if (held.source.place, held.layer.key) not in self._proofs]
        numbers = self._numbered(new)
        self._progress(BlobsExpected(tuple(map(_named_for_people, new))))
        for number, proof in zip(numbers, self._each(numbers, self._read), strict=True):
            held = self._held[number]
            self._proofs[held.source.place, held.layer.key] = proof
            self._numbers.setdefault(str(proof.diff_id), number)
        return {held.layer.key: self._proofs[held.source.place, held.layer.key] for held in layers}

    def skim(self, layers: Sequence[HeldLayer]) -> None:
        """Read the headers alone of layers that are taken at the word of their diffID."""
        self.has_unhashed = self.has_unhashed or bool(layers)
        numbers = self._numbered(layers)
        self._numbers.update(zip((str(held.layer.diff_id) for held in layers), numbers, strict=True))
        self._each(numbers, self._skim)

    def hash_contents(self, wanted: Mapping[int, array[int]]) -> None:
        """Read these contents, given by layer and number of the entry, and keep their digests."""

        def hash_(layer: int) -> None:
            held = self._held[layer]
            with held.source.open(held.layer) as content:
                hash_files(layer_entries(content), layer, self.files, sorted(wanted[layer]))

        self._each(list(wanted), hash_)

    def findings(self) -> Iterator[Finding]:
        """Yield what layers hold that engines see differently."""
        for number, odd in sorted(self._odd.items()):
            problem = f"{odd} is a hard link to what does not stand before it: engines differ on that"
            yield Finding(self._held[number].subject, problem)

    def _numbered(self, layers: Sequence[HeldLayer]) -> list[int]:
        before = len(self._held)
        self._held += layers
        return list(range(before, len(self._held)))

    def _each(self, numbers: Sequence[int], work: Callable[[int], T]) -> list[T]:
        return in_parallel(work, numbers, size=lambda number: self._held[number].layer.size)

    def _read(self, number: int) -> Proof:
        held = self._held[number]

        def list_(tar: Iterator[Block]) -> None:
            self._list(number, Entries(StreamReader(tar), held.subject, allow_sparse=True), hashed=True)

        named = _named_for_people(held)
        with held.source.open(held.layer) as content, followed(content, named, self._progress) as seen:
            return unpacked(seen, held.layer, list_)[0]

    def _skim(self, number: int) -> None:
        held = self._held[number]
        with held.source.open(held.layer) as content:
            self._list(number, layer_entries(content), hashed=False)

    def _list(self, number: int, entries: Entries, *, hashed: bool) -> None:
        odd = list_files(entries, number, self.files, self._held[number].subject, hashed=hashed)
        if odd.count:
            self._odd[number] = odd


def _named_for_people(held: HeldLayer) -> Layer:
    """Return the layer under a key that no layer of the other side has: progress counts by keys."""
    short = held.layer.key.removeprefix("sha256:")[:12]
    return replace(held.layer, key=f"{short} ({held.side})")
