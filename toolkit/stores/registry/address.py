"""What `docker://HOST[/REPO[:TAG|@DIGEST]]` means, and what names mean there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from toolkit.digest import Digest
from toolkit.errors import InvalidDigest, InvalidPlace, InvalidReference, NotFound, ToolkitError
from toolkit.reference import (
    DEFAULT_REGISTRY,
    HUB,
    HUB_API,
    LONGEST_REPOSITORY,
    OFFICIAL,
    REGISTRY,
    REPOSITORY,
    TAG,
    Reference,
)

PORTS = range(1, 65_536)
IDENTITY = re.compile(r"(?:sha256:)?[0-9a-f]{12,}")  # or part of one, which as a name would be a guess


@dataclass(frozen=True, slots=True)
class Address:
    """A registry, or one repository of it, or one image."""

    host: str
    repository: str = ""
    tag: str = ""
    digest: Digest | None = None

    def __post_init__(self) -> None:
        """Refuse a port that is none; the name of an image may hold one, too."""
        port = self.host.rpartition(":")[2]
        if ":" in self.host and port.isdecimal() and int(port[:6]) not in PORTS:
            raise InvalidPlace(f"docker://{self.host}", "has a port that is none", "expected 1 to 65535")

    @classmethod
    def parse(cls, path: str) -> Address:
        """Read what follows `docker:`; raises InvalidPlace."""
        text = f"docker:{path}"
        host, _, rest = path.removeprefix("//").partition("/")
        if not path.startswith("//") or not REGISTRY.fullmatch(host):
            told = repr(
                "docker://…@" + path.rpartition("@")[2] if "@" in host else text
            )  # a password is told nobody
            raise InvalidPlace(told, "names no registry", "write docker://HOST[:PORT]/REPOSITORY[:TAG]")
        host = DEFAULT_REGISTRY if host in HUB else host
        named, at, digest_text = rest.partition("@")
        repository, colon, tag = named.partition(":")
        fits = REPOSITORY.fullmatch(repository) and len(repository) <= LONGEST_REPOSITORY
        if rest and not (fits and (TAG.fullmatch(tag) or not colon)):
            raise InvalidPlace(repr(text), "names no repository", "write docker://HOST/REPOSITORY[:TAG]")
        try:
            digest = Digest.parse(digest_text) if at else None
        except InvalidDigest as error:
            raise InvalidPlace(repr(text), "has a digest that is none", error.advice) from error
        if host == DEFAULT_REGISTRY and repository and "/" not in repository:
            repository = OFFICIAL + repository
        return cls(host, repository, tag, digest)

    @classmethod
    def of(cls, name: str) -> Address:
        """Return the repository that a name says; raises NotFound for what is no name but an ID."""
        reference = None
        if not IDENTITY.fullmatch(name):
            with suppress(InvalidReference):
                reference = Reference.parse(name)
        if reference is None:
            raise NotFound(f"image {name}", "is no name, and a registry is asked for nothing else")
        return cls(reference.registry, reference.repository)

    @property
    def place(self) -> str:
        """Return the URI of the repository."""
        return f"docker://{self.host}/{self.repository}"

    @property
    def api(self) -> str:
        """Return the host that answers."""
        return HUB_API if self.host == DEFAULT_REGISTRY else self.host

    def name(self, repository: str, tag: str = "", digest: Digest | None = None) -> str:
        """Return the familiar name of an image here."""
        return Reference(self.host, repository, "" if digest else tag, digest).familiar

    def meant(self, name: str) -> Iterator[Target]:
        """Yield what a name may mean here, the likeliest first; nothing where it is of another place.

        It may be a full reference to this host, or one that leaves the host out: `app:1` is HOST/app:1.
        A name of another host means what has its path here, as it is pushed (toolkit.stores.registry.naming);
        but not on Docker Hub, where anybody may have called himself as others do elsewhere.
        """
        try:
            digest = Digest.parse(name)
        except InvalidDigest:
            digest = None
        if digest is not None:
            if self.repository:
                yield Target(self.repository, str(digest), self.name(self.repository, "", digest))
            return
        try:
            reference = Reference.parse(name)
        except ToolkitError:
            return
        tag_or_digest = str(reference.digest or reference.tag)
        for repository in self._repositories(reference):
            if self.repository not in {"", repository}:
                continue
            if self._is_told_otherwise(reference):
                continue
            yield Target(repository, tag_or_digest, reference.familiar)

    def _repositories(self, reference: Reference) -> list[str]:
        if reference.registry == self.host:
            return [reference.repository]
        if reference.registry != DEFAULT_REGISTRY:
            return [] if self.host == DEFAULT_REGISTRY else [reference.repository]
        short = reference.repository.removeprefix(OFFICIAL)
        return list(dict.fromkeys([reference.repository if "/" in short else short, reference.repository]))

    def _is_told_otherwise(self, reference: Reference) -> bool:
        """Tell whether the place names one image, and the reference another one."""
        if self.digest is not None:
            return reference.digest != self.digest
        return self.tag != "" and (reference.digest is not None or reference.tag != self.tag)


@dataclass(frozen=True, slots=True)
class Target:
    """A manifest of a repository, by a tag or digest, and how whoever asked calls it."""

    repository: str
    tag_or_digest: str
    name: str

    @property
    def digest(self) -> Digest | None:
        """Return the digest it is asked by; None where it is a tag, which holds no colon."""
        return Digest.parse(self.tag_or_digest) if ":" in self.tag_or_digest else None

    @property
    def path(self) -> str:
        """Return where the API has the manifest."""
        return f"/v2/{self.repository}/manifests/{self.tag_or_digest}"
