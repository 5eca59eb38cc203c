"""What a registry does wrong, and what it comes to, row by row; with --write, tests/misbehaviours/TABLE.md.

A row that comes to something else than TABLE.md says ends the script with 1.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.misbehaviours.scene import played
from tests.misbehaviours.table import FILE, HEAD, ROWS, expected, line


def main() -> None:
    """Play every row."""
    known, lines, wrong = expected() if FILE.exists() else {}, [], []
    for row in ROWS:
        with tempfile.TemporaryDirectory() as folder:
            outcome = played(row, Path(folder))
        lines.append(line(row.id, outcome.code, outcome.sentence))
        print(lines[-1], flush=True)
        if outcome.wrong:
            wrong.append(f"{row.id}: {outcome.wrong}")
        elif known.get(row.id) != lines[-1] and "--write" not in sys.argv:
            wrong.append(f"{row.id}: the table says {known.get(row.id)}")
    if "--write" in sys.argv:
        FILE.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")
    completed = sum("| 0 |" in each for each in lines)
    print(
        f"{len(lines)} misbehaviours: {completed} complete all the same, {len(lines) - completed} are refused"
    )
    if wrong:
        raise SystemExit("\n".join(wrong))


main()
