"""Taking names out of a layout, and with an image what is there for its sake: signatures, SBOMs, lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from toolkit import mediatype
from toolkit.bundles.entries import Entries, Entry
from toolkit.bundles.listed_referrers import ListedReferrers
from toolkit.bundles.modern import blob_name
from toolkit.bundles.refertags import cosign_tags, list_tag, repository_of, tag_of
from toolkit.digest import Digest
from toolkit.errors import Mismatch, ToolkitError
from toolkit.limits import limits
from toolkit.model import Descriptor, Index
from toolkit.reference import meaning
from toolkit.stores.layout import LayoutStore
from toolkit.stores.layout_index import unnamed_in


def named(store: LayoutStore) -> list[tuple[str, Digest]]:
    """Return every name with what it points at, the one that was named last at the end."""
    return [(name, entry.top.digest) for entry in store.entries() for name in entry.names]


def companions(store: LayoutStore, names: Iterable[str]) -> list[tuple[str, Digest, str]]:
    """Return what else is named for the sake of images whose last names these are, each with one of those.

    That are the tags of cosign's, and of lists of referrers, in the same repositories.
    """
    leaving = _Leaving(store, store.entries(), names)
    return [(name, top, leaving.tags[tag]) for name, top, tag in leaving.tagged()]


def unname(store: LayoutStore, names: Mapping[str, Digest]) -> list[str]:
    """Take names out of index.json, and the nameless entries that refer to what loses its last name.

    Returns the names that were there. Raises Mismatch, and changes nothing, where one points at something
    else than is said.
    """
    there: list[str] = []

    def change(entries: Entries) -> bytes:
        there[:] = [name for name, digest in names.items() if _points_at(entries, name, digest)]
        return _without(store, entries, there)

    store.unname(change)
    return there


def must_mean(store: LayoutStore, names: Mapping[str, Digest]) -> None:
    """Raise Mismatch where a name that is there points at something else than is said."""
    entries = store.entries()
    for name, digest in names.items():
        _points_at(entries, name, digest)


def without(store: LayoutStore, names: Iterable[str]) -> bytes:
    """Return what index.json would be without these names."""
    return _without(store, store.entries(), list(names))


def _without(store: LayoutStore, entries: Entries, names: list[str]) -> bytes:
    gone = {str(digest) for digest in _Leaving(store, entries, names).nameless()}
    return unnamed_in(entries.raw, names, gone, store.place)


def _points_at(entries: Entries, name: str, digest: Digest) -> bool:
    """Tell whether a name is there; raises Mismatch where it is something else's."""
    found = entries.called(name)
    if other := [entry.top.digest for entry in found if entry.top.digest != digest]:
        advice = "it was named anew since the list was written: write a new one"
        raise Mismatch(f"image {name}", "digest", advice, other[0], digest)
    return bool(found)


class _Leaving:
    """What only these names lead to."""

    def __init__(self, store: LayoutStore, entries: Entries, names: Iterable[str]) -> None:
        self._store, self._entries = store, entries
        self._going = frozenset(map(meaning, names))
        self._names = {entry.top.digest: entry.names for entry in entries}
        self.tags: dict[str, str] = {}  # of what refers to a manifest that goes → a name of that
        self._repositories: set[str] = set()
        self._gone: list[Digest] = []
        if self._going:
            self._find()

    def tagged(self) -> Iterator[tuple[str, Digest, str]]:
        """Yield name, digest and tag of each that a tag ties to what goes."""
        for entry in self._entries if self.tags else ():
            for name in entry.names:
                repository, tag = tag_of(name)
                is_beside = tag in self.tags and repository in self._repositories
                if is_beside and meaning(name) not in self._going:
                    yield name, entry.top.digest, tag

    def nameless(self) -> set[Digest]:
        """Return what refers to what goes, and to that, and has no name."""
        found: set[Digest] = set()
        if not self._gone:
            return found
        listed = ListedReferrers(self._store.blobs, self._entries, self._store.place)
        waiting = self._gone
        while waiting:
            beside = {each for digest in waiting for each in listed.by_subject(digest)}
            waiting = [each for each in beside - found if not self._names[each]]
            found.update(waiting)
        return found

    def _find(self) -> None:
        lost, left = list[Entry](), list[Entry]()
        for entry in self._entries:
            is_lost = bool(entry.names) and all(meaning(name) in self._going for name in entry.names)
            (lost if is_lost else left).append(entry)
        stay = {digest for entry in left for digest in self._manifests(entry.top)} if lost else set()
        for entry in lost:
            self._repositories.update(map(repository_of, entry.names))
            for digest in self._manifests(entry.top):
                if digest not in stay:
                    self._gone.append(digest)
                    self.tags |= dict.fromkeys((list_tag(digest), *cosign_tags(digest)), entry.names[0])

    def _manifests(self, top: Descriptor) -> list[Digest]:
        """Return a top and what it lists; of an index that cannot be read only itself."""
        with suppress(ToolkitError):
            if top.media_type in mediatype.INDEXES:
                raw = self._store.blobs.read(blob_name(top.digest), limits().document)
                listed = Index.from_bytes(top.check(raw or b""), top.media_type).manifests
                return [top.digest, *(each.digest for each in listed)]
        return [top.digest]
