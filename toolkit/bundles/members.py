"""A bundle as a list of members: a format says which, in what order; the list says where each lies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from toolkit.digest import Digest
from toolkit.errors import UnsafeArchive
from toolkit.model import Descriptor
from toolkit.plumbing.tarwriter import END, header, padding


@dataclass(frozen=True, slots=True)
class Member:
    """One member of the tar: a folder, a link, a small file with its bytes, or a blob still to come."""

    name: str
    kind: str = "file"  # file, directory, symlink
    content: bytes = b""
    target: str = ""
    blob: Descriptor | None = None
    mode: int | None = None  # the field as it stands; None for what suits the kind
    mtime: int = 0  # seconds since 1970
    owner: str = ""  # user and group by name; the numbers are 0

    @property
    def size(self) -> int:
        """Return the bytes of the body."""
        return self.blob.size if self.blob else len(self.content)

    @property
    def header(self) -> bytes:
        """Return the header blocks."""
        return header(
            self.name,
            self.kind,
            self.size,
            mode=self.mode,
            mtime=self.mtime,
            linkname=self.target,
            owner=self.owner,
        )


def file(name: str, content: bytes) -> Member:
    """Return a small file."""
    return Member(name, content=content)


def folder(name: str) -> Member:
    """Return a folder."""
    return Member(name + "/", "directory")


def link(name: str, target: str) -> Member:
    """Return a symbolic link, its target relative to its own folder."""
    return Member(name, "symlink", target=target)


@dataclass(frozen=True, slots=True)
class Layout:
    """Members with their places: offset of each body, in bytes from the start of the tar."""

    members: tuple[Member, ...]
    bodies: tuple[int, ...]
    size: int

    @classmethod
    def of(cls, members: Iterable[Member]) -> Layout:
        """Place members one after the other; a name stands once."""
        unique = {member.name: member for member in members}
        bodies, offset = [], 0
        for member in unique.values():
            bodies.append(offset := offset + len(member.header))
            offset += member.size + len(padding(member.size))
        return cls(tuple(unique.values()), tuple(bodies), offset + len(END))

    def places(self) -> dict[Digest, list[int]]:
        """Map each blob's digest to the offsets it goes to."""
        places: dict[Digest, list[int]] = {}
        for member, body in zip(self.members, self.bodies, strict=True):
            if member.blob:
                places.setdefault(member.blob.digest, []).append(body)
        return places

    def pieces(self) -> list[tuple[int, bytes]]:
        """Return everything but the blobs: (offset, bytes), adjacent pieces joined."""
        pieces: list[tuple[int, bytearray]] = [(0, bytearray())]
        for member, body in zip(self.members, self.bodies, strict=True):
            pieces[-1][1].extend(member.header)
            if member.blob:
                pieces.append((body + member.size, bytearray()))
            pieces[-1][1].extend(member.content + padding(member.size))
        pieces[-1][1].extend(END)
        return [(offset, bytes(piece)) for offset, piece in pieces]


def once(members: Sequence[Member], key: Callable[[Member], Member] | None = None) -> list[Member]:
    """Drop repeated members; raises UnsafeArchive where one name would have two contents.

    What makes two the same is all of a member, or what `key` returns of it, as in `sorted`.
    """
    seen: dict[str, Member] = {}
    for member in members:
        known = seen.setdefault(member.name, member)
        if known != member and (key is None or key(known) != key(member)):
            raise UnsafeArchive(member.name, "would stand twice in the bundle, with different content")
    return list(seen.values())
