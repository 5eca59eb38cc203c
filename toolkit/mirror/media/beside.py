"""What lies beside the volumes of a set: the list that vouches for them, and files that were volumes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from toolkit.checksums import LIMIT, ChecksumList
from toolkit.errors import InvalidDocument, NotFound, ToolkitError
from toolkit.mirror.media.volume import list_name
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
    """The lists of checksums that were found for a set: one, however often, or the one that is signed."""

    found: tuple[tuple[Path, ChecksumList], ...] = ()  # the one that counts is the first
    broken: tuple[ToolkitError, ...] = ()
    is_signed: bool = False  # the first one: the others are somebody else's, and keep nothing out

    @classmethod
    def of(cls, name: str, folders: Iterable[Path]) -> Self:
        """Read the lists of a set."""
        found: list[tuple[Path, ChecksumList]] = []
        broken: list[ToolkitError] = []
        for folder in folders:
            path = folder / list_name(name)
            try:
                found.append((path, ChecksumList.parse(read_bounded(path, LIMIT), str(path))))
            except NotFound:
                continue
            except ToolkitError as error:
                broken.append(error)
        return cls(tuple(found), tuple(broken))

    def signed(self, path: Path, checksums: ChecksumList) -> Self:
        """Return them with the one in front for which somebody vouches."""
        others = (each for each in self.found if each[0] != path)
        return replace(self, found=((path, checksums), *others), is_signed=True)

    @property
    def path(self) -> Path | None:
        """Return where the one lies that counts."""
        return self.found[0][0] if self.found else None

    @property
    def checksums(self) -> ChecksumList | None:
        """Return the one that counts."""
        return self.found[0][1] if self.found else None

    @property
    def errors(self) -> tuple[ToolkitError, ...]:
        """Return what is wrong with them."""
        if not self.found:
            return self.broken
        problem, advice = f"is not the same list as {self.path}", "bring volumes of one run together"
        others = [path for path, other in self.found if other != self.checksums]
        return (*self.broken, *(InvalidDocument(str(path), problem, advice) for path in others))
