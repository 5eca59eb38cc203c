"""Layers of an engine's store that lie as a tree and a tar-split, and whose diffID the store keeps.

What the two give is compared with the diffID while it is read. Where the tar-split is gone or the files
were changed, nothing can prove a tar: with `allow_rebuilt` one is made of the files as they are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

from toolkit.ancestry import Layersize
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, Mismatch, MissingMember, StoreError, UnsafeArchive, Unsupported
from toolkit.image import Finding, Layer
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.plumbing.streams import Extent, must_fit, nowhere, transfer
from toolkit.plumbing.tarsplit import Measure, TarSplit
from toolkit.plumbing.tree import Tree
from toolkit.ports import Content
from toolkit.stores.trees.differ import Change, all_changes, aufs_changes, tree_changes
from toolkit.stores.trees.mounts import BTRFS, MOUNT, is_stub
from toolkit.stores.trees.overlay import overlay_changes
from toolkit.stores.trees.reader import TreeReader, telling
from toolkit.stores.trees.sizes import matched, size_findings

OVERLAY, AUFS, WHOLE = "overlay", "aufs", "whole"  # what a tree holds: changes in one's form, or everything
TAR = "tar"  # a size that was recorded is that of the tar itself
CHANGED = "it was changed after the layer was stored"
SAVED = "lading doctor says what can be saved, --allow-rebuilt makes the layer of its files as they are"
REBUILT_KEY = "rebuilt-"  # begins the key of a layer whose tar is made anew


@dataclass(frozen=True, slots=True)
class StoredLayer:
    """Where one layer of an engine's store lies, and what is recorded of it."""

    id: str  # the store's own: a chainID, or what podman calls the layer
    diff_id: Digest
    tree: str  # the folder of its files, below the root
    form: str  # OVERLAY, AUFS or WHOLE
    split: str  # the file of its tar-split, below the root
    parent: str = ""  # the tree of the layer below; empty for a base layer
    size: Layersize = field(default_factory=lambda: Layersize(None))  # as recorded
    size_rule: str = "S5"  # the driver's own (formats B.2), or TAR
    driver: str = ""  # named where a layer may have to be mounted
    around: str = ""  # the folder of all layers' trees, below the root
    in_parts: bool = False  # it was pulled file by file, so that its exact tar may never have been known

    @property
    def subject(self) -> str:
        """Return what sentences call it."""
        return f"layer {self.diff_id}"

    @property
    def rebuilt_key(self) -> str:
        """Return the key of the layer that is made of its files."""
        return f"{REBUILT_KEY}{self.id}"


@dataclass(frozen=True, slots=True)
class Examined:
    """A stored layer as it can be offered."""

    layer: Layer
    findings: tuple[Finding, ...] = ()
    was: Digest | None = None  # the diffID that a layer made anew had


class StoredLayers:
    """Reads the layers of one store; from several threads."""

    def __init__(self, files: FolderFiles, *, allow_rebuilt: bool = False) -> None:
        self._files, self.allow_rebuilt = files, allow_rebuilt

    def examine(self, stored: StoredLayer) -> Examined:
        """Measure a layer without reading its files; with `allow_rebuilt` they are read, to know it proven.

        Raises MissingMember or CorruptContent where its exact tar cannot be had, UnsafeArchive where it is
        too large, Unsupported where the store never had it.
        """
        try:
            return self._exact(stored)
        except (CorruptContent, Unsupported) as error:
            if not self.allow_rebuilt:
                raise
            return self._made_anew(stored, error)

    @contextmanager
    def open(self, stored: StoredLayer, layer: Layer) -> Iterator[Content]:
        """Open the layer's tar, of the size that was measured.

        Its diffID proves it: the CRC of each file is looked at only where that fails, and tells which file.
        """
        anew = layer.key.startswith(REBUILT_KEY)
        try:
            with self._reader(stored, anew=anew) as reader:
                yield reader.content(layer.size, check=layer.digest is None)
        except CorruptContent as error:
            if anew or isinstance(error, UnsafeArchive):
                raise
            cause = self._blamed(stored, layer, error)
            raise replace(cause, advice=f"{cause.advice or CHANGED}; {SAVED}") from error

    def _blamed(self, stored: StoredLayer, layer: Layer, error: CorruptContent) -> CorruptContent:
        """Return what is wrong in a layer that is not what its digest says: the first file of another CRC."""
        if not isinstance(error, Mismatch) or error.problem not in {"digest", "diffID"}:
            return error
        try:
            with self._reader(stored) as reader:
                for _ in reader.content(layer.size).blocks():
                    pass
        except CorruptContent as found:
            return found
        return error

    def _exact(self, stored: StoredLayer) -> Examined:
        with self._reader(stored) as reader:
            measure = reader.measure()
            layer = Layer(str(stored.diff_id), measure.size, stored.diff_id, stored.diff_id)
            must_fit(layer, measure.size)
            self._must_be_mounted(stored, reader.tree, needed=measure.header_sizes > 0)
            findings = _size_findings(stored, reader, measure)
        if self.allow_rebuilt:
            with self.open(stored, layer) as content:
                transfer(content, layer, nowhere)
        return Examined(layer, tuple(findings))

    def _made_anew(self, stored: StoredLayer, cause: CorruptContent | Unsupported) -> Examined:
        with self._reader(stored, anew=True) as reader:
            self._must_be_mounted(stored, reader.tree, needed=stored.size.value != 0)
            size = reader.measure().size
        layer = Layer(stored.rebuilt_key, size, called=str(stored.diff_id))
        with self.open(stored, layer) as content:
            digest = transfer(content, layer, nowhere).digest
        if digest == stored.diff_id:
            problem = "is made of its files, and its diffID proves it"
            note = Finding(stored.subject, problem, "note", check="proof")
            return Examined(replace(layer, digest=digest, diff_id=digest), (note,))
        reason = str(replace(cause, advice="")).removeprefix(f"{stored.subject}: ")
        problem = f"is made anew of its files, because its exact tar cannot be proven ({reason})"
        finding = Finding(stored.subject, problem, check="proof")
        return Examined(layer, (finding,), stored.diff_id)

    @contextmanager
    def _reader(self, stored: StoredLayer, *, anew: bool = False) -> Iterator[TreeReader]:
        with telling(stored.subject), ExitStack() as stack:
            tree = stack.enter_context(self._tree(stored, stored.tree))
            split = None if anew else self._split(stored, stack)
            yield TreeReader(tree, split, self._changes(stored, tree, stack), stored.subject)

    def _must_be_mounted(self, stored: StoredLayer, tree: Tree, *, needed: bool) -> None:
        """Raise StoreError where the files are on a file system that is not there now."""
        if needed and is_stub(tree, self._files.folder / stored.around, stored.driver):
            raise self._not_mounted(stored, tree.subject)

    def _not_mounted(self, stored: StoredLayer, tree: str) -> StoreError:
        return StoreError(
            stored.subject, f"its {stored.driver} tree {tree} is not mounted", MOUNT[stored.driver]
        )

    def _tree(self, stored: StoredLayer, folder: str) -> Tree:
        try:
            return self._files.tree(folder)
        except MissingMember as error:
            if stored.driver in MOUNT and stored.driver != BTRFS:
                raise self._not_mounted(stored, error.subject) from error
            raise MissingMember(stored.subject, f"its folder {error.subject} is not there") from error

    def _split(self, stored: StoredLayer, stack: ExitStack) -> TarSplit:
        handle = self._files.handle(stored.split)
        if handle is None:
            raise self._without_split(stored)
        stack.callback(os.close, handle)
        subject = f"{stored.subject}: {stored.split.rpartition('/')[2]}"
        size = os.fstat(handle).st_size
        return TarSplit(lambda: Extent(handle, 0, size, subject), subject)

    def _without_split(self, stored: StoredLayer) -> CorruptContent | Unsupported:
        advice = "--allow-rebuilt makes one of its files"
        if stored.in_parts:
            return Unsupported(stored.subject, "was pulled in parts, and its exact tar is not kept", advice)
        problem = f"its tar-split {self._files.folder / stored.split} is not there: no tar can be proven"
        return MissingMember(stored.subject, problem, advice)

    def _changes(self, stored: StoredLayer, tree: Tree, stack: ExitStack) -> Callable[[], Iterable[Change]]:
        if stored.form == OVERLAY:
            return lambda: overlay_changes(tree)
        if stored.form == AUFS:
            return lambda: aufs_changes(tree)
        if not stored.parent:
            return lambda: all_changes(tree)

        def changes() -> Iterable[Change]:
            parent = stack.enter_context(self._tree(stored, stored.parent))
            self._must_be_mounted(stored, parent, needed=True)
            return tree_changes(tree, parent)

        return changes


def _size_findings(stored: StoredLayer, reader: TreeReader, measure: Measure) -> list[Finding]:
    """Say what is wrong with the recorded size; engines never check it, so it stops nothing."""
    if stored.size_rule == TAR:
        return _tar_size_findings(stored, measure)
    rules = {
        "S5": lambda: measure.header_sizes,
        "S3": lambda: reader.files_and_links(measure, stored.size.value),
    }
    found = size_findings(stored.subject, matched(stored.size, stored.size_rule, rules))
    return [finding for finding in found if finding.severity != "note"]  # podman's base layers have none


def _tar_size_findings(stored: StoredLayer, measure: Measure) -> list[Finding]:
    if stored.size.value in {None, measure.size}:
        return []
    problem = f"its recorded size is {stored.size.value}, expected {measure.size}, the size of its tar"
    odd = Finding(stored.subject, problem, check="layersize")
    return [odd.comparing("size", measure.size, stored.size.value)]
