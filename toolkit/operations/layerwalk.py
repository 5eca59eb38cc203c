"""A walk over a layer's tar while it is hashed: what its entries add up to, and what is odd about them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Self

from toolkit.checks import as_finding
from toolkit.errors import ToolkitError
from toolkit.image import Finding
from toolkit.operations.layerguard import STOPPED
from toolkit.plumbing.layerlook import LayerLook
from toolkit.plumbing.programs import BEGINNING
from toolkit.plumbing.tarball import Entries
from toolkit.plumbing.tarheader import REGULAR, SYMLINK, Entry
from toolkit.plumbing.tarreader import StreamReader
from toolkit.plumbing.tarsum import TarSum
from toolkit.ports import Block
from toolkit.report import NOTE, WARNING


class LayerWalk:
    """One layer; `run` it over the tar, whose bytes may come in blocks of any size, then ask."""

    def __init__(self, subject: str, look: LayerLook | None, sums: Sequence[TarSum] = ()) -> None:
        self.look, self.sums = look, sums
        self.sizes: dict[str, int] | None = None  # by the rules S3 and S5; None where the walk broke off
        self._subject = subject
        self._findings: list[Finding] = []
        self._tree = self._headers = 0

    def run(self, tar: Iterator[Block]) -> Self:
        """Walk to the end, or to where the tar is none; raises only what the blocks raise."""
        blocks = _Watched(tar)
        entries = Entries(StreamReader(blocks), self._subject, allow_sparse=True)
        try:
            for entry in entries:
                self._take(entry, entries)
        except ToolkitError as error:
            if blocks.has_failed:
                raise
            self._findings = [as_finding(error, advice=STOPPED)]
            self.sums = ()
        else:
            self.sizes = {"S3": self._tree, "S5": self._headers}
            self._findings = list(_odd_ends(self._subject, entries)) if self.look else []
        return self

    def findings(self) -> list[Finding]:
        """Return what is odd about the tar and in it."""
        return [*self._findings, *(self.look.findings() if self.look else ())]

    def _take(self, entry: Entry, entries: Entries) -> None:
        self._headers += entry.stated_size
        first = entries.beginning(BEGINNING) if entry.size else b""
        if entry.type == REGULAR:
            self._tree += entry.size
        elif entry.type == SYMLINK:
            self._tree += len(entry.linkname)
        if self.look:
            self.look.take(entry, first)
        if self.sums:
            self._add(entry, itertools.chain([first], entries.body()))

    def _add(self, entry: Entry, body: Iterator[Block]) -> None:
        hashes = [each.begun(entry) for each in self.sums]
        for block in body:
            for hash_ in hashes:
                hash_.update(block)
        for each, hash_ in zip(self.sums, hashes, strict=True):
            each.add(entry, hash_.digest())


class _Watched:
    """Blocks that tell whether it was they that failed, and not who reads them."""

    def __init__(self, blocks: Iterator[Block]) -> None:
        self.has_failed = False
        self._blocks = blocks

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Block:
        try:
            return next(self._blocks)
        except StopIteration:
            raise
        except BaseException:
            self.has_failed = True
            raise


def _odd_ends(subject: str, entries: Entries) -> Iterator[Finding]:
    if entries.trailing_nonzero:
        problem = f"has {entries.trailing} bytes after its end that are not all zero; nobody unpacks them"
        yield Finding(subject, problem, WARNING, check="structure")
    if entries.end != "whole":
        problem = f"the end of its tar is {entries.end}, expected two zero blocks"
        yield Finding(subject, problem, NOTE, check="structure")
