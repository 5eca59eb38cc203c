"""Reference: what an image is called, and the file that a bundle of it is kept in.

The grammar is Docker's (distribution/reference): `[registry/]repository[:tag][@digest]`. A bare name
is never taken for an image ID (CVE-2014-5278).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Self

from toolkit.digest import Digest, is_v1_id
from toolkit.errors import InvalidDigest, InvalidReference
from toolkit.platform import Platform

DEFAULT_REGISTRY = "docker.io"
LEGACY_REGISTRY = "index.docker.io"  # what Docker Hub was called; the same place
HUB_API = "registry-1.docker.io"  # where it answers
HUB = frozenset({DEFAULT_REGISTRY, LEGACY_REGISTRY, HUB_API})
OFFICIAL = "library/"
DEFAULT_TAG = "latest"

LONGEST = 1024  # characters of a reference: 261 of registry, 255 of repository, tag and digest
LONGEST_REGISTRY = 261  # 255 of a host name, and a port
LONGEST_REPOSITORY = 255  # distribution/reference RepositoryNameTotalLengthMax
LABEL = r"[A-Za-z0-9]+(?:-+[A-Za-z0-9]+)*"
REGISTRY = re.compile(rf"(?:{LABEL}(?:\.{LABEL})*|\[[0-9A-Fa-f:]+\])(?::[0-9]{{1,5}})?")
COMPONENT = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
REPOSITORY = re.compile(rf"{COMPONENT}(?:/{COMPONENT})*")
ID = re.compile(r"(?:sha256:)?([0-9a-f]{12,64})")  # of an image, in full or short, as docker prints them
SHORT = 12  # digits
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")

FEW = 5  # names to offer for an unknown one
MANY = 10_000  # names to look through for them
EFFORT = 2_000_000  # pairs of characters to compare for them, about half a second

DEFAULT_FORMAT = "universal"
LONGEST_FILE_NAME = 190  # bytes; leaves room for `.sha256` beside it and for temporary names
SPELLING = {"_": "__", "/": "+", ":": "="}
TO_SPELL = re.compile(r"[^A-Za-z0-9.-]")


@dataclass(frozen=True, slots=True)
class Reference:
    """A full image name. `str` is the normalised form, which `parse` reads back.

    `tag` is empty where only a digest was given.
    """

    registry: str
    repository: str
    tag: str = DEFAULT_TAG
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a name as Docker does, `latest` where it says neither tag nor digest.

        Raises InvalidReference.
        """
        if len(text) > LONGEST:
            raise _invalid(text, f"is {len(text)} characters, expected at most {LONGEST}")
        if is_v1_id(text):
            raise _invalid(text, "is 64 hex digits, which is an ID and no name", "add a tag: name:latest")
        named, at, digest = text.partition("@")
        registry, rest = _split_registry(named)
        repository, colon, tag = rest.partition(":")
        _check(text, registry, repository)
        if colon and not TAG.fullmatch(tag):
            raise _invalid(text, f"has the tag {tag[:200]!r}", "a tag is 1 to 128 of A-Za-z0-9_.-")
        proof = _digest(text, digest) if at else None
        return cls(registry, repository, tag or ("" if proof else DEFAULT_TAG), proof)

    def __str__(self) -> str:
        return f"{self.registry}/{self.repository}{self._suffix}"

    @property
    def familiar(self) -> str:
        """Return the short form that Docker prints and `parse` reads back: `ubuntu:14.04`."""
        if self.registry != DEFAULT_REGISTRY:
            return str(self)
        short = self.repository.removeprefix(OFFICIAL)
        short = self.repository if "/" in short else short
        # Docker shortens docker.io/a.b/c to a.b/c as well, which then is on another registry.
        return str(self) if _names_registry(short) else short + self._suffix

    @property
    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def same(a: str, b: str) -> bool:
    """Tell whether two names mean the same; of a name with a digest the tag says nothing.

    Names that are no references, as legacy stores hold some, are the same when they are equal.
    """
    return a == b or meaning(a) == meaning(b)


@lru_cache(1 << 16)
def meaning(name: str) -> tuple[str, ...]:
    """Return what is equal for names that mean the same: a key to look many of them up by."""
    reference = _parsed(name)
    if reference is None:
        return (name,)
    return reference.registry, reference.repository, str(reference.digest or reference.tag)


def near(name: str, candidates: Iterable[str]) -> list[str]:
    """Return the few candidates that `name` may have meant: its other tags first, then similar names."""
    import difflib

    pool: dict[str, str] = {}
    for candidate in islice(candidates, MANY):
        if len(candidate) <= LONGEST:
            pool.setdefault(_familiar(candidate), candidate)
    wanted = _familiar(name[:LONGEST])
    siblings = [text for text in pool if _bare(text) == _bare(wanted)]
    tags = difflib.get_close_matches(wanted, _affordable(wanted, siblings), FEW, cutoff=0.0)
    similar = difflib.get_close_matches(wanted, _affordable(wanted, pool), FEW)
    return [pool[text] for text in dict.fromkeys((*tags, *similar))][:FEW]


def file_name(
    reference_text: str, format_: str = DEFAULT_FORMAT, platform: Platform | str | None = None
) -> str:
    """Return the name of the bundle's file: `ubuntu_14.04.tar` (contract 4), of an ID `5b329b596366.tar`.

    `_` is doubled, `/` becomes `+`, `:` becomes `=`, and what no reference holds `%XX`. A format or
    platform that is not the default follows after a comma. Two names that mean different things get
    different files. A name that is no reference (legacy stores hold some) is spelt as a whole behind
    a `_`; nothing raises here.
    """
    parts = [_spelt_name(reference_text)]
    parts += [_spelt(format_)] if format_ not in {"", DEFAULT_FORMAT} else []
    parts += [_spelt(str(platform))] if platform else []
    stem = ",".join(parts)
    room = LONGEST_FILE_NAME - len(".tar")
    if len(stem) > room:
        whole = Digest.of(stem.encode()).hex
        stem = f"{stem[: room - len(whole) - 1]}~{whole}"
    return stem + ".tar"


def lineage(name: str) -> Iterator[str]:
    """Yield `quay.io/team/app`, then what it is part of: `quay.io/team`, `quay.io`."""
    while name:
        yield name
        name = name.rpartition("/")[0]


def _invalid(text: str, problem: str, advice: str = "") -> InvalidReference:
    advice = advice or "write [registry/]repository[:tag][@digest]: registry.example:5000/team/app:2.1"
    return InvalidReference(repr(text[:200]), problem, advice)


def _names_registry(name: str) -> bool:
    """Tell whether the first component is a host: Docker's rule, which needs no look at the network."""
    head, slash, _ = name.partition("/")
    return bool(slash) and (head == "localhost" or "." in head or ":" in head or head != head.lower())


def _split_registry(name: str) -> tuple[str, str]:
    registry, rest = DEFAULT_REGISTRY, name
    if _names_registry(name):
        registry, _, rest = name.partition("/")
    if registry in {DEFAULT_REGISTRY, LEGACY_REGISTRY}:
        return DEFAULT_REGISTRY, rest if "/" in rest else OFFICIAL + rest
    return registry, rest


def _check(text: str, registry: str, repository: str) -> None:
    if len(registry) > LONGEST_REGISTRY or not REGISTRY.fullmatch(registry):
        raise _invalid(text, f"has the registry {registry[:200]!r}, which is no host[:port]")
    if len(repository) > LONGEST_REPOSITORY:
        raise _invalid(
            text, f"has a repository of {len(repository)} characters, expected at most {LONGEST_REPOSITORY}"
        )
    if not REPOSITORY.fullmatch(repository):
        lower = REPOSITORY.fullmatch(repository.lower())
        raise _invalid(text, "has a repository with capitals" if lower else "is not an image reference")


def _digest(text: str, digest: str) -> Digest:
    try:
        return Digest.parse(digest)
    except InvalidDigest as error:
        raise _invalid(text, f"has a digest that is none ({digest[:200]!r})", error.advice) from error


def _parsed(text: str) -> Reference | None:
    try:
        return Reference.parse(text)
    except InvalidReference:
        return None


def _familiar(text: str) -> str:
    reference = _parsed(text)
    return reference.familiar if reference else text


def _affordable(wanted: str, texts: Iterable[str]) -> list[str]:
    """Return the first texts that it does not take minutes to compare: names are as long as we are told."""
    found, left = [], EFFORT
    for text in texts:
        left -= len(wanted) * len(text)
        if left < 0:
            break
        found.append(text)
    return found


def _bare(familiar: str) -> str:
    """Return the name without its digest and tag; a port is no tag."""
    named = familiar.partition("@")[0]
    name, colon, tag = named.rpartition(":")
    return name if colon and "/" not in tag else named


def _spelt_name(text: str) -> str:
    if found := ID.fullmatch(text):
        return found[1][:SHORT]
    reference = _parsed(text)
    return _spelt_reference(reference) if reference else "_" + _spelt(text)


def _spelt_reference(reference: Reference) -> str:
    name = _spelt(_bare(reference.familiar))
    tag = f"_{_spelt(reference.tag)}" if reference.tag else ""
    return name + tag + (f"@{_spelt(str(reference.digest))}" if reference.digest else "")


def _spelt(text: str) -> str:
    return TO_SPELL.sub(_spell, text)


def _spell(match: re.Match[str]) -> str:
    char = match.group()
    escaped = (f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))
    return SPELLING.get(char) or "".join(escaped)
