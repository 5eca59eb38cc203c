from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from tests.signers import DATA, KEY_ID, PASSPHRASE, PUBLIC, TEXT, lock_quickly, quickly_locked, signing_key
from toolkit.errors import InvalidDocument, NotFound, StoreError, ToolkitError, UsageError
from toolkit.operations.keys import (
    LIMIT,
    make_pair,
    open_key,
    passphrase_from,
    read_named,
    read_public_key,
    read_public_keys,
    read_secret_key,
)
from toolkit.secretkey import SigningKey

SECRET_TEXT = (DATA / "plain.key").read_text().splitlines()[1]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    lock_quickly(monkeypatch)


def never(subject: str) -> bytes:
    raise AssertionError(subject)


def test_a_public_key_is_a_file_or_its_text() -> None:
    path = str(DATA / "plain.pub")
    assert read_public_keys([path, TEXT]) == (PUBLIC, PUBLIC)


def test_a_file_that_is_called_like_a_key_is_not_that_key(here: Path) -> None:
    name = TEXT.replace("/", "x")
    (here / name).write_bytes((DATA / "locked.pub").read_bytes())
    assert read_public_key(name).key_id == KEY_ID


def test_a_key_may_lie_behind_a_link_or_come_through_a_pipe(here: Path) -> None:
    (here / "link").symlink_to(DATA / "plain.pub")
    assert read_public_key("link") == PUBLIC
    os.mkfifo(here / "pipe")
    with subprocess.Popen(["cp", str(DATA / "plain.pub"), "pipe"]):
        assert read_public_key("pipe") == PUBLIC


@pytest.mark.parametrize(
    ("word", "kind", "problem"),
    [
        ("site.pub", NotFound, "public key site.pub: is neither a key nor a file that is there"),
        (TEXT[:-1], NotFound, f"public key {TEXT[:-1]}: is neither a key"),
        (TEXT[:-1] + "!", InvalidDocument, "public key: public key: is not base64"),
        ("RW" + "A" * 54, InvalidDocument, "public key: is of the algorithm"),
        (
            str(DATA / "plain.key"),
            UsageError,
            f"{DATA / 'plain.key'}: is a secret key, expected a public one; give its .pub file",
        ),
        ("/dev/zero", UsageError, f"/dev/zero: is no key; the file of a key has at most {LIMIT} bytes"),
        (".", StoreError, ".: is a directory"),
    ],
)
def test_what_is_no_public_key_is_one_sentence(word: str, kind: type[ToolkitError], problem: str) -> None:
    with pytest.raises(kind) as caught:
        read_public_key(word)
    assert str(caught.value).startswith(problem)


def test_a_public_key_signs_nothing_and_says_so() -> None:
    with pytest.raises(UsageError) as caught:
        read_secret_key(str(DATA / "plain.pub"))
    assert str(caught.value).endswith("plain.pub: is a public key, expected a secret one; give its .key file")


@pytest.mark.parametrize("read", [read_public_key, read_secret_key])
def test_the_text_of_a_secret_key_is_never_told(read: object) -> None:
    with pytest.raises(UsageError) as caught:
        read(SECRET_TEXT)  # type: ignore[operator]
    assert "is the text of a secret key" in str(caught.value)
    assert SECRET_TEXT[60:90] not in str(caught.value)


def test_nobody_is_asked_for_a_passphrase_where_none_locks(here: Path) -> None:
    assert open_key(str(DATA / "plain.key"), never) == signing_key()
    (here / "locked.key").write_bytes(quickly_locked())
    with pytest.raises(AssertionError, match=r"secret key locked\.key"):
        open_key("locked.key", never)
    assert open_key("locked.key", lambda _: PASSPHRASE) == signing_key()
    with pytest.raises(UsageError, match=r"secret key locked\.key: does not open"):
        open_key("locked.key", lambda _: b"")


def test_the_environment_has_a_passphrase_or_none() -> None:
    assert passphrase_from({"LADING_PASSPHRASE": "ü\udcff"}) == b"\xc3\xbc\xff"
    assert passphrase_from({"LADING_PASSPHRASE": ""}) is passphrase_from({}) is None


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("passphrase", [None, b"x"])
def test_a_pair_is_written_for_its_owner_alone(here: Path, passphrase: bytes | None) -> None:
    old = os.umask(0)
    try:
        secret, public, key = make_pair("site", passphrase)
    finally:
        os.umask(old)
    assert (secret.name, public.name) == ("site.key", "site.pub")
    assert sorted(path.name for path in here.iterdir()) == ["site.key", "site.pub"]
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert read_public_key("site.pub") == key
    assert open_key("site.key", lambda _: b"x").public == key
    assert read_secret_key("site.key").is_locked == (passphrase is not None)


@pytest.mark.parametrize("name", ["site.key", "site.pub"])
@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_no_key_is_ever_overwritten(here: Path, name: str, kind: str) -> None:
    if kind == "file":
        (here / name).write_bytes(b"precious")
    else:
        (here / name).symlink_to("nowhere")
    with pytest.raises(UsageError, match=f"{name}: is there, and keys are never overwritten"):
        make_pair("site", None)
    assert [path.name for path in here.iterdir()] == [name]


def test_a_pair_that_another_run_made_meanwhile_stays(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow() -> SigningKey:
        (here / "site.key").write_bytes(b"precious")
        return signing_key()

    monkeypatch.setattr(SigningKey, "generate", slow)
    with pytest.raises(UsageError, match="keys are never overwritten"):
        make_pair("site", None)
    assert [(path.name, path.read_bytes()) for path in here.iterdir()] == [("site.key", b"precious")]


def test_a_pair_that_cannot_be_written_leaves_nothing(here: Path) -> None:
    with pytest.raises(NotFound, match="is not there"):
        make_pair("no/site", None)
    assert list(here.iterdir()) == []


def test_no_more_is_read_than_there_may_be(here: Path) -> None:
    (here / "x").write_bytes(b"x" * LIMIT)
    assert len(read_named("x")) == LIMIT
    (here / "x").write_bytes(b"x" * (LIMIT + 1))
    with pytest.raises(StoreError, match="x: is more than 4096 bytes"):
        read_named("x")
