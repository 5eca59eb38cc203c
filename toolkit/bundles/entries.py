"""What a place lists: each image once, with all its names; looked up by what a name means.

In a layout index.json is the list, in other stores a database. One may list thousands of images, so
nothing here is looked for by walking over all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from toolkit import mediatype
from toolkit.bundles.names import IMAGE_NAME, REF_NAME
from toolkit.digest import Digest
from toolkit.document import refuse_damaged
from toolkit.errors import ToolkitError
from toolkit.model import Descriptor, Index
from toolkit.reference import Reference, meaning, same


@dataclass(frozen=True, slots=True)
class Entry:
    """A manifest or index that is pointed at, and all the names that are given to it."""

    names: tuple[str, ...]
    top: Descriptor


@dataclass(frozen=True, slots=True)
class Entries:
    """The entries of one list, in its order."""

    raw: bytes = field(repr=False)  # the index.json that was read, empty where the list is another
    listed: tuple[Entry, ...] = ()
    named: Mapping[tuple[str, ...], tuple[Entry, ...]] = field(default_factory=dict, repr=False)
    disputed: str = ""  # says of an entry that its two names are not the same

    @classmethod
    def of(cls, raw: bytes) -> Entries:
        """Read an index.json; raises as Index.from_bytes, and InvalidDocument where a name was damaged."""
        tops = Index.from_bytes(raw, is_proven=False).manifests
        for top in tops:
            subject = f"index.json: {top.digest}"
            refuse_damaged(top.annotations, (REF_NAME, IMAGE_NAME), subject)
            if top.media_type != mediatype.DOCKER_SCHEMA1:
                refuse_damaged((top.media_type,), mediatype.INDEXES | mediatype.MANIFESTS, subject)
        found = cls.listing(((entry_names(top.annotations), top) for top in tops), raw)
        return replace(found, disputed=next(filter(None, map(dispute, tops)), ""))

    @classmethod
    def listing(cls, named: Iterable[tuple[tuple[str, ...], Descriptor]], raw: bytes = b"") -> Entries:
        """List what names point at: each manifest or index once, wherever the names are kept.

        What has no name and is neither is passed over.
        """
        tops: dict[Digest, Descriptor] = {}
        names: dict[Digest, dict[str, None]] = {}
        for found, top in named:
            if found or top.media_type in mediatype.INDEXES | mediatype.MANIFESTS:
                tops.setdefault(top.digest, bare(top))
                names.setdefault(top.digest, {}).update(dict.fromkeys(found))
        listed = tuple(Entry(tuple(names[digest]), top) for digest, top in tops.items())
        return cls(raw, listed, _by_meaning(listed))

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.listed)

    def __len__(self) -> int:
        return len(self.listed)

    def called(self, name: str) -> tuple[Entry, ...]:
        """Return the entry of a name, with that name alone; several where it is ambiguous."""
        return self.named.get(meaning(name), ())

    def names(self) -> list[str]:
        """Return every name."""
        return [name for entry in self.listed for name in entry.names]


def _by_meaning(listed: tuple[Entry, ...]) -> dict[tuple[str, ...], tuple[Entry, ...]]:
    found: dict[tuple[str, ...], dict[Digest, Entry]] = {}
    for entry in listed:
        for name in reversed(entry.names):
            found.setdefault(meaning(name), {})[entry.top.digest] = Entry((name,), entry.top)
    return {key: tuple(entries.values()) for key, entries in found.items()}


def bare(top: Descriptor) -> Descriptor:
    """Return a descriptor without the names that an index.json gave it."""
    kept = {key: text for key, text in top.annotations.items() if key not in {REF_NAME, IMAGE_NAME}}
    return replace(top, annotations=kept)


def entry_names(annotations: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names an entry of index.json has, as they are printed.

    Docker 25 and later, and containerd, write the bare tag or digest as `ref.name` and the whole name for
    containerd: one name.
    """
    plain, full = annotations.get(REF_NAME, ""), annotations.get(IMAGE_NAME, "")
    if not full:
        return (plain,) if plain else ()
    name = familiar(full)
    if plain in {"", _object_of(full)} or same(plain, full):
        return (plain,) if plain and same(plain, full) else (name,)
    return (name, plain)


def dispute(top: Descriptor) -> str:
    """Say of an entry of index.json that podman calls it by another name than containerd; "" where not.

    Many write a part of the whole name as `ref.name`: the tag or digest, or all but the registry.
    """
    plain, full = top.annotations.get(REF_NAME, ""), top.annotations.get(IMAGE_NAME, "")
    if not full or plain in {"", _object_of(full), full.partition("/")[2]} or same(plain, full):
        return ""
    return f"names {top.digest} {plain[:200]!r} for podman, and {full[:200]!r} for containerd"


def _object_of(name: str) -> str:
    """Return what containerd calls the object of a name: its tag, its digest with the @, or both."""
    found = re.search(r"[:@]", last := name.rpartition("/")[2])
    return last[found.start() :].removeprefix(":") if found else ""


def familiar(name: str) -> str:
    """Return a name as Docker prints it; one that is no reference as it stands."""
    try:
        return Reference.parse(name).familiar
    except ToolkitError:
        return name


def digest_in(name: str) -> Digest | None:
    """Return the digest that a name is, or has after its `@`; None where there is none."""
    try:
        return Digest.parse(name.rpartition("@")[2])
    except ToolkitError:
        return None
