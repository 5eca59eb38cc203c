"""The room that text gets on a page: a name may be a megabyte long, and a list may have a million items."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from toolkit.printable import printable

NAME, SENTENCE = 400, 2_000  # characters
MARKUP = 60  # bytes around each text


class Listed(Protocol):
    """An item of a list on a page."""

    def texts(self) -> Iterable[str]:
        """Return all that is shown of it."""


T = TypeVar("T", bound=Listed)


def cut(text: str, limit: int = NAME) -> str:
    """Return text that is safe to show, `limit` characters of it and a mark where there is more."""
    safe = printable(text, limit)
    return safe if len(safe) <= limit + 1 else f"{safe[:limit]}…"


def elided(text: str, limit: int) -> str:
    """Return the beginning and the end of a text that is safe to show: a name differs at its end."""
    if len(text) <= limit:
        return text
    tail = limit // 2
    return f"{text[: limit - tail - 1]}…{text[-tail:]}"


def fitting(items: Sequence[T], room: int) -> Sequence[T]:
    """Return the first items, as many as take at most `room` bytes of a page together."""
    taken = 0
    for number, item in enumerate(items):
        taken += sum(MARKUP + len(html.escape(printable(text)).encode()) for text in item.texts())
        if taken > room:
            return items[:number]
    return items


def counted(number: int, noun: str) -> str:
    """Return `1 layer`, `2 layers`, `1,200 layers`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def first_of(texts: Sequence[str], most: int) -> str:
    """Return the first of several texts, and how many more there are."""
    more = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {more:,} more" if more > 0 else "")
