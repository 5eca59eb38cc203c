"""Signatures beside a bundle: `BUNDLE.sha256.minisig` over the checksum list `BUNDLE.sha256`.

So `minisign -V -p KEY.pub -m BUNDLE.sha256 && sha256sum -c BUNDLE.sha256` proves a bundle without us.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from toolkit import checksums, signature
from toolkit.checksums import ChecksumList, is_file_name
from toolkit.errors import (
    CorruptContent,
    Mismatch,
    MissingMember,
    NotFound,
    ToolkitError,
    Unsupported,
    UsageError,
)
from toolkit.operations.companion import LIST, SIGNATURE, beside, stamped_sum
from toolkit.plumbing.files import read_bounded, storing, write_atomically
from toolkit.secretkey import SigningKey
from toolkit.signature import PublicKey, Signature


@dataclass(frozen=True, slots=True)
class Signed:
    """What a signed list says of a bundle: its sum, and who vouches for that."""

    bundle: Path
    sha256: str  # 64 hex digits; whether the bundle has it is for `compare`
    key: PublicKey
    signature: Signature

    def compare(self, sha256: str) -> None:
        """Raise Mismatch where the bundle has another sum."""
        if sha256 != self.sha256:
            advice = f"it is not the file that key {self.key.key_id} signed"
            raise Mismatch(str(self.bundle), "sha256", advice, sha256, self.sha256)

    def __str__(self) -> str:
        return _vouched(self.key, self.signature)

    def to_json(self) -> dict[str, str]:
        """Return the key, and what it vouches for besides."""
        comment = self.signature.trusted_comment
        return {"key_id": self.key.key_id, "public_key": str(self.key), "trusted_comment": comment}


@dataclass(frozen=True, slots=True)
class SignedList:
    """A list of sums, and who vouches for it."""

    checksums: ChecksumList
    key: PublicKey
    signature: Signature

    def __str__(self) -> str:
        return _vouched(self.key, self.signature)


def _vouched(key: PublicKey, vouched: Signature) -> str:
    return f"is signed by key {key.key_id}: {vouched.shown_comment}"


def signed(bundle: Path, keys: Sequence[PublicKey]) -> Signed:
    """Return what the list beside a bundle says of it, signed by one of `keys`; the bundle is not read.

    Raises CorruptContent where there is no such signature, where it is another key's, or where it does not
    fit the list; InvalidDocument where either file breaks its format.
    """
    sums = beside(bundle, LIST)
    found = signed_list(sums, bundle, keys)
    listed, key = found.checksums.sums, found.key
    if bundle.name not in listed:
        problem = f"is signed by key {key.key_id} and speaks of {next(iter(listed))}, not of {bundle.name}"
        raise CorruptContent(str(sums), problem, "give the bundle the name that it was signed by")
    return Signed(bundle, listed[bundle.name], key, found.signature)


def signed_list(sums: Path, subject: Path, keys: Sequence[PublicKey]) -> SignedList:
    """Return a list that is signed by one of `keys`; `subject` is what it is for. Raises as `signed`."""
    content, key, found = signed_file(sums, checksums.LIMIT, subject, keys)
    return SignedList(ChecksumList.parse(content, str(sums)), key, found)


def signed_file(
    path: Path, limit: int, subject: Path, keys: Sequence[PublicKey]
) -> tuple[bytes, PublicKey, Signature]:
    """Return a file of at most `limit` bytes that one of `keys` signed; raises as `signed`."""
    raw = _companion(beside(path, SIGNATURE), signature.LIMIT, subject, keys)
    found = Signature.parse(raw, str(beside(path, SIGNATURE)))
    content = _companion(path, limit, subject, keys)
    return content, _signer(found, content, path, keys), found


def sign(file: Path, key: SigningKey, seconds: int) -> tuple[Path, Signature]:
    """Sign the checksum list of a bundle, or the list that `file` is; return the list, and its signature.

    A list that is missing is written. Every file that it names is read first: raises Mismatch where one is
    another than the list says, MissingMember where it is not there. `seconds` since 1970 go into the trusted
    comment.
    """
    sums = list_of(file)
    content = _fitting_list(sums, "" if sums == file else file.name)
    return sums, sign_file(sums, content, key, seconds)


def list_of(file: Path) -> Path:
    """Return the checksum list of a bundle, or the list that `file` is itself; raises UsageError."""
    if not is_file_name(file.name):
        problem = "has no name that a line of a checksum list can hold"
        raise UsageError(repr(str(file)), problem, "sign a file, and rename it where need be")
    return file if file.name.endswith(LIST) else beside(file, LIST)


def signer_of(sums: Path) -> str:
    """Return the ID of the key whose signature stands beside a list; empty where there is none to be read."""
    path = beside(sums, SIGNATURE)
    try:
        return Signature.parse(read_bounded(path, signature.LIMIT), str(path)).key_id
    except ToolkitError:
        return ""


def sign_file(path: Path, content: bytes, key: SigningKey, seconds: int) -> Signature:
    """Write the signature of what a file holds, as is known, beside it; return it, as `sign` does."""
    made = key.sign(content, os.fsencode(f"timestamp:{seconds}\tfile:{path.name}\thashed"))
    write_atomically(beside(path, SIGNATURE), bytes(made))
    return made


def _fitting_list(sums: Path, name: str) -> bytes:
    """Return a list that fits the files it names, one of them `name`; where it is missing it is written."""
    try:
        content = read_bounded(sums, checksums.LIMIT)
    except NotFound:
        if not name:
            raise
        content = bytes(ChecksumList({name: _sum_of(sums.with_name(name))}))
        write_atomically(sums, content)
        return content
    listed = ChecksumList.parse(content, str(sums)).sums
    if name and name not in listed:
        problem = f"speaks of {next(iter(listed))}, not of {name}"
        raise CorruptContent(str(sums), problem, "it is another bundle's: remove it to have one written")
    for each, expected in listed.items():
        if (actual := _sum_of(sums.with_name(each), sums)) != expected:
            advice = f"it is not the file that {sums.name} was written for"
            raise Mismatch(str(sums.with_name(each)), "sha256", advice, actual, expected)
    return content


def _sum_of(file: Path, sums: Path | None = None) -> str:
    """Return a file's sum; raises MissingMember where a list names it and it is not there."""
    if file.is_dir():
        raise Unsupported(
            str(file), "is a folder, and a signature is over a file", "sign a bundle that is one"
        )
    try:
        return stamped_sum(file)[0]
    except NotFound as error:
        if sums is None:
            raise
        raise MissingMember(str(file), f"is not there, and {sums.name} names it") from error


def _companion(path: Path, limit: int, bundle: Path, keys: Sequence[PublicKey]) -> bytes:
    """Read a file beside a bundle, which must be a small regular one; raises CorruptContent."""
    wanted = f"expected a signature by key {_named(keys)}"
    try:
        with storing(path):
            facts = os.stat(path, follow_symlinks=False)
            if not stat.S_ISREG(facts.st_mode):
                raise CorruptContent(str(path), "is no regular file", wanted)
            if facts.st_size > limit:
                raise CorruptContent(str(path), f"is {facts.st_size} bytes, expected at most {limit}", wanted)
            return read_bounded(path, limit)
    except NotFound as error:
        problem = f"has no {path.name} beside it"
        raise CorruptContent(str(bundle), problem, wanted) from error


def _signer(found: Signature, content: bytes, path: Path, keys: Sequence[PublicKey]) -> PublicKey:
    """Return the key that signed what a file holds; raises CorruptContent."""
    mine = [key for key in keys if key.id == found.id]
    if not mine:
        raise Mismatch(
            str(beside(path, SIGNATURE)), "key ID", "somebody else signed it", found.key_id, _named(keys)
        )
    key = next((key for key in mine if key.has_signed(content, found)), None)
    if key is None:
        problem = f"is not what was signed by key {found.key_id}, which is the one expected"
        raise CorruptContent(str(path), problem, "it or its signature was changed")
    if not key.has_sealed(found):
        problem = f"has a trusted comment that key {found.key_id}, which is the one expected, did not sign"
        raise CorruptContent(str(beside(path, SIGNATURE)), problem, "the comment was changed")
    return key


def _named(keys: Sequence[PublicKey]) -> str:
    return " or ".join(dict.fromkeys(key.key_id for key in keys))
