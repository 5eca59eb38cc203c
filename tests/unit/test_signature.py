"""The files are Debian's minisign's (tests/data/minisign): it made them, and it said that they are right."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import InvalidDocument
from toolkit.signature import LIMIT, PublicKey, Signature

DATA = Path(__file__).parents[1] / "data/minisign"
LIST = (DATA / "app_1.tar.sha256").read_bytes()
PLAIN, LOCKED = ((DATA / f"{name}.pub").read_bytes() for name in ("plain", "locked"))
LINE = "RWTINTd8Dmlt81xxv8mko8Ih51CyXy/6Nhu3+Sg7hweFynpzT07DTx7h"
COMMENTS = {
    "plain": "timestamp:1795788876\tfile:app_1.tar.sha256\thashed",
    "legacy": "from the harbour",
    "words": "Fracht für den Käptn ⚓ Nr. 7",
    "locked": "timestamp:1795788879\tfile:app_1.tar.sha256\thashed",
}

lines = st.binary(max_size=60).map(lambda line: line.replace(b"\n", b"").rstrip(b"\r"))
public_keys = st.builds(PublicKey, st.binary(min_size=8, max_size=8), st.binary(min_size=32, max_size=32))
raw = st.binary(min_size=64, max_size=64)
signatures = st.builds(
    Signature, st.sampled_from([b"Ed", b"ED"]), st.binary(min_size=8, max_size=8), raw, lines, raw, lines
)


def signature(name: str) -> bytes:
    return (DATA / f"{name}.minisig").read_bytes()


def key_of(name: str) -> PublicKey:
    return PublicKey.parse(LOCKED if name == "locked" else PLAIN, name)


def flips(content: bytes) -> list[bytes]:
    """Every file that differs in one bit."""
    return [
        content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]
        for place in range(len(content))
        for bit in range(8)
    ]


@pytest.mark.parametrize("name", COMMENTS)
def test_what_minisign_signed_is_right(name: str) -> None:
    found = Signature.parse(signature(name), name)
    assert key_of(name).has_signed(LIST, found)
    assert key_of(name).has_sealed(found)
    assert (found.trusted_comment, bytes(found)) == (COMMENTS[name], signature(name))
    assert found.key_id == key_of(name).key_id


def test_the_older_way_is_known_by_its_algorithm() -> None:
    assert [Signature.parse(signature(name), "").algorithm for name in COMMENTS] == [
        b"ED",
        b"Ed",
        b"ED",
        b"ED",
    ]


def test_another_key_other_bytes_and_another_comment_are_not_right() -> None:
    found = Signature.parse(signature("plain"), "")
    other = Signature.parse(signature("words"), "")
    assert not key_of("locked").has_signed(LIST, found)
    assert not key_of("plain").has_signed(LIST + b"\n", found)
    mixed = Signature(found.algorithm, found.id, found.raw, other.comment, found.seal)
    assert key_of("plain").has_signed(LIST, mixed)
    assert not key_of("plain").has_sealed(mixed)


def test_the_id_of_a_key_is_no_proof_of_it() -> None:
    found = Signature.parse(signature("plain"), "")
    impostor = PublicKey(found.id, key_of("locked").raw)
    assert impostor.key_id == found.key_id
    assert not impostor.has_signed(LIST, found)


def test_a_key_is_read_from_its_file_and_from_its_line() -> None:
    key = PublicKey.parse(PLAIN, "plain.pub")
    assert (str(key), key.key_id, bytes(key)) == (LINE, "F36D690E7C3735C8", PLAIN)
    assert PublicKey.parse(LINE.encode(), "") == PublicKey.parse(PLAIN.replace(b"\n", b"\r\n"), "") == key


@given(public_keys)
def test_a_printed_key_is_read_again(key: PublicKey) -> None:
    assert PublicKey.parse(bytes(key), "") == PublicKey.parse(str(key).encode(), "") == key


@given(signatures)
def test_a_printed_signature_is_read_again(found: Signature) -> None:
    assert Signature.parse(bytes(found), "") == found
    ended = b"".join(line + b"\r\n" for line in bytes(found).split(b"\n")[:-1])
    assert Signature.parse(ended, "") == found


@given(st.binary(max_size=400) | signatures.map(lambda found: bytes(found)[:-3]))
def test_any_bytes_are_a_signature_or_one_sentence(content: bytes) -> None:
    for parse in (PublicKey.parse, Signature.parse):
        assert said(parse, content).startswith("x.minisig")


def said(parse: Callable[[bytes, str], object], content: bytes) -> str:
    """What is said of a file: its name alone where nothing is wrong."""
    try:
        parse(content, "x.minisig")
    except InvalidDocument as error:
        return str(error)
    return "x.minisig"


@pytest.mark.parametrize("name", ["plain", "legacy"])
def test_no_bit_of_a_signature_can_be_flipped_but_in_the_comment_that_is_untrusted(name: str) -> None:
    whole = Signature.parse(signature(name), name)
    missed = 0
    for damaged in flips(signature(name)):
        try:
            found = Signature.parse(damaged, name)
        except InvalidDocument:
            continue
        if key_of(name).has_signed(LIST, found) and key_of(name).has_sealed(found):
            assert (found.raw, found.comment, found.seal) == (whole.raw, whole.comment, whole.seal)
            assert found.untrusted != whole.untrusted
            missed += 1
    assert 0 < missed <= 8 * len(whole.untrusted)


def test_no_bit_of_what_is_signed_can_be_flipped() -> None:
    for name in COMMENTS:
        found = Signature.parse(signature(name), name)
        assert not any(key_of(name).has_signed(damaged, found) for damaged in flips(LIST))


def test_no_bit_of_a_key_can_be_flipped() -> None:
    found = Signature.parse(signature("plain"), "")
    for damaged in flips(LINE.encode()):
        try:
            assert not PublicKey.parse(damaged, "").has_signed(LIST, found)
        except InvalidDocument:
            continue


def with_line(number: int, line: bytes) -> bytes:
    parts = signature("plain").split(b"\n")
    parts[number - 1] = line
    return b"\n".join(parts)


FIRST = signature("plain").split(b"\n")[1]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "x: has 1 lines, expected 4"),
        (signature("plain") + b"\n", "x: has 5 lines, expected 4"),
        (signature("plain") + b"more\n", "x: has 5 lines, expected 4"),
        (signature("plain") * 2, "x: has 8 lines, expected 4"),
        (b"\xef\xbb\xbf" + signature("plain"), "x: line 1 does not begin with 'untrusted comment: '"),
        (with_line(3, b"Trusted comment: x"), "x: line 3 does not begin with 'trusted comment: '"),
        (with_line(2, FIRST + b" "), "x: signature: is not base64"),
        (with_line(2, FIRST + b"\r"), ""),
        (with_line(2, FIRST + b"\r\r"), "x: signature: is not base64"),
        (with_line(2, b"\xff" * 100), "x: signature: is not base64"),
        (with_line(2, FIRST.replace(b"=", b"")), "x: signature: is not base64"),
        (with_line(2, FIRST[:-2] + b"B="), "x: signature: is base64 with bits behind its end"),
        (with_line(2, FIRST[:-4]), "x: signature: is 72 bytes, expected 74"),
        (with_line(2, b""), "x: signature: is 0 bytes, expected 74"),
        (with_line(4, FIRST), "x: signature of the trusted comment: is 74 bytes, expected 64"),
        (
            with_line(2, base64.b64encode(b"Es" + bytes(72))),
            "x: is of the algorithm 'Es', expected 'ED' or 'Ed'",
        ),
        (
            with_line(2, base64.b64encode(b"\x1b\xff" + bytes(72))),
            r"x: is of the algorithm '\x1b\xff', expected",
        ),
    ],
)
def test_what_is_no_signature_is_told_in_one_sentence(content: bytes, problem: str) -> None:
    if not problem:
        assert Signature.parse(content, "x") == Signature.parse(signature("plain"), "x")
        return
    with pytest.raises(InvalidDocument) as caught:
        Signature.parse(content, "x")
    assert str(caught.value).startswith(problem)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "x: public key: is 0 bytes, expected 42"),
        (PLAIN + PLAIN, "x: has 4 lines, expected 2"),
        (PLAIN.replace(b"un", b"", 1), "x: line 1 does not begin with 'untrusted comment: '"),
        ((DATA / "plain.key").read_bytes(), "x: public key: is 158 bytes, expected 42"),
        (LINE.replace("RW", "RU").encode(), "x: is of the algorithm 'ED', expected 'Ed'"),
        (LINE[:-1].encode(), "x: public key: is not base64"),
    ],
)
def test_what_is_no_key_is_told_in_one_sentence(content: bytes, problem: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        PublicKey.parse(content, "x")
    assert str(caught.value) == problem


def test_a_comment_of_any_bytes_is_text() -> None:
    found = Signature.parse(with_line(3, b"trusted comment: \xff\x1b[2J"), "x")
    assert found.trusted_comment == "\\xff\x1b[2J"


def test_the_largest_file_that_minisign_reads_is_within_the_limit() -> None:
    assert 1024 + 8192 + len(signature("plain")) < LIMIT
