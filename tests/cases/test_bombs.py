"""Case 40: what is small and becomes endless is refused at its limit: in 10 s, in 256 MiB, and leaves nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines import ImportBundle
from tests.pipelines.conftest import build, home

from .bombs import BOMBS
from .conftest import Tell
from .judging import ran

ROOT = Path(__file__).parents[2]
SECONDS, MEMORY = 10, 256 << 20
Found = dict[str, dict[str, Any]]
__all__ = ["home"]  # pytest finds it here


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bombs")


@pytest.fixture(scope="module")
def found(work: Path) -> Found:
    """What came of each, set off in a process of its own."""
    command = [sys.executable, "-m", "tests.cases.bombs", str(work)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("name", BOMBS)
def test_case_40_a_bomb_is_refused_at_its_limit(found: Found, ours: Tell, name: str) -> None:
    """An image of 200 layers is none for Docker, and one for podman: it is told, and refused by --strict."""
    _, code, says = BOMBS[name]
    one = found[name]
    for verb in ("verify", "import"):
        assert (one[verb]["code"], says in one[verb]["says"]) == (code, True), one
        assert one[verb]["seconds"] < SECONDS
    assert one["memory"] < MEMORY
    assert one["left"] == []
    told = f"refused {code}" if code else "warned of"
    ours(
        f"{name}: {told} in {one['verify']['seconds']:.1f} s, {one['memory'] >> 20} MiB: {one['verify']['says'][:120]}"
    )


def test_case_40_what_is_only_told_is_refused_by_strict(found: Found, work: Path) -> None:
    number = list(BOMBS).index("200 layers")
    path = work / str(number) / "a.tar"
    assert found["200 layers"]["verify"]["code"] == 0
    for verb, words in (("verify", ()), ("import", ("--into", f"oci:{work / 'strict'}"))):
        done = ran(verb, path, *words, "--strict")
        assert (done.code, "has 200 layers" in done.error) == (5, True)
    assert not (work / "strict/index.json").exists()


@pytest.mark.parametrize(
    "name", [name for name, (_, code, _) in BOMBS.items() if code and "million" not in name]
)
def test_case_40_a_task_that_meets_a_bomb_leaves_no_target(home: Path, tmp_path: Path, name: str) -> None:
    path = BOMBS[name][0](tmp_path)
    task = ImportBundle(bundle=str(path))
    assert build(task) == "FAILED"
    assert not task.complete()
    reports = [json.loads(each.read_bytes()) for each in home.glob("receipts/*.json")]
    assert {report["verdict"] for report in reports} <= {
        "corrupt",
        "unsafe",
    }  # it is written down; nothing is done
    assert not (home / "store/index.json").exists()
