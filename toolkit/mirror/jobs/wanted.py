"""Wanted: one line of a job's images: a single image, or a repository and which of its tags."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from toolkit.errors import InvalidJob
from toolkit.mirror.jobs.selection import Selection
from toolkit.mirror.jobs.table import Table
from toolkit.platform import Platform
from toolkit.reference import Reference

PLACEHOLDERS = ("{registry}", "{repository}", "{name}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be over there, where it comes from, and what it is called then."""

    reference: Reference  # of a single image; of a repository with an empty tag
    selection: Selection | None = None  # of a repository's tags
    platforms: tuple[Platform, ...] = ()  # of an image that has several; none is all
    rename: str = ""  # to which repository, `{name}` and the like filled in; empty where the name stays
    source: str = ""  # the place it comes from; empty where the job's sources say

    @classmethod
    def parse(cls, text: str, platforms: tuple[Platform, ...] = ()) -> Self:
        """Read a plain reference; raises InvalidReference."""
        return cls(Reference.parse(text), platforms=platforms)

    @classmethod
    def from_table(cls, table: Table, platforms: tuple[Platform, ...] = ()) -> Self:
        """Read a table of the list `images`; raises InvalidJob."""
        is_repository = "repo" in table or ("tags" in table and "reference" not in table)
        if is_repository and "reference" in table:
            table.fail("repo", "stands beside reference, expected one of the two", "repo goes with tags")
        key = "repo" if is_repository else "reference"
        reference = table.required(key, _repository if is_repository else Reference.parse)
        selection = _selection(table, is_repository=is_repository)
        chosen = table.texts("platforms", Platform.parse) if "platforms" in table else platforms
        wanted = cls(reference, selection, chosen, source=table.place("source"))
        rename = table.parsed("rename", wanted._checked_rename, "")
        table.end()
        return replace(wanted, rename=rename)

    @property
    def repository(self) -> str:
        """Return what the images are tags of, as `docker.io/library/redis`."""
        return f"{self.reference.registry}/{self.reference.repository}"

    def tagged(self, tag: str) -> Reference:
        """Return an image of the repository."""
        return replace(self.reference, tag=tag)

    def name_of(self, reference: Reference) -> Reference:
        """Return what an image is called on the closed side: another repository, the same tag and digest."""
        if not self.rename:
            return reference
        renamed = Reference.parse(self._filled(self.rename))
        return replace(renamed, tag=reference.tag, digest=reference.digest)

    def _filled(self, rename: str) -> str:
        repository = self.reference.repository
        fillings = (self.reference.registry, repository, repository.rpartition("/")[2])
        for placeholder, filling in zip(PLACEHOLDERS, fillings, strict=True):
            rename = rename.replace(placeholder, filling)
        return rename

    def _checked_rename(self, rename: str) -> str:
        text = self._filled(rename)
        if "{" in text or "}" in text:
            raise ValueError(f"no braces but {', '.join(PLACEHOLDERS)}")
        _repository(text)
        return rename


def _repository(text: str) -> Reference:
    """Read the name of a repository; raises InvalidReference, ValueError where it has a tag or digest."""
    reference = Reference.parse(text)
    if "@" in text or ":" in text.rpartition("/")[2]:
        raise ValueError("a repository without tag and digest")
    return replace(reference, tag="")


def _selection(table: Table, *, is_repository: bool) -> Selection | None:
    """Return what `tags` says; raises InvalidJob."""
    rules = table.texts("tags", _rule)
    if is_repository and not rules:
        table.fail("tags", "is missing, and says which images of the repository", '["*"] is every tag')
    if rules and not is_repository:
        table.fail("tags", "goes with repo, and a reference is one image", "write repo instead of reference")
    try:
        return Selection.parse(rules) if rules else None
    except InvalidJob as error:
        table.fail("tags", error.problem, error.advice)


def _rule(text: str) -> str:
    """Refuse a rule that cannot be read, which then is told by its number."""
    Selection.parse([text])
    return text
