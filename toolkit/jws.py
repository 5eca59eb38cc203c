"""Signatures as libtrust wrote them into manifests of schema 1: JSON Web Signatures (RFC 7515, 7518).

A signature brings its own key along, so it vouches for nobody. It shows one thing: whether the document
around what was signed is still the one that was written.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

CURVES = {  # of a key → what it is called elsewhere, the algorithm, and its hash
    "P-256": ("SECP256R1", "ES256", "SHA256"),
    "P-384": ("SECP384R1", "ES384", "SHA384"),
    "P-521": ("SECP521R1", "ES512", "SHA512"),
}
LONGEST = 1024  # bytes of a number of a key: RSA of 8192 bits


def fits(signature: Mapping[str, Any], payload: bytes) -> bool | None:
    """Tell whether one of `signatures` is of this payload; None where it has no key that we can use."""
    header = signature.get("header")
    jwk = header.get("jwk") if isinstance(header, dict) else None
    if not isinstance(header, dict) or not isinstance(jwk, dict):
        return None
    try:
        signed = f"{signature['protected']}.{_encoded(payload)}".encode()
        raw = decoded(signature["signature"])
        return _verified(jwk, header.get("alg"), raw, signed)
    except (KeyError, ValueError, TypeError, AttributeError):  # no text, no base64url, no point of the curve
        return False


def decoded(text: str) -> bytes:
    """Read base64url without padding; raises ValueError."""
    return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _verified(jwk: Mapping[str, Any], algorithm: object, raw: bytes, signed: bytes) -> bool | None:
    from cryptography.exceptions import InvalidSignature

    try:
        if jwk.get("kty") == "EC" and CURVES[jwk["crv"]][1] == algorithm:
            _verify_ec(jwk, raw, signed)
        elif jwk.get("kty") == "RSA" and algorithm == "RS256":
            _verify_rsa(jwk, raw, signed)
        else:
            return None
    except InvalidSignature:
        return False
    return True


def _verify_ec(jwk: Mapping[str, Any], raw: bytes, signed: bytes) -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    curve, _, hash_ = CURVES[jwk["crv"]]
    point = ec.EllipticCurvePublicNumbers(_number(jwk["x"]), _number(jwk["y"]), getattr(ec, curve)())
    key: EllipticCurvePublicKey = point.public_key()
    half = len(raw) // 2
    parts = int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")
    key.verify(encode_dss_signature(*parts), signed, ec.ECDSA(getattr(hashes, hash_)()))


def _verify_rsa(jwk: Mapping[str, Any], raw: bytes, signed: bytes) -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    key: RSAPublicKey = rsa.RSAPublicNumbers(_number(jwk["e"]), _number(jwk["n"])).public_key()
    key.verify(raw, signed, padding.PKCS1v15(), hashes.SHA256())


def _number(text: str) -> int:
    raw = decoded(text)
    if len(raw) > LONGEST:
        raise ValueError("a key that is too long")
    return int.from_bytes(raw, "big")
