"""Strict JSON: a document is loaded whole or refused, and knows where it went wrong.

Go reads JSON keys without regard to case and lets the last duplicate win; Python does neither. A
document that the two would read differently is refused (formats G.4 rule 4).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, Self, TypeVar

from toolkit.errors import InvalidDocument, ToolkitError, UnsafeArchive
from toolkit.limits import above, limits, more_than

T = TypeVar("T")
VALUES = 200_000  # in one document; a config of 10,000 history items has a third of them
VALUE_MARKS = (b"{", b"[", b",")
ALL_BYTES, ALL_VALUES = 64 << 20, 2_000_000  # in all documents of one archive
INT64 = range(-(1 << 63), 1 << 63)
FOLD = str.maketrans({"\u017f": "s", "\u212a": "k"})  # long s and the Kelvin sign: Go's fold knows these two


@dataclass(frozen=True, slots=True)
class Node:
    """A JSON object that knows its place in the document."""

    value: Mapping[str, Any]
    subject: str
    path: str = ""

    def get(self, key: str, type_: type[T]) -> T:
        """Return the member, of exactly this type: True is no int."""
        found = self.value.get(key)
        if type(found) is not type_:
            self.fail(key, f"{type_.__name__} required, found {type(found).__name__}")
        return found

    def optional(self, key: str, type_: type[T]) -> T | None:
        """Return the member, or None where it is absent or null (Go's omitempty)."""
        return None if self.value.get(key) is None else self.get(key, type_)

    def parsed(self, key: str, parse: Callable[[str], T]) -> T:
        """Return the text member as `parse` reads it."""
        text = self.get(key, str)
        try:
            return parse(text)
        except ToolkitError as error:
            raise InvalidDocument(self.subject, f"{self.path}{key}: {error}") from error

    def child(self, key: str) -> Self:
        """Return the object under `key`."""
        return type(self)(self.get(key, dict), self.subject, f"{self.path}{key}.")

    def children(self, key: str) -> Iterator[Self]:
        """Yield the objects of the list under `key`; absent or null is an empty list."""
        for index, item in enumerate(self.optional(key, list) or []):
            here = f"{self.path}{key}[{index}]"
            if not isinstance(item, dict):
                self.fail(f"{key}[{index}]", f"object required, found {type(item).__name__}")
            yield type(self)(item, self.subject, here + ".")

    def texts(self, key: str) -> list[str]:
        """Return the list of strings under `key`; absent or null is an empty list."""
        items = self.optional(key, list) or []
        for index, item in enumerate(items):
            if type(item) is not str:
                self.fail(f"{key}[{index}]", f"str required, found {type(item).__name__}")
        return items

    def text_map(self, key: str) -> dict[str, str]:
        """Return the string-to-string object under `key`; absent or null is empty."""
        items = self.optional(key, dict) or {}
        for name, item in items.items():
            if type(item) is not str:
                self.fail(f"{key}.{name}", f"str required, found {type(item).__name__}")
        return items

    def only_as_written(self, known: Iterable[str]) -> None:
        """Refuse a key that Go would take for a known one although it is spelt otherwise."""
        exact = known if isinstance(known, Mapping) else frozenset(known)
        others = [key for key in self.value if key not in exact]
        folded = set(map(fold, exact)) if others else ()
        for key in others:
            if fold(key) in folded:
                raise UnsafeArchive(
                    self.subject,
                    f"{self.path}{key} is a second spelling of a known key, read by some engines only",
                )

    def undamaged(self, known: Iterable[str]) -> None:
        """Refuse a known key with one letter changed: for documents that no digest vouches for."""
        refuse_damaged(self.value, known, f"{self.subject}: {self.path}".rstrip(".: "))

    def fail(self, key: str, problem: str) -> NoReturn:
        """Raise InvalidDocument about one member."""
        raise InvalidDocument(self.subject, f"{self.path}{key}: {problem}")


@dataclass(slots=True)
class Allowance:
    """What may be parsed of one archive: documents that are bounded each may be endless together."""

    subject: str
    all_bytes: int = ALL_BYTES
    all_values: int = ALL_VALUES
    left_bytes: int = field(init=False)
    left_values: int = field(init=False)

    def __post_init__(self) -> None:
        self.left_bytes, self.left_values = self.all_bytes, self.all_values

    def take(self, raw: bytes) -> None:
        """Count a document, again each time that something names it; raises UnsafeArchive."""
        self.left_bytes -= len(raw)
        self.left_values -= values_in(raw)
        if self.left_bytes < 0 or self.left_values < 0:
            limits = f"{self.all_bytes} bytes or {self.all_values} values"
            raise UnsafeArchive(self.subject, f"names documents of more than {limits} together")


def values_in(raw: bytes) -> int:
    """Return about how many values a JSON text holds, at most."""
    return sum(map(raw.count, VALUE_MARKS))


def json_type(value: object) -> str:
    """Return what JSON calls a value."""
    names = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def refuse_damaged(keys: Collection[str], known: Iterable[str], subject: str) -> None:
    """Raise InvalidDocument where a known text is missing, and stands there with one letter changed."""
    for lost in (key for key in known if key not in keys):
        for key in keys:
            if len(key) == len(lost) and sum(map(str.__ne__, key, lost)) == 1:
                raise InvalidDocument(subject, f"has {key!r}, expected {lost!r}", "it was damaged")


def fold(key: str) -> str:
    """Return the key as Go compares it."""
    return key.translate(FOLD).lower()


def load(raw: bytes, subject: str, limit: int | None = None, values: int = VALUES) -> Node:
    """Parse one JSON object as `load_any`; raises InvalidDocument for another value."""
    value = load_any(raw, subject, limit, values)
    if not isinstance(value, dict):
        raise InvalidDocument(subject, f"is a JSON {json_type(value)}, expected an object")
    return Node(value, subject)


def load_any(raw: bytes, subject: str, limit: int | None = None, values: int = VALUES) -> Any:  # noqa: ANN401 - JSON is anything
    """Parse one JSON value: UTF-8, no duplicate keys, no NaN, no trailing data, integers of 64 bits.

    Raises InvalidDocument, or UnsafeArchive above `limit` bytes, those of a document unless given, above
    `values` values, or where it is nested too deep.
    """
    if len(raw) > (limit := limits().document if limit is None else limit):
        raise above(subject, f"is {len(raw)} bytes", limit)
    if (many := values_in(raw)) > values:  # an empty object of 2 bytes takes 64 parsed
        raise UnsafeArchive(subject, f"holds about {many} values, expected at most {values}")
    try:
        value = DECODER.decode(raw.decode("utf-8"))
    except RecursionError as error:
        raise _too_deep(subject) from error
    except ValueError as error:
        raise InvalidDocument(subject, f"is not valid JSON ({error})") from error
    _bound_depth(value, subject)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        [(twice, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"key {twice!r} stands twice")
    for key in members:
        key.encode()  # a lone surrogate is a ValueError here, not somewhere later
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _int64(text: str) -> int:
    if len(text) > 20 or (number := int(text)) not in INT64:  # noqa: PLR2004 - digits of an int64
        raise ValueError("an integer has more than 64 bits")
    return number


DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_int=_int64)


def _bound_depth(value: object, subject: str) -> None:
    level = [value]
    for _ in range(limits().json_depth):
        level = [
            item
            for node in level
            for item in (node.values() if isinstance(node, dict) else node if isinstance(node, list) else ())
            if isinstance(item, dict | list)
        ]
        if not level:
            return
    raise _too_deep(subject)


def _too_deep(subject: str) -> UnsafeArchive:
    return more_than(subject, "is nested deeper than {} levels", limits().json_depth)
