"""What the documents of a mirror have in common: JSON with its kind and version in front.

    {"lading":"receipt","version":1, …}

They cross the gap on media that may be damaged, or somebody else's: all is bounded, and read strictly.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from toolkit import gojson
from toolkit.digest import Digest
from toolkit.document import Node, load
from toolkit.errors import InvalidDocument, ToolkitError, Unsupported, UsageError

T = TypeVar("T")
LIMIT = 16 << 20  # bytes of a document: 150,000 blobs
VALUES = 600_000
VERSION = 1
NAME_LIMIT = 512  # characters of an image's name; a reference has fewer
TEXT_LIMIT = 2_000  # characters of a sentence
SITE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
SITE_FORM = "1 to 64 letters, digits, - and _, the first no -"
NUMBER_DIGITS = 4
MOST_NUMBER = 10**8  # sets of one site


def written(kind: str, body: Mapping[str, Any]) -> bytes:
    """Return the document: the same bytes for the same body."""
    return gojson.encode({"lading": kind, "version": VERSION, **body}) + b"\n"


def opened(raw: bytes, subject: str, kind: str) -> Node:
    """Load a document; raises InvalidDocument for another kind, Unsupported for a later version."""
    node = load(raw, subject, LIMIT, VALUES)
    if (found := node.get("lading", str)) != kind:
        node.fail("lading", f"is {found[:50]!r}, expected {kind!r}")
    if (version := node.get("version", int)) != VERSION:
        raise Unsupported(subject, f"is of version {version}, expected {VERSION}", "use a newer lading")
    return node


def site_name(text: str) -> str:
    """Return the name of a site, which goes into paths; raises UsageError."""
    if SITE.fullmatch(text) is None:
        raise UsageError(f"site {text[:100]!r}", "is not a name for a site", f"write {SITE_FORM}")
    return text


def set_name(site: str, number: int) -> str:
    """Return what a set is called: plant-7_0007."""
    return f"{site}_{number:0{NUMBER_DIGITS}}"


def count(node: Node, key: str, most: int = 1 << 62) -> int:
    """Return a number that is not negative."""
    if not 0 <= (found := node.get(key, int)) <= most:
        node.fail(key, f"is {found}, expected 0 to {most}")
    return found


def text(node: Node, key: str, limit: int = TEXT_LIMIT) -> str:
    """Return a text of at most `limit` characters."""
    if len(found := node.get(key, str)) > limit:
        node.fail(key, f"has {len(found)} characters, expected at most {limit}")
    return found


def name(node: Node, key: str) -> str:
    """Return the name of an image."""
    return node.parsed(key, image_name)


def image_name(found: str) -> str:
    """Return a text that may name an image; raises InvalidDocument."""
    if not 0 < len(found) <= NAME_LIMIT or not found.isprintable() or " " in found:
        raise InvalidDocument(repr(found[:100]), "is not a name for an image")
    return found


def image_names(node: Node, key: str) -> tuple[str, ...]:
    """Return the list of images' names under `key`, sorted, each once; none where it is absent."""
    found = node.texts(key)
    for index, each in enumerate(found):
        try:
            image_name(each)
        except InvalidDocument as error:
            node.fail(f"{key}[{index}]", f"{error.subject} {error.problem}")
    if any(one >= other for one, other in itertools.pairwise(found)):
        node.fail(key, "is not sorted, or holds a name twice")
    return tuple(found)


def day(node: Node, key: str) -> date:
    """Return a date, written 2026-11-27."""
    return _converted(node, key, date.fromisoformat, date.isoformat, "a date as 2026-11-27")


def asked_day(option: str, text: str) -> date:
    """Return the day that somebody asked for, in the one form that days are written in; raises UsageError."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.isoformat() != text:  # 20261127 and 2026-W48-5 are days too
        raise UsageError(f"{option} {text}", "is no date", "write it as 2026-11-27")
    return found


def moment(node: Node, key: str) -> datetime:
    """Return a time in UTC, written 2026-11-27T02:00:00Z."""
    return _converted(node, key, _utc, as_moment, "a time as 2026-11-27T02:00:00Z")


def as_moment(time: datetime) -> str:
    """Write a time: seconds, in UTC."""
    return f"{time.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat()}Z"


def digests(node: Node, key: str) -> tuple[Digest, ...]:
    """Return the list of digests under `key`; each once."""
    found = tuple(_digest(node, f"{key}[{index}]", each) for index, each in enumerate(node.texts(key)))
    if len(set(found)) != len(found):
        node.fail(key, "holds a digest twice")
    return found


def digest_map(node: Node, key: str) -> dict[str, Digest]:
    """Return the object of names and digests under `key`."""
    found = node.text_map(key)
    for each in found:
        try:
            image_name(each)
        except InvalidDocument as error:
            node.fail(key, f"{error.subject} {error.problem}")
    return {each: _digest(node, f"{key}.{each}", digest) for each, digest in found.items()}


def as_texts(values: Iterable[object]) -> list[str]:
    """Write values by their own words."""
    return [str(value) for value in values]


def _utc(found: str) -> datetime:
    return datetime.strptime(found, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _converted(node: Node, key: str, convert: Callable[[str], T], write: Callable[[T], str], form: str) -> T:
    """Return what a text says that is written in just that way; Python reads several."""
    found = node.get(key, str)
    with suppress(ValueError, OverflowError):
        if write(value := convert(found)) == found:
            return value
    return node.fail(key, f"is {found[:50]!r}, expected {form}")


def _digest(node: Node, key: str, found: str) -> Digest:
    try:
        return Digest.parse(found)
    except ToolkitError as error:
        node.fail(key, str(error))
