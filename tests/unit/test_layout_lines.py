"""The lines of images that have a manifest."""

from __future__ import annotations

from toolkit.bundles.layout_lines import in_order, told_apart
from toolkit.digest import Digest
from toolkit.outline import Listing

ONE, TWO, THREE = (Digest.of(text) for text in (b"1", b"2", b"3"))


def test_images_of_one_id_are_told_apart_by_their_manifests() -> None:
    lines = [Listing(("a:1",), "same"), Listing(("b:1",), "other"), Listing((), "same")]
    assert [line.id for line in told_apart(lines, [ONE, TWO, THREE])] == [str(ONE), "other", str(THREE)]


def test_named_images_come_first_in_the_order_of_their_names() -> None:
    lines = [Listing((), "3"), Listing(("b:1",), "2"), Listing(("a:1", "z:1"), "1")]
    assert [line.id for line in in_order(lines)] == ["1", "2", "3"]
