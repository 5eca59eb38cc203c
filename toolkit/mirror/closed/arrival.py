"""Arrival: a set that came on media, read in place: all of it checked before anything of it is believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.bundles.entries import digest_in
from toolkit.digest import Digest
from toolkit.errors import (
    CorruptContent,
    InvalidReference,
    Mismatch,
    NotFound,
    ToolkitError,
    TryAgain,
    UnsafeArchive,
    Unsupported,
)
from toolkit.image import Finding
from toolkit.mirror.media.setblobs import SetBlobs
from toolkit.mirror.media.setcheck import Checked, verify_set
from toolkit.mirror.media.setimages import MADE_WRONG
from toolkit.mirror.media.setreading import SetReader
from toolkit.mirror.media.volume import list_name
from toolkit.mirror.media.volumeset import VolumeSet
from toolkit.mirror.records import papers
from toolkit.mirror.records.increment import INCREMENT, Increment
from toolkit.operations.signing import SignedList, signed_list
from toolkit.plumbing.files import Stamp, storing
from toolkit.reference import Reference
from toolkit.report import NOTE
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
            if _stamp(path) != stamp:
                raise CorruptContent(path, "was changed while the set was received", "receive it again")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A set that cannot be believed: one sentence, and all that was found."""

    error: ToolkitError
    findings: tuple[Finding, ...] = ()


def arrive(volumes: VolumeSet, folders: Sequence[Path], keys: Sequence[PublicKey]) -> Arrival | Refusal:
    """Check a set: its list by a signature if there are keys, its volumes by that, then its increment."""
    findings: list[Finding] = []
    try:
        stamps = {file.path: _stamp(file.path) for files in volumes.files.values() for file in files}
        findings += signers(volumes, folders, keys)
        checked = verify_set(volumes)
        findings += checked.findings
        _must_be_sound(volumes, checked)
        assert checked.reader  # noqa: S101 - for the reader and mypy: nothing is wrong
        blobs = SetBlobs(checked.reader)
        increment = increment_of(volumes, blobs)
        must_be_true(increment, blobs)
    except ToolkitError as error:
        return Refusal(error, tuple(findings))
    return Arrival(increment, blobs, tuple(findings), stamps)


def glance(volumes: VolumeSet) -> Increment | None:
    """Return what a set says that it holds, unproven; None where that cannot be read.

    It may tell of a set that all of it is here already, and nothing else: it is read again with the rest.
    """
    with suppress(ToolkitError):
        map_ = volumes.claimed_map()
        offset, size = map_.files.get(INCREMENT, (0, papers.LIMIT + 1))
        if size > papers.LIMIT:
            return None
        reader = SetReader(map_, {number: files[0] for number, files in volumes.files.items()})
        with reader.open(offset, size) as content:
            return _increment(volumes, b"".join(map(bytes, content.blocks())))
    return None


def increment_of(volumes: VolumeSet, blobs: SetBlobs) -> Increment:
    """Read the increment of a set; raises Unsupported without one, Mismatch where it is another set's."""
    raw = blobs.read(INCREMENT, papers.LIMIT)
    if raw is None:
        raise Unsupported(
            volumes.subject, f"has no {INCREMENT}", "import it as any bundle: lading import FILE"
        )
    return _increment(volumes, raw)


def _increment(volumes: VolumeSet, raw: bytes) -> Increment:
    increment = Increment.parse(raw, f"{INCREMENT} of {volumes.subject}")
    if (increment.name, increment.site) != (volumes.name, volumes.site):
        raise Mismatch(volumes.subject, "set", MADE_WRONG, increment.name, volumes.name)
    return increment


def must_be_true(increment: Increment, blobs: SetBlobs) -> None:
    """Raise CorruptContent where a set contains something else than it says, or a name is none."""
    subject = f"set {increment.name}"
    said = {blob.digest: blob.size for blob in increment.contains}
    there = {digest: blobs.size(digest) for digest in blobs.digests()}
    if wrong := sorted({digest for digest, _ in said.items() ^ there.items()}):
        problem = f"says in {INCREMENT} that blob {wrong[0]} has {_bytes(said, wrong[0])}"
        raise CorruptContent(
            subject, f"{problem}, and its volumes have {_bytes(there, wrong[0])}", MADE_WRONG
        )
    for image in increment.images:
        _must_be_a_name(image.name, subject)
        if digest_in(image.name) not in {None, image.digest}:
            raise CorruptContent(subject, f"calls {image.digest} {image.name}", MADE_WRONG)


def _must_be_a_name(name: str, subject: str) -> None:
    """Raise CorruptContent for what is no reference, or not written as the other side writes one.

    Else one name could be two images, and one from an older set would not give way to the newer.
    """
    try:
        written = Reference.parse(name).familiar
    except InvalidReference as error:
        problem = f"names an image {name[:200]!r}, which is no name for one"
        raise CorruptContent(subject, problem, MADE_WRONG) from error
    if name != written:
        raise CorruptContent(subject, f"names an image {name}, expected {written}", MADE_WRONG)


def _bytes(sizes: Mapping[Digest, int | None], digest: Digest) -> str:
    return f"{sizes[digest]} bytes" if digest in sizes else "none of it"


def _stamp(path: str) -> Stamp | None:
    with storing(path):
        return Stamp.of(Path(path))


def _must_be_sound(volumes: VolumeSet, checked: Checked) -> None:
    """Raise TryAgain where volumes have yet to come and nothing else is wrong, else CorruptContent."""
    errors = checked.errors
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


def with_a_say(
    sets: Sequence[VolumeSet], folders: Sequence[Path], keys: Sequence[PublicKey]
) -> Sequence[VolumeSet]:
    """Return the sets that may say which site this is: where there are keys, those whose list is signed.

    Where none is, all of them: each is refused, and says why.
    """
    own = (one for one in sets if one.name.rpartition("_")[0] == one.site)
    return [one for one in own if _is_signed(one, folders, keys)] or sets


def _is_signed(volumes: VolumeSet, folders: Sequence[Path], keys: Sequence[PublicKey]) -> bool:
    try:
        return bool(signers(volumes, folders, keys))
    except ToolkitError:
        return False


def signers(volumes: VolumeSet, folders: Sequence[Path], keys: Sequence[PublicKey]) -> list[Finding]:
    """Return who signed the list, wherever that lies; nothing where nobody has to, or without a list.

    The set is then what that list says: another one, on any medium, keeps it out no more than none.
    Raises as `signed_list`.
    """
    if not keys or not volumes.list_path:  # the absence of a list is told by whoever reads the volumes
        return []
    path, found = _signed(volumes, folders, keys)
    volumes.believe(path, found.checksums)
    return [Finding(volumes.subject, str(found), NOTE, check="signature")]


def _signed(
    volumes: VolumeSet, folders: Sequence[Path], keys: Sequence[PublicKey]
) -> tuple[Path, SignedList]:
    """Return the list as one of `keys` signed it, on any of the media; raises what is wrong with one."""
    assert volumes.list_path  # noqa: S101 - for the reader and mypy: asked before
    lists = [folder / list_name(volumes.name) for folder in folders]
    errors: list[ToolkitError] = []
    for sums in dict.fromkeys((*lists, volumes.list_path)):
        try:
            return sums, signed_list(sums, sums, keys)
        except ToolkitError as error:
            errors.append(error)
    raise min(errors, key=_is_absent)


def _is_absent(error: ToolkitError) -> bool:
    """Tell whether there is no signature, which says less than one that is wrong."""
    return isinstance(error.__cause__, NotFound)
