"""Where a command writes to: a store, or a bundle in a file, a folder or standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from toolkit import places
from toolkit.bundles import DEFAULT, create_bundle, named
from toolkit.bundles.packed import compression_of, loads_packed, target_for
from toolkit.bundles.streamed import Streamed
from toolkit.cli.output import Output
from toolkit.errors import NotFound, UsageError
from toolkit.event import Tell
from toolkit.image import Finding, ProvenImage
from toolkit.place import AUTO, SCHEMES, STANDARD_STREAM, Place
from toolkit.plumbing.files import storing
from toolkit.plumbing.nameless import temporary_folder
from toolkit.ports import Loses, Renames, Sink
from toolkit.report import NOTE
from toolkit.settings import Settings

FORMAT_OF = {"": DEFAULT, "docker-archive": "docker-v1.2", "oci-archive": "oci", "dir": "dir"}  # as skopeo's
UNTAGGED = "has no tag there, and some registries remove such an image; to give it one: "
STORES = SCHEMES - {*FORMAT_OF, AUTO}


@dataclass(frozen=True, slots=True)
class Target:
    """A sink, and what is to be said of it."""

    sink: Sink
    place: str
    format: str = ""  # of a bundle; empty for a store
    written: Path | Streamed | None = None  # the bundle

    @property
    def size(self) -> int:
        """Return the bytes of a bundle that was written."""
        if isinstance(self.written, Streamed):
            return self.written.size
        if self.written is None:
            return 0
        files = self.written.iterdir() if self.written.is_dir() else [self.written]
        return sum(file.stat().st_size for file in files)

    @property
    def outer(self) -> str:
        """Return how a bundle that was written is compressed as a whole."""
        return compression_of(self.written) if isinstance(self.written, Path) else ""

    @property
    def keeps_platforms(self) -> bool:
        """Tell whether all platforms of an index are kept; a legacy root and what is like it have one."""
        if self.format:
            return named(self.format).losses_of is None
        return not isinstance(self.sink, Loses)

    def kept(self, images: Sequence[ProvenImage]) -> list[ProvenImage]:
        """Return the images as they are there: their names, and what refers to them if it is kept."""
        if isinstance(self.sink, Renames):
            images = [replace(image, names=tuple(self.sink.names_there(image.names))) for image in images]
        if self.keeps_platforms and self.format != "dir":
            return list(images)
        return [replace(image, referrers=()) for image in images]

    def pinned(self, images: Sequence[ProvenImage]) -> list[str]:
        """Return what images, as they were carried, are pulled by from a registry whatever their tags."""
        sink = self.sink
        if not isinstance(sink, Renames):
            return []
        told = [
            f"{one}@{image.top.digest}" for image in images for one in sink.repositories_there(image.names)
        ]
        return list(dict.fromkeys(told))

    def findings(self, images: Sequence[ProvenImage]) -> list[Finding]:
        """Return what there is to say of the bundle as a whole, or of images, as they were carried."""
        if isinstance(self.written, Path):
            return loads_packed(self.written)
        if not isinstance(self.sink, Renames) or "@" in self.place:
            return []
        bare = [image for image in images if not self.sink.names_there(image.names)]
        return [Finding(f"image {image.top.digest}", f"{UNTAGGED}{self.place}:TAG", NOTE) for image in bare]


def target(text: str, format_: str | None, settings: Settings, output: Output, progress: Tell) -> Target:
    """Return any place to write to; raises UsageError, InvalidPlace, NotFound or Unsupported."""
    if places.is_bundle(text):
        return bundle(text, format_, output, progress)
    if format_:
        raise UsageError(f"--format {format_}", f"is for bundles, and {text} is a store")
    sink = places.open_sink(text, settings)
    return Target(sink, sink.place)


def bundle(text: str, format_: str | None, output: Output, progress: Tell) -> Target:
    """Return a bundle to write; its format is the one named, else the one of its kind of place."""
    if text == STANDARD_STREAM:
        return _streamed(format_ or DEFAULT, output)
    place = _place(text)
    name = format_ or FORMAT_OF[place.scheme]
    if place.scheme and name != FORMAT_OF[place.scheme]:
        problem = f"is a {FORMAT_OF[place.scheme]} bundle, and --format says {name}"
        raise UsageError(text, problem, "write its path alone")
    is_folder = named(name).members_of is None
    with storing(place.path):
        path = _folder(place.path) if is_folder else file(place.path)
    sink = create_bundle(path, name, None if is_folder else target_for(path, progress))
    return Target(sink, str(path), name, path)


def keep_stdout_clear(text: str | None, output: Output) -> None:
    """Send all that is said to stderr, where stdout is to carry a bundle."""
    output.aside = output.aside or text == STANDARD_STREAM


def _place(text: str) -> Place:
    scheme = text.partition(":")[0].partition("+")[0]
    if ":" in text and scheme in STORES:
        raise UsageError(f"-o {text}", "names a store, and a bundle is a file", "lading import fills a store")
    return Place.parse(text)


def _streamed(format_: str, output: Output) -> Target:
    """Return a bundle for standard output; raises UsageError."""
    if sys.__stdout__ is None:
        raise UsageError(STANDARD_STREAM, "standard output is closed", "name a file")
    if sys.stdout.isatty():
        raise UsageError(
            STANDARD_STREAM, "standard output is a terminal", "name a file, or send it into a pipe"
        )
    if named(format_).members_of is None:
        raise UsageError(f"--format {format_}", "is a folder, which no pipe carries", "name a folder: -o DIR")
    keep_stdout_clear(STANDARD_STREAM, output)
    sent = Streamed(sys.stdout.fileno(), "standard output")
    sink = create_bundle(temporary_folder() / "standard output", format_, sent)
    return Target(sink, STANDARD_STREAM, format_, sent)


def file(text: str) -> Path:
    """Return a file that may be written, or replaced; raises UsageError or NotFound."""
    path = Path(text)
    if path.is_dir() or text.endswith(os.sep):
        raise UsageError(text, "is a folder", "name a file in it, or say --format dir")
    if path.exists() and not path.is_file():
        raise UsageError(text, "is no regular file, and would be replaced by one")
    return _in_a_folder(path)


def _folder(text: str) -> Path:
    return _in_a_folder(Path(text.rstrip(os.sep) or os.sep))


def _in_a_folder(path: Path) -> Path:
    if path.parent.exists() and not path.parent.is_dir():
        raise UsageError(str(path.parent), "is no folder", "name a file in one")
    if not path.parent.is_dir():
        raise NotFound(str(path.parent), "is not there", f"make it: mkdir -p {path.parent}")
    return path
