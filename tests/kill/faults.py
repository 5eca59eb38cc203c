"""Faults: a child process that dies, is refused, signalled or slowed at a chosen call to the disk.

Every call that changes a file system or makes it durable is a moment, counted from 1 while the child
is armed. `Fault(7)` kills it (SIGKILL) before the seventh; `amid` lets half of a write through first.
Only the child is armed: this process never is.
"""

from __future__ import annotations

import ctypes
import errno
import io
import json
import os
import signal
import stat
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, NoReturn

import toolkit.operations.extract
import toolkit.stores.graph.placing

BEFORE, AMID, AFTER, REFUSED, SIGNALLED = "before", "amid", "after", "refused", "signalled"
WRITES = ("write", "pwrite", "copy_file_range")
CALLS = (
    *WRITES,
    "writev", "pwritev", "sendfile", "truncate", "ftruncate", "posix_fallocate", "fsync", "fdatasync",
    "replace", "rename", "link", "symlink", "unlink", "remove", "mkdir", "rmdir", "mknod", "mkfifo",
    "chmod", "fchmod", "chown", "fchown", "utime", "setxattr", "removexattr",
)  # fmt: skip
CREATES, SYNCFS = "open to create", "syncfs"
FULL = errno.ENOSPC
IN_CHILD = 99  # exit code of a child whose work raised


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at the `number`th call; 0 is never."""

    number: int = 0
    how: str = BEFORE
    signal: int = signal.SIGKILL
    errno: int = FULL
    delay: float = 0.0  # seconds, at each call

    def __str__(self) -> str:
        return f"{self.how} call {self.number}"


@dataclass
class Armed:
    """The calls of one child so far, and the fault that waits for one of them."""

    fault: Fault
    calls: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def arm(self) -> None:
        """Wrap what the code uses; there is no way back, so only a child may do it."""
        for name in CALLS:
            real = getattr(os, name)
            wrapped = self._wrapped(name, real)
            for able in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
                if real in able:
                    able.add(wrapped)  # shutil asks
            setattr(os, name, wrapped)
        os.open = self._opening(os.open)
        modules: tuple[Any, ...] = (toolkit.stores.graph.placing, toolkit.operations.extract)
        for module in modules:
            module.sync_file_system = self._wrapped(SYNCFS, module.sync_file_system)

    def _wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(real)
        def call(*args: Any, **options: Any) -> Any:
            if name in WRITES and not _to_a_file(args):
                return real(*args, **options)
            mine = self._count(name)
            if mine and self.fault.how == AMID and name in WRITES:
                real(*_half(name, args))
                die()
            result = real(*args, **options)
            if mine and self.fault.how == AFTER:
                die()
            return result

        return call

    def _opening(self, real: Callable[..., int]) -> Callable[..., int]:
        @wraps(real)
        def call(path: Any, flags: int, *args: Any, **options: Any) -> int:
            mine = flags & os.O_CREAT and self._count(CREATES)
            handle = real(path, flags, *args, **options)
            if mine and self.fault.how == AFTER:
                die()
            return handle

        return call

    def _count(self, name: str) -> bool:
        """Count a call; tell whether it is the one."""
        with self.lock:
            self.calls.append(name)
            mine = len(self.calls) == self.fault.number
        if self.fault.delay:
            time.sleep(self.fault.delay)
        if mine and self.fault.how == BEFORE:
            die()
        if mine and self.fault.how == SIGNALLED:
            os.kill(os.getpid(), self.fault.signal)
        if mine and self.fault.how == REFUSED:
            raise OSError(self.fault.errno, os.strerror(self.fault.errno))
        return mine


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended: its exit code, negative where a signal killed it, and what it printed."""

    code: int
    said: str
    calls: tuple[str, ...] = ()

    @property
    def was_killed(self) -> bool:
        return self.code == -signal.SIGKILL


class Child:
    """Some work in a forked process; what it returns is its exit code, None is 0."""

    def __init__(
        self, work: Callable[[], int | None], fault: Fault | None = None, user: int | None = None
    ) -> None:
        self._report = os.memfd_create("calls")
        self._said = os.memfd_create("said")
        self.pid = os.fork()
        if not self.pid:
            self._live(work, fault, user)

    def end(self) -> Ended:
        """Wait for it."""
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        said, report = _whole(self._said).decode(errors="replace"), _whole(self._report)
        return Ended(code, said, tuple(json.loads(report or b"[]")))

    def kill(self) -> Ended:
        """Kill it now, wherever it is."""
        os.kill(self.pid, signal.SIGKILL)
        return self.end()

    def _live(self, work: Callable[[], int | None], fault: Fault | None, user: int | None) -> NoReturn:
        code = IN_CHILD
        write, armed = os.write, Armed(fault or Fault())
        sys.stdout = sys.stderr = io.TextIOWrapper(io.FileIO(self._said, "wb"), write_through=True)
        os.dup2(self._said, 1)
        os.dup2(self._said, 2)
        try:
            _die_with_parent()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)  # as in a new process
            os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])  # one layer after the other
            if user is not None:
                os.setgroups([])
                os.setgid(user)
                os.setuid(user)
            if fault:
                armed.arm()
            code = work() or 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else IN_CHILD
        except KeyboardInterrupt:
            code = 128 + signal.SIGINT
        except BaseException:  # noqa: BLE001 - nothing may come back into the test
            traceback.print_exc()
        finally:
            write(self._report, json.dumps(armed.calls).encode())
            os._exit(code)


def in_child(work: Callable[[], int | None], fault: Fault | None = None, user: int | None = None) -> Ended:
    """Do some work in a child, as another user if one is named, and wait for its end."""
    return Child(work, fault, user).end()


def faults(calls: tuple[str, ...]) -> list[Fault]:
    """List every moment to be killed at, for work that made these calls."""
    moments = []
    for number, name in enumerate(calls, 1):
        moments.append(Fault(number))
        if name in WRITES:
            moments.append(Fault(number, AMID))
    return [*moments, Fault(len(calls), AFTER)]


def die() -> None:
    """End this process as `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)


def _half(name: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
    if name == "copy_file_range":
        return (*args[:2], max(1, args[2] // 2), *args[3:])
    return (args[0], memoryview(args[1])[: len(args[1]) // 2], *args[2:])


def _to_a_file(args: tuple[Any, ...]) -> bool:
    """Luigi talks to itself through pipes: those do not count."""
    return stat.S_ISREG(os.fstat(args[0]).st_mode)


def _whole(handle: int) -> bytes:
    try:
        return os.pread(handle, os.fstat(handle).st_size, 0)
    finally:
        os.close(handle)


def _die_with_parent() -> None:
    set_death_signal = 1
    ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)
