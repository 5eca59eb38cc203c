"""SecretKey: minisign's secret key file, locked by a passphrase or not, and SigningKey: what is in it.

untrusted comment: TEXT
base64 of 158 bytes:
    "Ed", "Sc" (two zeros where no passphrase locks it), "B2"
    32 bytes of salt, and two little-endian numbers of 8 bytes: how much work and memory scrypt takes
    104 bytes, XORed with what scrypt makes of passphrase and salt:
        the key's ID (8), the secret (32), the public key (32),
        BLAKE2b-256 of "Ed" and those 72 bytes (32; zeros where no passphrase locks it)
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Self

from toolkit.digest import blake2b
from toolkit.errors import InvalidDocument, StoreError, Unsupported, UsageError
from toolkit.signature import (
    ED25519,
    ID_SIZE,
    KEY_SIZE,
    PREHASHED,
    UNTRUSTED,
    PublicKey,
    Signature,
    decoded,
    encoded,
    expect_algorithm,
    expect_lines,
    lines_of,
)

SCRYPT, PLAIN, CHECKED = b"Sc", b"\0\0", b"B2"
SALT_SIZE, CHECK_SIZE = 32, 32  # bytes
PAIR_SIZE = ID_SIZE + 2 * KEY_SIZE
LOCKED_SIZE = PAIR_SIZE + CHECK_SIZE
FILE_SIZE = 6 + SALT_SIZE + 16 + LOCKED_SIZE
MOST_WORK = 1 << 25  # what minisign itself writes, which is the most that it is opened with here:
MOST_MEMORY = 1 << 30  # bytes
LEAST_WORK = 1 << 15
BLOCK = 8  # scrypt's r; a step takes 128 · r bytes


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair, open: what signs."""

    id: bytes
    secret: bytes = field(repr=False)
    raw: bytes  # the public key

    @classmethod
    def generate(cls) -> Self:
        """Make a new pair, with a new ID."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        pair = Ed25519PrivateKey.generate()
        return cls(os.urandom(ID_SIZE), pair.private_bytes_raw(), pair.public_key().public_bytes_raw())

    @property
    def public(self) -> PublicKey:
        """Return the public half."""
        return PublicKey(self.id, self.raw)

    def is_pair(self) -> bool:
        """Tell whether the two halves belong together."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        pair = Ed25519PrivateKey.from_private_bytes(self.secret)
        return pair.public_key().public_bytes_raw() == self.raw

    def sign(self, content: bytes, comment: bytes) -> Signature:
        """Sign the bytes of a file, and the trusted comment with them: one line."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        pair = Ed25519PrivateKey.from_private_bytes(self.secret)
        raw = pair.sign(blake2b(content))
        return Signature(PREHASHED, self.id, raw, comment, pair.sign(raw + comment))


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A secret key as its file has it."""

    locked: bytes = field(repr=False)
    kdf: bytes = PLAIN
    salt: bytes = bytes(SALT_SIZE)
    work: int = 0  # libsodium's opslimit
    memory: int = 0  # bytes; libsodium's memlimit

    @classmethod
    def parse(cls, content: bytes, subject: str) -> Self:
        """Read a key file; raises InvalidDocument, and Unsupported for one that takes too much to open."""
        _, line = expect_lines(lines_of(content), (UNTRUSTED, b""), subject)
        fields = decoded(line, FILE_SIZE, f"{subject}: secret key")
        expect_algorithm(fields[:2], (ED25519,), subject)
        expect_algorithm(fields[2:4], (SCRYPT, PLAIN), f"{subject}: its lock")
        expect_algorithm(fields[4:6], (CHECKED,), f"{subject}: its checksum")
        salt, costs, locked = fields[6:38], fields[38:54], fields[54:]
        work, memory = int.from_bytes(costs[:8], "little"), int.from_bytes(costs[8:], "little")
        if work > MOST_WORK or memory > MOST_MEMORY:
            problem = f"takes {work} steps and {memory} bytes of memory to open"
            advice = f"expected at most {MOST_WORK} and {MOST_MEMORY}, which minisign writes"
            raise Unsupported(subject, problem, advice)
        return cls(locked, fields[2:4], salt, work, memory)

    def __bytes__(self) -> bytes:
        costs = self.work.to_bytes(8, "little") + self.memory.to_bytes(8, "little")
        line = encoded(ED25519 + self.kdf + CHECKED + self.salt + costs + self.locked)
        kind = b"encrypted" if self.is_locked else b"unencrypted"
        return b"%sminisign %s secret key\n%s\n" % (UNTRUSTED, kind, line)

    @property
    def is_locked(self) -> bool:
        """Tell whether it takes a passphrase to open."""
        return self.kdf == SCRYPT

    @classmethod
    def of(
        cls, key: SigningKey, passphrase: bytes | None, work: int = MOST_WORK, memory: int = MOST_MEMORY
    ) -> Self:
        """Lock a key with a passphrase; without one it is written as it is, as by minisign -W."""
        pair = key.id + key.secret + key.raw
        if passphrase is None:
            return cls(pair + bytes(CHECK_SIZE))
        salt = os.urandom(SALT_SIZE)
        stream = stretched(passphrase, salt, work, memory)
        return cls(_xored(pair + _check(pair), stream), SCRYPT, salt, work, memory)

    def opened(self, passphrase: bytes, subject: str) -> SigningKey:
        """Return what is in it; the passphrase is not looked at where none locks it.

        Raises UsageError where the passphrase is another, InvalidDocument where the two halves are no pair,
        StoreError where there is not the memory that it takes.
        """
        plain = self._unlocked(passphrase, subject) if self.is_locked else self.locked
        pair, check = plain[:PAIR_SIZE], plain[PAIR_SIZE:]
        if any(check) and check != _check(pair):
            raise InvalidDocument(subject, "does not have the checksum that it tells")
        key = SigningKey(pair[:ID_SIZE], pair[ID_SIZE : ID_SIZE + KEY_SIZE], pair[ID_SIZE + KEY_SIZE :])
        if not key.is_pair():
            raise InvalidDocument(subject, "has a secret and a public key that are no pair")
        return key

    def _unlocked(self, passphrase: bytes, subject: str) -> bytes:
        try:
            plain = _xored(self.locked, stretched(passphrase, self.salt, self.work, self.memory))
        except MemoryError as error:
            problem = f"takes {self.memory} bytes of memory to open, and they are not there"
            raise StoreError(subject, problem) from error
        if plain[PAIR_SIZE:] != _check(plain[:PAIR_SIZE]):
            advice = "it is another one, or the file is damaged"
            raise UsageError(subject, "does not open with this passphrase", advice)
        return plain


def scrypt_costs(work: int, memory: int) -> tuple[int, int]:
    """Return scrypt's N and p for libsodium's opslimit and memlimit (crypto_pwhash_scryptsalsa208sha256).

    N is the largest power of two that both allow; p uses up the work that is left then.
    """
    work = max(work, LEAST_WORK)
    is_short_of_work = work < memory // 32
    most = work // (4 * BLOCK) if is_short_of_work else memory // (128 * BLOCK)
    count = 1 << max(1, most.bit_length() - 1)
    return count, 1 if is_short_of_work else work // 4 // count // BLOCK


def stretched(passphrase: bytes, salt: bytes, work: int, memory: int) -> bytes:
    """Return what locks a key; raises MemoryError."""
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    count, lanes = scrypt_costs(work, memory)
    return Scrypt(salt, LOCKED_SIZE, count, BLOCK, lanes).derive(passphrase)


def _check(pair: bytes) -> bytes:
    return blake2b(ED25519 + pair, CHECK_SIZE)


def _xored(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
