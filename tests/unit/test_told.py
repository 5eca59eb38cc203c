"""What is held against the other parts of an archive, and how it is called in a message."""

from __future__ import annotations

from toolkit.bundles.told import Told, ToldImage, joined, listed
from toolkit.digest import Digest

IDS = [Digest.of(b"%d" % number) for number in range(7)]


def test_very_many_texts_are_the_first_of_them_and_a_count() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed([str(number) for number in range(1_006)], "; ") == "0; 1; 2; 3; 4 and 1,001 more"
    assert listed([]) == ""


def test_an_index_is_called_by_its_first_images() -> None:
    told = Told(("a:1",), tuple(ToldImage(id_, joined(["m"]), IDS[0]) for id_ in IDS))
    assert told.text == ", ".join(map(str, IDS[:5])) + " and 2 more"
    assert told.ids == frozenset(IDS)
    assert told.tops == {IDS[0].hex}
    assert told.v1_tops == frozenset()
    assert Told(("a:1",), ()).text == "no image"


def test_members_are_the_same_in_the_same_order() -> None:
    assert joined(["a", "b"]) == joined(["a", "b"]) != joined(["b", "a"])
    assert joined(["ab"]) != joined(["a", "b"])
