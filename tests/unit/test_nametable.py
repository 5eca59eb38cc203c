from __future__ import annotations

from toolkit.plumbing.nametable import SMALLEST, NameTable


def test_a_name_is_new_once() -> None:
    names = NameTable()
    assert names.add(b"a")
    assert not names.add(b"a")
    assert b"a" in names
    assert b"b" not in names


def test_names_stay_when_the_table_grows() -> None:
    names, many = NameTable(), [b"name-%d" % number for number in range(5 * SMALLEST)]
    assert all(names.add(name) for name in many)
    assert not any(names.add(name) for name in many)
    assert all(name in names for name in many)
    assert b"another" not in names
