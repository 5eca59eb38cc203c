"""A task that there is not: told in one sentence, with what may have been meant."""

from __future__ import annotations

import re
import sys
from types import TracebackType

from luigi.task_register import TaskClassNotFoundException

from toolkit.printable import printable

NAME = re.compile(r"No task (.{1,200}?)\. (?:Did you mean:|Candidates are:)", re.DOTALL)
USAGE = 2  # as luigi ends for a flag that there is not


def install() -> None:
    """Tell of a misspelt task as of a misspelt flag: luigi lets it through to Python, with a traceback."""
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, TaskClassNotFoundException):
            sys.stderr.write(f"error: {of_task(error)}\n")
            raise SystemExit(USAGE)
        before(kind, error, trace)

    sys.excepthook = hook


def of_task(error: TaskClassNotFoundException) -> str:
    """Say that there is no such task, and which of ours is nearest."""
    import difflib

    from pipelines import __all__ as tasks

    found = NAME.match(str(error))
    name = found[1] if found else "that was asked for"
    close = difflib.get_close_matches(name, tasks, 1)
    advice = f"did you mean {close[0]}?" if close else f"there are {', '.join(tasks)}"
    return printable(f"task {name}: is not known; {advice}")
