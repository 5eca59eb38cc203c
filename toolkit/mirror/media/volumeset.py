"""VolumeSet: the volumes of one set, and what is wrong with them before a byte of a slice is read."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from toolkit.checks import as_finding
from toolkit.checksums import ChecksumList
from toolkit.image import Finding
from toolkit.mirror.media.beside import Broken, Lists
from toolkit.mirror.media.setmap import SetMap
from toolkit.mirror.media.volume import VolumeHeader, list_name, volume_name
from toolkit.mirror.media.volumefile import VolumeFile, known_file, read_header
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
    def files(self) -> Mapping[int, Sequence[VolumeFile]]:
        """Return the files by what each says that it is; 0 is the parity volume."""
        return self._files

    @property
    def checksums(self) -> ChecksumList | None:
        """Return the list of the volumes' sha256; None without one that can be read."""
        return self._lists.checksums

    @property
    def list_path(self) -> Path | None:
        """Return where the list lies, beside which its signature is."""
        return self._lists.path

    def believe(self, path: Path, checksums: ChecksumList) -> None:
        """Take the list that somebody vouches for, and no other one that lies on a medium."""
        self._lists = self._lists.signed(path, checksums)

    @property
    def sums(self) -> Mapping[int, str]:
        """Return the sha256 of each volume that the list names, by its number."""
        listed = self.checksums.sums if self.checksums else {}
        names = ((number, volume_name(self.name, number, self.of)) for number in range(self.of + 1))
        return {number: listed[name] for number, name in names if name in listed}

    def claimed_map(self) -> SetMap:
        """Return where documents and slices lie, as headers say that nobody vouches for; no blobs."""
        headers = {number: files[0].header for number, files in self._files.items() if number}
        first = self._files.get(1) or self._files.get(0)
        documents = first[0].header.files if first else {}
        return SetMap(self.subject, self.of, self.total, headers, {}, documents)

    def claimed_headers(self) -> Iterator[VolumeHeader]:
        """Read all that the first file of each volume says; raises as `read_header`."""
        return (read_header(files[0].path) for files in self._files.values())

    def claimed_parity(self) -> VolumeHeader | None:
        """Return what the parity volume says; None without one that is as long as it says."""
        found = [file for file in self._files.get(0, ()) if file.size == file.expected]
        own = volume_name(self.name, 0, self.of)
        found.sort(key=lambda file: os.path.basename(file.path) != own)
        return read_header(found[0].path) if found else None

    def sources(self, parity: VolumeHeader) -> Mapping[int, Sequence[VolumeFile]]:
        """Return the files that pieces may be taken from, by this header of the parity volume.

        What disagrees with it is left out; a file with a damaged header counts by its name.
        """
        sources = {}
        for number in range(self.of + 1):
            header = parity.of_volume(number) if number else parity
            prefix = known_file("", header, 0).prefix
            right = [file for file in self._files.get(number, ()) if file.prefix == prefix]
            sources[number] = [*right, *self._restored(header, {file.path for file in right})]
        return {number: files for number, files in sources.items() if files}

    def _restored(self, header: VolumeHeader, right: Collection[str]) -> Iterator[VolumeFile]:
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
        """Return the numbers of the volumes of which nothing is there; with parity a name is something."""
        numbers = (number for number in range(1, self.of + 1) if number not in self._files)
        if 0 not in self._files:
            return list(numbers)
        return [number for number in numbers if volume_name(self.name, number, self.of) not in self._called]

    def problems(self) -> list[Finding]:
        """Return all that is wrong by headers, sizes and names; nothing but headers is read.

        What the parity volume can stand in for is a warning; reading all, as `verify` does, is what shows it.
        """
        return [*self._missing(), *self._misfits(), *self._truncated(), *self._unlisted()]

    def _missing(self) -> Iterator[Finding]:
        missing = self.missing()
        severity = "warning" if 0 in self._files and len(missing) == 1 else "error"
        yield from (self.lacks(number, severity) for number in missing)
        if (
            self.checksums
            and volume_name(self.name, 0, self.of) in self.checksums.sums
            and 0 not in self._files
        ):
            yield Finding(self.subject, "lacks its parity volume: no damage can be healed", check=CHECK)

    def lacks(self, number: int, severity: str) -> Finding:
        """Say that there is nothing of a volume; a warning where parity makes it."""
        problem = f"lacks volume {number} of {self.of}, {volume_name(self.name, number, self.of)}"
        advice = HEALS if severity == "warning" else "bring the medium that has it"
        return Finding(self.subject, problem, severity, check=CHECK, advice=advice)

    def _misfits(self) -> Iterator[Finding]:
        lost = {volume_name(self.name, number, self.of) for number in self.missing()}
        for broken in self._broken:
            severity = "error" if broken.name in lost else "warning"
            problem = f"cannot be read as a volume: {broken.error}"
            yield Finding(broken.path, problem, severity, broken.error.exit_code, check=CHECK)
        for file in self._others:
            yield self._misfit(file, "error" if lost else "warning")

    def _misfit(self, file: VolumeFile, severity: str) -> Finding:
        header = file.header
        problem = f"is volume {header.number} of {header.of}, and not of the same run as the others"
        advice = "bring the volumes of one run together"
        return Finding(file.path, problem, severity, check=CHECK, advice=advice)

    def _truncated(self) -> Iterator[Finding]:
        for files in self._files.values():
            is_there = any(file.size == file.expected for file in files)
            severity = "warning" if is_there or 0 in self._files else "error"
            for file in files:
                if file.size != file.expected:
                    problem = f"is {file.size} bytes, expected {file.expected}"
                    wrong = Finding(file.path, problem, severity, check=CHECK)
                    yield wrong.comparing("size", file.expected, file.size)

    def _unlisted(self) -> Iterator[Finding]:
        severity = "warning" if self._lists.is_signed else "error"
        yield from (replace(as_finding(each), severity=severity) for each in self._lists.errors)
        if self.checksums is None:
            problem = f"has no {list_name(self.name)}, which vouches for its volumes"
            yield Finding(self.subject, problem, "error", check=CHECK, advice="bring it with the last volume")
            return
        expected = {volume_name(self.name, number, self.of) for number in range(1, self.of + 1)}
        parity, listed = volume_name(self.name, 0, self.of), set(self.checksums.sums)
        if 0 in self._files and parity not in listed:
            yield Finding(str(self.list_path), f"does not name {parity}", check=CHECK)
        for name in sorted(expected - listed):
            yield Finding(str(self.list_path), f"does not name {name}", "error", check=CHECK)
        for name in sorted(listed - expected - {parity}):
            yield Finding(
                str(self.list_path), f"names {name}, which is no volume of it", "error", check=CHECK
            )
