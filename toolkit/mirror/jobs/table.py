"""Table: a part of a TOML file that knows where it stands, and which keys it was asked for."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from toolkit.errors import InvalidJob, ToolkitError
from toolkit.place import BUNDLES, FOLDERS, STANDARD_STREAM, Place
from toolkit.settings import expanded

T = TypeVar("T")
LARGEST = 4 << 20  # bytes of a job
# Each dot of a key costs tomllib as much as all before it, so that one long key takes all memory.
QUOTED = re.compile(r'"(?:[^"\\\n]|\\.)*+"?|\'[^\'\n]*+\'?|#[^\n]*+')  # and comments
LONG_KEY = re.compile(r"(?:\.[ \t\w-]*+){9}")
OVER_LINES = ('"""', "'''")
KINDS = {
    str: "text",
    int: "a whole number",
    list: "a list",
    dict: "a table",
    bool: "true or false",
    float: "a number with a point",
}


def load(raw: bytes, subject: str, folder: Path) -> Table:
    """Read a TOML file, of which relative paths are meant from `folder` on; raises InvalidJob."""
    if len(raw) > LARGEST:
        raise InvalidJob(
            subject, f"is {len(raw)} bytes, expected at most {LARGEST}", "list images in images_file"
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidJob(subject, f"is no UTF-8 text at byte {error.start}") from error
    if any(quotes in text for quotes in OVER_LINES):
        raise InvalidJob(subject, "has text over several lines", "write it on one, in single quotation marks")
    if LONG_KEY.search(QUOTED.sub("", text)):
        raise InvalidJob(subject, "has a key with more than 8 points in it", "no key of a job has as many")
    try:
        return Table(tomllib.loads(text), subject, folder)
    except RecursionError as error:
        raise InvalidJob(subject, "is nested too deep") from error
    except ValueError as error:  # of tomllib, and of int() for thousands of digits
        problem = str(error)
        raise InvalidJob(subject, f"is no TOML: {problem[:1].lower()}{problem[1:]}") from error


class Table:
    """Keys and their values; each getter names the key's path where it raises InvalidJob."""

    def __init__(self, value: Mapping[str, Any], subject: str, folder: Path, path: str = "") -> None:
        self._value, self._subject, self._folder, self._path = value, subject, folder, path
        self._asked: dict[str, None] = {}

    def __contains__(self, key: str) -> bool:
        self._asked[key] = None
        return key in self._value

    def text(self, key: str) -> str:
        """Return the text under a key, which must be there."""
        return self._get(key, str, None)

    def number(self, key: str, default: int, least: int, most: int) -> int:
        """Return a whole number between bounds."""
        number = self._get(key, int, default)
        if not least <= number <= most:
            self.fail(key, f"is {number}, expected {least} to {most}")
        return number

    def choice(self, key: str, among: tuple[str, ...]) -> str:
        """Return one of some words; the first is the default."""
        word = self._get(key, str, among[0])
        if word not in among:
            self.fail(key, f"is {word!r}, expected {_either(among)}", _near(word, among))
        return word

    def parsed(self, key: str, parse: Callable[[str], T], default: T) -> T:
        """Return the text under a key as `parse` reads it, which raises ValueError with what is expected."""
        return self._read(key, self.text(key), parse) if key in self else default

    def required(self, key: str, parse: Callable[[str], T]) -> T:
        """Return the text under a key, which must be there, as `parse` reads it."""
        return self._read(key, self.text(key), parse)

    def hidden(self, key: str, parse: Callable[[str], T]) -> T:
        """Return what `required` does, and tell nobody the text, which may hold a secret."""
        try:
            return parse(self.text(key))
        except ValueError as error:
            self.fail(key, f"is not what is expected: {error}")

    def texts(self, key: str, parse: Callable[[str], T]) -> tuple[T, ...]:
        """Return the texts of a list, each as `parse` reads it; of one text alone, that one."""
        if isinstance(self._value.get(key), str):
            return (self.required(key, parse),)
        items = enumerate(self._get(key, list, []))
        return tuple(self._read(f"{key}[{number}]", text, parse) for number, text in items)

    def path(self, key: str) -> str:
        """Return a path, absolute where the job's folder is; empty where there is none."""
        return self.parsed(key, self._path_from, "")

    def place(self, key: str) -> str:
        """Return the URI of a place to read from; empty where there is none."""
        return self.parsed(key, self._place_from, "")

    def places(self, key: str) -> tuple[str, ...]:
        """Return the URIs of places to read from."""
        return self.texts(key, self._place_from)

    def table(self, key: str) -> Table:
        """Return the table under a key, an empty one where there is none."""
        return self._below(key, self._get(key, dict, {}))

    def items(self, key: str) -> Iterator[str | Table]:
        """Yield what a list holds: texts and tables."""
        for number, item in enumerate(self._get(key, list, [])):
            here = f"{key}[{number}]"
            if not isinstance(item, str | dict):
                self.fail(here, f"is {_kind(item)}, expected text or a table")
            yield item if isinstance(item, str) else self._below(here, item)

    def end(self) -> None:
        """Refuse a key that nobody asked for."""
        for key in self._value:
            if key not in self._asked:
                self.fail(key, "is no key of a job", _near(key, tuple(self._asked)))

    def fail(self, key: str, problem: str, advice: str = "") -> NoReturn:
        """Raise InvalidJob with the key's path."""
        raise InvalidJob(f"{self._subject}: {self._path}{key}", problem, advice)

    def _below(self, key: str, value: Mapping[str, Any]) -> Table:
        return Table(value, self._subject, self._folder, f"{self._path}{key}.")

    def _get(self, key: str, kind: type[T], default: T | None) -> T:
        self._asked[key] = None
        if (found := self._value.get(key)) is None:
            if default is None:
                close = difflib.get_close_matches(key, self._value, 1, cutoff=0.5)
                self.fail(key, "is missing", f"is it {close[0]}, misspelt?" if close else "")
            return default
        if type(found) is not kind:
            self.fail(key, f"is {_kind(found)}, expected {KINDS[kind]}")
        return found

    def _read(self, key: str, text: object, parse: Callable[[str], T]) -> T:
        if not isinstance(text, str):
            self.fail(key, f"is {_kind(text)}, expected text")
        try:
            return parse(text)
        except ToolkitError as error:
            self.fail(key, str(error))
        except ValueError as error:
            self.fail(key, f"is {text[:200]!r}, expected {error}")

    def _path_from(self, text: str) -> str:
        if not text or "\0" in text:
            raise ValueError("a path")
        return os.path.join(self._folder, expanded(text))

    def _place_from(self, text: str) -> str:
        place = Place.parse(text)
        if text == STANDARD_STREAM:
            raise ValueError("a place that can be read every night")
        if place.scheme not in FOLDERS | BUNDLES:
            return text
        return str(Place(place.scheme, self._path_from(place.path), place.option))


def _kind(value: object) -> str:
    return KINDS.get(type(value), "a date or time")


def _either(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _near(word: str, among: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word[:100], among, 2, cutoff=0.5)
    return f"near it: {', '.join(close)}" if close else f"there are {', '.join(among)}"
