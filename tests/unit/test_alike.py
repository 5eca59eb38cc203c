"""One image under several names, joined; what is another image or stands apart is left alone."""

from __future__ import annotations

from pathlib import Path

from tests.archives import image, layout, tar, written
from toolkit.bundles import open_bundle
from toolkit.operations.alike import together


def test_names_of_one_image_are_joined_and_other_images_are_not(tmp_path: Path) -> None:
    one, two = image(tar({"a": b"1"})), image(tar({"a": b"2"}))
    path = written(tmp_path / "x.tar", layout(("a:1", one), ("a:2", one), ("b:1", two), ("a:3", one)))
    source = open_bundle(path)
    names = ["a:1", "a:2", "b:1", "a:3", "a:3"]
    found = together(source.image(name) for name in names)
    assert [each.names for each in found] == [("a:1", "a:2"), ("b:1",), ("a:3",)]
    assert found[0].layers == found[2].layers
    assert found[0] == source.image(one.digest).under(("a:1", "a:2"))
