"""`-`: bundles that come in by standard input, and go out by standard output."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.conftest import IMAGE, SAMPLE, Lading
from toolkit.bundles.opening import opened

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "toolkit"]
EXPORT = ("export", IMAGE, "--from", SAMPLE, "-o", "-")


def ran(*argv: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([*PROGRAM, *argv], input=stdin, capture_output=True, env=environ, check=False)


@pytest.mark.parametrize(
    "argv",
    [
        ("ls",),
        ("inspect",),
        ("inspect", IMAGE, "--contents"),
        ("history", IMAGE),
        ("verify",),
        ("verify", IMAGE, "--strict"),
        ("import",),
        ("import", IMAGE, "--into", "oci:other"),
        ("ls", "--json"),
    ],
)
def test_a_bundle_may_come_by_standard_input(lading: Lading, bundle: Path, argv: tuple[str, ...]) -> None:
    command, *rest = argv
    piped = ran(command, "-", *rest, stdin=bundle.read_bytes())
    told = lading(command, str(bundle), *rest)
    assert (piped.returncode, told.code) == (0, 0)
    assert piped.stdout.decode() == told.out.replace(str(bundle), "standard input")


def test_an_image_may_come_from_standard_input(lading: Lading, bundle: Path, tmp_path: Path) -> None:
    again = str(tmp_path / "again.tar")
    assert ran("export", IMAGE, "--from", "-", "-o", again, stdin=bundle.read_bytes()).returncode == 0
    assert Path(again).read_bytes() == bundle.read_bytes()
    assert lading("verify", again).code == 0


@pytest.mark.usefixtures("home")
def test_an_empty_standard_input_is_one_sentence() -> None:
    piped = ran("ls", "-")
    assert (piped.returncode, piped.stdout) == (4, b"")
    sentence = b"error: standard input: is empty, expected a bundle; did the command before it fail?\n"
    assert piped.stderr == sentence


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("redirected", "sentence"),
    [
        ("<&-", "error: standard input: is closed; send one"),
        ("< /dev/null", "error: standard input: is empty"),
    ],
)
def test_a_standard_input_that_is_none_is_one_sentence(redirected: str, sentence: str) -> None:
    script = f'exec "$@" ls - {redirected}'
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = ["sh", "-c", script, "sh", *PROGRAM]
    found = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    assert found.stderr.startswith(sentence)
    assert "Traceback" not in found.stderr
    assert found.returncode in {4, 7}


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("argv", [("ls", "-"), ("ls", "/dev/stdin"), EXPORT])
def test_a_terminal_gives_and_gets_no_bundle(argv: tuple[str, ...]) -> None:
    ours, theirs = pty.openpty()
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    found = subprocess.run(
        [*PROGRAM, *argv], stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, env=environ, check=False
    )
    os.close(theirs)
    os.close(ours)
    assert found.returncode == 2
    assert b"is a terminal" in found.stderr


def test_a_file_may_be_called_so(lading: Lading, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "-").write_bytes(bundle.read_bytes())
    assert lading("ls", "./-").code == 0


def test_a_wait_for_a_pipe_ends_with_a_signal(home: Path, tmp_path: Path) -> None:
    del home
    os.mkfifo(tmp_path / "pipe")
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([*PROGRAM, "ls", "pipe"], stderr=subprocess.PIPE, env=environ) as waiting:
        while not has_open(waiting.pid, tmp_path / "pipe"):
            assert waiting.poll() is None, "it ended before it waited"
            time.sleep(0.01)
        while waiting.poll() is None:  # one that comes just before the wait does not end it
            waiting.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                waiting.wait(2)
        assert waiting.communicate(timeout=30)[1] == b"error: interrupted\n"
    assert waiting.returncode == 128 + signal.SIGTERM


def has_open(pid: int, path: Path) -> bool:
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it is just being closed
            found.append(os.readlink(link))
    return str(path) in found


# ── and out ──


def test_a_bundle_may_go_to_standard_output(bundle: Path) -> None:
    piped = ran(*EXPORT)
    assert (piped.returncode, piped.stdout) == (0, bundle.read_bytes())
    assert (
        b"wrote - (254kB, universal), for Docker 0.7-29, podman, containerd, skopeo, crane\n" in piped.stderr
    )


def test_what_is_told_to_machines_goes_aside(bundle: Path) -> None:
    piped = ran(*EXPORT, "--json")
    assert (piped.returncode, piped.stdout) == (0, bundle.read_bytes())
    *events, told = map(json.loads, piped.stderr.splitlines())
    assert {"event" in each for each in events} == {True}
    assert (told["bundle"], told["size"]) == ("-", len(piped.stdout))


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    "changed", [("--platform", "junk"), ("--platform", "linux/s390x"), ("--format", "zip"), ()]
)
@pytest.mark.parametrize("json_", [(), ("--json",)])
def test_an_export_that_fails_writes_nothing(changed: tuple[str, ...], json_: tuple[str, ...]) -> None:
    argv = EXPORT if changed else ("export", "ubuntu:14.05", *EXPORT[2:])
    piped = ran(*argv, *changed, *json_)
    assert piped.returncode in {2, 3}
    assert piped.stdout == b""
    last = piped.stderr.splitlines()[-1]
    assert json.loads(last)["event"] == "failed" if json_ else last.startswith(b"error: ")


@pytest.mark.usefixtures("home")
def test_a_reader_that_goes_away_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [*PROGRAM, *EXPORT, "--quiet"]
    found = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env=environ, check=False)
    os.close(writer)
    assert (found.returncode, found.stderr) == (128 + signal.SIGPIPE, b"")


@pytest.mark.usefixtures("home")
def test_a_closed_standard_output_is_one_sentence() -> None:
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = ["sh", "-c", 'exec "$@" >&-', "sh", *PROGRAM, *EXPORT]
    found = subprocess.run(command, stderr=subprocess.PIPE, env=environ, check=False)
    assert (found.returncode, found.stderr) == (
        2,
        b"error: -: standard output is closed; name a file\n",
    )


def test_one_command_feeds_the_other(bundle: Path, tmp_path: Path) -> None:
    """What the sites do: no file in between."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    script = '"$@" export ubuntu:14.04 --from sample: -o - -q | gzip | "$@" import - --into oci:store -q'
    subprocess.run(["bash", "-o", "pipefail", "-c", script, "sh", *PROGRAM], env=environ, check=True)
    (tmp_path / "plain.tar").write_bytes(ran("export", IMAGE, "--from", "oci:store", "-o", "-").stdout)
    opened(tmp_path / "plain.tar").close()
    assert (tmp_path / "plain.tar").read_bytes() == bundle.read_bytes()
