"""layersize: what a legacy store recorded as a layer's size, held against the layer's tar (formats A.4)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from toolkit.image import Finding, Layer
from toolkit.plumbing.compression import decompressed, sniff
from toolkit.plumbing.streams import SNIFF, Extent, beginning
from toolkit.plumbing.tarball import Entries
from toolkit.plumbing.tarreader import FileReader, StreamReader
from toolkit.ports import Content
from toolkit.report import NOTE, WARNING

SIZE_RULES = ("S3", "S5")  # those that a tar alone can be held against
TREE_RULES = ("S2", "S4")  # those that need the driver's own trees


def check_layersize(layer: Layer, content: Content, seen: Mapping[str, int] | None) -> list[Finding]:
    """Hold a recorded layersize that travelled with the layer against the tar itself.

    `seen` is what its plain headers added up to while it was hashed; another sum is looked into.
    """
    v1 = layer.v1
    if v1 is None or not isinstance(content, Extent):
        return []
    subject, rule = f"layer {v1.id[:12]}", v1.layersize.rule
    if v1.layersize.value is None:
        problem = v1.layersize.problem
        return [Finding(subject, problem, WARNING, check="layersize")] if problem else []
    if rule in TREE_RULES:
        problem = f"layersize follows rule {rule}, which a tar alone cannot be held against"
        return [Finding(subject, problem, NOTE, check="layersize")]
    if seen and v1.layersize.value in seen.values():
        return []
    sizes = tar_sizes(content)
    if v1.layersize.value in sizes.values():
        return []
    told = ", ".join(f"{sizes[rule]} by {rule}" for rule in SIZE_RULES)
    problem = f"layersize is {v1.layersize.value}, expected {told}"
    odd = Finding(subject, problem, WARNING, check="layersize")
    return [odd.comparing("layersize", told, v1.layersize.value)]


def tar_sizes(content: Content) -> dict[str, int]:
    """Return what a layer's tar adds up to, by the rules that need no tree: S3 and S5."""
    tree = headers = 0
    for entry in layer_entries(content):
        headers += entry.stated_size
        if entry.type == b"2":
            tree += len(entry.linkname)
        elif entry.type == b"0":
            tree += entry.size
    return {"S3": tree, "S5": headers}


def layer_entries(content: Content) -> Entries:
    """Walk a layer's entries; bodies in an uncompressed file are passed over unread."""
    subject = getattr(content, "subject", "layer")
    if isinstance(content, Extent) and not content.compression():
        plain = FileReader(content.handle, content.offset, content.size, subject)
        return Entries(plain, subject, allow_sparse=True)
    blocks = content.blocks()
    first = beginning(blocks)
    blocks = decompressed(itertools.chain([first], blocks), sniff(first[:SNIFF]), subject)
    return Entries(StreamReader(blocks), subject, allow_sparse=True)
