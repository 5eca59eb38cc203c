from __future__ import annotations

import pytest

from toolkit.errors import StoreError
from toolkit.plumbing.scratch import in_scratch, scratch_database


def test_what_the_database_cannot_do_is_an_error_of_the_disk_under_it() -> None:
    database = scratch_database("CREATE TABLE a (b)")
    database.execute("INSERT INTO a VALUES (1)")
    with pytest.raises(StoreError, match=r"temporary database: no such table: c; .*TMPDIR"), in_scratch():
        database.execute("INSERT INTO c VALUES (1)")
    database.close()


def test_two_have_nothing_in_common() -> None:
    one, other = (scratch_database("CREATE TABLE a (b)") for _ in range(2))
    one.execute("INSERT INTO a VALUES (1)")
    assert other.execute("SELECT count(*) FROM a").fetchone() == (0,)
    one.close()
    other.close()
