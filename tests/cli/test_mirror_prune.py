from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from tests.archives import image, layout, tar, unpacked
from tests.cli.conftest import Lading
from toolkit.digest import Digest
from toolkit.mirror.connected.site import Site
from toolkit.mirror.records.lock import Lock, Locked
from toolkit.stores.layout import LayoutStore
from toolkit.stores.layout_unname import named

APPS = {f"app:{number}": image(tar({"base": b"b"}), tar({f"app{number}": b"x"})) for number in range(1, 5)}
JOB = 'site = "plant-7"\nimages = ["app:4"]\n[policy.keep]\nimages = 2\n'


@pytest.fixture
def home(home: Path) -> Path:
    unpacked(home / "store", layout(*APPS.items()))
    Path("job.toml").write_text(JOB)
    day = dt.date(2026, 11, 27)
    top = Digest.parse(APPS["app:4"].digest)
    Site(home, "plant-7").keep_lock(Lock("plant-7", day, (Locked("app:4", "app:4", "docker://x", top),)))
    return home


def names(home: Path) -> list[str]:
    return [name for name, _ in named(LayoutStore(home / "store"))]


def test_a_list_is_written_shortened_and_confirmed(lading: Lading, home: Path) -> None:
    told = lading("mirror", "prune", "job.toml", "-o", "review.txt")
    assert told.code == 0, told.err
    lines = told.out.splitlines()
    assert [line.split()[1] for line in lines[:3]] == ["NAME", "app:1", "app:2"]
    assert lines[3].startswith("would free ")
    assert lines[4] == (
        "nothing is removed yet; read review.txt, and run: lading mirror prune --confirm review.txt"
    )
    assert names(home) == list(APPS)
    review = Path("review.txt")
    review.write_text("".join(line for line in review.read_text().splitlines(True) if "app:1" not in line))
    done = lading("mirror", "prune", "--confirm", "review.txt")
    assert done.code == 0, done.err
    assert done.out.splitlines()[0] == "removed 1 name and 0 sets"
    assert "in 3 of 13 blobs" in done.out
    assert names(home) == ["app:1", "app:3", "app:4"]


def test_the_same_for_machines(lading: Lading, home: Path) -> None:
    told = json.loads(lading("mirror", "prune", "job.toml", "--json").out)
    assert [line["name"] for line in told["lines"]] == ["app:1", "app:2"]
    lading("mirror", "prune", "job.toml", "-o", "review.txt")
    done = json.loads(lading("mirror", "prune", "--confirm", "review.txt", "--json").out)
    assert done["images"] == ["app:1", "app:2"]
    assert done["store"] == told["store"]
    assert names(home) == ["app:3", "app:4"]


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([], 2),
        (["job.toml", "--site", "plant-7"], 2),
        (["--confirm", "job.toml", "-o", "x"], 2),
        (["--confirm", "job.toml"], 2),
        (["--confirm", "none.txt"], 3),
        (["job.toml", "--receipt-to", "."], 2),
        (["none.toml"], 3),
        (["--site", "plant-7"], 3),
        (["--site", "../x"], 2),
    ],
)
def test_what_cannot_be_understood_is_one_sentence(lading: Lading, words: list[str], code: int) -> None:
    told = lading("mirror", "prune", *words)
    assert told.code == code, told.err
    assert len(told.err.splitlines()) == 1
