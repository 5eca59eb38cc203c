"""The table: every row, and what TABLE.md says it comes to."""

from __future__ import annotations

from pathlib import Path

from . import blobs, connections, documents, listings, logins, uploads

ROWS = (
    *documents.ROWS,
    *blobs.ROWS,
    *connections.ROWS,
    *logins.ROWS,
    *listings.ROWS,
    *uploads.ROWS,
)
FILE = Path(__file__).with_name("TABLE.md")
HEAD = """# What a registry does wrong, and what Lading makes of it

Each row is played against a registry of the tests' own: `python tests/acceptance/32_misbehaving_registries.py`
prints the same lines, with `--write` into this file. Exit code 0: the image arrives whole, every byte proven.
After any other nothing is left that looks like an image. No login goes to another host, and none is told.

| | the registry's misbehaviour | exit | sentence |
|---|---|---|---|
"""


def line(id_: str, code: int, sentence: str) -> str:
    """Return a line of the table."""
    return f"| {id_} | {code} | {sentence.replace('|', '/')} |"


def expected() -> dict[str, str]:
    """Return each line of the file by the row's id."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    found = [each for each in lines if each.startswith("| ")][1:]
    return {" | ".join(each.split(" | ")[:2]).removeprefix("| "): each for each in found}
