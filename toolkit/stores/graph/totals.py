"""How large images of a legacy root are, for a list of all of them: each layer is read once.

A thousand tags may stand on one chain of a thousand layers, and be no larger than that on the disk.
"""

from __future__ import annotations

from toolkit.ancestry import V1Layer
from toolkit.errors import ToolkitError, UnsafeArchive
from toolkit.limits import limits, more_than
from toolkit.stores.graph.root import GraphRoot

Total = tuple[int, int | None]  # layers, and bytes; None where the size of one is not recorded


class Totals:
    """The totals of chains by their top layer, for one driver; a root at one time."""

    def __init__(self, root: GraphRoot, driver: str) -> None:
        self._root, self._driver = root, driver
        self._known: dict[str, Total | ToolkitError] = {}

    def size(self, top: V1Layer) -> int | None:
        """Return the size of an image in bytes; raises as `GraphRoot.chain`."""
        layers: dict[str, int | None] = {}  # those that are not known yet, nearest first
        try:
            below = self._walk(top, layers)
        except ToolkitError as error:
            self._known.update(dict.fromkeys(layers, error))
            raise
        for layer_id, size in reversed(layers.items()):
            count, total = below
            below = count + 1, None if total is None or size is None else total + size
            self._known[layer_id] = below
        return below[1]

    def _walk(self, top: V1Layer, layers: dict[str, int | None]) -> Total:
        """Note the layers from the top down to one that is known, and return what is known of it."""
        layer = top
        while (known := self._known.get(layer.id)) is None:
            if layer.id in layers:
                raise UnsafeArchive(f"layer {layer.id[:12]}", "is its own ancestor: the parents form a cycle")
            layers[layer.id] = self._root.layersize(layer.id, self._driver).value
            _must_be_few(len(layers), top)
            if not layer.parent:
                return 0, 0
            layer = self._root.layer(layer.parent)
        if isinstance(known, ToolkitError):
            raise known
        _must_be_few(len(layers) + known[0], top)
        return known


def _must_be_few(layers: int, top: V1Layer) -> None:
    if layers > (limit := limits().layers):
        raise more_than(f"layer {top.id[:12]}", "has more than {} ancestors", limit)
