"""Reading one layer of a legacy store: its exact tar where tar-split proves it, else a rebuilt one."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cached_property, partial

from toolkit.ancestry import REBUILT, TAR_SPLIT, V1Layer
from toolkit.errors import CorruptContent, Mismatch
from toolkit.image import Finding, Layer
from toolkit.plumbing.streams import Extent, must_fit, nowhere, transfer
from toolkit.plumbing.tarsplit import Measure, TarSplit
from toolkit.plumbing.tree import Tree
from toolkit.stores.graph.drivers import Driver, layer_tree, not_mounted, stands_for_a_tree
from toolkit.stores.graph.root import GraphRoot
from toolkit.stores.trees.differ import Change, all_changes, aufs_changes, tree_changes
from toolkit.stores.trees.reader import TreeReader, telling
from toolkit.stores.trees.sizes import matched, size_findings, tree_sizes


class LayerReader(TreeReader):
    """One layer of one driver, opened for as long as the block lasts."""

    def __init__(self, root: GraphRoot, driver: Driver, layer: V1Layer, stack: ExitStack) -> None:
        self.driver, self.layer = driver, layer
        self._root, self._stack = root, stack
        tree = stack.enter_context(layer_tree(root.path, driver, layer.id))
        split = None if layer.proof == REBUILT else _tar_split(root, layer.id, stack)
        super().__init__(tree, split, self._changed, f"layer {layer.id[:12]}")
        if stands_for_a_tree(root.path, driver, tree) and self._has_files():
            raise not_mounted(root.path, driver, layer.id)

    @classmethod
    @contextmanager
    def open(cls, root: GraphRoot, driver: Driver, layer: V1Layer) -> Iterator[LayerReader]:
        """Open the layer's files; raises MissingMember where they are gone, StoreError where not mounted."""
        with telling(f"layer {layer.id[:12]}"), ExitStack() as stack:
            yield cls(root, driver, layer, stack)

    def weighed(self, measure: Measure) -> V1Layer:
        """Return the layer with its layersize's rule named."""
        size = matched(self.layer.layersize, self.driver.size_rule, self._rules(measure))
        return replace(self.layer, layersize=size, proof=self.proof)

    def own_size(self, measure: Measure) -> int:
        """Return what the layer's files add up to by its driver's own rule."""
        return self._rules(measure)[self.driver.size_rule]()

    def _rules(self, measure: Measure) -> dict[str, Callable[[], int]]:
        return {
            "S5": lambda: measure.header_sizes,
            "S3": lambda: self.files_and_links(measure, self.layer.layersize.value),
            "S4": self._changed_sizes,
            "S2": lambda: tree_sizes(self.tree)["S2"],
        }

    def _changed_sizes(self) -> int:
        """Rule S4: the sizes of added and modified files, once for each name."""
        changed = (change.facts for change in self._changed() if change.facts)
        return sum(facts.st_size for facts in changed if not stat.S_ISDIR(facts.st_mode))

    def _changed(self) -> Iterable[Change]:
        if not self.driver.whole_tree:
            return aufs_changes(self.tree)
        return tree_changes(self.tree, self._parent) if self.layer.parent else all_changes(self.tree)

    @cached_property
    def _parent(self) -> Tree:
        """Open the parent's tree, which only a layer without tar-split or of rule S4 is compared with."""
        parent = self.layer.parent
        tree = self._stack.enter_context(layer_tree(self._root.path, self.driver, parent))
        if stands_for_a_tree(self._root.path, self.driver, tree) and self._root.has_files(
            parent, self.driver.name
        ):
            raise not_mounted(self._root.path, self.driver, parent)
        return tree

    def _has_files(self) -> bool:
        """Tell whether files of its folder are needed: those of its tar-split, else of its whole tree."""
        if self._split is not None:
            return self._split.measure().header_sizes > 0
        return self._root.has_files(self.layer.id, self.driver.name)


def examine(
    root: GraphRoot, driver: Driver, layer: V1Layer, *, allow_rebuilt: bool = False
) -> tuple[Layer, list[Finding]]:
    """Measure a layer without reading its files: exact size, layersize rule, and what is odd.

    With `allow_rebuilt` its files are read, and it is made anew of them where they are not those of its
    tar-split. Raises CorruptContent where nothing can be made of it.
    """
    try:
        found, findings = _measured(root, driver, layer)
        if allow_rebuilt and found.v1 and found.v1.proof == TAR_SPLIT:
            with LayerReader.open(root, driver, found.v1) as reader:
                transfer(reader.content(found.size), found, nowhere)
    except CorruptContent as error:
        if not allow_rebuilt:
            raise
        found, findings = _measured(root, driver, replace(layer, proof=REBUILT))
        subject = f"layer {layer.id[:12]}"
        reason = str(replace(error, advice="")).removeprefix(f"{subject}: ")
        problem = f"is made anew, because its exact tar cannot be had ({reason})"
        findings.append(Finding(subject, problem, check="proof"))
    return found, findings


def _measured(root: GraphRoot, driver: Driver, layer: V1Layer) -> tuple[Layer, list[Finding]]:
    with LayerReader.open(root, driver, layer) as reader:
        measure = reader.measure()
        weighed = reader.weighed(measure)
        left = partial(reader.own_size, measure) if weighed.proof == REBUILT else None
        findings = size_findings(f"layer {layer.id[:12]}", weighed.layersize, left)
    found = Layer(layer.id, measure.size, v1=weighed)
    must_fit(found, found.size)
    if weighed.proof == TAR_SPLIT:
        _refuse_cut(weighed, measure)
    if weighed.proof == REBUILT:
        problem = "has no tar-split, so its tar is rebuilt and not verifiable"
        findings.append(Finding(f"layer {layer.id[:12]}", problem, check="proof"))
    if not measure.has_end:
        problem = "is a tar without its end; either it was made so, or its tar-data.json.gz was cut"
        findings.append(Finding(f"layer {layer.id[:12]}", problem, check="structure"))
    return found, findings


def _refuse_cut(layer: V1Layer, measure: Measure) -> None:
    """Raise CorruptContent where a layer's tar-split lacks entries: there is no digest to tell it.

    A list that was cut at a line has no end blocks; one that lacks files adds up to less than the
    recorded layersize, which a whole one gives by rule S3 or S5.
    """
    recorded = layer.layersize.value
    if recorded in {measure.header_sizes, measure.tree_sizes}:
        return
    subject, advice = f"layer {layer.id[:12]}: tar-data.json.gz", "it was cut or changed; take it from a copy"
    if not measure.has_end:
        raise CorruptContent(subject, "ends before the end of the tar", advice)
    if layer.layersize.rule == "S3":  # the folder is as it was recorded, and the tar has other files
        raise Mismatch(subject, "sum of its files", advice, measure.tree_sizes, recorded)


def _tar_split(root: GraphRoot, layer_id: str, stack: ExitStack) -> TarSplit | None:
    handle = root.tar_data(layer_id)
    if handle is None:
        return None
    stack.callback(os.close, handle)
    subject = f"layer {layer_id[:12]}: tar-data.json.gz"
    size = os.fstat(handle).st_size
    return TarSplit(lambda: Extent(handle, 0, size, subject), subject)
