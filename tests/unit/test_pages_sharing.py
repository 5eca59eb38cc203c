from __future__ import annotations

import pytest

from toolkit.pages.sharing import Sharing, Stack

BASE, TOP, OTHER = ("sha256:base", 1_000_000), ("sha256:top", 20_000), ("sha256:other", 300)


def sharing(*stacks: tuple[tuple[str, int], ...]) -> Sharing:
    return Sharing.of(Stack((f"app:{number}",), layers) for number, layers in enumerate(stacks))


def test_each_layer_is_there_once_in_the_order_of_first_use() -> None:
    found = sharing((BASE, TOP), (BASE, OTHER), (TOP, BASE))
    assert [(layer.digest, layer.size, layer.users) for layer in found.layers] == [
        ("sha256:base", 1_000_000, (0, 1, 2)),
        ("sha256:top", 20_000, (0, 2)),
        ("sha256:other", 300, (1,)),
    ]
    assert [layer.is_shared for layer in found.layers] == [True, True, False]
    assert [layer.worth for layer in found.layers] == [2_000_000, 20_000, 300]


def test_what_sharing_saves_is_what_is_listed_more_than_once() -> None:
    found = sharing((BASE, TOP), (BASE, OTHER))
    assert (found.listed, found.kept, found.saved) == (2_020_300, 1_020_300, 1_000_000)
    assert found.percent == "49%"


@pytest.mark.parametrize(
    ("stacks", "sentence"),
    [
        ((), "There is no image whose layers could be shown."),
        (((BASE,),), "1 image has 1 layer, 1MB together."),
        (
            ((BASE,), (TOP, OTHER)),
            "2 images have 3 layers, 1.02MB together. No layer is in more than one of them.",
        ),
        (
            ((BASE, TOP), (BASE, OTHER)),
            (
                "2 images have 4 layers, 2.02MB together. Each layer is kept once, which makes 3 layers and 1.02MB: "
                "sharing saves 1MB, 49%."
            ),
        ),
        (
            ((TOP, OTHER, TOP),),
            (
                "1 image has 3 layers, 40.3kB together. Each layer is kept once, which makes 2 layers and 20.3kB: "
                "sharing saves 20kB, 50%."
            ),
        ),
        (
            ((BASE, OTHER), (OTHER,)),
            (
                "2 images have 3 layers, 1MB together. Each layer is kept once, which makes 2 layers and 1MB: "
                "sharing saves 300B, less than 1%."
            ),
        ),
        ((((("sha256:empty", 0)),), (("sha256:empty", 0),)), "2 images have 2 layers, 0B together."),
    ],
)
def test_it_is_told_in_words(stacks: tuple[tuple[tuple[str, int], ...], ...], sentence: str) -> None:
    assert sharing(*stacks).sentence() == sentence


def test_the_table_names_those_who_have_a_layer_the_most_shared_first() -> None:
    rows = sharing((TOP,), *[(BASE,)] * 6).table()
    assert [(row.layer.digest, row.users) for row in rows] == [
        ("sha256:base", ("app:1", "app:2", "app:3", "app:4", "and 2 more")),
        ("sha256:top", ("app:0",)),
    ]
