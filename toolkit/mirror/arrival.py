"""Arrival: a set that came on media, read in place: all of it checked before anything of it is believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.bundles.entries import digest_in
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, Mismatch, ToolkitError, TryAgain, UnsafeArchive, Unsupported
from toolkit.image import Finding
from toolkit.mirror import papers
from toolkit.mirror.building import INCREMENT
from toolkit.mirror.increment import Increment
from toolkit.mirror.setblobs import SetBlobs
from toolkit.mirror.setcheck import verify_set
from toolkit.mirror.setimages import MADE_WRONG
from toolkit.mirror.setreading import SetReader
from toolkit.mirror.volume import list_name
from toolkit.mirror.volumefile import VolumeFile
from toolkit.mirror.volumeset import VolumeSet
from toolkit.operations.companion import SIGNATURE, beside
from toolkit.operations.signing import SignedList, signed_list
from toolkit.plumbing.files import Stamp
from toolkit.reference import meaning
from toolkit.report import ERROR, NOTE
from toolkit.signature import PublicKey

LACKS = ("lacks volume ", "has no ")  # how findings of what has not come yet begin


@dataclass(frozen=True, slots=True)
class Arrival:
    """A set that was proven as a whole."""

    increment: Increment
    blobs: SetBlobs
    findings: tuple[Finding, ...]  # what was healed, and who signed
    stamps: dict[str, Stamp | None] = field(repr=False)  # of its files, before anything was read

    def must_be_unchanged(self) -> None:
        """Raise CorruptContent where a file is not the one any more that was checked."""
        for path, stamp in self.stamps.items():
            if Stamp.of(Path(path)) != stamp:
                raise CorruptContent(path, "was changed while the set was received", "receive it again")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A set that cannot be believed: one sentence, and all that was found."""

    error: ToolkitError
    findings: tuple[Finding, ...] = ()


def arrive(volumes: VolumeSet, folders: Sequence[Path], keys: Sequence[PublicKey]) -> Arrival | Refusal:
    """Check a set: its volumes by its list, that by its signature if there are keys, then its increment."""
    findings: list[Finding] = []
    try:
        stamps = {file.path: Stamp.of(Path(file.path)) for file in files_of(volumes)}
        findings += signers(volumes, folders, keys)
        reader = SetReader(volumes)
        findings += verify_set(reader)
        _must_be_sound(volumes, findings)
        blobs = SetBlobs(reader)
        increment = increment_of(volumes, blobs)
        must_be_true(increment, blobs)
    except ToolkitError as error:
        return Refusal(error, tuple(findings))
    return Arrival(increment, blobs, tuple(findings), stamps)


def glance(volumes: VolumeSet) -> Increment | None:
    """Return what a set says that it holds, unproven; None where that cannot be read."""
    with suppress(ToolkitError):
        return increment_of(volumes, SetBlobs(SetReader(volumes)))
    return None


def files_of(volumes: VolumeSet) -> list[VolumeFile]:
    """Return all files that volumes are read from."""
    return [file for files in volumes.copies.values() for file in files]


def increment_of(volumes: VolumeSet, blobs: SetBlobs) -> Increment:
    """Read the increment of a set; raises Unsupported without one, Mismatch where it is another set's."""
    raw = blobs.read(INCREMENT, papers.LIMIT)
    if raw is None:
        raise Unsupported(
            volumes.subject, f"has no {INCREMENT}", "import it as any bundle: lading import FILE"
        )
    increment = Increment.parse(raw, f"{INCREMENT} of {volumes.subject}")
    if (increment.name, increment.site) != (volumes.name, volumes.site):
        raise Mismatch(volumes.subject, "set", MADE_WRONG, increment.name, volumes.name)
    return increment


def must_be_true(increment: Increment, blobs: SetBlobs) -> None:
    """Raise CorruptContent where a set contains something else than it says, or a name means two images."""
    subject = f"set {increment.name}"
    said = {blob.digest: blob.size for blob in increment.contains}
    there = {digest: blobs.size(digest) for digest in blobs.digests()}
    if wrong := sorted({digest for digest, _ in said.items() ^ there.items()}):
        problem = f"says in {INCREMENT} that blob {wrong[0]} has {_bytes(said, wrong[0])}"
        raise CorruptContent(
            subject, f"{problem}, and its volumes have {_bytes(there, wrong[0])}", MADE_WRONG
        )
    known: dict[tuple[str, ...], Digest] = {}
    for image in increment.images:
        if digest_in(image.name) not in {None, image.digest}:
            raise CorruptContent(subject, f"calls {image.digest} {image.name}", MADE_WRONG)
        if (other := known.setdefault(meaning(image.name), image.digest)) != image.digest:
            problem = f"names {image.name} twice, as {other} and {image.digest}"
            raise CorruptContent(subject, problem, MADE_WRONG)


def _bytes(sizes: Mapping[Digest, int | None], digest: Digest) -> str:
    return f"{sizes[digest]} bytes" if digest in sizes else "none of it"


def _must_be_sound(volumes: VolumeSet, findings: Sequence[Finding]) -> None:
    """Raise TryAgain where volumes have yet to come and nothing else is wrong, else CorruptContent."""
    errors = [finding for finding in findings if finding.severity == ERROR]
    if not errors:
        return
    lacks = [each for each in errors if each.subject == volumes.subject and each.problem.startswith(LACKS)]
    if len(lacks) == len(errors):
        problem = f"is not here whole: {_missing(volumes)}"
        raise TryAgain(volumes.subject, problem, "bring them, and receive again with all folders")
    more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
    is_unsafe = any(each.exit_code == UnsafeArchive.exit_code for each in errors)
    kind = UnsafeArchive if is_unsafe else CorruptContent
    problem = f"cannot be trusted: {errors[0].subject} {errors[0].problem}{more}"
    advice = "bring other copies of the volumes that are named"
    if any(
        each.problem.startswith("sha256 is ") for each in errors
    ):  # which of the two is wrong nobody knows
        advice += f"; or {list_name(volumes.name)} is damaged: bring another copy of it"
    raise kind(volumes.subject, problem, advice)


def _missing(volumes: VolumeSet) -> str:
    numbers = volumes.missing()
    if not numbers:
        return f"{list_name(volumes.name)} is missing"
    told = ", ".join(map(str, numbers))
    are = f"number {told} is" if len(numbers) == 1 else f"numbers {told} are"
    return f"of its {volumes.of} volumes {are} missing"


def signers(volumes: VolumeSet, folders: Sequence[Path], keys: Sequence[PublicKey]) -> list[Finding]:
    """Return who signed the list, wherever its signature lies; nobody without keys, or without a list.

    Raises as `signed_list`, and CorruptContent where another list was signed.
    """
    if not keys or not volumes.list_path:  # the absence of a list is told by whoever reads the volumes
        return []
    found = _signed(volumes, folders, keys)
    if found.checksums != volumes.checksums:
        problem = "is another list than the one beside the volumes that was signed"
        raise CorruptContent(str(volumes.list_path), problem, "bring volumes of one run together")
    told = f"is signed by key {found.key.key_id}: {found.signature.trusted_comment}"
    return [Finding(volumes.subject, told, NOTE, check="signature")]


def _signed(volumes: VolumeSet, folders: Sequence[Path], keys: Sequence[PublicKey]) -> SignedList:
    """Return the list as it is signed on any of the media."""
    lists = [folder / list_name(volumes.name) for folder in folders]
    beside_lists = [sums for sums in lists if beside(sums, SIGNATURE).exists()]
    sums = (beside_lists or [sums for sums in lists if sums.exists()])[0]
    return signed_list(sums, sums, keys)
