"""Digest: the content address, and the chain over diffIDs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, Self

from toolkit.errors import InvalidDigest

HEX_DIGITS = {"sha256": 64, "sha512": 128}
V1_ID = re.compile(r"[a-f0-9]{64}")  # Docker 1.3.3 ValidateID: lower case, whole


class Hash(Protocol):
    """What hashlib returns, as far as we use it."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Take more bytes in."""

    def digest(self) -> bytes:
        """Return the digest so far."""

    def hexdigest(self) -> str:
        """Return the digest so far, in lower-case hex."""


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """A content address, written `sha256:<64 lower-case hex>` (OCI image-spec, descriptor.md)."""

    algorithm: str
    hex: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `algorithm:hex`; raises InvalidDigest on anything else."""
        algorithm, _, hex_ = text.partition(":")
        if HEX_DIGITS.get(algorithm) != len(hex_) or set(hex_) - set("0123456789abcdef"):
            raise InvalidDigest(
                repr(text[:200]),
                "is not a digest",
                "a digest is sha256: and 64 lower-case hex digits, or sha512: and 128",
            )
        return cls(algorithm, hex_)

    @classmethod
    def of(cls, content: bytes, algorithm: str = "sha256") -> Self:
        """Digest bytes that are in memory."""
        return cls(algorithm, new_hash(algorithm, content).hexdigest())

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"

    @property
    def short(self) -> str:
        """Return the twelve digits people read."""
        return self.hex[:12]


def new_hash(algorithm: str = "sha256", content: bytes = b"") -> Hash:
    """Start a running digest; the one door to hashlib."""
    return hashlib.new(algorithm, content, usedforsecurity=False)


def blake2b(content: bytes, size: int = 64) -> bytes:
    """Return the BLAKE2b of `size` bytes (RFC 7693): what minisign signs of a file, and checks a key by."""
    return hashlib.blake2b(content, digest_size=size).digest()


def is_v1_id(text: object) -> bool:
    """Tell whether this is a Docker v1 layer ID; checked before it goes into any path."""
    return isinstance(text, str) and V1_ID.fullmatch(text) is not None


def chain_ids(diff_ids: Iterable[Digest]) -> list[Digest]:
    """Return the chainID up to each layer, base first (OCI image-spec, config.md, Layer ChainID)."""
    chain: list[Digest] = []
    for diff_id in diff_ids:
        below = f"{chain[-1]} {diff_id}" if chain else None
        chain.append(Digest.of(below.encode()) if below else diff_id)
    return chain


EMPTY_LAYER = Digest("sha256", "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef")
"""The diffID of a layer without entries: 1024 zero bytes."""
