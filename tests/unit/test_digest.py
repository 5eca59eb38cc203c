from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.digest import EMPTY_LAYER, Digest, blake2b, chain_ids, is_v1_id, new_hash
from toolkit.errors import InvalidDigest

# FIPS 180-4 examples; the rest with `openssl dgst`.
ABC_256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
ABC_512 = (
    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
)
ABC_BLAKE2B = (  # b2sum; RFC 7693, appendix A, has it too
    "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
    "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923"
)
A = "sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
B = "sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"
C = "sha256:2e7d2c03a9507ae265ecf5b5356885a53393a2029d241394997265a1a25aefc6"
AB = "sha256:51c0c8ace48498d6f5fee6b0592cc06f2da0f3cbe09c5a34a97dce85c3889676"
ABC = "sha256:2fce7f8ce91bcf0a1428b36e1024639fdbd9469eea762dba98aa749631885106"

digests = st.builds(
    Digest, st.just("sha256"), st.text("0123456789abcdef", min_size=64, max_size=64)
) | st.builds(Digest, st.just("sha512"), st.text("0123456789abcdef", min_size=128, max_size=128))


def test_a_digest_is_that_of_the_bytes() -> None:
    assert str(Digest.of(b"abc")) == f"sha256:{ABC_256}"
    assert str(Digest.of(b"abc", "sha512")) == f"sha512:{ABC_512}"


def test_a_running_hash_is_the_same_as_one_over_the_whole() -> None:
    running = new_hash()
    for piece in (b"a", bytearray(b"b"), memoryview(b"c")):
        running.update(piece)
    assert running.hexdigest() == ABC_256


def test_the_short_form_has_twelve_digits() -> None:
    assert Digest.of(b"abc").short == "ba7816bf8f01"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256:",
        ABC_256,
        f"sha256:{ABC_256[:-1]}",
        f"sha256:{ABC_256}0",
        f"sha256:{ABC_256.upper()}",
        f"SHA256:{ABC_256}",
        f"sha256:{ABC_256}\n",
        f"sha256: {ABC_256[1:]}",
        f"sha256:{ABC_256[:-1]}٣",
        f"sha512:{ABC_256}",
        f"md5:{ABC_256[:32]}",
        f"sha256:{ABC_256[:-2]}/.",
        "sha256:" + "0" * 1_000_000,
    ],
)
def test_anything_else_is_no_digest(text: str) -> None:
    with pytest.raises(InvalidDigest, match="is not a digest"):
        Digest.parse(text)


@pytest.mark.property
@given(digests)
def test_parse_and_str_are_inverses(digest: Digest) -> None:
    assert Digest.parse(str(digest)) == digest


@pytest.mark.property
@given(st.text(max_size=200))
def test_what_is_parsed_is_printed_unchanged(text: str) -> None:
    try:
        digest = Digest.parse(text)
    except InvalidDigest:
        return
    assert str(digest) == text


def test_a_chain_id_covers_every_layer_below() -> None:
    assert [str(digest) for digest in chain_ids(map(Digest.parse, (A, B, C)))] == [A, AB, ABC]


def test_a_chain_of_nothing_is_empty() -> None:
    assert chain_ids([]) == []


def test_the_empty_layer_is_two_blocks_of_zeros() -> None:
    assert Digest.of(bytes(1024)) == EMPTY_LAYER


@pytest.mark.parametrize(
    "text",
    [
        "",
        "../../x",
        "a/b",
        "a" * 63,
        "a" * 65,
        "A" * 64,
        "a" * 64 + "\n",
        "g" * 64,
        None,
        7,
        b"a" * 64,
        "٣" * 64,
    ],
)
def test_only_64_lower_case_hex_digits_are_a_v1_id(text: object) -> None:
    assert not is_v1_id(text)


def test_64_lower_case_hex_digits_are_a_v1_id() -> None:
    assert is_v1_id(ABC_256)


@pytest.mark.parametrize(
    ("size", "hex_"),
    [
        (64, ABC_BLAKE2B),
        (32, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"),  # b2sum -l 256
    ],
)
def test_blake2b_is_that_of_the_rfc(size: int, hex_: str) -> None:
    assert blake2b(b"abc", size).hex() == hex_
