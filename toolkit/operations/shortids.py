"""Short IDs: what `ls`, `history` and `inspect` print of an image may be asked for, as docker lets one.

A name always comes first: hex digits that somebody has as a name are that name (CVE-2014-5278).
"""

from __future__ import annotations

from collections.abc import Iterable

from toolkit.errors import CorruptContent, NotFound, UnsafeArchive, UsageError
from toolkit.ports import KnowsIds, Resolves, Source
from toolkit.reference import ID
from toolkit.report import NO_IMAGES

FEW = 3  # IDs to show


def full_name(source: Source, name: str) -> str:
    """Return a name that the source knows as it stands, else the one ID that begins so, else the name.

    Raises UsageError where several images have such an ID.
    """
    if (short := ID.fullmatch(name)) is None:
        return name
    if isinstance(source, Resolves):
        return source.full_name(name)
    if is_known(source, name):
        return name
    ids = sorted({id_ for id_ in ids_of(source) if _digits(id_).startswith(short[1])})
    if len(ids) > 1:
        told = ", ".join(ids[:FEW]) + (", …" if len(ids) > FEW else "")
        raise UsageError(f"image {name}", f"may be any of {told}", "write more digits")
    return ids[0] if ids else name


def asked_for(source: Source, name: str | None) -> str:
    """Return the full name of what is asked for; where that is not said, of the only image of the source.

    Raises UsageError where it has several images, NotFound where it has none.
    """
    if name is not None:
        return full_name(source, name)
    lines = source.listings()
    if not lines:
        raise NotFound(source.place, NO_IMAGES)
    if len(lines) > 1:
        told = ", ".join(line.asked_by for line in lines[:FEW]) + (", …" if len(lines) > FEW else "")
        raise UsageError(source.place, f"holds {len(lines)} images", f"name one as REF: {told}")
    return lines[0].asked_by


def ids_of(source: Source) -> Iterable[str]:
    """Return the IDs that images of a source can be asked for by; those that it lists, at least."""
    return source.ids() if isinstance(source, KnowsIds) else (line.id for line in source.listings())


def is_known(source: Source, name: str) -> bool:
    """Tell whether a source knows a name, or ID, as it stands; of one that lost its names only IDs are."""
    try:
        source.identify(name)
    except UnsafeArchive:  # a name that is two images is one all the same
        raise
    except (NotFound, CorruptContent):
        return False
    return True


def _digits(id_: str) -> str:
    return id_.rpartition(":")[2]
