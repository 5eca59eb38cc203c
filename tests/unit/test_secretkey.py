"""The files are Debian's minisign's (tests/data/minisign)."""

from __future__ import annotations

import base64
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit import secretkey
from toolkit.digest import blake2b
from toolkit.errors import InvalidDocument, StoreError, ToolkitError, Unsupported, UsageError
from toolkit.secretkey import MOST_MEMORY, MOST_WORK, SecretKey, SigningKey, scrypt_costs
from toolkit.signature import Signature

DATA = Path(__file__).parents[1] / "data/minisign"
LIST = (DATA / "app_1.tar.sha256").read_bytes()
PLAIN, LOCKED = ((DATA / f"{name}.key").read_bytes() for name in ("plain", "locked"))
TOO_MUCH = (
    "x: takes 67108864 steps and 1073741824 bytes of memory to open; expected at most 33554432 and "
    "1073741824, which minisign writes"
)
QUICK = {"work": 1 << 15, "memory": 1 << 20}  # the least that libsodium takes
KEY = SecretKey.parse(PLAIN, "plain.key").opened(b"", "plain.key")


def damaged(place: int, new: bytes, content: bytes = PLAIN) -> bytes:
    """The file with other bytes from a place on."""
    comment, line, _ = content.split(b"\n")
    raw = base64.b64decode(line)
    raw = raw[:place] + new + raw[place + len(new) :]
    return comment + b"\n" + base64.b64encode(raw) + b"\n"


def test_a_key_that_nothing_locks_is_the_pair_of_its_public_file() -> None:
    assert bytes(KEY.public) == (DATA / "plain.pub").read_bytes()
    assert not SecretKey.parse(PLAIN, "").is_locked


@pytest.mark.parametrize("name", ["plain", "words"])
def test_the_same_key_makes_the_very_signature_that_minisign_makes(name: str) -> None:
    theirs = Signature.parse((DATA / f"{name}.minisig").read_bytes(), name)
    ours = KEY.sign(LIST, theirs.comment)
    assert replace(ours, untrusted=theirs.untrusted) == theirs


def test_its_signature_says_who_made_it() -> None:
    made = bytes(KEY.sign(LIST, b"hello"))
    assert made.startswith(b"untrusted comment: signature by lading, for minisign\nRUTINTd8Dmlt8")
    assert b"\ntrusted comment: hello\n" in made


def test_a_locked_file_tells_what_it_takes() -> None:
    found = SecretKey.parse(LOCKED, "locked.key")
    assert (found.is_locked, found.work, found.memory) == (True, MOST_WORK, MOST_MEMORY)
    assert bytes(found) == LOCKED
    assert scrypt_costs(found.work, found.memory) == (1 << 20, 1)  # 128 · 8 · 2^20 bytes


@pytest.mark.parametrize(
    ("work", "memory", "costs"),
    [
        (33554432, 1073741824, (1 << 20, 1)),  # libsodium's SENSITIVE: its documentation says 1 GiB
        (524288, 16777216, (1 << 14, 1)),  # its INTERACTIVE: 16 MiB
        (16777216, 536870912, (1 << 19, 1)),  # half of both, as minisign takes where memory is short
        (0, 1 << 30, (1 << 10, 1)),  # short of work: 32,768 steps at least
        (1 << 25, 0, (2, 1 << 19)),  # short of memory
        (1 << 25, 1 << 20, (1 << 10, 1 << 10)),
    ],
)
def test_the_costs_are_libsodiums(work: int, memory: int, costs: tuple[int, int]) -> None:
    assert scrypt_costs(work, memory) == costs


@given(st.integers(0, MOST_WORK), st.integers(0, MOST_MEMORY))
def test_no_costs_within_the_limits_take_more_than_the_largest(work: int, memory: int) -> None:
    count, lanes = scrypt_costs(work, memory)
    assert count.bit_count() == 1 < count
    assert lanes >= 1
    assert 128 * 8 * (count + lanes) <= MOST_MEMORY + 1024
    assert 4 * 8 * count * lanes <= MOST_WORK


@settings(deadline=None, max_examples=20)
@given(st.binary(max_size=40))
def test_a_key_opens_with_the_passphrase_that_locked_it(passphrase: bytes) -> None:
    locked = SecretKey.parse(bytes(SecretKey.of(KEY, passphrase, **QUICK)), "x")
    assert locked.opened(passphrase, "x") == KEY
    with pytest.raises(UsageError, match="x: does not open with this passphrase"):
        locked.opened(passphrase + b"!", "x")


def test_a_key_that_nothing_locks_is_printed_as_it_was() -> None:
    comment = b"untrusted comment: minisign unencrypted secret key\n"
    assert bytes(SecretKey.of(KEY, None)).split(b"\n")[1] == PLAIN.split(b"\n")[1]
    assert bytes(SecretKey.of(KEY, None)).startswith(comment)


def test_new_pairs_differ_and_sign() -> None:
    one, other = SigningKey.generate(), SigningKey.generate()
    assert one.id != other.id
    assert one.is_pair()
    made = one.sign(LIST, b"c")
    assert one.public.has_signed(LIST, made)
    assert one.public.has_sealed(made)
    assert not other.public.has_signed(LIST, made)


def test_two_locks_of_one_key_have_nothing_in_common() -> None:
    one, other = (SecretKey.of(KEY, b"x", **QUICK) for _ in range(2))
    assert one.salt != other.salt
    assert one.locked != other.locked
    assert KEY.secret not in one.locked


def test_what_is_secret_is_in_no_picture_of_a_key() -> None:
    for each in (KEY, SecretKey.parse(PLAIN, "")):
        assert repr(KEY.secret)[2:-1] not in repr(each)
        assert "secret=" not in repr(each)
        assert "locked=" not in repr(each)


@pytest.mark.parametrize(
    ("content", "kind", "problem"),
    [
        (b"", InvalidDocument, "x: has 1 lines, expected 2"),
        ((DATA / "plain.pub").read_bytes(), InvalidDocument, "x: secret key: is 42 bytes, expected 158"),
        (damaged(0, b"XX"), InvalidDocument, "x: is of the algorithm 'XX', expected 'Ed'"),
        (damaged(2, b"Ar"), InvalidDocument, "x: its lock: is of the algorithm 'Ar', expected 'Sc' or"),
        (
            damaged(4, b"\0\0"),
            InvalidDocument,
            r"x: its checksum: is of the algorithm '\x00\x00', expected 'B2'",
        ),
        (
            damaged(38, (1 << 26).to_bytes(8, "little"), LOCKED),
            Unsupported,
            TOO_MUCH,
        ),
        (
            damaged(46, b"\xff" * 8, LOCKED),
            Unsupported,
            "x: takes 33554432 steps and 18446744073709551615 bytes",
        ),
        (damaged(38, b"\xff" * 16), Unsupported, "x: takes 18446744073709551615 steps"),
    ],
)
def test_what_is_no_key_or_takes_too_much_is_refused_unopened(
    content: bytes, kind: type[ToolkitError], problem: str
) -> None:
    with pytest.raises(kind) as caught:
        SecretKey.parse(content, "x")
    assert str(caught.value).startswith(problem)


@pytest.mark.parametrize(
    ("place", "new", "problem"),
    [
        (62, b"\0", "x: has a secret and a public key that are no pair"),
        (94, b"\0", "x: has a secret and a public key that are no pair"),
        (126, b"\1", "x: does not have the checksum that it tells"),
    ],
)
def test_a_damaged_key_signs_nothing(place: int, new: bytes, problem: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        SecretKey.parse(damaged(place, new), "x").opened(b"", "x")
    assert str(caught.value) == problem


def test_no_bit_of_a_locked_key_can_be_flipped() -> None:
    locked = SecretKey.of(KEY, b"x", **QUICK)
    for place in range(len(locked.locked)):
        flipped = bytearray(locked.locked)
        flipped[place] ^= 1 << place % 8
        with pytest.raises(UsageError, match="another one, or the file is damaged"):
            replace(locked, locked=bytes(flipped)).opened(b"x", "x")


def test_the_checksum_that_other_versions_write_is_taken() -> None:
    pair = KEY.id + KEY.secret + KEY.raw
    check = blake2b(b"Ed" + pair, 32)
    assert SecretKey.parse(damaged(126, check), "x").opened(b"", "x") == KEY


def test_memory_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def short(*_: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(secretkey, "stretched", short)
    with pytest.raises(
        StoreError, match="x: takes 1073741824 bytes of memory to open, and they are not there"
    ):
        SecretKey.parse(LOCKED, "x").opened(b"", "x")


def test_no_error_holds_the_passphrase_or_the_key() -> None:
    locked = SecretKey.of(KEY, b"hush", **QUICK)
    with pytest.raises(UsageError) as caught:
        locked.opened(b"hush hush", "x")
    assert b"hush" not in pickle.dumps(caught.value)
