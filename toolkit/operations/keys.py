"""Keys where people keep them: read from files and settings, and made."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from toolkit.errors import NotFound, StoreError, UsageError
from toolkit.plumbing.files import atomic_file, storing, write_all, write_atomically
from toolkit.secretkey import FILE_SIZE, SecretKey, SigningKey
from toolkit.signature import PublicKey, encoded, lines_of

LIMIT = 4 << 10  # bytes of a key's file, or of one with a passphrase
PASSPHRASE_LIMIT = 1023  # bytes: as much as minisign reads of one
VARIABLE = "LADING_PASSPHRASE"
SECRET_LENGTH = len(encoded(bytes(FILE_SIZE)))  # characters of a secret key's line
PUBLIC_LENGTH = len(str(PublicKey(bytes(8), bytes(32))))
SECRET, PUBLIC = ".key", ".pub"


class TooLarge(StoreError):
    """A file that was named has more in it than such files have."""


def read_public_keys(words: Iterable[str]) -> tuple[PublicKey, ...]:
    """Read keys, each the path of its file or its text; raises as `read_public_key`."""
    return tuple(map(read_public_key, words))


def read_public_key(word: str) -> PublicKey:
    """Read a key: its base64, as minisign -P takes it, or the path of its file.

    Raises InvalidDocument, UsageError for a secret one and what is too large, NotFound for what is neither.
    """
    _must_not_be_secret(word)
    if len(word) == PUBLIC_LENGTH and word.startswith("RW"):  # whatever a file here is called
        return PublicKey.parse(word.encode(), "public key")
    try:
        content = _read_key(word)
        if _key_lines(content, SECRET_LENGTH):
            raise UsageError(word, "is a secret key, expected a public one", f"give its {PUBLIC} file")
        return PublicKey.parse(content, word)
    except NotFound as error:
        raise NotFound(f"public key {word[:200]}", "is neither a key nor a file that is there") from error


def read_secret_key(path: str) -> SecretKey:
    """Read the file of a secret key; raises NotFound, InvalidDocument, Unsupported, UsageError for others."""
    _must_not_be_secret(path)
    content = _read_key(path)
    if _key_lines(content, PUBLIC_LENGTH):
        raise UsageError(path, "is a public key, expected a secret one", f"give its {SECRET} file")
    return SecretKey.parse(content, path)


def open_key(path: str, passphrase: Callable[[str], bytes]) -> SigningKey:
    """Read a secret key and open it; `passphrase` is asked, with what it is for, where one locks it.

    Raises as `read_secret_key`, `passphrase` and `SecretKey.opened`.
    """
    key = read_secret_key(path)
    subject = f"secret key {path}"
    return key.opened(passphrase(subject) if key.is_locked else b"", subject)


def passphrase_from(environ: Mapping[str, str]) -> bytes | None:
    """Return the passphrase that the environment has; None where it has none."""
    return os.fsencode(environ.get(VARIABLE, "")) or None


def make_pair(name: str, passphrase: bytes | None) -> tuple[Path, Path, PublicKey]:
    """Write NAME.key, for its owner alone, and NAME.pub; return both and the key. Raises as `must_be_new`."""
    must_be_new(name)
    secret, public = Path(name + SECRET), Path(name + PUBLIC)
    key = SigningKey.generate()
    locked = bytes(SecretKey.of(key, passphrase))
    with atomic_file(secret, 0o600) as handle:
        must_be_new(name)  # nobody else of ours writes it now
        write_all(handle, locked)
    write_atomically(public, bytes(key.public))
    return secret, public, key.public


def read_named(path: str, limit: int = LIMIT) -> bytes:
    """Read a small file that the user named: links are followed, and a pipe is waited for.

    Raises NotFound, StoreError above `limit` bytes.
    """
    with storing(path), open(path, "rb") as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise TooLarge(path, f"is more than {limit} bytes, expected a small file")
    return content


def must_be_new(name: str) -> None:
    """Raise UsageError where one of the files of a pair is there: keys are never overwritten."""
    for path in (name + SECRET, name + PUBLIC):
        if os.path.lexists(path):
            raise UsageError(path, "is there, and keys are never overwritten", "choose another name")


def _read_key(path: str) -> bytes:
    """Read the file of a key; raises NotFound, and UsageError for what is too large for one."""
    try:
        return read_named(path)
    except TooLarge as error:
        raise UsageError(path, "is no key", f"the file of a key has at most {LIMIT} bytes") from error


def _key_lines(content: bytes, length: int) -> bool:
    """Tell whether a line of a file is as long as that of a key of one kind, and begins as all do."""
    return any(len(line) == length and line.startswith(b"RW") for line in lines_of(content))


def _must_not_be_secret(word: str) -> None:
    """Raise where the text of a secret key was given: it must never be told."""
    if len(word) == SECRET_LENGTH and word.startswith("RW"):
        problem = "is the text of a secret key, which now stands in the history of commands"
        raise UsageError("the key that was given", problem, "make another pair: lading sign --generate NAME")
