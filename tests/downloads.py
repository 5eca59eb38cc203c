"""Downloads that end before their blob does, and what is kept of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.digest import Digest
from toolkit.errors import RegistryError
from toolkit.plumbing.partials import Partials

MB = 1 << 20
CONTENT = b"".join(bytes([number]) * MB for number in range(20))
DIGEST = Digest.of(CONTENT)
NAME = f"sha256-{DIGEST.hex}"
BROKE_OFF = RegistryError("GET blob", "broke off")


class Clock:
    """A clock that a test moves on."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def download(
    folder: Path, until: int, error: BaseException | None = BROKE_OFF, content: bytes = CONTENT
) -> bytes:
    """Download a blob, a megabyte a second, until so many are there; return what need not be fetched."""
    clock = Clock()
    found = b""
    with Partials(folder, clock).keeping(DIGEST, len(content)) as kept:
        found = b"".join(map(bytes, kept.blocks())) if kept.began else b""
        for offset in range(kept.began, until * MB, MB):
            kept.append(memoryview(content)[offset : offset + MB], offset)
            clock.now += 1
        if error:
            raise error
    return found


def ended(folder: Path, until: int) -> None:
    with pytest.raises(RegistryError):
        download(folder, until)


def laid(folder: Path, start: int, piece: bytes, name: str = NAME) -> Path:
    """A partial, as the module's docstring has it."""
    folder.mkdir(0o700, parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(start.to_bytes(8, "big") + piece)
    return path
