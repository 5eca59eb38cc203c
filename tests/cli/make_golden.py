"""Write the golden help texts anew: `python -m tests.cli.make_golden`, then read the diff."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path

from toolkit.cli import main, mirror_cmd
from toolkit.cli.commands import COMMANDS

GOLDEN = Path(__file__).parent / "golden"
# The file of a help, and the words that ask for it.
PAGES = {
    "lading": (),
    **{name: (name,) for name in COMMANDS},
    **{f"mirror_{name}": ("mirror", name) for name in mirror_cmd.COMMANDS},
}


def make() -> None:
    os.environ["COLUMNS"] = "80"
    GOLDEN.mkdir(exist_ok=True)
    for name, words in PAGES.items():
        with contextlib.redirect_stdout(io.StringIO()) as text:
            main([*words, "--help"])
        (GOLDEN / f"{name}.txt").write_text(text.getvalue(), encoding="utf-8")


if __name__ == "__main__":
    make()
