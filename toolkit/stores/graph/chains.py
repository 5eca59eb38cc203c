"""The legacy layers of an image on its way into a store, and whether a layer there is the same one."""

from __future__ import annotations

from dataclasses import dataclass

from toolkit.ancestry import V1Layer
from toolkit.digest import Digest, new_hash
from toolkit.errors import CorruptContent, Mismatch, UnsafeArchive, Unsupported
from toolkit.image import ProvenImage
from toolkit.limits import limits, says
from toolkit.stores.graph.drivers import Driver
from toolkit.stores.graph.reader import LayerReader
from toolkit.stores.graph.root import GraphRoot
from toolkit.synthesis import own_chain, told_chain


@dataclass(frozen=True, slots=True)
class Link:
    """One layer of a chain: its v1 json, the blob that holds its tar, and the tar's digest."""

    layer: V1Layer
    blob: Digest
    diff_id: Digest

    def must_equal(self, other: Link) -> None:
        """Refuse two layers under one v1 ID; raises UnsafeArchive."""
        facts, others = ((link.layer.raw, link.layer.parent, link.diff_id) for link in (self, other))
        if facts != others:
            raise UnsafeArchive(f"layer {self.layer.id[:12]}", "is two different layers under one v1 ID")


def links(image: ProvenImage) -> list[Link]:
    """Return the image's layers, base first: a legacy image's own, else made up so that history stays.

    An index stands for the image of its preferred platform. Raises Unsupported for what has no layers.
    """
    subject = ", ".join(image.names) or str(image.top.digest)
    picture = image.preferred()
    chain = (own_chain(picture) or told_chain(picture)) if picture else []
    if picture is None or not chain:
        what = "is an image without layers" if picture else "is an artifact, not an image"
        raise Unsupported(subject, f"{what}, which no legacy store can hold")
    if len(chain) > (limit := limits().layers):
        raise Unsupported(subject, f"has {len(chain)} layers, expected at most {limit}", says(limit))
    pairs = zip(chain, picture.layers, strict=True)
    return [Link(layer, blob.digest, diff_id) for layer, (blob, diff_id) in pairs]


def must_be_same(root: GraphRoot, driver: Driver, link: Link) -> None:
    """Compare a layer of the store with the one that came; raises CorruptContent where they differ.

    Its tar is read whole: that a v1 ID is the same says nothing about content (CVE-2014-8178).
    """
    subject = f"layer {link.layer.id[:12]}"
    there = root.layer(link.layer.id)
    if (there.raw, there.parent) != (link.layer.raw, link.layer.parent):
        problem = f"is in {root.path} already, with another json"
        raise CorruptContent(subject, problem, "one of them is not genuine")
    hash_ = new_hash(link.diff_id.algorithm)
    with LayerReader.open(root, driver, there) as reader:
        for block in reader.content(reader.measure().size).blocks():
            hash_.update(block)
    digest = Digest(link.diff_id.algorithm, hash_.hexdigest())
    if digest != link.diff_id:
        advice = f"{root.path} has another layer under this ID"
        raise Mismatch(subject, "diffID in the store", advice, digest, link.diff_id)
