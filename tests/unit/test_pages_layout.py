from __future__ import annotations

import itertools

import pytest

from toolkit.pages.drawing import Cell, Drawing
from toolkit.pages.layout import MOST_COLUMNS, MOST_OWN, MOST_ROWS, WIDEST, drawn
from toolkit.pages.sharing import Sharing, Stack

MB = 1_000_000


def picture(*stacks: dict[str, int]) -> Drawing:
    """Lay out images, each the words of its layers with their sizes."""
    return drawn(
        Sharing.of(Stack((f"app:{number}",), tuple(own.items())) for number, own in enumerate(stacks))
    )


def ends(cells: list[Cell]) -> list[tuple[float, float]]:
    return [(round(cell.start, 6), round(cell.start + cell.span, 6)) for cell in cells]


def columns(drawing: Drawing) -> list[str]:
    return [column.layer.digest for column in drawing.columns]


def test_a_shared_layer_is_a_column_with_a_cell_for_each_image_that_has_it() -> None:
    drawing = picture({"base": MB, "a": 5}, {"base": MB, "b": 7}, {"c": 9})
    (column,) = drawing.columns
    assert (column.layer.digest, column.number, column.colour) == ("base", 1, 0)
    assert column.tops == (drawing.rows[0].top, drawing.rows[1].top)
    assert [len(row.own) for row in drawing.rows] == [1, 1, 1]


def test_cells_lie_beside_each_other_and_none_beyond_the_picture() -> None:
    drawing = picture({"a": MB, "b": 400, "x": 9, "y": MB}, {"a": MB, "b": 400, "z": 1})
    shared = ends([column.cell for column in drawing.columns])
    assert shared[0][0] == 0
    assert shared[0][1] == shared[1][0]
    for row in drawing.rows:
        own = ends(list(row.own))
        assert own[0][0] > shared[-1][1]
        assert all(before[1] == after[0] for before, after in itertools.pairwise(own))
        assert own[-1][1] <= 100
    assert max(own[-1][1] for row in drawing.rows if (own := ends(list(row.own)))) == 100


def test_a_larger_layer_is_wider_within_bounds() -> None:
    drawing = picture({"huge": 10**12, "large": 10**11, "small": 1, "empty": 0})
    huge, large, small, empty = (column.cell.span for column in drawing.columns)
    assert huge > large > small
    assert huge / empty == pytest.approx(WIDEST)
    assert small / empty == pytest.approx(1, abs=0.001)


def test_a_single_image_shows_all_its_layers_as_columns_over_the_whole_width() -> None:
    drawing = picture({"a": 3, "b": 2, "c": 1})
    assert columns(drawing) == ["a", "b", "c"]
    assert ends([drawing.columns[-1].cell])[0][1] == 100
    assert not drawing.has_own
    assert drawing.track == "100%"


def test_images_on_the_same_base_stand_beside_each_other() -> None:
    drawing = picture({"x": 1, "1": 1}, {"y": 1, "2": 1}, {"x": 1, "3": 1}, {"z": 5}, {"y": 1, "4": 1})
    assert [row.label for row in drawing.rows] == ["app:0", "app:2", "app:1", "app:4", "app:3"]
    assert columns(drawing) == ["x", "y"]
    assert drawing.columns[0].tops == (drawing.rows[0].top, drawing.rows[1].top)


def test_neighbouring_columns_differ_in_colour() -> None:
    stack = {str(number): 5 for number in range(20)}
    found = [column.colour for column in picture(stack, stack).columns]
    assert all(one != other for one, other in itertools.pairwise(found))
    assert set(found) == set(range(8))


def test_of_very_many_images_the_largest_are_drawn_and_the_others_counted() -> None:
    stacks = [{"base": 10, f"own {number}": number} for number in range(1000)]
    drawing = picture(*stacks)
    assert {row.label for row in drawing.rows} == {
        f"app:{number}" for number in range(1000 - MOST_ROWS, 1000)
    }
    assert drawing.omissions == [f"Not drawn: {1000 - MOST_ROWS} smaller images."]
    assert drawing.columns[0].cell.title == "base, 10B, in 1,000 of 1,000 images"


def test_of_very_many_shared_layers_those_that_save_most_get_a_column() -> None:
    stack = {f"layer {number}": number for number in range(MOST_COLUMNS + 3)}
    drawing = picture(stack, stack)
    assert columns(drawing) == [f"layer {number}" for number in range(3, MOST_COLUMNS + 3)]
    assert [[cell.title for cell in row.own] for row in drawing.rows] == [
        ["layer 0, 0B", "layer 1, 1B", "layer 2, 2B"]
    ] * 2
    assert drawing.omissions == ["Without a column, and grey where they are drawn: 3 shared layers."]


def test_the_last_of_very_many_own_layers_are_one_cell() -> None:
    drawing = picture({"x": 1, **{f"own {number}": 1000 for number in range(100)}}, {"x": 1})
    first = drawing.rows[0].own
    assert len(first) == MOST_OWN
    assert first[-1].title == "61 more layers, 61kB"


def test_a_label_is_as_long_as_a_phone_has_room_for() -> None:
    long = "registry.example:5000/a/very/long/path/to/an/image/app:2.1"
    stacks = [Stack((long, "app:2", "app:3"), (("a", 1),)), Stack(("app:1",), (("a", 1),))]
    first, other = drawn(Sharing.of(stacks)).rows
    assert first.label == "registry.example:5…o/an/image/app:2.1 +2"
    assert first.names == f"{long} = app:2 = app:3"
    assert other.label == "app:1"


def test_nothing_is_drawn_of_nothing() -> None:
    drawing = picture()
    assert (drawing.rows, drawing.columns, drawing.height) == ((), (), 0)
    empty = picture({})
    assert (len(empty.rows), empty.columns, empty.has_own) == (1, (), False)


def test_rows_lie_below_each_other_within_the_height() -> None:
    for count in (1, 16, 17, 60):
        drawing = picture(*[{"a": 1}] * count)
        tops = [row.top for row in drawing.rows]
        assert tops == sorted(tops)
        assert drawing.rows[0].label_y > 0
        assert tops[-1] + drawing.bar < drawing.height
        assert all(after - before > drawing.bar + 10 for before, after in itertools.pairwise(tops))
