"""Parsing, errors, exit codes, and what the command costs before it does anything."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO

import click
import pytest

from tests.cli.conftest import IMAGE, SAMPLE, Lading
from toolkit.cli import commands

HEAVY = ("luigi", "docker", "jinja2", "cryptography", "rich", "magic", "urllib3", "requests")
CODE = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
CODE += "from toolkit.cli import main; sys.exit(main())"
ROOT = Path(__file__).parents[2]


def process(*argv: str, stdout: IO[str] | int) -> subprocess.Popen[str]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", CODE, *argv]
    return subprocess.Popen(command, env=environ, text=True, stdout=stdout, stderr=subprocess.PIPE)


@pytest.mark.parametrize(
    ("argv", "code", "sentence"),
    [
        ("ls", 2, "error: lading ls: missing argument 'PLACE'; see: lading ls --help"),
        ("frob", 2, "error: command 'frob': is not there; one of ls, inspect, history,"),
        ("exprot x", 2, "error: command 'exprot': is not there; near it: export"),
        ("ls foo:bar", 2, "error: 'foo:bar': names no kind of place"),
        ("ls sample: --loud", 2, "error: lading ls: no such option"),
        ("inspect sample: ubuntu:14.04 --platform linux", 2, "error: 'linux': is not a platform"),
        ("export a --from sample: --compression xz", 2, "error: lading export: invalid value for '--compression'"),
        ("export ubuntu:14.04 --from sample: --compression-level 3 -o x", 2, "error: level 3: means nothing"),
        (
            "export ubuntu:14.04 --from sample: --compression gzip --compression-level 12 -o x",
            2,
            "error: level 12: is none of gzip, expected 1 to 9",
        ),
        ("export ubuntu:14.04 --format zip", 2, "error: lading export: invalid value for '--format'"),
        ("export a:1 b:1 --from sample:", 2, "error: lading export: several images have no one file name"),
        ("export ubuntu:14.04 --from sample: -o .", 2, "error: .: is a folder"),
        ("export ubuntu:14.04 --from sample: -o oci:x", 2, "error: -o oci:x: names a store"),
        ("export ubuntu:14.04 --from sample: -o /dev/null", 2, "error: /dev/null: is no regular file"),
        ("ls /no/such/bundle.tar", 3, "error: /no/such/bundle.tar: is not there"),
        ("inspect sample: ubuntu:14.05", 3, "error: image ubuntu:14.05: is not in sample:; near it: ubuntu:14.04"),
        ("history sample: debian:7", 3, "error: image debian:7: is not in sample:"),
        ("verify sample: debian:7", 3, "error: image debian:7: is not in sample:"),
        ("export ubuntu:14.04 --from sample: -o no/x.tar", 3, "error: no: is not there; make it: mkdir -p no"),
        ("export ubuntu:14.04 --from sample: --platform linux/arm64", 3, "error: image ubuntu:14.04: is for linux/amd64"),
        ("ls docker:app", 2, "error: 'docker:app': "),
        ("ls note.txt", 4, "error: note.txt: is "),
        ("import note.txt", 4, "error: note.txt: is "),
    ],
)  # fmt: skip
def test_an_error_is_one_sentence_and_a_code(
    lading: Lading, tmp_path: Path, argv: str, code: int, sentence: str
) -> None:
    (tmp_path / "note.txt").write_text("no bundle\n" * 100)
    ran = lading(*argv.split())
    assert (ran.code, ran.out) == (code, "")
    assert ran.last.startswith(sentence)
    assert "Traceback" not in ran.err


def test_a_key_that_is_not_there_stops_an_import(lading: Lading, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "luigi.cfg").write_text("[lading]\nrequire_signature = key.pem\n")
    ran = lading("import", str(bundle))
    assert ran.code == 3
    assert ran.last == "error: public key key.pem: is neither a key nor a file that is there"
    assert lading("ls", "oci:home/store").code == 3  # nothing was stored


def test_settings_that_cannot_be_read_are_a_usage_error(lading: Lading, tmp_path: Path) -> None:
    (tmp_path / "luigi.cfg").write_text("[lading]\nsauce = sample:\n")
    ran = lading("ls", SAMPLE)
    assert ran.code == 2
    assert ran.last.startswith("error: [lading] sauce: is not a setting")


def test_a_bug_is_one_sentence_unless_debug_asks(lading: Lading, monkeypatch: pytest.MonkeyPatch) -> None:
    class Module:
        @click.command(cls=commands.Command)
        @staticmethod
        def command() -> None:
            raise KeyError("gone\x1b[2J")

    monkeypatch.setattr(commands, "COMMANDS", ("broken",))
    monkeypatch.setitem(sys.modules, "toolkit.cli.broken_cmd", Module)
    ran = lading("broken")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "error: unexpected KeyError: 'gone\\x1b[2J'; run again with --debug\n"
    told = lading("broken", "--debug")
    assert told.err.startswith("Traceback")
    assert told.last == "error: unexpected KeyError: 'gone\\x1b[2J'"


def test_debug_shows_where_an_error_of_ours_came_from(lading: Lading) -> None:
    ran = lading("ls", "/no/such/bundle.tar", "--debug")
    assert ran.code == 3
    assert ran.err.startswith("Traceback")
    assert ran.last == "error: /no/such/bundle.tar: is not there"


def test_an_escape_sequence_in_an_argument_is_shown_and_not_obeyed(lading: Lading) -> None:
    ran = lading("inspect", SAMPLE, "evil\x1b]0;title\x07:1")
    assert ran.code == 3
    assert "\x1b" not in ran.err
    assert "\x07" not in ran.err


@pytest.mark.parametrize(
    "argv", ["--json ls", "ls sample: --json --nope", "--json frob", "--json diff sample:"]
)
def test_a_usage_error_has_its_document_too(lading: Lading, argv: str) -> None:
    ran = lading(*argv.split())
    assert (ran.code, ran.json["error"]["kind"], ran.json["error"]["exit_code"]) == (2, "UsageError", 2)


@pytest.mark.parametrize("argv", ["--json ls sample:", "ls --json sample:", "ls sample: --json"])
def test_shared_options_stand_before_or_after_the_command(lading: Lading, argv: str) -> None:
    ran = lading(*argv.split())
    assert ran.code == 0
    assert ran.json["place"] == SAMPLE


@pytest.mark.parametrize("argv", ["--version", "ls --version", "export --version"])
def test_the_version_is_told_anywhere(lading: Lading, argv: str) -> None:
    try:
        expected = version("lading")
    except PackageNotFoundError:
        expected = "(not installed, so its version is unknown)"
    ran = lading(*argv.split())
    assert (ran.code, ran.out, ran.err) == (0, f"lading {expected}\n", "")


@pytest.mark.parametrize(
    "argv",
    [
        "--version",
        "--help",
        "ls sample:",
        "inspect sample: ubuntu:14.04",
        "history sample: ubuntu:14.04",
        "verify sample:",
        "export ubuntu:14.04 --from sample:",
    ],
)
@pytest.mark.usefixtures("home")
def test_nothing_heavy_is_imported(argv: str) -> None:
    code = "import json, sys; from toolkit.cli import main; code = main(sys.argv[1:]);"
    code += "print(json.dumps(sorted(sys.modules)), file=sys.stderr); sys.exit(code)"
    command = [sys.executable, "-c", code, *argv.split()]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=environ)
    modules = {name.partition(".")[0] for name in json.loads(ran.stderr.splitlines()[-1])}
    assert modules.isdisjoint(HEAVY)


@pytest.mark.usefixtures("home")
def test_the_package_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "toolkit", "ls", SAMPLE]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert IMAGE in ran.stdout


@pytest.mark.usefixtures("home")
def test_a_reader_that_goes_away_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with process("ls", SAMPLE, stdout=writer) as running:
        os.close(writer)
        assert running.communicate()[1] == ""
    assert running.returncode == 128 + signal.SIGPIPE


@pytest.mark.usefixtures("home")
def test_a_full_disk_under_stdout_is_a_failed_store() -> None:
    with open("/dev/full", "w") as full, process("ls", SAMPLE, stdout=full) as running:
        assert running.communicate()[1] == "error: standard output: no space left on device\n"
    assert running.returncode == 7


@pytest.mark.usefixtures("home")
def test_a_terminal_that_knows_no_unicode_gets_escapes(tmp_path: Path) -> None:
    (tmp_path / "é").write_text("no bundle\n" * 100)
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-c", CODE, "ls", "é"]
    ran = subprocess.run(command, env=environ, text=True, capture_output=True, check=False)
    assert ran.returncode == 4
    assert ran.stderr.startswith("error: \\xe9: is ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_nothing_is_left(lading: Lading, tmp_path: Path, number: signal.Signals) -> None:
    assert lading("sample").code == 0  # unpacked beforehand
    part = tmp_path / ".x.tar.part"
    with open(part, "w") as held:  # another writer has the file: the command waits for it
        fcntl.flock(held, fcntl.LOCK_EX)
        argv = ("export", IMAGE, "--from", SAMPLE, "-o", str(tmp_path / "x.tar"), "--quiet")
        with process(*argv, stdout=subprocess.PIPE) as running:
            _wait_until_it_waits(running)
            running.send_signal(number)
            out, err = running.communicate(timeout=30)
    assert (running.returncode, out, err) == (128 + number, "", "error: interrupted\n")
    assert {path.name for path in tmp_path.iterdir()} == {"home", ".x.tar.part"}


def _wait_until_it_waits(running: subprocess.Popen[str]) -> None:
    """A signal that comes just before the wait for a lock would not end it: proc(5), /proc/locks."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and running.poll() is None:
        waiting = (line.split() for line in Path("/proc/locks").read_text().splitlines() if "->" in line)
        if str(running.pid) in {word for words in waiting for word in words}:
            return
        time.sleep(0.01)
    running.kill()
    pytest.fail("it never waited for the lock")
