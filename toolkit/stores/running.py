"""A store that an engine is running on is not read as one at rest: what runs is noticed, and named.

Everything here only looks: nothing is written, no lock is kept, and it works on a read-only mount.
Engines are noticed by what only a living one has: its files, its words, its locks. A copy of a root
has none of these, nor has a root whose engine was killed and left its pid file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path

from toolkit.errors import ToolkitError, TryAgain
from toolkit.plumbing.files import read_bounded
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.plumbing.locks import UNSEEN, flock_holder, write_lock_holder
from toolkit.plumbing.processes import NAME_LENGTH, Inode, Process, inode

CLIENT = "docker"  # the engine's own name up to Docker 1.11, and the client's of every Docker
STORAGE = ("podman", "buildah", "crio", "conmon")  # programs of containers/storage
NAMES = (CLIENT, "dockerd", "docker.io", "docker-containerd", "containerd", *STORAGE)
ENGINES = {name[:NAME_LENGTH] for name in NAMES}
ROOT_OPTIONS = ("--data-root", "--graph", "-g", "--root")
PASSED_ON = "--exit-command-arg"  # conmon: before each word of the podman that it will call
PID_FILES = ("docker.pid", "containerd.pid", "../run/docker.pid", "../run/containerd.pid")
DEFAULT_PID_FILES = {"/var/lib/docker": "/var/run/docker.pid"}
PID_LIMIT = 64  # bytes
FEW = 64  # files of one kind that are looked at: no engine has so many

# Files that an engine locks, and how: bbolt's with flock for as long as it runs, those of
# containers/storage with fcntl while a command changes something.
DATABASES = {
    "volumes/metadata.db": "dockerd",
    "network/files/local-kv.db": "dockerd",
    "buildkit/*.db": "dockerd",
    "io.containerd.metadata.v1.bolt/meta.db": "containerd",
    "io.containerd.snapshotter.v1.*/metadata.db": "containerd",
    "containerd/daemon/io.containerd.metadata.v1.bolt/meta.db": "containerd",
}
LOCK_FILES = dict.fromkeys(
    ("*-layers/layers.lock", "*-images/images.lock", "storage.lock"), "podman or one of its kind"
)


@dataclass(frozen=True, slots=True)
class Sign:
    """What shows that an engine is running on a root."""

    engine: str  # `dockerd (pid 512)`, or what kind it is where nobody is seen
    how: str  # a clause: `which has /x/volumes/metadata.db open`


def refuse_running(path: Path, live: bool) -> None:  # noqa: FBT001 - as it stands in Reading
    """Raise TryAgain (75) where an engine is running on the root `path`; nothing where `live` is said.

    To be called before a store at rest is opened to read: `graph:`, `docker-root:`, `containerd-root:`,
    `containers-storage:`. It is TryAgain because nothing is wrong with the root or the question: a
    script may come back when the engine is stopped, as for a lock. A path that is not there, or is no
    root, is for the store to refuse. Never raised for our own process, an engine on another root, a
    stale pid file, or a copy of a root. Costs 10 to 30 ms for a thousand processes.

    With `live`, layers that the engine adds, changes or removes meanwhile can be missed, or fail their
    checks. What is proven by digest or tar-split is never read wrong; a layer that is rebuilt from its
    files is what they were at that moment.
    """
    if not live and (sign := running_engine(path)):
        advice = "stop it, or read with --live ([lading] live): what it changes is missed or refused"
        raise TryAgain(str(path), f"is in use by {sign.engine}, {sign.how}", advice)


def running_engine(path: Path) -> Sign | None:
    """Return the first sign of an engine on a root; None where there is none to be seen."""
    if (folder := inode(path)) is None:
        return None
    root = Path(os.path.realpath(path))
    looks: tuple[Callable[[], Iterator[Sign]], ...] = (
        lambda: _by_process(folder),
        lambda: _by_lock(root, DATABASES, flock_holder),
        lambda: _by_lock(root, LOCK_FILES, write_lock_holder),
        lambda: _by_pid_file(root),
    )
    return next((sign for look in looks for sign in look()), None)


def _by_process(folder: Inode) -> Iterator[Sign]:
    for process in Process.named(ENGINES):
        if _is_client(process):
            continue
        if open_path := process.below(folder):
            yield Sign(str(process), f"which has {open_path} open")
        elif any(process.sees(root) == folder for root in named_roots(process.words)):
            yield Sign(str(process), "whose command line names it")


def _is_client(process: Process) -> bool:
    """Tell whether a `docker` only talks to an engine, which was `docker -d`, later `docker daemon`."""
    return process.name == CLIENT and not {"daemon", "-d", "--daemon", "--daemon=true"} & set(process.words)


def named_roots(words: list[str]) -> list[str]:
    """Return the roots that a command line names: `--root X`, `--data-root=X`, `-g X` and their like."""
    words = [word for word in words if word != PASSED_ON]
    apart = [after for word, after in pairwise(words) if word in ROOT_OPTIONS]
    split = [word.partition("=") for word in words]
    return [root for root in (*apart, *(root for word, _, root in split if word in ROOT_OPTIONS)) if root]


def _by_lock(root: Path, files: dict[str, str], holder: Callable[[int], int | None]) -> Iterator[Sign]:
    there = FolderFiles(root)
    for pattern, kind in files.items():
        for name in _matching(there, pattern):
            with suppress(ToolkitError), there.open(name) as file:
                if (pid := holder(file.handle)) is not None:
                    process = None if pid == UNSEEN else Process.of(pid)
                    yield Sign(str(process or kind), f"which holds a lock on {root / name}")


def _matching(files: FolderFiles, pattern: str) -> list[str]:
    """Return the first files that a pattern of at most one `*` names, whether they are there or not."""
    parts = pattern.split("/")
    star = next((number for number, part in enumerate(parts) if "*" in part), None)
    if star is None:
        return [pattern]
    folder, rest = "/".join(parts[:star]), parts[star + 1 :]
    with suppress(ToolkitError):
        names = [name for name in files.names(folder) if fnmatchcase(name, parts[star])][:FEW]
        return ["/".join(filter(None, (folder, name, *rest))) for name in names]
    return []


def _by_pid_file(root: Path) -> Iterator[Sign]:
    """Believe a pid file only of an engine that we may not look into, and that names no other root.

    Of one that we may look into, its open files have told already that it runs elsewhere: the file was
    copied along with the root, or is left from another life and the number is somebody else's now.
    """
    default = DEFAULT_PID_FILES.get(str(root))
    inside = [os.path.normpath(root / name) for name in PID_FILES]
    for path in (*inside, default) if default else inside:
        process = _told_by(Path(path))
        if process and not _is_client(process) and process.paths is None and not named_roots(process.words):
            yield Sign(str(process), f"as {path} says")


def _told_by(path: Path) -> Process | None:
    """Return the engine that a pid file tells of; None where there is none, or it is stale."""
    with suppress(ToolkitError, ValueError):
        process = Process.of(int(read_bounded(path, PID_LIMIT)))
        return process if process and process.pid != os.getpid() and process.name in ENGINES else None
    return None
