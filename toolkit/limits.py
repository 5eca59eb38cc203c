"""Limits: how much is read of data that nobody vouched for (formats G.5, G.6), each of them a setting.

A field `layer` is `layer_limit` under `[lading]`. One value holds for a process: whoever reads the settings
has it held, and whoever reads data asks for it, once for each document, archive or layer.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from toolkit.errors import UnsafeArchive

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


class Limit(int):
    """A number that is not to be passed, and the name of the setting that says so."""

    setting: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What holds where nothing else is said; bytes where no other unit is told."""

    document: int = 4 * MIB  # of a manifest, index or config, and of manifest.json
    v1_json: int = MIB  # of the json of a v1 layer
    names: int = 16 * MIB  # of `repositories` and the other lists in which a store keeps names and records
    text: int = 4 * KIB  # of a layersize, a parent, a link of a registry, and other files of one line
    tar_split_line: int = 8 * MIB  # of one line of a tar-split
    history: int = 10_000  # items in a config's history
    layers: int = 1024  # of an image; more than Docker takes are told (toolkit.image)
    json_depth: int = 64  # levels of a JSON document
    index_depth: int = 8  # indexes in indexes, and things that refer to things that refer to an image
    extension: int = MIB  # of one PAX or GNU header before a tar entry; Go has the same
    path: int = 4096  # of a name in a tar; Linux takes no longer ones
    link: int = 4096  # of a link's target
    xattr: int = 64 * KIB  # of one extended attribute; Linux takes no larger ones
    xattrs: int = 128  # extended attributes of one tar entry
    member: int = 100_000  # members of a bundle
    entry: int = 2_000_000  # entries of a layer
    layer: int = 256 * GIB  # of a layer's tar, unpacked
    bundle: int = 1024 * GIB  # of a bundle in TMPDIR: unpacked, or out of a pipe
    ratio: int = 1000  # times that content may be larger than packed, where that is more than 1280 MiB
    stream: int = 100_000  # gzip members, or xz, bzip2 or zstd streams, of one blob
    window: int = 128 * MIB  # of memory that a zstd or xz decoder looks back over; `zstd --long` asks for it

    def __post_init__(self) -> None:
        """Give each number the name of its setting, for whoever is refused by it."""
        for field in fields(self):
            limit = Limit(getattr(self, field.name))
            limit.setting = f"{field.name}_limit"
            object.__setattr__(self, field.name, limit)


LEAST = {  # what a setting may say at least; else 1
    "path": 256,  # what a plain tar header holds, which is not looked at again
    "link": 256,
    "tar_split_line": MIB,  # what is unpacked at a time, and taken apart without counting
    "window": 8 * MIB,  # that every decoder of zstd should have (RFC 8878, 3.1.1.1.2)
}
MOST = {  # and at most, so that memory stays bounded and recursion shallow
    "document": 32 * MIB,  # all documents of an image together
    "v1_json": 16 * MIB,  # all jsons of an image together
    "names": 32 * MIB,
    "text": MIB,
    "tar_split_line": 32 * MIB,
    "history": 50_000,  # 200,000 values of one document are parsed
    "layers": 10_000,
    "json_depth": 256,  # Python's own recursion ends below 1000
    "index_depth": 64,
    "extension": 8 * MIB,  # seven digits of a PAX record's length
    "path": 65_535,  # what is written down of a folder has two bytes for it
    "link": 65_535,
    "xattr": 8 * MIB,
    "member": 250_000,  # 300 bytes of memory each
    "entry": 4_000_000,  # 40 bytes each, while a layer is unpacked
    "window": 2 * GIB,  # the largest that libzstd takes
}

_held = [Limits()]


def limits() -> Limits:
    """Return the limits that hold in this process."""
    return _held[0]


def hold(limits: Limits) -> None:
    """Let other limits hold, for all threads, from the next document, archive or layer on."""
    _held[0] = limits


def above(subject: str, fact: str, limit: int) -> UnsafeArchive:
    """Return the refusal of what told how much it is: `is 5000 bytes`."""
    return UnsafeArchive(subject, f"{fact}, expected at most {limit}", says(limit))


def more_than(subject: str, fact: str, limit: int) -> UnsafeArchive:
    """Return the refusal of what goes on beyond a limit: `has more than {} entries`."""
    return UnsafeArchive(subject, f"{fact.format(limit)}, expected at most that", says(limit))


def says(limit: int) -> str:
    """Say which setting a limit is of; nothing of a number that is none."""
    return f"[lading] {limit.setting} says so" if isinstance(limit, Limit) else ""
