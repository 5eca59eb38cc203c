"""What is seen on a terminal, a real one: a line for all, and one for each blob that is on its way."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.archives import image, sha256, tar
from tests.webregistry import MemoryRegistry
from tests.webs import Asked, Reply

ROOT = Path(__file__).parents[2]
LAYERS = [tar({"number": bytes([number])}) for number in range(12)]
SHORT = {sha256(layer).removeprefix("sha256:")[:12]: sha256(layer) for layer in LAYERS}
FRAME = re.compile(r"\r(?:\x1b\[1A|\x1b\[2K)+")  # wipes what was drawn last
STYLE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
OLDEST = 60.0  # seconds that a frame may be waited for


class Screen:
    """A pseudo-terminal of so many lines and columns, and what a command drew there, frame by frame."""

    def __init__(self, rows: int, columns: int) -> None:
        self._ours, self.theirs = pty.openpty()
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._drawn = b""
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    @property
    def frames(self) -> list[list[str]]:
        text = FRAME.split(self._drawn.decode(errors="ignore"))
        return [STYLE.sub("", frame).rstrip().split("\r\n") for frame in text]

    def wait(self, is_it: Callable[[list[str]], bool]) -> list[str]:
        """Return the first frame of this sort, once it is drawn."""

        def found() -> list[str] | None:
            return next(filter(is_it, self.frames[:-1]), None)  # the last may not be drawn to its end

        with self._news:
            assert self._news.wait_for(found, OLDEST), self.frames[-2:]
        return found() or []

    def drain(self) -> None:
        """Wait until all is read that was drawn; nobody draws any more."""
        os.close(self.theirs)
        self._thread.join()

    def close(self) -> None:
        os.close(self._ours)

    def _read(self) -> None:
        with suppress(OSError):  # nobody has the other end any more
            while piece := os.read(self._ours, 1 << 16):
                with self._news:
                    self._drawn += piece
                    self._news.notify_all()


class Waiting(MemoryRegistry):
    """A registry that answers for layers when it is let."""

    def __init__(self) -> None:
        super().__init__(self.wait)
        self.may = threading.Event()
        self.push("app:1", image(*LAYERS))

    def wait(self, asked: Asked) -> Reply | None:
        if asked.method == "GET" and asked.path.rpartition("/")[2] in SHORT.values():
            assert self.may.wait(2 * OLDEST)
        return None


@contextmanager
def pulling(web: Waiting, screen: Screen, folder: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "HOME": str(folder)}
    environ = {name: text for name, text in environ.items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}}
    command = [sys.executable, "-m", "toolkit", "copy", f"docker://{web.host}/app:1", "oci:store", *words]
    with subprocess.Popen(
        command, cwd=folder, env=environ, stderr=screen.theirs, stdout=subprocess.DEVNULL
    ) as running:
        try:
            yield running
        finally:
            web.may.set()
            running.wait()
            screen.drain()


@pytest.fixture
def web() -> Iterator[Waiting]:
    with Waiting() as web:
        yield web


@contextmanager
def screened(rows: int, columns: int) -> Iterator[Screen]:
    screen = Screen(rows, columns)
    try:
        yield screen
    finally:
        screen.close()


@pytest.mark.parametrize("jobs", [1, 3])
def test_each_blob_in_flight_has_its_line_below_that_of_all(web: Waiting, tmp_path: Path, jobs: int) -> None:
    with screened(30, 80) as screen:
        with pulling(web, screen, tmp_path, "--jobs", str(jobs)) as running:
            first, *others = screen.wait(lambda frame: len(frame) > jobs and "-:--" in frame[0])
        assert running.returncode == 0
        assert re.fullmatch(r"copying +━+ 0\.0/122\.9 kB +\? +-:--:--", first)
        assert len(others) == jobs
        assert {line.split()[0] for line in others} <= SHORT.keys()
        assert {tuple(line.split()[2:]) for line in others} == {("0.0/10.2", "kB", "?", "-:--:--")}
        assert max(map(len, screen.frames)) == jobs + 1
        assert "122.9/122.9 kB" in "".join(map(str, screen.frames))
        assert screen.frames[-1] == [""]  # all of it is wiped


@pytest.mark.parametrize(("rows", "columns"), [(5, 80), (6, 30)])
def test_a_small_screen_is_not_overrun(web: Waiting, tmp_path: Path, rows: int, columns: int) -> None:
    with screened(rows, columns) as screen:
        with pulling(web, screen, tmp_path, "--jobs", "12") as running:
            frame = screen.wait(lambda frame: len(frame) >= rows)
        assert running.returncode == 0
        assert frame[0].startswith("copying")
        assert len(frame) == rows
        assert max(map(len, screen.frames)) == rows
        assert max(len(line) for frame in screen.frames for line in frame) <= columns


@pytest.mark.parametrize("words", [("--quiet",), ("--json",)])
def test_nothing_is_drawn_where_it_must_not_be(web: Waiting, tmp_path: Path, words: tuple[str, ...]) -> None:
    with screened(30, 80) as screen:
        web.may.set()
        with pulling(web, screen, tmp_path, *words) as running:
            pass
        assert running.returncode == 0
        lines = [line for frame in screen.frames for line in frame if line]
        assert "\x1b" not in "".join(lines)
        assert all(line.startswith('{"schema": 1, "event": ') for line in lines)
        assert bool(lines) == (words == ("--json",))
