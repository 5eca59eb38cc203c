"""`kill -9` in the middle of a blob that comes from a registry: the next run asks only for the rest.

The registry sends some of the blob and then no more, so that the moment is always the same. What comes in the
first seconds is kept too here, which saves them.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.archives import image, sha256, tar
from tests.kill.scenes import strays
from tests.webregistry import MemoryRegistry
from tests.webs import Asked, Reply, ranged
from toolkit.bundles import open_bundle
from toolkit.operations.verify import verify

pytestmark = pytest.mark.kill

MB = 1 << 20
BIG = tar({"file": random.Random(1).randbytes(8 * MB)})
APP = image(tar({"etc/small": b"small"}), BIG)
STEP = 5  # calls between two moments
CAME = 5 * MB  # bytes that come before the kill
RUN = """
import sys
import toolkit.plumbing.kept
from tests.kill.faults import Armed, Fault
toolkit.plumbing.kept.WORTH = 0.0
number, *words = sys.argv[1:]
if words[0] == "luigi":
    from luigi.cmdline import luigi_run as main
else:
    from toolkit.cli import main
if number != "0":
    Armed(Fault(int(number))).arm()
sys.exit(main(words[1:]))
"""


class Slow(MemoryRegistry):
    """A registry that sends so much of the large layer and then holds the line; `arrived` tells when."""

    def __init__(self) -> None:
        super().__init__(self._slowly)
        self.push("app:1", APP)
        self.is_slow = True
        self.arrived, self.let_go = threading.Event(), threading.Event()

    def _slowly(self, asked: Asked) -> Reply | None:
        if not self.is_slow or asked.method == "HEAD" or not asked.path.endswith(sha256(BIG)):
            return None
        if "range" not in asked.headers:
            return ranged(asked, BIG, cut=CAME)
        self.arrived.set()
        self.let_go.wait()
        return None

    def ranges(self) -> list[str]:
        asked = [one for one in self.asked if one.method == "GET" and one.path.endswith(sha256(BIG))]
        return [one.headers.get("range", "all") for one in asked]


@pytest.fixture
def web() -> Iterator[Slow]:
    with Slow() as web:
        yield web
        web.let_go.set()


def begun(folder: Path, words: Sequence[str], number: int = 0) -> subprocess.Popen[bytes]:
    """Start a command in a process of its own, to be killed before one of its calls to the disk."""
    environ = {
        **os.environ,
        "LADING_HOME": str(folder / "home"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-c", RUN, str(number), *words]
    return subprocess.Popen(
        command, cwd=folder, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def way(name: str, web: Slow) -> list[str]:
    """The words of a command that leaves app:1 in the bundle `b`."""
    place = f"docker://{web.host}/app"
    if name == "luigi":
        task = ["luigi", "--module", "pipelines", "ExportImage", "--tag", "app:1", "--bundle", "b"]
        return [*task, "--source", place]
    return ["lading", "export", "app:1", "--from", place, "-o", "b"]


def killed(web: Slow, folder: Path, words: Sequence[str]) -> Path:
    """Kill a command in the middle of the large layer; return what it has kept."""
    with begun(folder, words) as process:
        assert web.arrived.wait(60)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not (folder / "b").exists()
    web.is_slow = False
    web.let_go.set()
    web.asked.clear()
    return folder / "home" / "partial" / sha256(BIG).replace(":", "-")


def ends_well(folder: Path, words: Sequence[str]) -> None:
    with begun(folder, words) as process:
        pass
    assert process.returncode == 0
    assert not verify(open_bundle(folder / "b")).errors
    assert not (folder / "home" / "partial").exists()
    assert not strays(folder)


@pytest.mark.parametrize("name", ["lading", "luigi"])
def test_the_next_run_asks_only_for_the_rest(web: Slow, tmp_path: Path, name: str) -> None:
    words = way(name, web)
    killed(web, tmp_path, words)
    before = web.sent
    ends_well(tmp_path, words)
    assert web.ranges() == [f"bytes={CAME}-"]
    assert web.sent - before < len(BIG) - CAME + 64 * 1024


@pytest.mark.parametrize("name", ["lading", "luigi"])
def test_what_was_damaged_meanwhile_is_not_believed(web: Slow, tmp_path: Path, name: str) -> None:
    words = way(name, web)
    kept = killed(web, tmp_path, words)
    raw = bytearray(kept.read_bytes())
    raw[MB] ^= 1
    kept.write_bytes(raw)
    ends_well(tmp_path, words)
    assert web.ranges() == [f"bytes={CAME}-", "all"]


def test_whatever_call_a_run_is_killed_at_the_next_one_ends_well(web: Slow, tmp_path: Path) -> None:
    web.let_go.set()
    words, codes = way("lading", web), [-signal.SIGKILL]
    while codes[-1]:
        folder = tmp_path / str(len(codes))
        folder.mkdir()
        with begun(folder, words, 1 + (len(codes) - 1) * STEP) as process:
            pass
        codes.append(process.returncode)
        ends_well(folder, words)
    assert set(codes[:-1]) == {-signal.SIGKILL}
    assert len(codes) > 5
