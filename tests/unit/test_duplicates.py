from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import UnsafeArchive
from toolkit.plumbing.duplicates import NameSet


@pytest.mark.property
@given(st.lists(st.binary(max_size=3), max_size=30))
def test_names_are_refused_exactly_where_two_are_equal(names: list[bytes]) -> None:
    found = NameSet("x")
    for name in names:
        found.add(name)
    if len(set(names)) == len(names):
        found.check()
    else:
        with pytest.raises(UnsafeArchive, match="x: has two entries of the same name"):
            found.check()


def test_one_pair_among_many_is_found() -> None:
    names = NameSet("x")
    for number in range(50_000):
        names.add(b"%d" % number)
    names.check()
    names.add(b"25000")
    with pytest.raises(UnsafeArchive):
        names.check()
