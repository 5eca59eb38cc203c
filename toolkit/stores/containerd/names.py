"""The names of a containerd store: its database meta.db (containerd core/metadata/buckets.go; formats C.1).

    v1/<namespace>/images/<name>/target/{digest,mediatype,size}

`digest` and `mediatype` are text, `size` is a Go varint of bytes. A namespace is one client's: Docker's is
`moby`, that of Kubernetes `k8s.io`. Times, labels and annotations are of no concern here, and neither is
`v1/<namespace>/content/blob/<digest>`, by which containerd decides what it serves to whom: a namespace is
no fence to who can read the folder, and a digest proves a blob wherever it lies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from toolkit.bundles.entries import digest_in, familiar
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, InvalidDigest, NotFound, UnsafeArchive, UsageError
from toolkit.model import Descriptor
from toolkit.plumbing.bolt import Bolt, Bucket

VERSION, IMAGES, TARGET = b"v1", b"images", b"target"
FIELDS = (b"digest", b"mediatype", b"size")  # of a target
PREFERRED = ("moby", "k8s.io")
DANGLING = "moby-dangling@"  # what Docker calls an image whose name went to another (daemon/containerd)
NAMESPACES, NAMES = 1_000, 100_000  # of a store, and of images in one of them, held in memory
TEXT = 16 << 20  # bytes of such names
LONGEST_TYPE = 255  # bytes of a media type (RFC 6838)
FEW = 20  # namespaces to list in a sentence
VARINT_LIMIT = 10  # bytes of 64 bits, seven in each


@dataclass(slots=True)
class Names:
    """What a database tells of one namespace, as far as it is whole: its images by name."""

    named: list[tuple[tuple[str, ...], Descriptor]] = field(default_factory=list)
    damage: CorruptContent | None = None  # the first thing that could not be read
    namespace: str = ""  # whose they are
    others: tuple[str, ...] = ()  # namespaces that hold images too


def read_names(bolt: Bolt, namespace: str, place: str) -> Names:
    """Read the names of a namespace, of the one that is meant where none is given.

    Raises NotFound for a namespace that is not there, UsageError where several may be meant, and
    CorruptContent where not even they can be read.
    """
    found = Names()
    version = bolt.root.bucket(VERSION)
    spaces = {_text(name): space for name, space in _at_most(NAMESPACES, version)}
    found.namespace = _chosen(spaces, namespace, place)
    found.others = tuple(
        name for name, space in spaces.items() if name != found.namespace and _holds_images(space)
    )
    images = spaces[found.namespace].bucket(IMAGES) if found.namespace else None
    if images is None:
        return found
    try:
        for name, record in _at_most(NAMES, images):
            _add(found, name, record)
    except CorruptContent as error:  # what is left of the bucket cannot be found
        found.damage = found.damage or error
    return found


def printed(name: str, target: Digest) -> tuple[str, ...]:
    """Return a stored name as Docker prints it; none for what only says again which image it is.

    Kubernetes stores an image under its ID as well, and one whose tag has moved on keeps a name of Docker's
    making. A name with a digest that is not its target's would answer for another image, and is no name.
    """
    told = digest_in(name)
    if name.startswith(DANGLING) or name == str(told) or told not in {None, target}:
        return ()
    return (familiar(name),)


def signed(raw: bytes) -> int:
    """Read a whole number as Go's binary.PutVarint writes it; raises ValueError."""
    number = 0
    for place, byte in enumerate(raw[:VARINT_LIMIT]):
        number |= (byte & 0x7F) << 7 * place
        if byte < 0x80:  # noqa: PLR2004 - the mark of all bytes but the last
            return number >> 1 ^ -(number & 1)
    raise ValueError(f"{raw[:VARINT_LIMIT].hex()} is no varint")


def _at_most(count: int, place: Bucket | None) -> Iterator[tuple[bytes, Bucket]]:
    """Yield the buckets in one; raises UnsafeArchive where they, or their names, are too many to hold."""
    left = TEXT
    for number, (name, found) in enumerate(place.buckets() if place else ()):
        left -= len(name)
        if number == count or left < 0:
            bounds = f"{count} names, or {TEXT} bytes of them"
            raise UnsafeArchive(found.bolt.subject, f"has more than {bounds}, in one bucket")
        yield name, found


def _chosen(spaces: Mapping[str, Bucket], wanted: str, place: str) -> str:
    """Return the namespace that is meant; empty where there is none.

    Unasked, one that holds images goes before those that do not: Docker has its namespace in every containerd
    that it runs containers on, also while its images lie elsewhere.
    """
    if wanted:
        if wanted not in spaces:
            raise NotFound(f"namespace {wanted}", f"is not in {place}", f"it has {_listed(spaces)}")
        return wanted
    full = [name for name, space in spaces.items() if _holds_images(space)] or list(spaces)
    name = next((name for name in PREFERRED if name in full), full[0] if len(full) == 1 else "")
    if full and not name:
        advice = "name one: --namespace NAME"
        raise UsageError(place, f"has several namespaces, {_listed(full)}, and it is not told which", advice)
    return name


def _holds_images(space: Bucket) -> bool:
    """Tell whether a namespace holds images; what cannot be read may."""
    try:
        images = space.bucket(IMAGES)
        return images is not None and next(images.buckets(), None) is not None
    except CorruptContent:
        return True


def _add(found: Names, name: bytes, record: Bucket) -> None:
    """Read one image; what is wrong with it costs only that one."""
    try:
        top = _target(name, record)
    except CorruptContent as error:
        found.damage = found.damage or error
        return
    found.named.append((printed(_text(name), top.digest), top))


def _target(name: bytes, record: Bucket) -> Descriptor:
    """Return what a name points at."""
    subject = f"image {_text(name)} in {record.bolt.subject}"
    target = record.bucket(TARGET)
    items = target.items() if target else ()
    found = {key: value for key, value in items if key in FIELDS and isinstance(value, bytes)}
    if missing := [key.decode() for key in FIELDS if key not in found]:
        raise CorruptContent(subject, f"has no target/{missing[0]}")
    digest, media_type, size = (found[key] for key in FIELDS)
    if len(media_type) > LONGEST_TYPE:
        problem = f"has a media type of {len(media_type)} bytes, expected at most {LONGEST_TYPE}"
        raise CorruptContent(subject, problem)
    try:
        told = Descriptor(_text(media_type), Digest.parse(_text(digest)), signed(size))
    except (InvalidDigest, ValueError) as error:
        raise CorruptContent(subject, f"has a target that cannot be read ({error})") from error
    if told.size < 0:
        raise CorruptContent(subject, f"has a target of {told.size} bytes, expected 0 or more")
    return told


def _listed(spaces: Mapping[str, Bucket] | list[str]) -> str:
    return ", ".join([*spaces][:FEW]) + (" …" if len(spaces) > FEW else "") or "none"


def _text(raw: bytes) -> str:
    """Return a Go string, which may be any bytes."""
    return raw.decode(errors="backslashreplace")
