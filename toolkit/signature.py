"""Signature and PublicKey: the files that minisign writes and checks (minisign(1)).

    untrusted comment: TEXT            nobody vouches for it
    base64                             "ED", the key's ID, 64 bytes: Ed25519 over BLAKE2b-512 of the file
    trusted comment: TEXT
    base64                             64 bytes: Ed25519 over the 64 above and the trusted comment

"Ed" in place of "ED" is the older way, over the file itself. A public key is an untrusted comment, and in
base64 "Ed", the key's ID and 32 bytes. An ID has 8 bytes, low byte first, and is printed as a number.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from typing import Self

from toolkit.digest import blake2b
from toolkit.errors import InvalidDocument
from toolkit.printable import printable

ED25519, PREHASHED = b"Ed", b"ED"
ID_SIZE, KEY_SIZE, SIGNATURE_SIZE = 8, 32, 64  # bytes
LIMIT = 16 << 10  # bytes of a file; minisign itself reads comments of 1,024 and 8,192
UNTRUSTED, TRUSTED = b"untrusted comment: ", b"trusted comment: "
MADE_BY = b"signature by lading, for minisign"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What signatures are checked with."""

    id: bytes
    raw: bytes

    @classmethod
    def parse(cls, content: bytes, subject: str) -> Self:
        """Read a key file, or its second line alone, as minisign -P takes it; raises InvalidDocument."""
        lines = lines_of(content)
        if len(lines) != 1:
            lines = expect_lines(lines, (UNTRUSTED, b""), subject)
        fields = decoded(lines[-1], 2 + ID_SIZE + KEY_SIZE, f"{subject}: public key")
        expect_algorithm(fields[:2], (ED25519,), subject)
        return cls(fields[2 : 2 + ID_SIZE], fields[2 + ID_SIZE :])

    def __str__(self) -> str:
        return encoded(ED25519 + self.id + self.raw).decode()

    def __bytes__(self) -> bytes:
        return b"%sminisign public key %s\n%s\n" % (UNTRUSTED, self.key_id.encode(), str(self).encode())

    @property
    def key_id(self) -> str:
        """Return the ID as minisign prints it."""
        return id_text(self.id)

    def has_signed(self, content: bytes, signature: Signature) -> bool:
        """Tell whether a signature is of this key and these bytes; says nothing of its trusted comment."""
        return signature.id == self.id and self._verifies(signature.raw, signature.message(content))

    def has_sealed(self, signature: Signature) -> bool:
        """Tell whether the trusted comment is the one that this key put to the signature."""
        return self._verifies(signature.seal, signature.raw + signature.comment)

    def _verifies(self, signature: bytes, message: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature, not checked yet."""

    algorithm: bytes
    id: bytes  # of the key
    raw: bytes
    comment: bytes  # the trusted one
    seal: bytes  # the second signature, over the first one and the trusted comment
    untrusted: bytes = MADE_BY

    @classmethod
    def parse(cls, content: bytes, subject: str) -> Self:
        """Read a signature file, its lines ended as on Unix or Windows; raises InvalidDocument."""
        prefixes = (UNTRUSTED, b"", TRUSTED, b"")
        untrusted, first, comment, second = expect_lines(lines_of(content), prefixes, subject)
        fields = decoded(first, 2 + ID_SIZE + SIGNATURE_SIZE, f"{subject}: signature")
        expect_algorithm(fields[:2], (PREHASHED, ED25519), subject)
        seal = decoded(second, SIGNATURE_SIZE, f"{subject}: signature of the trusted comment")
        id_, raw = fields[2 : 2 + ID_SIZE], fields[2 + ID_SIZE :]
        return cls(fields[:2], id_, raw, comment, seal, untrusted)

    def __bytes__(self) -> bytes:
        first = encoded(self.algorithm + self.id + self.raw)
        lines = (UNTRUSTED + self.untrusted, first, TRUSTED + self.comment, encoded(self.seal))
        return b"".join(line + b"\n" for line in lines)

    @property
    def key_id(self) -> str:
        """Return the ID of the key as minisign prints it."""
        return id_text(self.id)

    @property
    def trusted_comment(self) -> str:
        """Return the comment as text, which is not safe to show as it is."""
        return self.comment.decode(errors="backslashreplace")

    @property
    def shown_comment(self) -> str:
        """Return the comment as it can be shown; minisign's own have tabs."""
        return printable(self.trusted_comment.replace("\t", "  "))

    def message(self, content: bytes) -> bytes:
        """Return what is signed of a file that holds `content`."""
        return blake2b(content) if self.algorithm == PREHASHED else content


def id_text(id_: bytes) -> str:
    """Print the ID of a key."""
    return f"{int.from_bytes(id_, 'little'):X}"


def lines_of(content: bytes) -> list[bytes]:
    """Split a file into lines, which may end as on Windows; the last one need not end."""
    return [line.removesuffix(b"\r") for line in content.removesuffix(b"\n").split(b"\n")]


def expect_lines(lines: list[bytes], prefixes: tuple[bytes, ...], subject: str) -> list[bytes]:
    """Return the lines without what each begins with; raises InvalidDocument for others, and for more."""
    if len(lines) != len(prefixes):
        raise InvalidDocument(subject, f"has {len(lines)} lines, expected {len(prefixes)}")
    for number, (line, prefix) in enumerate(zip(lines, prefixes, strict=True), 1):
        if not line.startswith(prefix):
            raise InvalidDocument(subject, f"line {number} does not begin with {prefix.decode()!r}")
    return [line.removeprefix(prefix) for line, prefix in zip(lines, prefixes, strict=True)]


def expect_algorithm(found: bytes, known: tuple[bytes, ...], subject: str) -> None:
    """Raise InvalidDocument for an algorithm that is not among the known ones."""
    if found not in known:
        names = " or ".join(repr(each.decode()) for each in known)
        raise InvalidDocument(subject, f"is of the algorithm {ascii(found)[1:]}, expected {names}")


def decoded(line: bytes, size: int, subject: str) -> bytes:
    """Read base64 of `size` bytes, which have one spelling; what was read is never told: it may be secret."""
    try:
        found = binascii.a2b_base64(line, strict_mode=True)
    except binascii.Error as error:
        raise InvalidDocument(subject, "is not base64") from error
    if len(found) != size:
        raise InvalidDocument(subject, f"is {len(found)} bytes, expected {size}")
    if encoded(found) != line:
        raise InvalidDocument(subject, "is base64 with bits behind its end")
    return found


def encoded(content: bytes) -> bytes:
    """Print base64."""
    return binascii.b2a_base64(content, newline=False)
