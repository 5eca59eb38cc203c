"""Collecting garbage: the blobs of a layout that no name leads to, and stamps of blobs that are not there.

A delivery puts its blobs first and names them last, and may name some that it found here: so nothing is
removed while one is under way (LayoutStore.undisturbed), and none begins before the removal has ended.
What is needed is known before the first blob goes. Whoever is killed meanwhile leaves a whole store.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from toolkit.bundles.ocilayout import INDEX
from toolkit.digest import HEX_DIGITS, Digest
from toolkit.errors import InvalidDigest, MissingMember
from toolkit.image import Finding
from toolkit.limits import limits
from toolkit.plumbing.files import storing, sweep
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.stores.layout import LayoutStore
from toolkit.stores.layout_reach import Reach
from toolkit.stores.layout_tidy import OWN

BLOBS, STAMPS, PARTS = "blobs", f"{OWN}/stamps", f"{OWN}/parts"


@dataclass(frozen=True, slots=True)
class Collected:
    """What was removed from a store, or would be."""

    blobs: int = 0
    size: int = 0  # bytes of those blobs
    linked: int = 0  # bytes of those that have another name too, and stay on the disk under that
    kept: int = 0  # blobs
    findings: tuple[Finding, ...] = ()  # what was left alone, being no blob of ours


def collect(store: LayoutStore) -> Collected:
    """Remove every blob that no name leads to.

    Raises TryAgain while somebody writes to the store, and CorruptContent, with nothing removed, where a
    document is damaged or missing that would say what is needed.
    """
    with store.undisturbed(), storing(store.place):
        found = _survey(store)
        for folder, names in found.removable.items():
            _remove(store, folder, names)
        for place in (store.path / PARTS, store.path):
            sweep(place)
    return found.collected


def collectable(store: LayoutStore, index: bytes | None = None) -> Collected:
    """Return what `collect` would remove, changing nothing; raises as it does, but for TryAgain.

    With `index`, what it would remove if that was the store's index.json.

    What a delivery that is under way has put there has no name yet, and is counted.
    """
    return _survey(store, index).collected


@dataclass(frozen=True, slots=True)
class _Survey:
    removable: Mapping[str, Iterable[str]]  # folder in the layout → names in it
    collected: Collected


def _survey(store: LayoutStore, index: bytes | None = None) -> _Survey:
    """Find what lies in a layout and what of it nothing leads to."""
    files, odd = FolderFiles(store.path), list[str]()
    store.entries()  # raises where there is no layout
    unneeded = dict(_blobs(files, odd))
    total = sum(map(len, unneeded.values()))
    for digest in _needed(store, index, is_empty=not total):
        unneeded.get(digest.algorithm, set()).discard(digest.hex)
    removable: dict[str, Iterable[str]] = {}
    count = size = linked = 0
    for algorithm, names in unneeded.items():
        sizes = dict(_sizes(files, f"{BLOBS}/{algorithm}", sorted(names), odd))
        removable[f"{BLOBS}/{algorithm}"] = sizes.keys()
        count += len(sizes)
        size += sum(bytes_ for bytes_, _ in sizes.values())
        linked += sum(bytes_ for bytes_, is_linked in sizes.values() if is_linked)
    removable[STAMPS] = list(_stray_stamps(files, removable))
    return _Survey(removable, Collected(count, size, linked, total - count, tuple(_findings(store, odd))))


def _blobs(files: FolderFiles, odd: list[str]) -> Iterator[tuple[str, set[str]]]:
    """Yield the algorithms, each with its blobs; what is called otherwise is odd."""
    for algorithm in files.names(BLOBS):
        if algorithm not in HEX_DIGITS:
            odd.append(f"{BLOBS}/{algorithm}")
            continue
        found = set()
        for name in files.names(f"{BLOBS}/{algorithm}"):
            if _is_digest(algorithm, name):
                found.add(name)
            else:
                odd.append(f"{BLOBS}/{algorithm}/{name}")
        yield algorithm, found


def _needed(store: LayoutStore, index: bytes | None, *, is_empty: bool) -> Iterator[Digest]:
    """Yield the digests that the names lead to; raises MissingMember where there are blobs and no index."""
    own = store.folder.read(INDEX, limits().document)
    if own is not None:
        index = own if index is None else index
        yield from (pointer.digest for pointer in Reach(store.folder, store.place).pointers(index))
    elif not is_empty:
        problem = f"has blobs and no {INDEX}: what is needed of them is not known"
        raise MissingMember(store.place, problem, "copy an image into it first")


def _sizes(
    files: FolderFiles, folder: str, names: Iterable[str], odd: list[str]
) -> Iterator[tuple[str, tuple[int, bool]]]:
    """Yield of each regular file its bytes, and whether it has another name too; others are odd."""
    if not names:
        return
    with files.tree(folder) as tree:
        for name in names:
            if (facts := tree.lstat(os.fsencode(name))) is None:
                continue  # another collection, where this one only counts
            if stat.S_ISREG(facts.st_mode):
                yield name, (facts.st_size, facts.st_nlink > 1)
            else:
                odd.append(f"{folder}/{name}")


def _stray_stamps(files: FolderFiles, removable: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Yield the stamps whose blobs are not there, or go."""
    for name in files.names(STAMPS):
        algorithm, _, hex_ = name.partition("-")
        if _is_digest(algorithm, hex_):
            folder = f"{BLOBS}/{algorithm}"
            if hex_ in removable.get(folder, ()) or files.stamp(f"{folder}/{hex_}") is None:
                yield name


def _remove(store: LayoutStore, folder: str, names: Iterable[str]) -> None:
    if names:
        with FolderFiles(store.path).tree(folder) as tree:
            for name in names:
                os.unlink(name, dir_fd=tree.handle)


def _findings(store: LayoutStore, odd: list[str]) -> Iterator[Finding]:
    if odd:
        more = f", and {len(odd) - 1} more" if len(odd) > 1 else ""
        problem = f"holds {odd[0]}{more}, which is no blob of an algorithm that is known, and stays"
        yield Finding(store.place, problem, "note")


def _is_digest(algorithm: str, hex_: str) -> bool:
    try:
        Digest.parse(f"{algorithm}:{hex_}")
    except InvalidDigest:
        return False
    return True
