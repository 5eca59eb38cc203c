"""Where a passphrase comes from: a file, the environment, or whoever sits at the terminal."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable

from toolkit.errors import UsageError
from toolkit.operations.keys import PASSPHRASE_LIMIT, VARIABLE, passphrase_from, read_named
from toolkit.place import STANDARD_STREAM
from toolkit.printable import printable

ADVICE = f"name a file that holds it, --passphrase-file FILE, or set {VARIABLE}"


def asking(file: str | None) -> Callable[[str], bytes]:
    """Return what gives the passphrase of `subject`: from the file where there is one."""

    def ask(subject: str) -> bytes:
        found = _given(file)
        return _typed(f"Passphrase of {subject}: ", subject) if found is None else found

    return ask


def chosen(file: str | None, subject: str) -> bytes:
    """Return the passphrase for a new key, asked for twice where it is typed.

    Raises UsageError for an empty one.
    """
    found = _given(file)
    if found is None:
        found = _typed(f"Passphrase for {subject}: ", subject)
        if found != _typed("The same again: ", subject):
            raise UsageError(f"passphrase for {subject}", "is another one the second time", "type it again")
    if not found:
        raise UsageError(
            f"passphrase for {subject}", "is empty", "say --no-passphrase for a key that none locks"
        )
    return found


def _given(file: str | None) -> bytes | None:
    """Return the first line of a file, else what the environment has; None where neither has one."""
    if file is None:
        return passphrase_from(os.environ)
    if file == STANDARD_STREAM:
        content = sys.stdin.buffer.readline(PASSPHRASE_LIMIT + 2) if sys.__stdin__ else b""
    else:
        content = read_named(file)
    line = content.partition(b"\n")[0].removesuffix(b"\r")
    if len(line) > PASSPHRASE_LIMIT:
        raise UsageError(file, f"holds a line of more than {PASSPHRASE_LIMIT} bytes, which is no passphrase")
    return line


def _typed(prompt: str, subject: str) -> bytes:
    if sys.__stdin__ is None or not sys.stdin.isatty():
        raise UsageError(subject, "takes a passphrase, and there is no terminal to ask for it", ADVICE)
    try:
        return os.fsencode(getpass.getpass(printable(prompt)))
    except EOFError as error:
        raise UsageError(subject, "takes a passphrase, and none was typed", ADVICE) from error
