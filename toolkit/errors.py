"""The one error tree.

    ToolkitError            1   a failure we raise on purpose; anything else is a bug
    ├── UsageError          2   InvalidReference, InvalidDigest, InvalidPlatform, InvalidPlace,
    │                           InvalidSetting, InvalidJob
    ├── NotFound            3   no such image, blob, member or place
    ├── Unsupported         4   a format, media type or conversion we do not do
    ├── CorruptContent      5   Mismatch, Misnamed, InvalidDocument, MissingMember
    │   └── UnsafeArchive   6   traversal, link loops, devices, bombs, ambiguity: Disagreement
    ├── StoreError          7   a store, disk or engine failed us: RegistryError, NoRoom
    ├── Gaps                8   done, but not everything
    └── TryAgain           75   locked, peers still working: Spoiled

The number is the exit code. An error is one sentence, `subject: problem; advice`; its facts are
attributes. `str()` never holds a control character, whatever an image called itself. `check` says what
is told of where a report has the error as a finding (toolkit.checks).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, ClassVar

from toolkit.printable import about, printable


@dataclass(eq=False)
class ToolkitError(Exception):
    """A failure we raise on purpose."""

    subject: str
    problem: str
    advice: str = ""
    images: tuple[str, ...] = field(default=(), kw_only=True)  # what those are called that are not to be had

    exit_code: ClassVar[int] = 1
    check: ClassVar[str] = "reading"

    def __str__(self) -> str:
        sentence = f"{about(self.subject)} {self.problem}" if self.subject else self.problem
        return printable(f"{sentence}; {self.advice}" if self.advice else sentence)

    def __reduce__(self) -> tuple[partial[ToolkitError], tuple[Any, ...]]:
        """Pickle by fields, so that errors survive a process boundary."""
        facts = {each.name: getattr(self, each.name) for each in fields(self)}
        return partial(type(self), **facts), ()


class UsageError(ToolkitError):
    """What was asked for cannot be understood."""

    exit_code = 2


class InvalidReference(UsageError):
    """Text that is no image reference."""


class InvalidDigest(UsageError):
    """Text that is no digest."""


class InvalidPlatform(UsageError):
    """Text that is no platform."""


class InvalidPlace(UsageError):
    """A URI that names no store or bundle."""


class InvalidSetting(UsageError):
    """A configuration value of the wrong kind."""


class InvalidJob(UsageError):
    """A job of the mirror that cannot be understood; `subject` is the file and the key's path in it."""


class NotFound(ToolkitError):
    """The image, blob, member or place is not there."""

    exit_code = 3
    check = "missing"


class Unsupported(ToolkitError):
    """A format, media type or conversion we do not do."""

    exit_code = 4
    check = "unsupported"


class CorruptContent(ToolkitError):
    """Bytes are not what their descriptor, or their format, says."""

    exit_code = 5
    check = "structure"


@dataclass(eq=False)
class Mismatch(CorruptContent):
    """A fact is not what was recorded or promised."""

    subject: str
    problem: str  # the name of the fact: "size", "digest", "diffID"
    advice: str = ""
    actual: object = None
    expected: object = None

    def __str__(self) -> str:
        sentence = f"{about(self.subject)} {self.problem} is {self.actual}, expected {self.expected}"
        return printable(f"{sentence}; {self.advice}" if self.advice else sentence)


class Misnamed(Mismatch):
    """A file is called by another digest than its own, and no engine looks."""

    check = "file-name"


class InvalidDocument(CorruptContent):
    """A JSON document or text file that breaks its format."""

    check = "document"


class MissingMember(CorruptContent):
    """A file, blob or member that something else refers to is not there."""

    check = "missing"


class UnsafeArchive(CorruptContent):
    """Traversal, link loops, devices, bombs, ambiguity."""

    exit_code = 6
    check = "unsafe"


class Disagreement(UnsafeArchive):
    """Two parts of one archive tell two images, and it depends on the reader which of them it gets."""

    check = "agreement"


class StoreError(ToolkitError):
    """A store, a disk or an engine failed us: permission, space, I/O."""

    exit_code = 7


class NoRoom(StoreError):
    """A disk is full, or would be: what comes next fails as well."""


@dataclass(eq=False)
class RegistryError(StoreError):
    """A registry, or the way to it, failed us; `subject` is the request."""

    subject: str
    problem: str
    advice: str = ""
    method: str = ""
    url: str = ""  # without its query, which may hold a secret
    status: int = 0  # of HTTP; 0 where there was no answer
    code: str = ""  # of the registry's own error document, as MANIFEST_UNKNOWN


class Gaps(ToolkitError):
    """Done, but not everything."""

    exit_code = 8


class TryAgain(ToolkitError):
    """Somebody else holds it now."""

    exit_code = 75


class Spoiled(TryAgain):
    """What an earlier run had kept of something was wrong, and is gone now: it works from the start."""
