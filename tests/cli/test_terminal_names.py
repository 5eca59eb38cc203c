"""Files whose names write on a terminal: every command that tells of them shows them escaped."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import IMAGE, Lading
from tests.signers import DATA

NAMES = ["e\x1b[31mRED", "c\x9b1m", "b\u202egnp"]  # ESC, the one-byte CSI, right-to-left override
COMMANDS = (
    ("verify", "FILE"),
    ("import", "FILE"),
    ("inspect", "FILE"),
    ("ls", "FILE"),
    ("doctor", "FILE"),
    ("history", "FILE", IMAGE),
    ("diff", "FILE", "FILE"),
    ("export", IMAGE, "--from", "FILE", "-o", "NEW.tar"),
    ("extract", "FILE", IMAGE, "NEW"),
    ("copy", "FILE", "oci:NEW"),
    ("sign", "FILE", "--key", str(DATA / "plain.key")),
    ("sign", "--generate", "NEW", "--no-passphrase"),
    ("mirror", "status", "FILE"),
    ("no-command", "FILE"),
)


@pytest.mark.parametrize("name", NAMES, ids=["esc", "csi", "bidi"])
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words[:2]))
def test_a_file_name_cannot_write_on_the_terminal(
    lading: Lading, bundle: Path, tmp_path: Path, name: str, words: tuple[str, ...]
) -> None:
    file = tmp_path / f"{name}.tar"
    shutil.copy(bundle, file)
    said = lading(*(word.replace("FILE", str(file)).replace("NEW", str(tmp_path / name)) for word in words))
    assert all(line.isprintable() for line in (said.out + said.err).split("\n"))
    assert said.out + said.err


@pytest.mark.parametrize("name", NAMES, ids=["esc", "csi", "bidi"])
def test_a_name_that_writes_on_a_terminal_is_not_signed(lading: Lading, tmp_path: Path, name: str) -> None:
    """It would stand in the trusted comment, which minisign prints as it is."""
    file = tmp_path / f"{name}.tar"
    file.write_bytes(b"")
    assert lading("sign", str(file), "--key", str(DATA / "plain.key")).code == 2
    assert list(tmp_path.glob("*.sha256*")) == []
