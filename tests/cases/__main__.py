"""The forty acceptance cases of formats H: each one's tests are run, and what we make of it is printed.

`python -m tests.cases` ends with 1 where a test fails. It needs no corpus; as another user than root what writes a legacy
root is left out.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.cases.table import CASES, number_of

FOLDER = Path(__file__).parent
SHOWN = 15  # lines of one case
LONG = re.compile(r"([0-9a-f]{12})[0-9a-f]{52}")
OUTCOMES = {"passed": "ok", "skipped": "left out", "failed": "FAILED"}


class Outcomes:
    """What became of each case's tests, and what they told of it; a plugin of pytest's."""

    def __init__(self) -> None:
        self.of: dict[int, list[str]] = defaultdict(list)
        self.ours: dict[int, dict[str, None]] = defaultdict(dict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a test's outcome: of its call, or of what kept it from being called."""
        number = number_of(report.nodeid)
        if number and (report.when == "call" or report.outcome != "passed"):
            self.of[number].append(report.outcome)
            told = [str(value) for key, value in report.user_properties if key == "ours"]
            self.ours[number] |= dict.fromkeys(told)

    def outcome(self, number: int) -> str:
        """Return how a case ended: as its worst test, where it has any."""
        found = self.of[number]
        worst = next((each for each in ("failed", "passed", "skipped") if each in found), "failed")
        return f"{OUTCOMES[worst]} ({len(found)})"


def main() -> None:
    """Run them, and print the table."""
    outcomes, said = Outcomes(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = pytest.main([str(FOLDER), "-q", "-p", "no:cacheprovider"], plugins=[outcomes])
    for case in CASES:
        print(f"{case.number:2}  {case.area:4} {outcomes.outcome(case.number):14} {case.input}")
        print(f"      expected: {case.expected}")
        ours = [LONG.sub(r"\1…", each).strip() for each in outcomes.ours[case.number]]
        for each in ours[:SHOWN]:
            print(f"      here:     {each[:200]}")
        if len(ours) > SHOWN:
            print(f"                and {len(ours) - SHOWN} more")
    failed = [str(case.number) for case in CASES if outcomes.outcome(case.number).startswith("FAILED")]
    if failed or code:
        sys.exit(f"{said.getvalue()}\ncases that fail: {', '.join(failed) or 'none'}")
    print(f"{len(CASES)} cases, {sum(map(len, outcomes.of.values()))} tests, each as it is expected")


main()
