"""Where a real program runs: a private folder, and for a daemon its life in it, ended by its own pid.

Nothing here touches the machine's own images: every root, socket, configuration and home lies in
one short folder under the temporary directory (a Unix socket's path has at most 107 bytes), and
goes with it. A daemon dies with us even when we are killed (`setpriv --pdeathsig`).
"""

from __future__ import annotations

import abc
import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

    Words = Sequence[str | Path]

TIMEOUT = 180.0
STARTING = 60.0


class EngineMissing(Exception):
    """The program is not here, or cannot be used by us; `str()` names it."""


class EngineRefused(Exception):
    """The program said no; `str()` is what it said."""


def demand(*programs: str, root: bool = False) -> None:
    """Raise `EngineMissing` unless every program is installed (and we are root, if that matters)."""
    for program in programs:
        if shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
            raise EngineMissing(f"{program} is not installed")
    if root and os.geteuid() != 0:
        raise EngineMissing(f"{programs[0]} needs root")


def run(
    command: Words, home: Path, *, timeout: float = TIMEOUT, environ: Mapping[str, str] | None = None
) -> str:
    """The program's standard output; `EngineRefused` with what it wrote to standard error."""
    done = subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={**environment(home), **(environ or {})},
        cwd=home,
        timeout=timeout,
        check=False,
    )
    if done.returncode:
        complaint = done.stderr.decode(errors="replace").strip()
        raise EngineRefused(f"{command[0]} exited {done.returncode}: {complaint}")
    return done.stdout.decode()


def environment(home: Path) -> dict[str, str]:
    """What a program may know of the machine: where programs are, and a home of its own."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    private = dict.fromkeys(
        ("HOME", "TMPDIR", "XDG_RUNTIME_DIR"), str(home)
    )  # logins are looked for in the last
    return {"PATH": path, **private, "TZ": "UTC", "LC_ALL": "C.UTF-8"}


class Workplace:
    """A short private folder; leaving it unmounts and removes whatever lies below."""

    programs: tuple[str, ...] = ()
    needs_root = False

    def __init__(self) -> None:
        demand(*self.programs, root=self.needs_root)
        self.home = Path(tempfile.mkdtemp(prefix="engine-")).resolve()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for mount in sorted(mounts_below(self.home), reverse=True):
            subprocess.run(["umount", "-l", mount], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.home, ignore_errors=True)


def mounts_below(folder: Path) -> list[str]:
    """The mount points below a folder (with the kernel's octal escapes; ours have none)."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [point for point in points if point.startswith(f"{folder}/")]


class Daemon(Workplace, abc.ABC):
    """A program that keeps running: started on entering, ended by its own pid on leaving."""

    needs_root = True

    @abc.abstractmethod
    def command(self) -> Words:
        """The program and its words."""

    @abc.abstractmethod
    def ask(self) -> object:
        """A question that only a daemon that is ready answers."""

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            undo.push(self.__exit__)
            self.log = undo.enter_context(self._log_path.open("wb"))
            self.process = self._start(self.log)
            wait_until(self.ask, self.process, self._log_path)
            undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if hasattr(self, "process"):
                end(self.process)
            if hasattr(self, "log"):
                self.log.close()
        finally:
            super().__exit__(kind, error, trace)

    def stopped(self) -> Path:
        """End the daemon, so that its store is at rest; return the store's root."""
        end(self.process)
        return self.home / "root"

    @property
    def _log_path(self) -> Path:
        return self.home / "log"

    def _start(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *self.command()],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment(self.home),
            cwd=self.home,
        )


def wait_until(ready: Callable[[], object], process: subprocess.Popen[bytes], log: Path) -> None:
    """Ask until the daemon answers; `EngineRefused` with the end of its log if it dies or dawdles."""
    deadline = time.monotonic() + STARTING
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(EngineRefused):
            ready()
            return
        time.sleep(0.1)
    raise EngineRefused(f"{process.args!r} did not start: {log.read_text(errors='replace')[-2000:]}")


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process of ours to go, then make it."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def as_file(archive: Path | bytes, folder: Path) -> Iterator[Path]:
    """A path to the archive; bytes become a file for as long as the program needs it."""
    if isinstance(archive, Path):
        yield archive.resolve()
        return
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".tar") as file:
        file.write(archive)
        file.flush()
        yield Path(file.name)
