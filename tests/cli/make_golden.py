"""Write the golden help texts anew: `python -m tests.cli.make_golden`, then read the diff."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path

from toolkit.cli import main
from toolkit.cli.commands import COMMANDS

GOLDEN = Path(__file__).parent / "golden"


def make() -> None:
    os.environ["COLUMNS"] = "80"
    GOLDEN.mkdir(exist_ok=True)
    for name in ("lading", *COMMANDS):
        with contextlib.redirect_stdout(io.StringIO()) as text:
            main([*([] if name == "lading" else [name]), "--help"])
        (GOLDEN / f"{name}.txt").write_text(text.getvalue(), encoding="utf-8")


if __name__ == "__main__":
    make()
