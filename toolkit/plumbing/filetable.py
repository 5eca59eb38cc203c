"""What lies in the layers of images, in a temporary database: many files in little memory.

The database is a nameless file in TMPDIR that goes when it is closed.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

from toolkit.errors import UnsafeArchive
from toolkit.plumbing.filefacts import FOLDER, IMPLIED, FileFacts, Row, key_of
from toolkit.plumbing.scratch import failed, in_scratch, scratch_database

MAX_ROWS = 4_000_000  # files and folders of all layers
MAX_NAMES = 1 << 30  # bytes of paths and link targets, each as often as it stands

SCHEMA = """
    CREATE TABLE entry (
        key BLOB, layer INTEGER, marks INTEGER NOT NULL DEFAULT 0, digest BLOB,
        kind TEXT, size INTEGER, mode INTEGER, uid INTEGER, gid INTEGER, mtime INTEGER, mtime_ns INTEGER,
        target BLOB, major INTEGER, minor INTEGER, xattrs BLOB, sparse INTEGER, body INTEGER,
        PRIMARY KEY (key, layer)
    ) WITHOUT ROWID;
    CREATE TABLE late (layer INTEGER, body INTEGER, digest BLOB, PRIMARY KEY (layer, body)) WITHOUT ROWID;
"""
FACTS = "kind, size, mode, uid, gid, mtime, mtime_ns, target, major, minor, xattrs, sparse, body"
VALUES = ", ".join("?" * (3 + FACTS.count(",") + 1))
TAKEN = ", ".join(f"{fact} = excluded.{fact}" for fact in ("digest", *FACTS.split(", ")))
INSERT = f"""INSERT INTO entry (key, layer, digest, {FACTS}) VALUES ({VALUES})
    ON CONFLICT (key, layer) DO UPDATE SET {TAKEN}
    WHERE kind IS NULL OR (kind = '{FOLDER}' AND excluded.kind = '{FOLDER}')"""  # noqa: S608 - our own words
IMPLY = "INSERT OR IGNORE INTO entry (key, layer, marks) VALUES (?, ?, ?)"
MARK = """INSERT INTO entry (key, layer, marks) VALUES (?, ?, ?)
    ON CONFLICT (key, layer) DO UPDATE SET marks = marks | excluded.marks"""
LATE = "INSERT OR REPLACE INTO late VALUES (?, ?, ?)"
FOUND = f"SELECT digest, {FACTS} FROM entry WHERE key = ? AND layer = ? AND kind IS NOT NULL"  # noqa: S608
ROWS = f"""SELECT key, layer, marks, coalesce(entry.digest, late.digest), {FACTS} FROM entry
    LEFT JOIN late USING (layer, body) ORDER BY key"""  # noqa: S608


class FileTable:
    """Rows of numbered layers; several threads may add. A context manager."""

    def __init__(self) -> None:
        """Open an empty one; raises StoreError, as every method may."""
        self._rows = self._names = 0
        self._lock = threading.Lock()
        self._database = scratch_database(SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def add(self, layer: int, key: bytes, facts: FileFacts, digest: bytes | None = None) -> bool:
        """Take an entry in; False where the layer has one of that path already, unless both are folders."""
        with self._lock:
            self._count(len(key) + len(facts.target))
            return self._execute(INSERT, (key, layer, digest, *facts)).rowcount == 1

    def mark(self, layer: int, key: bytes, marks: int) -> None:
        """Note a whiteout of a path, or that it is an opaque folder."""
        with self._lock:
            self._count(len(key))
            self._execute(MARK, (key, layer, marks))

    def imply(self, layer: int, parts: Sequence[bytes]) -> None:
        """Note that a path, and all above it, are folders because something lies in them."""
        with self._lock:
            for depth in range(len(parts), 0, -1):
                key = key_of(parts[:depth])
                if not self._execute(IMPLY, (key, layer, IMPLIED)).rowcount:
                    self._execute(MARK, (key, layer, IMPLIED))
                    return  # those above it were noted with it
                self._count(len(key))

    def found(self, layer: int, key: bytes) -> tuple[FileFacts, bytes | None] | None:
        """Return the entry that a layer has for a path so far, and its digest."""
        with self._lock:
            row = self._execute(FOUND, (key, layer)).fetchone()
        return (FileFacts(*row[1:]), row[0]) if row else None

    def put_digest(self, layer: int, body: int, digest: bytes) -> None:
        """Note the digest of a content that was read later than its entry."""
        with self._lock:
            self._execute(LATE, (layer, body, digest))

    def rows(self) -> Iterator[Row]:
        """Yield all rows in the order of their keys; nothing may be added meanwhile."""
        with in_scratch():
            for key, layer, marks, digest, *facts in self._database.execute(ROWS):
                yield Row(key, layer, marks, digest, FileFacts(*facts) if facts[0] else None)

    def _execute(self, statement: str, values: Sequence[object]) -> sqlite3.Cursor:
        try:
            return self._database.execute(statement, values)
        except sqlite3.Error as error:
            raise failed(error) from error

    def _count(self, names: int) -> None:
        self._rows += 1
        self._names += names
        if self._rows > MAX_ROWS:
            raise UnsafeArchive("the layers to compare", f"hold more than {MAX_ROWS} files and folders")
        if self._names > MAX_NAMES:
            raise UnsafeArchive("the layers to compare", f"hold more than {MAX_NAMES} bytes of names")
