from __future__ import annotations

import pytest

from toolkit.pages.drawing import Cell, Column, Drawing, Row, percent
from toolkit.pages.sharing import Sharing, Stack, UsedLayer


def column(number: int, span: float, size: int = 1, users: tuple[int, ...] = (0, 1)) -> Column:
    return Column(number, UsedLayer(f"layer {number}", size, users), Cell(0.0, span, ""), (20,))


def drawing(*columns: Column, own: tuple[Cell, ...] = ()) -> Drawing:
    rows = (Row("app:1", "app:1", "5B", 30, own),)
    return Drawing(Sharing.of([Stack(("app:1",), ())]), rows, columns, 50, 16, "100%")


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0%"), (100, "100%"), (12.5, "12.5%"), (100 / 3, "33.33%"), (0.004, "0%")]
)
def test_a_percent_is_told_to_the_hundredth(number: float, text: str) -> None:
    assert percent(number) == text


def test_a_cell_tells_its_place() -> None:
    cell = Cell(10, 5, "a layer")
    assert (cell.x, cell.width, cell.middle) == ("10%", "5%", "12.5%")


@pytest.mark.parametrize(
    ("number", "span", "style"),
    [
        (7, 5, "number"),
        (7, 2, "number if-wide"),
        (7, 0.5, ""),
        (123, 5, "number if-wide"),
        (123, 8, "number"),
    ],
)
def test_a_number_stands_over_a_column_that_has_room_for_it(number: int, span: float, style: str) -> None:
    assert column(number, span).number_style == style


@pytest.mark.parametrize(("span", "style"), [(5.0, "spaced"), (1.0, ""), (0.1, "dense")])
def test_the_narrowest_cell_decides_on_the_style(span: float, style: str) -> None:
    assert drawing(column(1, 50), column(2, span)).style == style
    assert drawing(column(1, 50), own=(Cell(60, span, ""),)).style == style


def test_the_legend_names_the_columns_that_save_most_in_their_order() -> None:
    columns = [column(number, 5, size=number % 7) for number in range(1, 31)]
    named = [each.number for each in drawing(*columns).legend]
    assert named == [4, 5, 6, 11, 12, 13, 18, 19, 20, 25, 26, 27]
