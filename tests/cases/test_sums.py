"""Case 39: a signed manifest of schema 1 is known by its payload, whatever stands around it (formats D.12)."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.archives import encode, sha256
from tests.registries import BASE, TOP, Registry, schema1, signed, three_layers

from .conftest import Tell
from .judging import Ran, ran

PAYLOAD = schema1(three_layers(thrown_away=True))
LENGTH, TAIL = len(PAYLOAD) - 2, PAYLOAD[-2:]
KEY = ec.generate_private_key(ec.SECP256R1())


def text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def really_signed() -> bytes:
    """Return the document as libtrust signs it: a key of its own, ES256."""
    protected = text(
        encode({"formatLength": LENGTH, "formatTail": text(TAIL), "time": "2015-07-10T00:13:44Z"})
    )
    raw = KEY.sign(f"{protected}.{text(PAYLOAD)}".encode(), ec.ECDSA(hashes.SHA256()))
    point = KEY.public_key().public_numbers()
    jwk = {"kty": "EC", "crv": "P-256"} | {key: text(getattr(point, key).to_bytes(32, "big")) for key in "xy"}
    signature = text(b"".join(part.to_bytes(32, "big") for part in decode_dss_signature(raw)))
    one = {"header": {"jwk": jwk, "alg": "ES256"}, "signature": signature, "protected": protected}
    return PAYLOAD[:LENGTH] + b',\n   "signatures": ' + encode([one]) + TAIL


def exported(here: Path, raw: bytes) -> Ran:
    """Export the image of a registry's disk whose manifest is known by the digest of its payload."""
    registry = Registry(here / "registry")
    registry.push_schema1("library/old:1", raw, sha256(PAYLOAD), [BASE, TOP])
    return ran(
        "export", "old:1", "--from", f"registry-root:{here / 'registry'}", "-o", here / "old.tar", "--json"
    )


def one_byte(raw: bytes) -> bytes:
    """Change the first byte of the signature, which is no part of the payload."""
    at = raw.index(b'"signature":"') + len(b'"signature":"')
    return raw[:at] + (b"B" if raw[at : at + 1] == b"A" else b"A") + raw[at + 1 :]


TAKEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "as it was signed": (bytes, ""),
    "a byte of its signature": (one_byte, "its signature is not of what was signed"),
    "a new key outside": (lambda raw: raw[:-2] + b',"comment":"evil"' + raw[-2:], "it tells other things"),
}
REFUSED: dict[str, tuple[bytes, str]] = {
    "formatLength -1": (
        signed(PAYLOAD, {"formatLength": -1, "formatTail": text(TAIL)}),
        "formatLength is -1",
    ),
    "formatLength 1e9": (
        signed(PAYLOAD, {"formatLength": 10**9, "formatTail": text(TAIL)}),
        "formatLength is 1000000000",
    ),
    "formatLength 1.5": (signed(PAYLOAD, {"formatLength": 1.5, "formatTail": text(TAIL)}), "int required"),
    "two tails": (
        signed(PAYLOAD, *({"formatLength": LENGTH, "formatTail": text(tail)} for tail in (TAIL, b"}"))),
        "has signatures of 2 payloads",
    ),
    "manifests": (
        really_signed()[:-2] + b',"manifests":[]' + TAIL,
        "has 'manifests', so that two readers would see two images",
    ),
    "a key twice": (really_signed()[:-2] + b',"name":"evil"' + TAIL, "key 'name' stands twice"),
    "another payload": (really_signed().replace(b"amd64", b"arm64"), "digest of the payload is"),
}


@pytest.mark.parametrize("what", TAKEN)
def test_case_39_a_signed_manifest_is_its_payload_and_a_change_around_it_is_told(
    here: Path, ours: Tell, what: str
) -> None:
    change, says = TAKEN[what]
    done = exported(here, change(really_signed()))
    assert done.code == 0, done.err
    told = [each["problem"] for each in done.json["findings"] if "unsigned data changed" in each["problem"]]
    assert [says in each for each in told] == ([True] if says else [])
    plain = exported(here, PAYLOAD)
    assert plain.json["images"] == done.json["images"]
    if told:
        ours(told[0])


@pytest.mark.parametrize("what", REFUSED)
def test_case_39_a_manifest_that_does_not_tell_one_payload_is_refused(
    here: Path, ours: Tell, what: str
) -> None:
    raw, says = REFUSED[what]
    done = exported(here, raw)
    sentence: Any = done.json["error"]["sentence"]
    assert (done.code in {5, 6}, says in sentence, (here / "old.tar").exists()) == (True, True, False), (
        sentence
    )
    ours(sentence.replace(str(here), ""))
