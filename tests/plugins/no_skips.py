"""A pytest plugin for CI: a test that skips for a reason nobody wrote down fails the run.

Used by `.ci/run` as `-p no_skips`. The reasons stand in `.ci/allowed-skips.txt`, one per line:
`WHO :: REGEX :: WHY`, where WHO is `anyone` or `not-root` and REGEX matches the whole reason.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

ALLOWED = ".ci/allowed-skips.txt"


def allowed_reasons(path: Path) -> list[re.Pattern[str]]:
    """The patterns that hold for the user we are."""
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [line.split(" :: ", 2) for line in lines if line.strip() and not line.startswith("#")]
    who = {"anyone"} if os.geteuid() == 0 else {"anyone", "not-root"}
    return [re.compile(pattern) for name, pattern, _why in rows if name in who]


class NoSkips:
    """Remembers each skip whose reason is not allowed, and fails the run for it."""

    def __init__(self, allowed: list[re.Pattern[str]]) -> None:
        self.allowed = allowed
        self.unexpected: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self.judge(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.judge(report)

    def judge(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = text.removeprefix("Skipped: ")
        if not any(pattern.fullmatch(reason) for pattern in self.allowed):
            self.unexpected.append(f"{report.nodeid}: {reason}")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.unexpected and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.unexpected:
            terminalreporter.section(f"skipped for a reason that {ALLOWED} does not name")
            for line in self.unexpected:
                terminalreporter.write_line(line)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(NoSkips(allowed_reasons(config.rootpath / ALLOWED)))
