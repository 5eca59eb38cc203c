"""Processes beside ours that look like an engine: a name, words, open files, locks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BEGIN = """
import fcntl, os, sys
name, file, lock = sys.argv[1:4]
with open("/proc/self/comm", "w") as own:
    own.write(name)
held = open(file, "r+b") if file else None
if lock == "flock":
    fcntl.flock(held, fcntl.LOCK_EX)
elif lock == "shared":
    fcntl.flock(held, fcntl.LOCK_SH)
elif lock == "write":
    fcntl.lockf(held, fcntl.LOCK_EX)
elif lock == "read":
    fcntl.lockf(held, fcntl.LOCK_SH)
print(os.getpid(), flush=True)
sys.stdin.read()
"""


@contextmanager
def neighbour(name: str, *words: str | Path, holds: Path | str = "", lock: str = "") -> Iterator[int]:
    """A process of this name and these words, which has a file open and locked; yield its pid."""
    command = [sys.executable, "-c", BEGIN, name, str(holds), lock, *map(str, words)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        yield int(process.stdout.readline())
        process.communicate()


def made(path: Path) -> Path:
    """An empty file, with the folders it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path
