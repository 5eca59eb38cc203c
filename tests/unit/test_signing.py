from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import pytest

from tests.signers import (
    DATA,
    KEY_ID,
    LOCKED_ID,
    NOON,
    OTHER,
    PUBLIC,
    TEXT,
    signature_of,
    signed_by_hand,
    signing_key,
)
from toolkit.errors import (
    CorruptContent,
    InvalidDocument,
    Mismatch,
    MissingMember,
    NotFound,
    ToolkitError,
    Unsupported,
    UsageError,
)
from toolkit.operations.signing import sign, sign_file, signed
from toolkit.signature import PublicKey, Signature

HELLO = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"  # of "hello\n"
COMMENT = f"timestamp:{NOON}\tfile:app_1.tar.sha256\thashed"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "app_1.tar"
    path.write_bytes(b"hello\n")
    return path


@pytest.fixture
def sums(bundle: Path) -> Path:
    return bundle.with_name("app_1.tar.sha256")


def names(bundle: Path) -> list[str]:
    return sorted(path.name for path in bundle.parent.iterdir())


def test_a_list_that_is_missing_is_written_and_signed(bundle: Path, sums: Path) -> None:
    found, made = sign(bundle, signing_key(), NOON)
    assert (found, made.trusted_comment) == (sums, COMMENT)
    assert sums.read_text() == f"{HELLO}  app_1.tar\n"
    assert names(bundle) == ["app_1.tar", "app_1.tar.sha256", "app_1.tar.sha256.minisig"]
    assert Signature.parse(signature_of(bundle).read_bytes(), "") == made
    assert PUBLIC.has_signed(sums.read_bytes(), made)


def test_a_list_that_is_there_is_signed_as_it_is(bundle: Path, sums: Path) -> None:
    content = f"{HELLO.upper()} *app_1.tar"
    sums.write_text(content)
    for file in (bundle, sums):
        assert PUBLIC.has_signed(content.encode(), sign(file, signing_key(), NOON)[1])
        assert sums.read_text() == content


def test_a_list_of_several_files_is_signed_where_all_of_them_fit(bundle: Path, sums: Path) -> None:
    other = bundle.with_name("b")
    other.write_bytes(b"b")
    sums.write_text(f"{HELLO}  app_1.tar\n{hashlib.sha256(b'b').hexdigest()}  b\n")
    sign(bundle, signing_key(), NOON)
    assert signed(bundle, [PUBLIC]).sha256 == HELLO
    signature_of(bundle).unlink()
    other.write_bytes(b"B")
    with pytest.raises(
        Mismatch, match=r"b: sha256 is .*, expected 3e23e81.*; it is not the file that app_1\.tar"
    ):
        sign(bundle, signing_key(), NOON)
    other.unlink()
    with pytest.raises(MissingMember, match=r"b: is not there, and app_1\.tar\.sha256 names it"):
        sign(bundle, signing_key(), NOON)
    assert not signature_of(bundle).exists()


@pytest.mark.parametrize(
    ("content", "kind", "problem"),
    [
        (f"{'0' * 64}  app_1.tar\n", Mismatch, f"app_1.tar: sha256 is {HELLO}, expected 0000"),
        (f"{HELLO}  b.tar\n", CorruptContent, "app_1.tar.sha256: speaks of b.tar, not of app_1.tar; it is"),
        (
            f"{HELLO}  ../app_1.tar\n",
            InvalidDocument,
            "app_1.tar.sha256: line 1 names '../app_1.tar', expected",
        ),
        ("", InvalidDocument, "app_1.tar.sha256: line 1 is no checksum"),
    ],
)
def test_a_list_that_does_not_fit_is_not_signed(
    bundle: Path, sums: Path, content: str, kind: type[ToolkitError], problem: str
) -> None:
    sums.write_text(content)
    with pytest.raises(kind) as caught:
        sign(bundle, signing_key(), NOON)
    assert (caught.value.exit_code, problem in str(caught.value)) == (5, True)
    assert names(bundle) == ["app_1.tar", "app_1.tar.sha256"]
    assert sums.read_text() == content


def test_what_cannot_be_signed_is_told(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "a\nb").write_bytes(b"")
    cases: list[tuple[str, type[ToolkitError], str]] = [
        ("folder", Unsupported, "folder: is a folder, and a signature is over a file"),
        ("a\nb", UsageError, "a\\nb': has no name that a line of a checksum list can hold; sign a file"),
        ("folder/..", UsageError, "has no name that a line"),
        ("no.tar", NotFound, "is not there"),
        ("no.tar.sha256", NotFound, "is not there"),
    ]
    for name, kind, problem in cases:
        with pytest.raises(kind) as caught:
            sign(tmp_path / name, signing_key(), NOON)
        assert problem in str(caught.value)
    assert names(bundle) == sorted(["app_1.tar", "folder", "a\nb"])


def test_a_name_of_odd_bytes_is_signed(tmp_path: Path) -> None:
    bundle = tmp_path / os.fsdecode(b"\xff .tar")
    bundle.write_bytes(b"hello\n")
    sign(bundle, signing_key(), NOON)
    found = signed(bundle, [PUBLIC])
    assert found.signature.comment == b"timestamp:1700000000\tfile:\xff .tar.sha256\thashed"


def test_a_new_signature_replaces_the_old_one(bundle: Path) -> None:
    sign(bundle, signing_key(), NOON)
    sign(bundle, signing_key(), NOON + 1)
    assert "1700000001" in signed(bundle, [PUBLIC]).signature.trusted_comment


def test_one_of_several_keys_will_do(bundle: Path) -> None:
    signed_by_hand(bundle)
    found = signed(bundle, [OTHER, PUBLIC])
    assert (found.sha256, found.key, found.bundle) == (HELLO, PUBLIC, bundle)
    assert found.to_json() == {"key_id": KEY_ID, "public_key": TEXT, "trusted_comment": COMMENT}
    assert str(found) == f"is signed by key {KEY_ID}: timestamp:{NOON}  file:app_1.tar.sha256  hashed"
    found.compare(HELLO)
    with pytest.raises(Mismatch, match=f"sha256 is {'0' * 64}, expected {HELLO}; .* key {KEY_ID} signed"):
        found.compare("0" * 64)


def test_of_two_keys_with_one_id_the_right_one_is_found(bundle: Path) -> None:
    signed_by_hand(bundle)
    assert signed(bundle, [PublicKey(PUBLIC.id, OTHER.raw), PUBLIC]).key == PUBLIC


@pytest.mark.parametrize("name", ["plain", "legacy", "words"])
def test_what_minisign_signed_is_taken(bundle: Path, sums: Path, name: str) -> None:
    sums.write_bytes((DATA / sums.name).read_bytes())
    signature_of(bundle).write_bytes((DATA / f"{name}.minisig").read_bytes())
    assert signed(bundle, [PUBLIC]).sha256 == HELLO


@pytest.mark.parametrize(
    ("problem", "missing"),
    [
        ("app_1.tar: has no app_1.tar.sha256.minisig beside it", "app_1.tar.sha256.minisig"),
        ("app_1.tar: has no app_1.tar.sha256 beside it", "app_1.tar.sha256"),
    ],
)
def test_without_a_list_or_a_signature_it_says_which_key_was_expected(
    bundle: Path, problem: str, missing: str
) -> None:
    signed_by_hand(bundle).with_name(missing).unlink()
    with pytest.raises(CorruptContent) as caught:
        signed(bundle, [PUBLIC, OTHER])
    assert str(caught.value).endswith(f"{problem}; expected a signature by key {KEY_ID} or {LOCKED_ID}")


def test_another_key_is_told_with_the_one_that_was_expected(bundle: Path) -> None:
    signed_by_hand(bundle)
    with pytest.raises(Mismatch, match=f"minisig: key ID is {KEY_ID}, expected {LOCKED_ID}; somebody else"):
        signed(bundle, [OTHER])


def test_another_key_of_the_same_id_is_not_taken(bundle: Path) -> None:
    signed_by_hand(bundle)
    problem = f"sha256: is not what was signed by key {KEY_ID}, which is the one expected; it or its sig"
    with pytest.raises(CorruptContent, match=problem):
        signed(bundle, [PublicKey(PUBLIC.id, OTHER.raw)])


def test_another_list_is_not_taken(bundle: Path, sums: Path) -> None:
    signed_by_hand(bundle)
    sums.write_text(sums.read_text().upper().replace("APP_1.TAR", "app_1.tar"))  # it says the same
    with pytest.raises(CorruptContent, match=f"is not what was signed by key {KEY_ID}"):
        signed(bundle, [PUBLIC])


def test_another_trusted_comment_is_not_taken(bundle: Path) -> None:
    path = signature_of(signed_by_hand(bundle))
    path.write_bytes(path.read_bytes().replace(b"1700000000", b"1800000000"))
    problem = f"trusted comment that key {KEY_ID}, which is the one expected, did not sign"
    with pytest.raises(CorruptContent, match=problem):
        signed(bundle, [PUBLIC])


def test_a_bundle_under_another_name_is_not_the_one_that_was_signed(bundle: Path) -> None:
    signed_by_hand(bundle)
    for path in list(bundle.parent.iterdir()):
        path.rename(path.with_name(path.name.replace("app_1", "app_2")))
    problem = f"is signed by key {KEY_ID} and speaks of app_1.tar, not of app_2.tar; give the bundle the name"
    with pytest.raises(CorruptContent, match=re.escape(problem)):
        signed(bundle.with_name("app_2.tar"), [PUBLIC])


def test_a_signed_list_that_breaks_its_format_is_not_taken(bundle: Path, sums: Path) -> None:
    content = f"{HELLO}  app_1.tar\n{HELLO}  ../app_1.tar\n".encode()
    sums.write_bytes(content)
    sign_file(sums, content, signing_key(), NOON)
    with pytest.raises(InvalidDocument, match=r"sha256: line 2 names '\.\./app_1\.tar', expected a file"):
        signed(bundle, [PUBLIC])
