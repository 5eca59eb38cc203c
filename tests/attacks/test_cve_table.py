"""The table of vulnerabilities (formats G.1 to G.3): each row is a test, or has a reason not to be one."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

DOCKER = """
2014-5278 2014-6407 2014-6408 2014-9356 2014-9357 2014-9358 2014-8178 2014-8179 2016-8867 2016-9962 2017-14992
2018-15664 2019-14271 2021-41089 2021-41091 2021-41190 2024-24557 2026-17106 2026-41567 2026-42306
"""
ENGINES = """
2021-32760 2023-25153 2024-40635 2026-46680 2026-47262 2026-53488 2026-50195 2026-53489 2026-53492 2025-47290
2020-1702 2024-3727 2024-9676 2024-1753 2026-55686 2021-29136 2022-2879 2025-58183 2026-32288 2026-39822
2020-27833 2026-50163 2025-62518 2026-53655
"""
PYTHON = """
2007-4559 2019-20907 2025-4517 2025-4330 2025-4138 2025-4435 2024-12718 2025-8194 2026-4360 2026-11972
"""
NUMBERLESS = (  # rows without a CVE number, as tests call them
    "containerd_ba50a5645", "umoci_0_5_1", "gcr", "ghsa_apple_container", "ghsa_tokio_tar", "gh_149486", "gh_151558",
    "gh_151987", "gh_151498", "gh_157190",
)  # fmt: skip
REASONS = {  # what concerns engines at work alone, and why
    "2016-8867": "rights of a process in a running container; no process is started here",
    "2016-9962": "file handles that a container inherits as it starts; none is started here",
    "2024-1753": "a mount while an image is built; nothing is built here, and nothing mounted",
    "2026-42306": "mounts that docker cp makes in a running container; walks by handle are 2018-15664",
}


def rows() -> list[str]:
    """Return what each row is called: the number, or the name of one that has none."""
    return [*f"{DOCKER}{ENGINES}{PYTHON}".split(), *NUMBERLESS]


@cache
def named() -> list[str]:
    """Return the names of all tests of the files beside this one that are named after a row."""
    parsed = [
        ast.parse(path.read_text(encoding="utf-8")) for path in Path(__file__).parent.glob("test_cve_*.py")
    ]
    names = [node.name for tree in parsed for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [f"{name}_" for name in names if name.startswith("test_")]


def of(row: str) -> list[str]:
    """Return the tests of a row."""
    called = row.replace("-", "_")
    names = (
        (f"_{called}_",) if row in NUMBERLESS else (f"_cve_{called}_", f"_and_{called.partition('_')[2]}_")
    )
    return [test for test in named() if any(name in test for name in names)]


def test_every_row_has_a_test_or_a_reason() -> None:
    assert [row for row in rows() if not of(row) and row not in REASONS] == []


def test_no_row_has_both() -> None:
    assert [row for row in REASONS if of(row) or row not in rows()] == []


def test_every_test_is_of_a_row() -> None:
    known = {test for row in rows() for test in of(row)}
    here = {f"{name}_" for name in globals() if name.startswith("test_")}
    others = {"test_a_link_of_a_bundle_leads_to_its_own_members_alone_"}
    assert set(named()) - known - here - others == set()
