"""What was made last, kept for whoever asks for the same again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Latest(Generic[K, V]):
    """One value: of names that one image has and that follow each other, it is read once. From any thread."""

    def __init__(self) -> None:
        self._kept: tuple[K, V] | None = None

    def get(self, key: K, make: Callable[[], V]) -> V:
        """Return what was made for an equal key last, else what `make` returns; raises what that raises."""
        kept = self._kept
        if kept is not None and kept[0] == key:
            return kept[1]
        made = make()
        self._kept = key, made
        return made
