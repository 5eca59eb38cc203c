"""A database that lasts as long as some work: a nameless file in TMPDIR that goes when it is closed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from toolkit.errors import StoreError

CACHE = 16 << 10  # KiB of a database in memory


def scratch_database(schema: str) -> sqlite3.Connection:
    """Open an empty one, for several threads that take turns; raises StoreError."""
    with in_scratch():
        database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        for setting in (f"cache_size = -{CACHE}", "journal_mode = OFF", "synchronous = OFF"):
            database.execute(f"PRAGMA {setting}")
        database.executescript(schema)
        database.execute("BEGIN")
    return database


@contextmanager
def in_scratch() -> Iterator[None]:
    """Turn the database's errors into ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise failed(error) from error


def failed(error: sqlite3.Error) -> StoreError:
    """Return the error that an error of the database is: what fails is the disk under it."""
    return StoreError("temporary database", str(error), "it lies in TMPDIR, which needs room")
