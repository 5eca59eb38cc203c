"""The command as a process of its own: `lading`, or `python -m toolkit` where it is not installed."""

from __future__ import annotations

import gc
import sys


def run() -> int:
    """Run the command that this process was started for, and return its exit code.

    Starting makes tens of thousands of objects that all stay. So nothing is collected before the command
    itself begins (`toolkit.cli.commands`), nor at the end, when the system takes everything back anyway.
    """
    gc.disable()
    from toolkit.cli import main

    try:
        return main()
    finally:
        gc.freeze()


if __name__ == "__main__":
    sys.exit(run())
