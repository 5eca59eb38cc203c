"""Receipts: small JSON files that say what was done, and count only while it still stands."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import luigi

from toolkit.errors import ToolkitError
from toolkit.plumbing.files import Stamp, make_folder, read_bounded, write_atomically

LIMIT = 64 << 20  # bytes


class Receipt(luigi.Target):
    """A receipt at `path`. It exists while it can be read and `stands` agrees with what it says."""

    def __init__(self, path: Path, stands: Callable[[Mapping[str, Any]], bool]) -> None:
        self.path, self._stands = path, stands

    def exists(self) -> bool:
        """Tell whether what the receipt says still stands; a damaged receipt says nothing."""
        facts = self.read()
        return bool(facts) and self._stands(facts)

    def read(self) -> dict[str, Any]:
        """Return what it says; empty where there is none, or it is damaged."""
        try:
            facts = json.loads(read_bounded(self.path, LIMIT))
        except (ToolkitError, ValueError):
            return {}
        return facts if isinstance(facts, dict) else {}

    def write(self, facts: Mapping[str, Any]) -> None:
        """Write it, whole."""
        make_folder(self.path.parent)
        write_atomically(self.path, json.dumps(facts, indent=1, ensure_ascii=False).encode() + b"\n")


def stamp_json(path: Path) -> list[int] | None:
    """Return a file's stamp for a receipt."""
    stamp = Stamp.of(path)
    return stamp.to_json() if stamp else None


def untouched(facts: Mapping[str, Any], path: Path) -> bool:
    """Tell whether the file is as it was when the receipt was written."""
    stamp = Stamp.from_json(facts.get("stamp"))
    return stamp is not None and stamp == Stamp.of(path)
