"""One layer's tree, opened, and the tar it stands for: the exact one where its tar-split is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from toolkit.ancestry import REBUILT, TAR_SPLIT
from toolkit.errors import CorruptContent
from toolkit.plumbing.assembly import assemble
from toolkit.plumbing.streams import Stream
from toolkit.plumbing.tarsplit import Measure, TarSplit
from toolkit.plumbing.tree import Tree
from toolkit.stores.trees.differ import Change
from toolkit.stores.trees.rebuild import Rebuilt
from toolkit.stores.trees.sizes import tree_sizes


class TreeReader:
    """A tree with its tar-split, or with `changes`, which tell what a tar made anew has to hold."""

    def __init__(
        self, tree: Tree, split: TarSplit | None, changes: Callable[[], Iterable[Change]], subject: str
    ) -> None:
        self.tree, self._split, self._changes, self._subject = tree, split, changes, subject

    @property
    def proof(self) -> str:
        """Name what vouches for the tar: its tar-split, or nothing."""
        return REBUILT if self._split is None else TAR_SPLIT

    def content(self, size: int, *, check: bool = True) -> Stream:
        """Return the layer's tar of `size` bytes; without `check` a tar-split's CRCs are not compared."""
        if self._split is None:
            return Stream(size, Rebuilt(self.tree, self._changes).blocks(), self._subject)
        return Stream(size, assemble(self._split, self.tree, check=check), self._subject)

    def measure(self) -> Measure:
        """Return the tar's size and the sums of its sizes by rule, in bytes, without reading a file."""
        return (self._split or Rebuilt(self.tree, self._changes)).measure()

    def files_and_links(self, measure: Measure, recorded: int | None) -> int:
        """Return the size by rule S3: a tar-split whose sum is the recorded one saves the walk."""
        if self._split is not None and measure.tree_sizes == recorded:
            return measure.tree_sizes
        return tree_sizes(self.tree)["S3"]


@contextmanager
def telling(subject: str) -> Iterator[None]:
    """Have what is wrong told with the layer that it is wrong with: the path of a file says not which."""
    try:
        yield
    except CorruptContent as error:
        if subject in error.subject:
            raise
        raise replace(error, subject=f"{subject}: {error.subject}") from error
