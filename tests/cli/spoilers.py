"""What can be wrong with a signed `bundle.tar`: each does it, and returns a part of what is said then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.signers import DATA, KEY_ID, LOCKED_ID, signature_of, signed_by_hand


def unsigned(bundle: Path) -> str:
    signature_of(bundle).unlink()
    return f"{bundle}: has no bundle.tar.sha256.minisig beside it; expected a signature by key {LOCKED_ID} or {KEY_ID}"


def changed(bundle: Path) -> str:
    """Zeros behind its end: every image in it is right."""
    with open(bundle, "ab") as stream:
        stream.write(bytes(512))
    return f"it is not the file that key {KEY_ID} signed"


def of_another_list(bundle: Path) -> str:
    sums = bundle.with_name("bundle.tar.sha256")
    sums.write_text(sums.read_text().replace("bundle", "boodle"))
    return f"{sums}: is not what was signed by key {KEY_ID}, which is the one expected"


def of_another_name(bundle: Path) -> str:
    for path in list(bundle.parent.glob("bundle.tar*")):
        path.rename(path.with_name(path.name.replace("bundle", "boodle")))
    signed_by_hand(bundle.with_name("boodle.tar"))
    for suffix in ("", ".sha256", ".sha256.minisig"):
        bundle.with_name("boodle.tar" + suffix).rename(bundle.with_name(bundle.name + suffix))
    return f"is signed by key {KEY_ID} and speaks of boodle.tar, not of bundle.tar"


def of_another_key(bundle: Path) -> str:
    path = signature_of(bundle)
    path.write_bytes((DATA / "locked.minisig").read_bytes().replace(b"RUSO", b"RUSP", 1))
    return f"{path}: key ID is 31C228996C87C58F, expected {LOCKED_ID} or {KEY_ID}"


BAD: list[Callable[[Path], str]] = [unsigned, changed, of_another_list, of_another_name, of_another_key]
