"""Finding sets of volumes in folders: in any order, some of them twice, beside anything else.

Volumes are known by what they say, not by their names; a name only tells what a file was whose header cannot
be read any more.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from toolkit.errors import CorruptContent, ToolkitError
from toolkit.limits import more_than
from toolkit.mirror.media.beside import Broken, Lists
from toolkit.mirror.media.volume import is_volume_of
from toolkit.mirror.media.volumefile import HeaderReader, VolumeFile, is_volume
from toolkit.mirror.media.volumeset import VolumeSet
from toolkit.plumbing.files import storing

FILES = 100_000  # that are looked at in one search
CALLED = re.compile(r".+\.(?:[0-9]+of[0-9]+|parity)\.tar")


def find_sets(places: Iterable[Path]) -> list[VolumeSet]:
    """Return the sets of which a volume is in these folders, or is one of these files, by their names.

    No link in a folder is followed, and no folder in it looked into. Raises NotFound, StoreError,
    UnsafeArchive where there is too much, and CorruptContent where no volume can be read.
    """
    places = list(places)
    files, broken = _volumes(places)
    if broken and not files:
        raise _unreadable(broken)
    folders = list(dict.fromkeys(place if place.is_dir() else place.parent for place in places))
    by_set: dict[str, dict[object, list[VolumeFile]]] = {}
    for file in files:
        header = file.header
        cut = header.site, header.of
        by_set.setdefault(header.set, {}).setdefault(cut, []).append(file)
    sets = []
    for name, cuts in sorted(by_set.items()):
        lists = Lists.of(name, folders)
        sums = lists.checksums.sums if lists.checksums else {}
        ordered = sorted(cuts.values(), key=lambda cut: (not _is_own(cut[0]), -_listed(cut, sums), -len(cut)))
        others = [file for cut in ordered[1:] for file in cut]
        own = [one for one in broken if is_volume_of(name, one.name)]
        sets.append(VolumeSet(ordered[0], others, own, lists))
    return sets


def _unreadable(broken: Sequence[Broken]) -> CorruptContent:
    others = f", nor can {len(broken) - 1} others" if len(broken) > 1 else ""
    problem = f"cannot be read as a volume{others}, and there is no other"
    return CorruptContent(broken[0].path, problem, str(broken[0].error))


def _is_own(file: VolumeFile) -> bool:
    """Tell whether a set is called as a set of the site is that the file names."""
    return file.header.set.rpartition("_")[0] == file.header.site


def _listed(files: Sequence[VolumeFile], sums: Mapping[str, str]) -> int:
    return sum(file.header.file_name in sums for file in files)


def _volumes(places: Sequence[Path]) -> tuple[list[VolumeFile], list[Broken]]:
    reader, files, broken = HeaderReader(), list[VolumeFile](), list[Broken]()
    for path in _files(places):
        if not CALLED.fullmatch(os.path.basename(path)) and not _begins(path):
            continue
        try:
            files.append(reader.read(path))
        except ToolkitError as error:
            broken.append(Broken(path, error))
    return files, broken


def _begins(path: str) -> bool:
    try:
        return is_volume(path)
    except ToolkitError:
        return False


def _files(places: Iterable[Path]) -> Iterator[str]:
    """Yield the regular files, each once, sorted by their names within each folder."""
    found: dict[str, None] = {}
    for place in places:
        with storing(place):
            if not place.is_dir():
                os.lstat(place)
                found[str(place)] = None
                continue
            with os.scandir(place) as entries:
                for count, entry in enumerate(entries):
                    if count >= FILES:
                        raise more_than(str(place), "holds more than {} files", FILES)
                    if entry.is_file(follow_symlinks=False) and not entry.name.startswith("."):
                        found[str(place / entry.name)] = None
    yield from sorted(found)
