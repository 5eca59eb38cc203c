"""Layers on their way into a legacy root: unpacked, or waiting as tars, in the root's work folder."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import Protocol

from toolkit.digest import Digest
from toolkit.errors import MissingMember
from toolkit.image import Layer, Proof
from toolkit.plumbing.apply import OWN_CHANGES, WHOLE_TREE, apply
from toolkit.plumbing.files import storing, write_all
from toolkit.plumbing.nodes import NEW_FILE
from toolkit.plumbing.sharing import copy_range
from toolkit.plumbing.streams import Extent
from toolkit.plumbing.tarsplit_writer import TarSplitWriter
from toolkit.plumbing.tree import FILE, Tree
from toolkit.plumbing.treecopy import copy_tree
from toolkit.plumbing.unpacking import unpacked
from toolkit.ports import Block, Content
from toolkit.stores.graph.chains import Link
from toolkit.stores.graph.drivers import layer_tree
from toolkit.stores.graph.placing import PUBLIC, SPLIT, TAR, TREE, Placer, make_folder_at
from toolkit.stores.graph.root import GraphRoot
from toolkit.stores.trees.sizes import tree_sizes


class Stage(Protocol):
    """Where layers wait until the v1 IDs under which they are placed are known."""

    def take(self, layer: Layer, content: Content) -> Proof:
        """Take one layer in, proven; called from several threads."""

    def made(self, link: Link) -> tuple[str, str]:
        """Make a layer ready to be placed, base first; return its work folder and its layersize."""


class AufsStage:
    """aufs: layers are unpacked as they come, each into a folder of its own changes."""

    def __init__(self, placer: Placer) -> None:
        self._placer = placer
        self._numbers, self._lock = count(), threading.Lock()
        self._waiting: dict[Digest, list[str]] = {}
        self._placed: dict[Digest, str] = {}  # blob → a layer ID that has it

    def take(self, layer: Layer, content: Content) -> Proof:
        """Unpack a layer; raises what `apply` raises, or Mismatch."""
        name, subject = self._next(), f"layer {layer.key[:19]}"
        with _folder(self._placer, name) as work, _tree(work, subject) as tree, _split(work) as split:
            proof, _ = unpacked(content, layer, lambda tar: apply(tar, tree, OWN_CHANGES, split, subject))
        with self._lock:
            self._waiting.setdefault(proof.digest, []).append(name)
        return proof

    def made(self, link: Link) -> tuple[str, str]:
        """Return where the layer was unpacked; a second layer with the same blob gets a copy."""
        waiting = self._waiting.get(link.blob)
        name = waiting.pop() if waiting else self._copied(link)
        self._placed[link.blob] = link.layer.id
        with _folder(self._placer, name) as work, _tree(work, "") as tree:
            return name, _recorded(link, self._placer) or str(tree_sizes(tree)["S3"])

    def _next(self) -> str:
        with self._lock:
            return str(next(self._numbers))

    def _copied(self, link: Link) -> str:
        if (twin := self._placed.get(link.blob)) is None:
            raise MissingMember(f"layer {link.layer.id[:12]}", "was not received")
        name, root = self._next(), self._placer.path
        with _folder(self._placer, name) as work, _tree(work, "") as tree:
            with layer_tree(root, self._placer.driver, twin) as there:
                copy_tree(there, tree)
            _copy_split(GraphRoot(root), twin, work)
        return name


class VfsStage:
    """vfs: tars wait until the tree of the layer below is there to be copied."""

    def __init__(self, placer: Placer) -> None:
        self._placer = placer
        self._numbers, self._lock = count(), threading.Lock()
        self._waiting: dict[Digest, str] = {}

    def take(self, layer: Layer, content: Content) -> Proof:
        """Keep a layer's tar, decompressed; raises Mismatch."""
        name = self._next()
        with _folder(self._placer, name) as work, _created(work, TAR) as handle:
            proof, _ = unpacked(content, layer, lambda tar: _write(tar, handle))
        with self._lock:
            self._waiting[proof.digest] = name
        return proof

    def made(self, link: Link) -> tuple[str, str]:
        """Copy the tree below and apply the layer to it; raises what `apply` raises."""
        if (tar := self._waiting.get(link.blob)) is None:
            raise MissingMember(f"layer {link.layer.id[:12]}", "was not received")
        name, subject, parent = self._next(), f"layer {link.layer.id[:12]}", link.layer.parent
        with _folder(self._placer, name) as work, _tree(work, subject) as tree, _split(work) as split:
            if parent:
                with layer_tree(self._placer.path, self._placer.driver, parent) as below:
                    copy_tree(below, tree)
            with _folder(self._placer, tar) as waiting, _waiting_tar(waiting, subject) as content:
                sizes = apply(content.blocks(), tree, WHOLE_TREE, split, subject)
        return name, _recorded(link, self._placer) or str(sizes)

    def _next(self) -> str:
        with self._lock:
            return str(next(self._numbers))


def only_proven(layer: Layer, content: Content) -> Proof:
    """Prove a layer that nobody needs the bytes of."""
    return unpacked(content, layer, _drain)[0]


def _recorded(link: Link, placer: Placer) -> str:
    """Return the layersize that this driver recorded, as it stands; empty where there is none."""
    size = link.layer.layersize
    return size.text or "" if size.driver == placer.driver.name and size.value is not None else ""


def _drain(tar: Iterator[Block]) -> None:
    for _ in tar:
        pass


def _write(tar: Iterator[Block], handle: int) -> None:
    for block in tar:
        with storing("a layer in the work folder"):
            write_all(handle, block)


@contextmanager
def _folder(placer: Placer, name: str) -> Iterator[int]:
    handle = placer.work(name)
    try:
        yield handle
    finally:
        os.close(handle)


@contextmanager
def _tree(work: int, subject: str) -> Iterator[Tree]:
    """Open the layer's tree in its work folder, made where it is not there yet."""
    with suppress(FileExistsError):
        make_folder_at(work, TREE, PUBLIC)
    with Tree(work) as top, Tree(top.folder([TREE]), subject) as tree:
        yield tree


@contextmanager
def _created(work: int, name: bytes) -> Iterator[int]:
    handle = os.open(name, NEW_FILE, 0o600, dir_fd=work)
    try:
        yield handle
    finally:
        os.close(handle)


@contextmanager
def _split(work: int) -> Iterator[TarSplitWriter]:
    with _created(work, SPLIT) as handle:
        yield TarSplitWriter(handle)


@contextmanager
def _waiting_tar(work: int, subject: str) -> Iterator[Extent]:
    handle = os.open(TAR, FILE, dir_fd=work)
    try:
        yield Extent(handle, 0, os.fstat(handle).st_size, subject)
    finally:
        os.close(handle)


def _copy_split(root: GraphRoot, layer_id: str, work: int) -> None:
    if (there := root.tar_data(layer_id)) is None:
        raise MissingMember(f"layer {layer_id[:12]}", "has lost its tar-split")
    try:
        with _created(work, SPLIT) as handle:
            copy_range(there, handle, 0, os.fstat(there).st_size)
    finally:
        os.close(there)
