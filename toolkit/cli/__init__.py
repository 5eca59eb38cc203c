"""The command `lading`: `main` parses, runs, prints the error and returns its exit code."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from types import FrameType

import click

from toolkit.cli.commands import lading
from toolkit.cli.output import Output
from toolkit.errors import ToolkitError, UsageError
from toolkit.printable import printable

UNEXPECTED = 1
SIGNALLED = 128  # and the signal's number: what shells report


class _Stopped(KeyboardInterrupt):
    """A polite signal to end: everything half-done is taken back on the way out."""

    def __init__(self, number: int) -> None:
        self.number = number


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the only place that catches errors. Returns the exit code of contract 5."""
    words = sys.argv[1:] if argv is None else argv
    output = Output(json="--json" in words, quiet=not {"-q", "--quiet"}.isdisjoint(words))
    _replace_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with _ended_by_signals():
            code = _run(words, output)
            output.flush()
            return code
    except BrokenPipeError:
        _mute_stdout()
        return SIGNALLED + signal.SIGPIPE
    except KeyboardInterrupt as error:
        return _fail(output, "interrupted", SIGNALLED + getattr(error, "number", signal.SIGINT))
    except click.ClickException as error:
        return _refuse(output, _usage(error))
    except ToolkitError as error:
        return _refuse(output, error)
    except Exception as error:  # noqa: BLE001 - a bug; it is told as one
        advice = "" if output.debug else "; run again with --debug"
        return _fail(output, f"unexpected {type(error).__name__}: {error}{advice}", UNEXPECTED)


def _run(argv: Sequence[str], output: Output) -> int:
    try:
        with lading.make_context("lading", list(argv), obj=output) as context:
            code = lading.invoke(context)
    except click.exceptions.Exit as done:  # --help and --version end so
        return done.exit_code
    return code if isinstance(code, int) else 0


def _refuse(output: Output, error: ToolkitError) -> int:
    """Print what a command that failed says: for machines its document too, where there is none yet."""
    if output.json and not output.has_spoken:
        from toolkit.report import error_json

        output.document(error_json(error))
    return _fail(output, str(error), error.exit_code)


def _fail(output: Output, sentence: str, code: int) -> int:
    """Print the error, as the last line of stderr, behind what is already on stdout."""
    try:
        output.flush()
    except (ToolkitError, OSError):
        _mute_stdout()
    if output.debug:
        import traceback

        traceback.print_exc()
    if output.json and not output.quiet:
        output.event("failed", {"exit_code": code, "sentence": printable(sentence)})
        return code
    with contextlib.suppress(OSError):
        print(f"error: {printable(sentence)}", file=sys.stderr, flush=True)
    return code


def _usage(error: click.ClickException) -> UsageError:
    """Say in one sentence what click says in four lines."""
    context = getattr(error, "ctx", None)
    subject = context.command_path if context else "lading"
    problem = " ".join(error.format_message().split()).removesuffix(".")
    return UsageError(subject, problem[:1].lower() + problem[1:], f"see: {subject} --help")


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the work as Ctrl-C does, so that they leave nothing half-done."""

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the shape of a handler
        raise _Stopped(number)

    before = {}
    with contextlib.suppress(ValueError):  # only the main thread may ask for signals
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) == signal.SIG_DFL:  # nohup stays nohup
                before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _replace_closed() -> None:
    """Give a standard stream that was closed before we began something to write to."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for good


def _mute_stdout() -> None:
    """Point stdout nowhere: the interpreter flushes it once more when it ends."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
