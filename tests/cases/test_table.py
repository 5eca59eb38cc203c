"""The table has each case of formats H once, and each has a test that carries its number."""

from __future__ import annotations

import ast
from pathlib import Path

from .table import CASES, number_of


def test_each_case_has_a_row_and_a_test() -> None:
    files = Path(__file__).parent.glob("test_*.py")
    tests = {
        number_of(node.name)
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    } - {0}
    assert [case.number for case in CASES] == list(range(1, 41))
    assert tests == set(range(1, 41))
