"""The folder tree of a v2 registry (docker/distribution, registry/storage/paths.go; formats C.4).

    docker/registry/v2/
      blobs/<algorithm>/<first 2 hex>/<hex>/data                     every blob of every repository
      repositories/<name>/_manifests/tags/<tag>/current/link         what a tag points at
      repositories/<name>/_manifests/revisions/<algorithm>/<hex>/link
      repositories/<name>/_layers/<algorithm>/<hex>/link             also configs

A link file holds a digest and nothing else. A repository gives out what it links: that a blob lies there
authorises nobody. A name has several components, and one repository may lie in the folder of another.
Nothing is locked: a blob never changes once it lies there, and a link is one small write.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from toolkit.digest import HEX_DIGITS, Digest
from toolkit.errors import (
    CorruptContent,
    InvalidDigest,
    InvalidDocument,
    Mismatch,
    MissingMember,
    NotFound,
    ToolkitError,
    UnsafeArchive,
    Unsupported,
)
from toolkit.limits import limits
from toolkit.plumbing.files import storing
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.plumbing.tree import Tree
from toolkit.reference import LONGEST_REPOSITORY, REPOSITORY, TAG
from toolkit.stores.kinds import no_store, remains

BELOW = ("docker/registry/v2", "v2", "")  # where the tree is in the folder that was named
MANY = 1_000_000  # names in all folders of one walk
MANIFESTS, REVISIONS, LAYERS = "_manifests", "_manifests/revisions", "_layers"


@dataclass(frozen=True, slots=True)
class Broken:
    """A name whose folder or link cannot be read, and why."""

    name: str
    problem: str


class Disk:
    """The storage folder of a registry; raises NotFound where it is none.

    `many` bounds the names that one walk may meet.
    """

    def __init__(self, path: Path, place: str, many: int = MANY) -> None:
        self.place, self._many = place, many
        top = FolderFiles(path)
        try:
            with storing(path):
                is_folder = stat.S_ISDIR(os.stat(path).st_mode)
        except NotFound as error:
            raise NotFound(place, "is not there") from error
        if not is_folder:
            raise Unsupported(place, "is no folder")
        below = next((below for below in BELOW if _is_storage(top, below)), None)
        has_lost = not top.has_folder(f"{below}/repositories") and remains(top, "registry-root")
        if below is None or has_lost:
            raise _no_registry(top, place)
        self.files = FolderFiles(Path(os.path.realpath(path)) / below)

    def repositories(self) -> Iterator[str | Broken]:
        """Yield the name of every repository; what no registry could name is none."""
        budget = Budget(self.place, self._many)
        waiting = [""]
        while waiting:
            parent = waiting.pop()
            below = f"repositories/{parent}".rstrip("/")
            names = dict(self._listed(below, budget))
            if parent and MANIFESTS in names:
                yield parent
            for name, is_folder in sorted(names.items(), reverse=True):
                full = f"{parent}/{name}".lstrip("/")
                if not REPOSITORY.fullmatch(full) or len(full) > LONGEST_REPOSITORY:
                    continue
                if is_folder:
                    waiting.append(full)
                elif (self.files.folder / below / name).is_symlink():
                    yield Broken(full, f"{self.files.folder / below / name}: is a link, expected a folder")

    def has_repository(self, name: str) -> bool:
        """Tell whether there is a repository; raises UnsafeArchive where something else is in its place."""
        fits = len(name) <= LONGEST_REPOSITORY and REPOSITORY.fullmatch(name)
        return bool(fits) and self.files.has_folder(f"repositories/{name}/{MANIFESTS}")

    def tags(self, repository: str) -> Iterator[str]:
        """Yield the tags of a repository, in no order."""
        folder = f"repositories/{repository}/{MANIFESTS}/tags"
        for name, _ in self._listed(folder, Budget(self.place, self._many)):
            if TAG.fullmatch(name):
                yield name

    def tagged(self, repository: str, tag: str) -> Digest | None:
        """Return what a tag points at, None where there is no such tag.

        A registry deletes a tag with its folder. Raises MissingMember where that has no link, and as `_link`.
        """
        folder = f"repositories/{repository}/{MANIFESTS}/tags/{tag}"
        if not TAG.fullmatch(tag) or not self.files.has_folder(folder):
            return None
        if (found := self._link(f"{folder}/current/link")) is None:
            problem = f"its link {self.files.folder / folder}/current/link is not there"
            advice = f"what it named may be listed by its digest, run: lading ls {self.place}"
            raise MissingMember(f"tag {repository}:{tag}", problem, advice)
        return found

    def pointers(self, repository: str) -> Iterator[tuple[str, Digest | CorruptContent]]:
        """Yield every tag with what it points at, or with why nobody can tell; there may be very many."""
        tags = list(self.tags(repository))
        if not tags:
            return
        with self.files.tree(f"repositories/{repository}/{MANIFESTS}/tags") as folder:
            for tag in tags:
                try:
                    if told := _pointer(folder, tag) or self.tagged(repository, tag):
                        yield tag, told  # or it was deleted meanwhile
                except CorruptContent as error:
                    yield tag, error

    def revisions(self, repository: str) -> Iterator[Digest]:
        """Yield the digest of every manifest and index of a repository, in no order."""
        budget = Budget(self.place, self._many)
        for algorithm in HEX_DIGITS:
            folder = f"repositories/{repository}/{REVISIONS}/{algorithm}"
            for name, _ in self._listed(folder, budget):
                try:
                    yield Digest.parse(f"{algorithm}:{name}")
                except InvalidDigest:
                    continue  # no registry finds it either

    def links(self, repository: str, kind: str, digest: Digest) -> bool:
        """Tell whether a repository links a blob as REVISIONS or LAYERS; raises Mismatch for another's."""
        name = f"repositories/{repository}/{kind}/{digest.algorithm}/{digest.hex}/link"
        found = self._link(name)
        if found not in {None, digest}:
            raise Mismatch(str(self.files.folder / name), "digest", "", found, digest)
        return found is not None

    def _link(self, name: str) -> Digest | None:
        """Read a link file, None where there is none; raises InvalidDocument or UnsafeArchive."""
        if (raw := self.files.read(name, limits().text)) is None:
            return None
        try:
            return Digest.parse(raw.decode("ascii", "backslashreplace"))
        except InvalidDigest as error:
            told = raw[:200].decode("ascii", "backslashreplace")
            problem = f"is {told!r}, expected a digest and nothing else"
            raise InvalidDocument(str(self.files.folder / name), problem) from error

    def _listed(self, folder: str, budget: Budget) -> Iterator[tuple[str, bool]]:
        """Yield the names in a folder, none where it is not there, and whether each is a folder itself."""
        if not self.files.has_folder(folder):
            return
        with (
            self.files.tree(folder) as tree,
            storing(str(self.files.folder / folder)),
            os.scandir(tree.handle) as found,
        ):
            for entry in found:
                budget.take()
                yield entry.name, entry.is_dir(follow_symlinks=False)


@dataclass(slots=True)
class Budget:
    """How many names a walk may still meet."""

    subject: str
    many: int
    met: int = 0

    def take(self) -> None:
        """Count a name; raises UnsafeArchive where there are too many."""
        self.met += 1
        if self.met > self.many:
            raise UnsafeArchive(self.subject, f"has more than {self.many} names in its folders")


def _pointer(folder: Tree, tag: str) -> Digest | None:
    """Return what a tag points at, the quick way; None where anything is odd, for the other way to tell."""
    with suppress(CorruptContent, InvalidDigest):
        handle, facts = folder.open_file(f"{tag}/current/link".encode())
        try:
            if facts.st_size <= (limit := limits().text):
                return Digest.parse(os.read(handle, limit).decode("ascii", "replace"))
        finally:
            os.close(handle)
    return None


def blob_path(digest: Digest) -> str:
    """Return where a registry keeps a blob."""
    return f"blobs/{digest.algorithm}/{digest.hex[:2]}/{digest.hex}/data"


def _is_storage(top: FolderFiles, below: str) -> bool:
    """Tell the tree by its folders, some of which other places have too.

    An OCI layout has blobs and no repositories; a registry of the first protocol has images, and no blobs.
    """
    blobs, repositories, images = (
        top.has_folder(f"{below}/{name}") for name in ("blobs", "repositories", "images")
    )
    return (repositories and (blobs or not images)) or (blobs and below != "")


def _no_registry(top: FolderFiles, place: str) -> ToolkitError:
    if top.has_folder("images") and top.has_folder("repositories"):
        problem = "is the storage of a registry of protocol v1, which is not read"
        return Unsupported(place, problem, "pull its images with Docker up to 1.9, then export them")
    return no_store("registry-root", place, top.folder)
