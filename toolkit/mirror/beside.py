"""What lies beside the volumes of a set: the list that vouches for them, and files that were volumes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from toolkit.checksums import LIMIT, ChecksumList
from toolkit.errors import InvalidDocument, NotFound, ToolkitError
from toolkit.mirror.volume import list_name
from toolkit.plumbing.files import read_bounded


@dataclass(frozen=True, slots=True)
class Broken:
    """A file that is called as a volume, or begins as one, and whose header cannot be read."""

    path: str
    error: ToolkitError

    @property
    def name(self) -> str:
        """Return what the file is called."""
        return os.path.basename(self.path)


@dataclass(frozen=True, slots=True)
class Lists:
    """The lists of checksums that were found for a set: one, however often."""

    checksums: ChecksumList | None
    path: Path | None
    errors: tuple[ToolkitError, ...]

    @classmethod
    def of(cls, name: str, folders: Iterable[Path]) -> Lists:
        """Read the lists of a set."""
        found: list[tuple[Path, ChecksumList]] = []
        errors: list[ToolkitError] = []
        for folder in folders:
            path = folder / list_name(name)
            try:
                found.append((path, ChecksumList.parse(read_bounded(path, LIMIT), str(path))))
            except NotFound:
                continue
            except ToolkitError as error:
                errors.append(error)
        for path, other in found[1:]:
            if other != found[0][1]:
                problem = f"is not the same list as {found[0][0]}"
                errors.append(InvalidDocument(str(path), problem, "bring volumes of one run together"))
        return cls(found[0][1] if found else None, found[0][0] if found else None, tuple(errors))
