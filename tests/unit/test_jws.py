from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from toolkit.jws import decoded, fits

PAYLOAD = b'{\n   "schemaVersion": 1\n}'
# RFC 7515, appendix A.3: ES256 over the payload of its own; the signature of the RFC, byte for byte.
RFC_PROTECTED = "eyJhbGciOiJFUzI1NiJ9"
RFC_PAYLOAD = b'{"iss":"joe",\r\n "exp":1300819380,\r\n "http://example.com/is_root":true}'
RFC: dict[str, Any] = {
    "header": {
        "alg": "ES256",
        "jwk": {
            "kty": "EC",
            "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        },
    },
    "protected": RFC_PROTECTED,
    "signature": "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
}


def text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def number(value: int, size: int) -> str:
    return text(value.to_bytes(size, "big"))


def signed_by(
    curve: ec.EllipticCurve, name: str, algorithm: str, hash_: hashes.HashAlgorithm
) -> dict[str, Any]:
    key, size = ec.generate_private_key(curve), (curve.key_size + 7) // 8
    protected = text(b'{"formatLength":22}')
    raw = key.sign(f"{protected}.{text(PAYLOAD)}".encode(), ec.ECDSA(hash_))
    r, s = decode_dss_signature(raw)
    public = key.public_key().public_numbers()
    jwk = {"kty": "EC", "crv": name, "x": number(public.x, size), "y": number(public.y, size)}
    signature = text(r.to_bytes(size, "big") + s.to_bytes(size, "big"))
    return {"header": {"alg": algorithm, "jwk": jwk}, "protected": protected, "signature": signature}


def signed_by_rsa() -> dict[str, Any]:
    key = rsa.generate_private_key(65537, 2048)
    public, protected = key.public_key().public_numbers(), text(b"{}")
    raw = key.sign(f"{protected}.{text(PAYLOAD)}".encode(), padding.PKCS1v15(), hashes.SHA256())
    jwk = {"kty": "RSA", "n": number(public.n, 256), "e": number(public.e, 3)}
    return {"header": {"alg": "RS256", "jwk": jwk}, "protected": protected, "signature": text(raw)}


KINDS = {
    "ES256": lambda: signed_by(ec.SECP256R1(), "P-256", "ES256", hashes.SHA256()),
    "ES384": lambda: signed_by(ec.SECP384R1(), "P-384", "ES384", hashes.SHA384()),
    "ES512": lambda: signed_by(ec.SECP521R1(), "P-521", "ES512", hashes.SHA512()),
    "RS256": signed_by_rsa,
}


def test_the_signature_of_the_rfc_fits_its_payload_and_no_other() -> None:
    assert fits(RFC, RFC_PAYLOAD) is True
    assert fits(RFC, RFC_PAYLOAD + b" ") is False


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_key_tells_a_changed_byte(kind: str) -> None:
    signature = KINDS[kind]()
    assert fits(signature, PAYLOAD) is True
    for key in ("signature", "protected"):
        old = signature[key]
        assert fits({**signature, key: ("B" if old[0] == "A" else "A") + old[1:]}, PAYLOAD) is False
    assert fits(signature, PAYLOAD.replace(b"1", b"2")) is False


@pytest.mark.parametrize(
    "change",
    [
        {"signature": 5},
        {"signature": "?"},
        {"signature": ""},
        {"protected": None},
        {"header": {"alg": "ES256", "jwk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}}},
        {"header": {"alg": "ES256", "jwk": {"kty": "EC", "crv": "P-0"}}},
        {"header": {"alg": "ES256", "jwk": {"kty": "EC", "crv": ["P-256"]}}},
        {"header": {"alg": "RS256", "jwk": {"kty": "RSA", "n": "A" * 4000, "e": "AQAB"}}},
        {"header": {"alg": "RS256", "jwk": {"kty": "RSA", "n": "AQ", "e": "AA"}}},
    ],
    ids=json.dumps,
)
def test_what_is_no_signature_does_not_fit(change: dict[str, Any]) -> None:
    assert fits({**RFC, **change}, RFC_PAYLOAD) is False


@pytest.mark.parametrize(
    "header", [None, {}, {"jwk": 1}, {"alg": "none", "jwk": {}}, {"alg": "HS256", "jwk": {"kty": "oct"}}]
)
def test_without_a_key_that_is_known_nothing_is_said(header: object) -> None:
    assert fits({**RFC, "header": header}, RFC_PAYLOAD) is None


@pytest.mark.parametrize("wrong", ["+", "/", "A", "AA A", "=", "ä"])
def test_what_is_no_base64url_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decoded(wrong)
