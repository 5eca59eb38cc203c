"""Checking a set: every volume is read once, and compared with the list; what cannot be healed is told.

A volume that is healed counts only when all of it, as it would be then, has the sha256 that the list says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from toolkit.checks import as_finding
from toolkit.digest import Digest, new_hash
from toolkit.errors import CorruptContent, Mismatch, ToolkitError
from toolkit.image import Finding
from toolkit.mirror.healing import Healer
from toolkit.mirror.setmap import named
from toolkit.mirror.setreading import SetReader
from toolkit.mirror.volume import VolumeHeader, pieces_in, volume_name
from toolkit.mirror.volumefile import VolumeFile
from toolkit.mirror.volumeset import CHECK, HEALS
from toolkit.plumbing.parallel import in_parallel
from toolkit.plumbing.streams import digest_of


def verify_set(reader: SetReader, jobs: int | None = None) -> list[Finding]:
    """Return all that is wrong with a set, having read every byte of it: errors, and what parity makes good.

    Volumes that are whole are read as they are from then on, without a look at each piece.
    """
    volumes = reader.volumes
    findings = volumes.problems()
    if volumes.checksums is None:
        return findings
    sums = {
        number: sha256
        for number in range(volumes.of + 1)
        if (sha256 := volumes.checksums.sums.get(volume_name(volumes.name, number, volumes.of)))
    }
    found = in_parallel(
        lambda number: list(_checked(reader, number, sums[number])),
        sorted(sums),
        lambda number: sum(file.size for file in volumes.copies.get(number, ())),
        jobs,
    )
    return [*findings, *(finding for each in found for finding in each)]


def _checked(reader: SetReader, number: int, sha256: str) -> Iterator[Finding]:
    """Yield what is wrong with one volume, by the sha256 of its files."""
    wrong: list[ToolkitError] = []
    for file in reader.volumes.copies.get(number, ()):
        try:
            _must_be(file, sha256)
        except ToolkitError as error:
            wrong.append(error)
            continue
        reader.trust(number, file)
        break
    else:
        if number == 0:
            yield from (_warning(error, "no damage can be healed where it is damaged") for error in wrong)
        else:
            yield from _made_good(reader, number, sha256, wrong)
        return
    yield from (_warning(error, "another copy is whole") for error in wrong)


def _made_good(reader: SetReader, number: int, sha256: str, wrong: list[ToolkitError]) -> Iterator[Finding]:
    if reader.healer is None or reader.volumes.parity is None:
        for error in wrong:
            yield as_finding(error, f"it damages {named(_damaged(reader, number))}")
        return
    try:
        _must_heal(reader.healer, reader.volumes.parity.of_volume(number), sha256)
    except ToolkitError as error:
        yield from map(as_finding, (*wrong, error))
        return
    yield from (_warning(error, HEALS) for error in wrong)


def _must_be(file: VolumeFile, sha256: str) -> None:
    """Raise Mismatch where a file has another sha256, and whatever keeps it from being read."""
    with file.whole() as content:
        digest = digest_of(content.blocks())
    if digest.hex != sha256:
        raise Mismatch(file.path, "sha256", "", digest.hex, sha256)


def _must_heal(healer: Healer, header: VolumeHeader, sha256: str) -> None:
    """Raise CorruptContent where a volume cannot be healed, told of its first such piece and their number."""
    hash_, failures = new_hash(), list[CorruptContent]()
    hash_.update(header.prefix)
    for index in range(pieces_in(header.size)):
        try:
            hash_.update(healer.piece(header.number, index))
        except CorruptContent as error:
            failures.append(error)
    hash_.update(header.suffix())
    if failures:
        more = f" (and {len(failures) - 1} more places)" if len(failures) > 1 else ""
        raise CorruptContent(failures[0].subject, failures[0].problem + more, failures[0].advice)
    if (actual := hash_.hexdigest()) != sha256:
        raise Mismatch(f"{header.file_name}, healed", "sha256", "bring another copy", actual, sha256)


def _damaged(reader: SetReader, number: int) -> list[Digest]:
    """Return the blobs that a damaged volume damages, having read those of which it has a part."""
    header = reader.map.headers[number]
    touched = reader.map.touched(number, 0, header.size)
    return [digest for digest in touched if not _is_right(reader, digest)]


def _is_right(reader: SetReader, digest: Digest) -> bool:
    blob = reader.map.blobs[digest]
    try:
        with reader.open(blob.offset, blob.size) as content:
            return digest_of(content.blocks(), digest.algorithm) == digest
    except ToolkitError:
        return False


def _warning(error: ToolkitError, advice: str) -> Finding:
    return replace(as_finding(error, advice), severity="warning", check=CHECK)
