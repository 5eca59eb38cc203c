"""A passphrase that is typed, at a real terminal: it is asked for, and not shown."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Lading
from tests.signers import KEY_ID, PASSPHRASE, PUBLIC, quickly_locked
from toolkit.cli.passphrases import chosen
from toolkit.errors import UsageError
from toolkit.operations.signing import signed

ROOT = Path(__file__).parents[2]
QUICK = (
    "import functools, os, signal, sys; os.close(os.open(os.ttyname(0), os.O_RDWR));"  # the session's terminal
    "signal.signal(signal.SIGINT, signal.default_int_handler);"  # a shell may have begun us without
    "from toolkit.secretkey import SecretKey;"
    "SecretKey.of = functools.partial(SecretKey.of, work=1 << 15, memory=1 << 20);"
    "from toolkit.__main__ import run; sys.exit(run())"
)


def typed(folder: Path, words: list[str], answers: list[bytes]) -> tuple[int, str]:
    """Run the command at a terminal of its own, and answer each time that it asks."""
    ours, theirs = pty.openpty()
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    environ.pop("LADING_PASSPHRASE", None)
    process = subprocess.Popen(
        [sys.executable, "-c", QUICK, *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=folder,
        env=environ,
        start_new_session=True,
    )
    os.close(theirs)
    seen, left, began = b"", list(answers), time.monotonic()
    while select.select([ours], [], [], max(0, began + 30 - time.monotonic()))[0]:
        try:
            piece = os.read(ours, 1000)
        except OSError:
            break
        seen += piece
        if left and seen.endswith(b": "):
            os.write(ours, left.pop(0))
    os.close(ours)
    return process.wait(30), seen.decode().replace("\r\n", "\n")


@pytest.fixture
def locked(bundle: Path) -> Path:
    bundle.with_name("locked.key").write_bytes(quickly_locked())
    return bundle


def test_who_signs_is_asked_for_the_passphrase_and_it_is_not_shown(locked: Path) -> None:
    code, seen = typed(locked.parent, ["sign", "bundle.tar", "--key", "locked.key"], [PASSPHRASE + b"\n"])
    assert code == 0
    assert seen == (
        "Passphrase of secret key locked.key: \n"
        f"signed bundle.tar.sha256 by key {KEY_ID}: bundle.tar.sha256.minisig\n"
    )
    signed(locked, [PUBLIC])


def test_a_wrong_one_and_none_are_told(locked: Path) -> None:
    words = ["sign", "bundle.tar", "--key", "locked.key"]
    code, seen = typed(locked.parent, words, [b"another\n"])
    assert (code, "does not open with this passphrase" in seen, "another\n" in seen) == (2, True, False)
    code, seen = typed(locked.parent, words, [b"\x04"])
    assert (code, "takes a passphrase, and none was typed" in seen) == (2, True)
    code, seen = typed(locked.parent, words, [b"\x03"])
    assert (code, "error: interrupted" in seen) == (130, True)


def test_who_makes_a_key_types_its_passphrase_twice(lading: Lading, bundle: Path) -> None:
    folder = bundle.parent
    code, seen = typed(folder, ["sign", "--generate", "site"], [b"one\n", b"two\n"])
    assert (code, "passphrase for site.key: is another one the second time; type it again" in seen) == (
        2,
        True,
    )
    assert not (folder / "site.key").exists()
    code, seen = typed(folder, ["sign", "--generate", "site"], [b"one\n", b"one\n"])
    assert (code, seen.startswith("Passphrase for site.key: \nThe same again: \nwrote site.key")) == (0, True)
    (folder / "secret").write_bytes(b"one")
    words = ("--key", str(folder / "site.key"), "--passphrase-file", str(folder / "secret"))
    assert lading("sign", str(bundle), *words).code == 0


def test_nobody_types_for_a_name_that_is_taken(bundle: Path) -> None:
    (bundle.parent / "site.pub").write_bytes(b"")
    code, seen = typed(bundle.parent, ["sign", "--generate", "site"], [])
    assert (code, seen[:52]) == (2, "error: site.pub: is there, and keys are never overwr")


def test_a_new_key_is_not_locked_by_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LADING_PASSPHRASE", raising=False)
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(UsageError, match=r"passphrase for x\.key: is empty"):
        chosen(str(tmp_path / "empty"), "x.key")
