"""Keys and signed bundles for tests: the keys are minisign's (tests/data/minisign)."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import pytest

from toolkit.operations.companion import beside
from toolkit.operations.signing import sign
from toolkit.secretkey import SecretKey, SigningKey
from toolkit.signature import PublicKey

DATA = Path(__file__).parent / "data/minisign"
KEY_ID, LOCKED_ID = "F36D690E7C3735C8", "31C228996C87C58E"
PUBLIC = PublicKey.parse((DATA / "plain.pub").read_bytes(), "plain.pub")
OTHER = PublicKey.parse((DATA / "locked.pub").read_bytes(), "locked.pub")
TEXT = str(PUBLIC)
PASSPHRASE = b"tar and feathers"
WORK, MEMORY = 1 << 15, 1 << 20  # the least that libsodium takes
NOON = 1_700_000_000  # seconds since 1970


def signing_key() -> SigningKey:
    """The secret half of PUBLIC."""
    return SecretKey.parse((DATA / "plain.key").read_bytes(), "plain.key").opened(b"", "plain.key")


def quickly_locked(passphrase: bytes = PASSPHRASE) -> bytes:
    """The file of that key, locked so that it opens in no time."""
    return bytes(SecretKey.of(signing_key(), passphrase, WORK, MEMORY))


def lock_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lock new keys so that they open in no time."""
    monkeypatch.setattr(SecretKey, "of", functools.partial(SecretKey.of, work=WORK, memory=MEMORY))


def signed_by_hand(bundle: Path) -> Path:
    """Sign a bundle as it is, with PUBLIC's other half; return it."""
    sums = beside(bundle, ".sha256")
    sums.write_text(f"{hashlib.sha256(bundle.read_bytes()).hexdigest()}  {bundle.name}\n")
    sign(sums, signing_key(), NOON)
    return bundle


def signature_of(bundle: Path) -> Path:
    """Where the signature of a bundle lies."""
    return bundle.with_name(f"{bundle.name}.sha256.minisig")
