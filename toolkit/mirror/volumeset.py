"""VolumeSet: the volumes of one set, and what is wrong with them before a byte of a slice is read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from toolkit.checks import as_finding
from toolkit.checksums import ChecksumList
from toolkit.errors import ToolkitError
from toolkit.image import Finding
from toolkit.mirror.beside import Broken, Lists
from toolkit.mirror.setmap import SetMap
from toolkit.mirror.volume import VolumeHeader, list_name, volume_name
from toolkit.mirror.volumefile import VolumeFile, known_file, read_header
from toolkit.plumbing.files import storing

CHECK = "volume"
HEALS = "the parity volume stands in for it"


class VolumeSet:
    """The volumes of one set that were found, its list, and what does not belong."""

    def __init__(
        self,
        files: Sequence[VolumeFile],
        others: Sequence[VolumeFile],
        broken: Sequence[Broken],
        lists: Lists,
    ) -> None:
        first = files[0].header
        self.name, self.site, self.of, self.total = first.set, first.site, first.of, first.total
        self.subject = f"set {self.name}"
        self._lists, self._others, self._broken = lists, others, broken
        self._files: dict[int, list[VolumeFile]] = {}
        for file in files:
            self._files.setdefault(file.header.number, []).append(file)

    @property
    def checksums(self) -> ChecksumList | None:
        """Return the list of the volumes' sha256; None without one that can be read."""
        return self._lists.checksums

    @property
    def list_path(self) -> Path | None:
        """Return where the list lies, beside which its signature is."""
        return self._lists.path

    @cached_property
    def parity(self) -> VolumeHeader | None:
        """Return the header of the parity volume, all of it; None without a parity volume."""
        files = self._files.get(0)
        return read_header(files[0].path) if files else None

    @cached_property
    def map(self) -> SetMap:
        """Return what is where; raises CorruptContent or UnsafeArchive where volumes contradict others."""
        if self.parity:
            return SetMap.of_parity(self.parity, self.subject)
        return SetMap.of_volumes((read_header(files[0].path) for files in self._files.values()), self.subject)

    @cached_property
    def copies(self) -> Mapping[int, Sequence[VolumeFile]]:
        """Return the files of each volume that is there, by its number, 0 that of the parity volume.

        What disagrees with the others is left out. A file with a damaged header counts by its name where
        the parity volume knows what it was.
        """
        if not self.parity:
            first = {number: files[0].header_digest for number, files in self._files.items()}
            return {
                number: [file for file in files if file.header_digest == first[number]]
                for number, files in self._files.items()
            }
        copies = {0: self._files[0]}
        for number in range(1, self.of + 1):
            header = self.parity.of_volume(number)
            known = known_file("", header, 0).header_digest
            right = [file for file in self._files.get(number, ()) if file.header_digest == known]
            copies[number] = [*right, *self._restored(header, {file.path for file in right})]
        return {number: files for number, files in copies.items() if files}

    def _restored(self, header: VolumeHeader, right: set[str]) -> Iterator[VolumeFile]:
        """Yield the files that are called as a volume, and do not say any more that they are it."""
        for path in self._called.get(header.file_name, ()):
            if path not in right:
                with storing(path):
                    size = os.stat(path, follow_symlinks=False).st_size
                yield known_file(path, header, size)

    @cached_property
    def _called(self) -> Mapping[str, Sequence[str]]:
        """Return the paths of all files by what they are called."""
        paths = [file.path for files in (*self._files.values(), self._others) for file in files]
        called: dict[str, list[str]] = {}
        for path in (*paths, *(broken.path for broken in self._broken)):
            called.setdefault(os.path.basename(path), []).append(path)
        return called

    def missing(self) -> list[int]:
        """Return the numbers of the volumes of which nothing is there."""
        return [number for number in range(1, self.of + 1) if number not in self.copies]

    def problems(self) -> list[Finding]:
        """Return all that is wrong by headers, sizes and names; nothing but headers is read.

        What the parity volume can stand in for is a warning; reading all, as `verify` does, is what shows it.
        """
        findings = [*self._missing(), *self._misfits(), *self._truncated(), *self._unlisted()]
        try:
            self.map.spans(0, 0)
        except ToolkitError as error:
            findings.append(as_finding(error))
        return findings

    def _missing(self) -> Iterator[Finding]:
        missing = self.missing()
        severity = "warning" if self.parity and len(missing) == 1 else "error"
        advice = HEALS if severity == "warning" else "bring the medium that has it"
        for number in missing:
            problem = f"lacks volume {number} of {self.of}, {volume_name(self.name, number, self.of)}"
            yield Finding(self.subject, problem, severity, check=CHECK, advice=advice)
        if (
            self.checksums
            and volume_name(self.name, 0, self.of) in self.checksums.sums
            and 0 not in self.copies
        ):
            yield Finding(self.subject, "lacks its parity volume: no damage can be healed", check=CHECK)

    def _misfits(self) -> Iterator[Finding]:
        kept = {file.path for files in self.copies.values() for file in files}
        lost = {volume_name(self.name, number, self.of) for number in self.missing()}
        for broken in self._broken:
            severity = "error" if broken.name in lost else "warning"
            problem = f"cannot be read as a volume: {broken.error}"
            yield Finding(broken.path, problem, severity, broken.error.exit_code, check=CHECK)
        for file in self._others:
            yield self._misfit(file, "error" if lost else "warning")
        for file in (file for files in self._files.values() for file in files):
            if file.path not in kept:
                yield self._misfit(file, "warning" if self.parity and not lost else "error")

    def _misfit(self, file: VolumeFile, severity: str) -> Finding:
        header = file.header
        problem = f"is volume {header.number} of {header.of}, and not of the same run as the others"
        advice = "bring the volumes of one run together"
        return Finding(file.path, problem, severity, check=CHECK, advice=advice)

    def _truncated(self) -> Iterator[Finding]:
        for files in self.copies.values():
            is_there = any(file.size == file.expected for file in files)
            severity = "warning" if is_there or self.parity else "error"
            for file in files:
                if file.size != file.expected:
                    problem = f"is {file.size} bytes, expected {file.expected}"
                    wrong = Finding(file.path, problem, severity, check=CHECK)
                    yield wrong.comparing("size", file.expected, file.size)

    def _unlisted(self) -> Iterator[Finding]:
        yield from map(as_finding, self._lists.errors)
        if self.checksums is None:
            problem = f"has no {list_name(self.name)}, which vouches for its volumes"
            yield Finding(self.subject, problem, "error", check=CHECK, advice="bring it with the last volume")
            return
        expected = {volume_name(self.name, number, self.of) for number in range(1, self.of + 1)}
        if self.parity:
            expected.add(volume_name(self.name, 0, self.of))
        listed = set(self.checksums.sums)
        for name in sorted(expected - listed):
            yield Finding(str(self.list_path), f"does not name {name}", "error", check=CHECK)
        for name in sorted(listed - expected - {volume_name(self.name, 0, self.of)}):
            yield Finding(
                str(self.list_path), f"names {name}, which is no volume of it", "error", check=CHECK
            )
