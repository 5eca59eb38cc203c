"""A look over the tar of a root file system: what in it is refused, and what a person should know.

Source: formats D.3.8 (what `docker export` writes), E.5 (whiteouts), G.5. No body is read but the first
bytes of a few programs, which tell what they run on.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field

from toolkit.elf import LENGTH, architecture
from toolkit.errors import CorruptContent, ToolkitError, UsageError
from toolkit.image import Finding
from toolkit.plumbing import nodes
from toolkit.plumbing.files import storing
from toolkit.plumbing.pax import shown
from toolkit.plumbing.tarball import Entries, Entry, FileReader
from toolkit.plumbing.tree import components
from toolkit.plumbing.whiteouts import WHITEOUT

PROGRAM = re.compile(rb"(?:usr/)?s?bin/(?:\[|ash|bash|busybox|cat|coreutils|dash|env|init|ls|mount|sh)")
LOADER = re.compile(rb"(?:usr/)?lib[a-z0-9]{0,8}/(?:[^/]+/)?ld-?(?:linux|musl|[0-9])[^/]*")
MARKS = frozenset((b".dockerenv", b".dockerinit", b"run/.containerenv"))  # files that an engine puts there
STUBS = frozenset((b"dev/console", b"etc/hostname", b"etc/hosts", b"etc/resolv.conf"))  # if they are empty
MTAB = (b"etc/mtab", b"/proc/mounts")
LAYOUT = frozenset((b"oci-layout", b"index.json"))
MANIFEST, LAYER = b"manifest.json", frozenset((b"json", b"layer.tar"))
SHOWN = 100  # bytes of a name in a message


@dataclass
class Survey:
    """What was found in one tar."""

    subject: str
    programs: set[str] = field(default_factory=set)  # architectures of well-known programs
    loaders: set[str] = field(default_factory=set)  # and of the loaders that start programs
    artefacts: list[str] = field(default_factory=list)  # of an engine
    whiteouts: int = 0
    first_whiteout: str = ""
    odd_end: str = ""

    @classmethod
    def of(cls, handle: int, subject: str) -> Survey:
        """Walk over the tar in an open file.

        Raises CorruptContent, UnsafeArchive or Unsupported for what is no whole tar of plain names, and
        UsageError for an image bundle.
        """
        with storing(subject):
            size = os.fstat(handle).st_size
        if not size:
            raise CorruptContent(subject, "is an empty file, not a tar of a root file system")
        survey = cls(subject)
        walk = Entries(FileReader(handle, 0, size, subject), subject)
        bundle = _BundleMarks()
        for entry in walk:
            survey._take(handle, entry, bundle)
        survey.odd_end = _odd_end(walk)
        return survey

    @property
    def architectures(self) -> list[str]:
        """Return what the programs in it run on; more than one where they disagree."""
        return sorted(self.programs or self.loaders)

    def findings(self) -> list[Finding]:
        """Tell what stays in the image although nobody may have meant it to."""
        found = []
        if self.odd_end:
            found.append(Finding(self.subject, self.odd_end))
        if self.whiteouts:
            problem = (
                f"holds names that begin with .wh., which engines take for whiteouts ({self.whiteouts}, "
                f"the first is {self.first_whiteout})"
            )
            found.append(Finding(self.subject, problem))
        if self.artefacts:
            names = ", ".join(self.artefacts)
            problem = f"holds what an engine put into a running container, and the image keeps it: {names}"
            found.append(Finding(self.subject, problem, "note"))
        return found

    def _take(self, handle: int, entry: Entry, bundle: _BundleMarks) -> None:
        subject = f"{self.subject}: {shown(entry.name)}"
        try:
            parts = _checked(entry)
        except ToolkitError as error:
            error.subject = error.subject or subject
            raise
        name = b"/".join(parts)
        bundle.take(handle, entry, parts, self.subject)
        if parts and parts[-1].startswith(WHITEOUT):
            self.whiteouts += 1
            self.first_whiteout = self.first_whiteout or shown(name)
        if _is_artefact(name, entry) and shown(name) not in self.artefacts:
            self.artefacts.append(shown(name))
        if entry.is_file and (PROGRAM.fullmatch(name) or LOADER.fullmatch(name)):
            kind = self.programs if PROGRAM.fullmatch(name) else self.loaders
            kind.update(filter(None, [architecture(_beginning(handle, entry, LENGTH, self.subject))]))


class _BundleMarks:
    """Whether the names are those of an image bundle."""

    def __init__(self) -> None:
        self._tops: set[bytes] = set()
        self._folder, self._in_folder = b"", set[bytes]()  # the last folder at the top, and what it holds

    def take(self, handle: int, entry: Entry, parts: list[bytes], place: str) -> None:
        """Take note of a name; raises UsageError as soon as it is certain."""
        if len(parts) == 1 and parts[0] in LAYOUT:
            self._tops.add(parts[0])
        elif len(parts) == 2 and parts[1] in LAYER:  # noqa: PLR2004 - <id>/json
            if parts[0] != self._folder:
                self._folder, self._in_folder = parts[0], set()
            self._in_folder.add(parts[1])
        is_list = parts == [MANIFEST] and _beginning(handle, entry, 64, place).lstrip()[:1] == b"["
        if is_list or self._tops == LAYOUT or self._in_folder == LAYER:
            raise UsageError(place, "is an image bundle", "import it without --rootfs")


def _checked(entry: Entry) -> list[bytes]:
    """Return an entry's path in parts; raises UnsafeArchive where it is not safe to unpack."""
    nodes.check(entry)
    parts = components(entry.name, "")
    nodes.check_path(entry, parts)
    return parts


def _is_artefact(name: bytes, entry: Entry) -> bool:
    if name == MTAB[0]:
        return entry.is_symlink and entry.linkname == MTAB[1]
    return entry.is_file and (name in MARKS or (name in STUBS and not entry.size))


def _beginning(handle: int, entry: Entry, count: int, subject: str) -> bytes:
    with storing(subject):
        return os.pread(handle, min(count, entry.size), entry.data_offset)


def _odd_end(walk: Entries) -> str:
    if walk.trailing_nonzero:
        return f"{walk.trailing} bytes after the end of the archive are not all zero; the layer keeps them"
    if walk.end != "whole":
        return f"the end of the archive is {walk.end}, expected two zero blocks; it may have been cut short"
    return ""
