"""Checking a set: every volume is read once, and compared with the list; what cannot be healed is told.

A volume that is healed counts only when all of it, as it would be then, has the sha256 that the list says.
What is where in a set is known afterwards, by the headers of the volumes that were proven: before, a header
is what anybody may have written, that of the parity volume too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from toolkit.checks import as_finding
from toolkit.digest import Digest
from toolkit.errors import ToolkitError
from toolkit.image import Finding
from toolkit.mirror.media.healing import Healer
from toolkit.mirror.media.proving import ProvenVolume, Range, is_kept, proven_file, proven_healed
from toolkit.mirror.media.setmap import SetMap, named
from toolkit.mirror.media.setreading import SetReader
from toolkit.mirror.media.volume import VolumeHeader
from toolkit.mirror.media.volumeset import CHECK, HEALS, VolumeSet
from toolkit.plumbing.parallel import in_parallel
from toolkit.plumbing.streams import digest_of
from toolkit.report import ERROR, WARNING

NO_HEALING = "no damage can be healed where it is damaged"


@dataclass(frozen=True, slots=True)
class Checked:
    """A set that was read as a whole: all that is wrong with it, and what it holds if nothing is."""

    findings: list[Finding]
    reader: SetReader | None  # none of a set that was not proven

    @property
    def errors(self) -> list[Finding]:
        """Return what keeps the set from being believed."""
        return [finding for finding in self.findings if finding.severity == ERROR]


def verify_set(volumes: VolumeSet, jobs: int | None = None) -> Checked:
    """Read every byte of a set, and say what is wrong: errors, and what parity makes good."""
    findings = volumes.problems()
    if volumes.checksums is None:
        return Checked(findings, None)
    check = _Check(volumes, jobs)
    findings += check.findings()
    if any(finding.severity == ERROR for finding in findings):
        return Checked(findings, None)
    try:
        return Checked(findings, check.reader())
    except ToolkitError as error:
        return Checked([*findings, as_finding(error)], None)


class _Check:
    """One look at all volumes of a set."""

    def __init__(self, volumes: VolumeSet, jobs: int | None) -> None:
        self._volumes, self._jobs, self._sums = volumes, jobs, volumes.sums
        self._proven: dict[int, ProvenVolume] = {}
        self._wrong: dict[int, list[ToolkitError]] = {}
        self._healer: Healer | None = None

    def findings(self) -> Iterator[Finding]:
        """Prove each volume by one of its files; then make those that are left by parity."""
        numbers = sorted(self._sums)
        in_parallel(self._prove, numbers, self._size, self._jobs)
        for number in sorted(self._proven):
            yield from (_warning(error, "another copy is whole") for error in self._wrong[number])
        yield from (_warning(error, NO_HEALING) for error in self._wrong.get(0, ()) if 0 not in self._proven)
        if lost := [number for number in numbers if number and number not in self._proven]:
            parity = self._parity()
            made = in_parallel(lambda number: list(self._make(number, parity)), lost, self._size, self._jobs)
            yield from (finding for each in made for finding in each)

    def reader(self) -> SetReader:
        """Return the set as it was proven; raises CorruptContent where volumes contradict each other."""
        proven = {number: one for number, one in sorted(self._proven.items()) if number}
        map_ = SetMap.of_volumes((one.header for one in proven.values()), self._volumes.subject)
        map_.must_be_whole()
        files = {number: one.file for number, one in proven.items() if one.file}
        return SetReader(map_, files, self._healer, self._documents(map_))

    def _prove(self, number: int) -> None:
        """Find a file of a volume that is whole; one that has not the size it says is not read."""
        wrong = self._wrong[number] = []
        for file in self._volumes.files.get(number, ()):
            if file.size == file.expected and number not in self._proven:
                try:
                    self._proven[number] = proven_file(file, self._sums[number])
                except ToolkitError as error:
                    wrong.append(error)

    def _size(self, number: int) -> int:
        return sum(file.size for file in self._volumes.files.get(number, ()))

    def _parity(self) -> VolumeHeader | None:
        """Return the header to heal by: a proven one, or one that what is healed by it confirms."""
        proven = self._proven.get(0)
        with suppress(ToolkitError):
            parity = proven.header if proven else self._volumes.claimed_parity()
            if parity and self._fits(parity):
                sources = {**self._volumes.sources(parity)}
                sources |= {number: [one.file] for number, one in self._proven.items() if one.file}
                self._healer = Healer(SetMap.of_parity(parity, self._volumes.subject), parity, sources)
                return parity
        return None

    def _fits(self, parity: VolumeHeader) -> bool:
        """Tell whether parity cuts the set as the volumes are cut that were proven: else it is another's."""
        proven = {number: one.header for number, one in self._proven.items() if number}
        cuts = {number: parity.of_volume(number) for number in proven if number <= len(parity.sizes)}
        return parity.of == self._volumes.of and all(
            (cuts[number].offset, cuts[number].size, parity.total) == (one.offset, one.size, one.total)
            for number, one in proven.items()
        )

    def _make(self, number: int, parity: VolumeHeader | None) -> Iterator[Finding]:
        """Make a volume by parity, and say what that makes good, or that it could not be done."""
        wrong = self._wrong[number]
        if self._healer is None or parity is None:
            yield from self._not_made(number)
            return
        try:
            self._proven[number] = proven_healed(self._healer, parity.of_volume(number), self._sums[number])
        except ToolkitError as error:
            yield from map(as_finding, (*wrong, error))
            return
        yield from (_warning(error, HEALS) for error in wrong)

    def _not_made(self, number: int) -> Iterator[Finding]:
        if wrong := self._wrong[number]:
            damaged = named(_damaged(self._volumes, number))
            yield from (as_finding(error, f"it damages {damaged}") for error in wrong)
        elif number in self._volumes.missing() and 0 in self._volumes.files:  # which is of no use
            yield self._volumes.lacks(number, ERROR)
        elif 0 in self._volumes.files:
            problem = f"is damaged in volume {number} of {self._volumes.of}, and parity cannot make it"
            yield Finding(self._volumes.subject, problem, ERROR, check=CHECK, advice="bring another copy")

    def _documents(self, map_: SetMap) -> Mapping[str, bytes]:
        """Return the documents of the set; one that is too large is left out, whoever reads it says so."""
        return {
            name: b"".join(self._part(*part) for part in map_.placed(*place))
            for name, place in map_.files.items()
            if is_kept(name, place[1])
        }

    def _part(self, number: int, begin: int, end: int) -> bytes:
        """Return a part of a document; that is in volume 1 as a rule, else its volume is read once more."""
        one, place = self._proven[number], (begin, end)
        if place not in one.parts:
            one = self._again(one, place)
        return one.parts[place]

    def _again(self, one: ProvenVolume, place: Range) -> ProvenVolume:
        sha256 = self._sums[one.header.number]
        if one.file:
            return proven_file(one.file, sha256, [place])
        assert self._healer  # noqa: S101 - for the reader and mypy: it made the volume
        return proven_healed(self._healer, one.header, sha256, [place])


def _damaged(volumes: VolumeSet, number: int) -> Sequence[Digest]:
    """Return the blobs that a damaged volume damages, by what headers say, having read them."""
    with suppress(ToolkitError):
        map_ = SetMap.of_volumes((one for one in volumes.claimed_headers() if one.number), volumes.subject)
        files = {one: copies[0] for one, copies in volumes.files.items() if one}
        reader, size = SetReader(map_, files), map_.headers[number].size
        return [digest for digest in map_.touched(number, 0, size) if not _is_right(reader, digest)]
    return []


def _is_right(reader: SetReader, digest: Digest) -> bool:
    blob = reader.map.blobs[digest]
    try:
        with reader.open(blob.offset, blob.size) as content:
            return digest_of(content.blocks(), digest.algorithm) == digest
    except ToolkitError:
        return False


def _warning(error: ToolkitError, advice: str) -> Finding:
    return replace(as_finding(error, advice), severity=WARNING, check=CHECK)
