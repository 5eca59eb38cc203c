"""docs/report.md says what `lading verify --json` and `doctor --json` print; its example is what is printed."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.archives import A, blob, image, layout, sha256, tar, written
from tests.cli.conftest import Lading
from tests.containerds import containerd_root
from tests.graphs import legacy_layer
from tests.layers import file, layer
from toolkit.checks import EFFECTS
from toolkit.image import Finding
from toolkit.operations import checkup
from toolkit.operations.verify import verify
from toolkit.report import DEPTHS, SEVERITIES, VERDICTS, finding_json

PAGE = Path(__file__).parents[2] / "docs/report.md"
WHOLE, DAMAGED = layer(file("bin/su", b"\x7fELF", mode=0o4755)), tar({"etc/motd": b"Welcome\n"})


@pytest.fixture
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


@pytest.fixture
def example(page: str) -> Any:
    (text,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    return json.loads(text)


def rows(page: str, head: str) -> dict[str, str]:
    """The rows of the table under this head: the first cell, without its marks, and the rest."""
    lines = page.partition(f"\n{head}\n")[2].split("\n\n")[0].splitlines()
    cells = [line.strip("|").split(" | ", 1) for line in lines[1:]]
    return {first.strip().strip("`"): rest for first, rest in cells}


def bundle(folder: Path) -> Path:
    """Two images, and one byte changed in a layer of the second."""
    pictures = image(WHOLE, created="2014-04-17T09:39:21Z"), image(DAMAGED, created="2014-04-18T00:00:00Z")
    files = layout(("app:1", pictures[0]), ("motd:1", pictures[1]))
    files[blob(sha256(DAMAGED))] = DAMAGED.replace(b"Welcome", b"welcome")
    return written(folder / "bundle.tar", files)


def test_the_example_is_what_verify_prints(
    lading: Lading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, example: Any
) -> None:
    bundle(tmp_path)
    monkeypatch.chdir(tmp_path)
    ran = lading("verify", "bundle.tar", "--deep", "--json")
    assert ran.code == 5
    assert ran.json == example


def test_every_member_that_is_printed_is_told(page: str, example: Any) -> None:
    report, platforms = rows(page, "| member | what |"), rows(page, "| of an image | what |")
    assert example.keys() <= report.keys()
    told = {f"images[].{name}" for name in example["images"][0]}
    told |= {f"platforms[].{name}" for name in example["images"][0]["platforms"][0]}
    told |= {f"layers[].{name}" for name in example["images"][0]["platforms"][0]["layers"][0]}
    assert told <= platforms.keys()
    names = tuple(f"app:{number}" for number in range(9))
    every = Finding("a", "b", "error", 5, "digest", "c", "d", "e", "f", names)
    assert list(rows(page, "| of a finding | what |")) == list(finding_json(every))


def test_every_member_and_state_of_doctor_is_told(lading: Lading, page: str, tmp_path: Path) -> None:
    legacy_layer(tmp_path / "root", "aufs", A, {"f": b"12345"}, size="5")
    containerd_root(tmp_path / "root", {"moby": {"app:1": image(WHOLE)}})
    document = lading("doctor", str(tmp_path / "root"), "--json").json
    assert document.keys() == {"schema", "ok", "places"}
    places = document["places"]
    told = list(rows(page, "| of a place | what |"))
    assert {member for place in places for member in place} == {*told} - {"host"}
    for place in places:
        assert [list(each) for each in place["saves"]] == [["state", "command"]]
        assert [list(each) for each in place["images"]] == [list(rows(page, "| of a listed image | what |"))]
    states = {
        checkup.WHOLE,
        checkup.UNREAD,
        checkup.PARTIAL,
        checkup.REBUILDABLE,
        checkup.UNREADABLE,
        checkup.LOST,
    }
    assert set(rows(page, "| state | when |")) == states


def test_every_check_stands_in_the_table_and_no_other(page: str) -> None:
    assert list(rows(page, "| check | what was looked at |")) == list(EFFECTS)


def test_every_depth_verdict_and_severity_is_told(page: str) -> None:
    assert list(rows(page, "| depth | what |")) == list(DEPTHS)
    assert list(rows(page, "| verdict | when | exit code |")) == list(VERDICTS)
    assert all(f"`{severity}`" in page for severity in SEVERITIES)
    assert inspect.signature(verify).parameters["depth"].default == "full"
