"""What importing `pipelines` sets up: defaults below the user's own, and errors in one sentence."""

from __future__ import annotations

import atexit
import logging
import os
import re
import signal
import sys
import tempfile
import threading
from pathlib import Path
from types import FrameType
from typing import NoReturn

from luigi.configuration import LuigiConfigParser
from luigi.parameter import ParameterException
from luigi.task_register import TaskClassNotFoundException

from pipelines import misspelt
from toolkit.errors import StoreError, ToolkitError
from toolkit.printable import printable

DEFAULTS = Path(__file__).with_name("defaults.cfg")
MISSING = re.compile(r"(\w+)\[.*\]: requires the '(\w+)' parameter to be set", re.DOTALL)
OURS = re.compile(r"Traceback \(most recent call last\):\n(?:.*\n)*toolkit\.errors\.\w+: (.*)\n")
PIPE_ROOM = 4000  # bytes; a write this short is one piece to the reader


def install() -> None:
    """Put the packaged defaults at the lowest precedence, and tell failures by their sentence."""
    if not DEFAULTS.is_file():  # else luigi would wait a minute for a luigid that is not there
        raise StoreError(str(DEFAULTS), "is missing", "install the package again")
    if str(DEFAULTS) not in LuigiConfigParser._config_paths:  # noqa: SLF001 - luigi has no other door
        LuigiConfigParser._config_paths.insert(0, str(DEFAULTS))  # noqa: SLF001
        LuigiConfigParser.reload()
    _lock_for_each_user()
    for name in ("luigi-interface", "luigi", "luigi.scheduler"):
        logging.getLogger(name).addFilter(one_sentence)
    LAST_WORDS.listen()
    misspelt.install()
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, stop)


def _lock_for_each_user() -> None:
    """Keep luigi's lock files apart: in its own default folder the first user shuts out all others."""
    config = LuigiConfigParser.instance()
    if not config.has_option("core", "lock_pid_dir"):
        folder = os.path.join(tempfile.gettempdir(), f"luigi-{os.getuid()}")
        config.set("core", "lock_pid_dir", folder.replace("%", "%%"))


def stop(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - the shape of a handler
    """Unwind the work on SIGTERM as on Ctrl-C, so that nothing half-done stays: luigi lets that through."""
    raise KeyboardInterrupt(signal.Signals(number).name)


def one_sentence(record: logging.LogRecord) -> bool:
    """Drop the traceback of an error that is ours, or of a flag or a task: its sentence says it all.

    Whatever is quoted is escaped.
    """
    error = record.exc_info[1] if record.exc_info else None
    message = record.getMessage()
    if (sentence := _sentence(error)) is not None:
        record.exc_info = record.exc_text = None
    elif found := OURS.search(message):  # luigi writes the traceback of a scheduling error as text
        message, sentence = message[: found.start()], found[1]
    else:
        record.msg, record.args = "%s", (_shown(message),)
        return True
    record.msg, record.args = "%s: %s", (_shown(message.rstrip(" :\n")), printable(sentence))
    LAST_WORDS.say(printable(sentence))
    return True


def _sentence(error: BaseException | None) -> str | None:
    """Return what is to be said of an error; None where that is no one's mistake but a defect."""
    if isinstance(error, ParameterException):
        return of_parameter(error)
    if isinstance(error, TaskClassNotFoundException):
        return misspelt.of_task(error)
    return str(error) if isinstance(error, ToolkitError) else None


def _shown(message: str) -> str:
    """Return what luigi logs, line by line, with whatever could fool a terminal escaped."""
    return "\n".join(printable(line, len(line)) for line in message.split("\n"))


def of_parameter(error: ParameterException) -> str:
    """Say what luigi says of a parameter, and of a missing one by which flag it is given."""
    if missing := MISSING.fullmatch(str(error)):
        flag = f"--{missing[2].replace('_', '-')}"
        return printable(f"{missing[1]}: {flag} is missing; say {flag} {missing[2].upper()}")
    return printable(str(error))


class LastWords:
    """The sentences of what failed, also in luigi's child processes, told again as the last lines."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._owner = os.getpid()

    def listen(self) -> None:
        """Tell what failed when the process ends."""
        atexit.register(self.tell)

    def say(self, sentence: str) -> None:
        """Remember a sentence; a full pipe has enough of them."""
        try:
            os.write(self._writer, sentence.encode(errors="replace")[:PIPE_ROOM] + b"\n")
        except OSError:
            return

    def tell(self) -> None:
        """Print each sentence once."""
        if os.getpid() != self._owner:
            return
        try:
            told = os.read(self._reader, 1 << 16).decode(errors="replace").splitlines()
        except OSError:
            return
        for sentence in dict.fromkeys(told):
            sys.stderr.write(f"error: {sentence}\n")


LAST_WORDS = LastWords()
