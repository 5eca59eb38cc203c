"""Files beside a bundle that were made to get an unsigned one in, to stall, or to write on a terminal."""

from __future__ import annotations

import base64
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.archives import ONE, image, layout, tar
from tests.signers import NOON, OTHER, PUBLIC, quickly_locked, signature_of, signed_by_hand, signing_key
from toolkit.errors import CorruptContent, ToolkitError, Unsupported
from toolkit.operations.admission import admit
from toolkit.operations.keys import open_key
from toolkit.operations.signing import sign_file, signed
from toolkit.signature import ED25519, PREHASHED, Signature

BYTES = tar(layout(("app:1", image(ONE))))
MUCH = 1 << 30  # bytes, of a file with a hole


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "app.tar"
    path.write_bytes(BYTES)
    return signed_by_hand(path)


def refused(bundle: Path) -> str:
    began = time.monotonic()
    with pytest.raises(ToolkitError) as caught:
        admit(str(bundle), [PUBLIC])
    assert caught.value.exit_code == 5
    assert time.monotonic() - began < 5
    return str(caught.value)


def as_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def as_endless_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def as_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def as_device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def as_a_gigabyte(path: Path) -> None:
    os.truncate(path, MUCH)


ODD: dict[Callable[[Path], None], str] = {
    as_link: "is no regular file",
    as_endless_link: "is no regular file",
    as_fifo: "is no regular file",
    as_folder: "is no regular file",
    as_device: "is no regular file",
    as_a_gigabyte: f"is {MUCH} bytes, expected at most ",
}


@pytest.mark.parametrize("suffix", [".sha256", ".sha256.minisig"])
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.__name__)
def test_what_stands_beside_a_bundle_is_a_small_file(
    bundle: Path, suffix: str, odd: Callable[[Path], None]
) -> None:
    path = bundle.with_name(bundle.name + suffix)
    odd(path)
    assert f"{path}: {ODD[odd]}" in refused(bundle)


def test_a_list_of_a_million_lines_is_refused_unread(bundle: Path) -> None:
    sums = bundle.with_name("app.tar.sha256")
    sums.write_text(f"{'0' * 64}  x\n" * 1_000_000)
    assert "app.tar.sha256: is 68000000 bytes, expected at most 1048576" in refused(bundle)


@pytest.mark.parametrize("name", ["../app.tar", "./app.tar", "/app.tar", "x/../app.tar"])
def test_a_signed_list_with_a_path_in_it_is_refused(bundle: Path, name: str) -> None:
    """Somebody was made to sign it: it would speak of one file here, and of another one to sha256sum."""
    sums = bundle.with_name("app.tar.sha256")
    content = sums.read_bytes() + f"{'0' * 64}  {name}\n".encode()
    sums.write_bytes(content)
    sign_file(sums, content, signing_key(), NOON)
    assert f"line 2 names {name!r}, expected a file of its folder" in refused(bundle)


def test_a_list_that_names_a_bundle_twice_is_refused(bundle: Path) -> None:
    sums = bundle.with_name("app.tar.sha256")
    content = f"{'0' * 64}  app.tar\n".encode() + sums.read_bytes()
    sums.write_bytes(content)
    sign_file(sums, content, signing_key(), NOON)
    assert "line 2 names 'app.tar' a second time" in refused(bundle)


def test_a_comment_writes_nothing_on_a_terminal(bundle: Path) -> None:
    sums = bundle.with_name("app.tar.sha256")
    comment = "\x1b[2J\x9b31mall is well\u202e\r".encode() + b"\xff\x07"
    made = signing_key().sign(sums.read_bytes(), comment)
    signature_of(bundle).write_bytes(bytes(made))
    note = admit(str(bundle), [PUBLIC]).note
    assert note.problem.isprintable()
    assert "all is well" in note.problem


def test_an_error_writes_nothing_on_a_terminal(bundle: Path) -> None:
    path = signature_of(bundle)
    path.write_bytes(path.read_bytes().replace(b"untrusted comment: ", b"untrusted\x1b[2J: "))
    assert refused(bundle).isprintable()


def test_a_signature_is_not_one_of_the_other_kind(bundle: Path) -> None:
    """Of the same 64 bytes, "ED" speaks of a digest and "Ed" of the file: one cannot be passed for the other."""
    path = signature_of(bundle)
    found = Signature.parse(path.read_bytes(), "")
    other = Signature(ED25519, found.id, found.raw, found.comment, found.seal)
    assert found.algorithm == PREHASHED
    path.write_bytes(bytes(other))
    refused(bundle)
    bundle.with_name("app.tar.sha256").write_bytes(found.message(b"whatever was signed"))
    refused(bundle)


def test_the_seal_of_a_comment_is_no_signature_of_a_list(bundle: Path) -> None:
    """It is an older signature over 64 bytes and the comment: such a file is no list, whoever signed it."""
    path, sums = signature_of(bundle), bundle.with_name("app.tar.sha256")
    line = f"{'0' * 64}  app.tar"
    made = signing_key().sign(sums.read_bytes(), line.encode())
    forged = Signature(ED25519, made.id, made.seal, made.comment, made.seal)
    content = made.raw + made.comment
    assert PUBLIC.has_signed(content, forged)
    sums.write_bytes(content)
    path.write_bytes(bytes(forged))
    refused(bundle)


def test_every_bit_of_a_list_and_of_its_signature_counts(bundle: Path) -> None:
    """All bits of the signature's lines are in unit/test_signature.py; here a sample, through the gate."""
    chosen = random.Random(5)
    for suffix, first in (
        (".sha256", 0),
        (".sha256.minisig", len("untrusted comment: signature by lading, for minisign")),
    ):
        path = bundle.with_name(bundle.name + suffix)
        whole = path.read_bytes()
        for place in range(first, len(whole)):
            path.write_bytes(flipped(whole, place, chosen.randrange(8)))
            refused(bundle)
        path.write_bytes(whole)
    admit(str(bundle), [PUBLIC])


def test_every_bit_of_a_bundle_counts(bundle: Path) -> None:
    chosen = random.Random(5)
    places = {0, 511, 512, len(BYTES) - 1, *(chosen.randrange(len(BYTES)) for _ in range(200))}
    for place in places:
        bundle.write_bytes(flipped(BYTES, place, chosen.randrange(8)))
        assert "it is not the file that key" in refused(bundle)
    for content in (b"", BYTES[:-1], BYTES + b"\0"):
        bundle.write_bytes(content)
        assert "it is not the file that key" in refused(bundle)
    bundle.write_bytes(BYTES)
    admit(str(bundle), [PUBLIC])


def flipped(content: bytes, place: int, bit: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]


def test_nothing_of_a_bundle_is_read_before_its_signature(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(path: Path) -> tuple[str, None]:
        raise AssertionError(path)

    monkeypatch.setattr("toolkit.operations.admission.stamped_sum", never)
    with pytest.raises(CorruptContent, match="key ID is"):
        admit(str(bundle), [OTHER])


@pytest.mark.parametrize(("place", "exponent"), [(38, 26), (38, 63), (46, 31), (46, 63)])
def test_a_key_that_would_take_all_memory_is_refused(tmp_path: Path, place: int, exponent: int) -> None:
    comment, line, _ = quickly_locked().split(b"\n")
    raw = bytearray(base64.b64decode(line))
    raw[place : place + 8] = (1 << exponent).to_bytes(8, "little")
    (tmp_path / "x.key").write_bytes(comment + b"\n" + base64.b64encode(raw) + b"\n")
    with pytest.raises(Unsupported, match="of memory to open; expected at most 33554432 and 1073741824"):
        open_key(str(tmp_path / "x.key"), lambda _: b"x")


def test_a_replaced_bundle_does_not_bring_its_own_key(bundle: Path) -> None:
    """All three files are the attacker's, and right; the key is not."""
    with pytest.raises(CorruptContent, match="somebody else signed it"):
        signed(bundle, [OTHER])
