"""Putting layers into a legacy root: staged beside everything else, then renamed into place, base first.

What is on its way lies in one work folder inside the root, held under a lock. It lists what has been
placed, so that a delivery that failed, or was killed, is taken back whole: by itself, or by the next.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from toolkit.ancestry import V1Layer
from toolkit.digest import is_v1_id
from toolkit.errors import MissingMember, StoreError
from toolkit.plumbing.filelock import locked
from toolkit.plumbing.files import make_folder, storing, surely, sync_file_system, write_all
from toolkit.plumbing.nodes import NEW_FILE
from toolkit.plumbing.removal import remove
from toolkit.plumbing.tree import FOLDER, Tree
from toolkit.stores.graph.drivers import Driver

WORK, LOCK = ".lading.part", ".lading.part.lock"
PLACED, KEPT, NEW = b"placed", b"kept", b"new"
TREE, TAR, SPLIT, GRAPH = b"tree", b"layer.tar", b"tar-data.json.gz", b"graph"
PRIVATE, PUBLIC = 0o700, 0o755
FOLDERS = {  # what Docker 1.9.1 makes, with its modes
    "aufs": {b"aufs": PUBLIC, b"aufs/diff": PUBLIC, b"aufs/layers": PUBLIC, b"aufs/mnt": PUBLIC},
    "vfs": {b"vfs": PRIVATE, b"vfs/dir": PRIVATE},
}
OWN_FOLDERS = {"aufs": (b"aufs/diff", b"aufs/mnt", b"aufs/layers"), "vfs": (b"vfs/dir",)}  # hold <id>
GRAPH_FOLDERS = {b"graph": PRIVATE, b"graph/_tmp": PRIVATE}


class Placer:
    """One delivery into one root."""

    def __init__(self, root: Path, driver: Driver) -> None:
        self.path, self.driver = root, driver
        self._root = Tree(root)
        self._made: list[bytes] = []  # the engine's folders that were not there
        self._names: list[bytes] = []  # the layers placed so far

    @classmethod
    @contextmanager
    def open(cls, root: Path, driver: Driver) -> Iterator[Placer]:
        """Hold the root's work folder; left without `keep`, everything placed is taken back."""
        new = [folder for folder in (root, *root.parents) if not folder.exists()]
        make_folder(root, PRIVATE)
        try:
            with storing(root), locked(root / LOCK):
                try:
                    placer = cls(root, driver)
                    with placer._root:
                        yield from placer._working()
                finally:
                    surely(lambda: (root / LOCK).unlink(missing_ok=True))
        except BaseException:
            for folder in new:
                with suppress(OSError):
                    folder.rmdir()
            raise

    def _working(self) -> Iterator[Placer]:
        self._take_back(self._left_placed())
        remove(self._root.handle, WORK.encode())
        os.mkdir(WORK, PRIVATE, dir_fd=self._root.handle)
        try:
            yield self
        except BaseException:
            self._take_back(self._names)
            self._remove_made()
            raise
        finally:
            self._root.folder([])
            surely(lambda: remove(self._root.handle, WORK.encode()))

    @property
    def handle(self) -> int:
        """Return the root's descriptor."""
        return self._root.handle

    def work(self, name: str) -> int:
        """Open the folder of one layer on its way, made where it is missing; the caller closes it."""
        parent = os.open(WORK, FOLDER, dir_fd=self._root.handle)
        try:
            with suppress(FileExistsError):
                os.mkdir(name, PRIVATE, dir_fd=parent)
            return os.open(name, FOLDER, dir_fd=parent)
        finally:
            os.close(parent)

    def prepare(self) -> None:
        """Make the engine's folders where they are missing."""
        for path, mode in {**GRAPH_FOLDERS, **FOLDERS[self.driver.name]}.items():
            *folder, name = path.split(b"/")
            if not _is_there(self._root.folder(folder), name):
                make_folder_at(self._root.folder([WORK.encode()]), NEW, mode)
                self._move([WORK.encode(), NEW], [*folder, name])  # with its mode, or not at all
                self._made.append(path)
        os.mkdir(PLACED, PRIVATE, dir_fd=self._root.folder([WORK.encode()]))

    def place(self, layer: V1Layer, ancestors: Sequence[str], work: str, layersize: str) -> None:
        """Give a layer that lies in `work` its names in the root; `ancestors` are nearest first."""
        name, staged = layer.id.encode(), [WORK.encode(), work.encode()]
        self._must_be_free(name)
        self._write_graph(layer, staged, layersize)
        make_folder_at(self._root.folder([WORK.encode(), PLACED]), name, PRIVATE)
        self._names.append(name)
        self._move([*staged, TREE], [*OWN_FOLDERS[self.driver.name][0].split(b"/"), name])
        if self.driver.name == "aufs":
            make_folder_at(self._root.folder([b"aufs", b"mnt"]), name, PUBLIC)
            text = "".join(f"{ancestor}\n" for ancestor in ancestors)
            write_new(self._root.folder([b"aufs", b"layers"]), name, text.encode(), 0o644)
        self._move([*staged, GRAPH], [b"graph", name])

    def keep(self) -> None:
        """Make everything placed durable; from here on a kill no longer takes it back."""
        sync_file_system(self._root.handle)
        self._move([WORK.encode(), PLACED], [WORK.encode(), KEPT])  # at once: half a list is half an image

    def settle(self) -> None:
        """Let everything placed stay from here on, however the delivery ends."""
        self._names.clear()
        self._made.clear()

    def _must_be_free(self, name: bytes) -> None:
        """Refuse to touch what may be a container's: engines keep those beside the layers."""
        for folder in OWN_FOLDERS[self.driver.name]:
            if _is_there(self._root.folder(folder.split(b"/")), name):
                raise StoreError(
                    f"layer {name[:12].decode()}",
                    f"{self.path}/{folder.decode()}/{name.decode()} is there, and no image in graph has it",
                    "remove it if no container needs it",
                )

    def _write_graph(self, layer: V1Layer, staged: list[bytes], layersize: str) -> None:
        """Make the folder `graph/<id>`, still in the work folder."""
        here = self._root.folder(staged)
        make_folder_at(here, GRAPH, PRIVATE)
        folder = os.open(GRAPH, FOLDER, dir_fd=here)
        try:
            write_new(folder, b"json", layer.raw)
            write_new(folder, b"layersize", layersize.encode())
            if V1Layer.from_bytes(layer.raw, layer.id).parent != layer.parent:  # formats A.7
                write_new(folder, b"parent", layer.parent.encode())
            os.rename(SPLIT, SPLIT, src_dir_fd=here, dst_dir_fd=folder)
        finally:
            os.close(folder)

    def _move(self, old: list[bytes], new: list[bytes]) -> None:
        with Tree(self._root.handle, str(self.path)) as there:
            source, target = self._root.folder(old[:-1]), there.folder(new[:-1])
            os.rename(old[-1], new[-1], src_dir_fd=source, dst_dir_fd=target)

    def _take_back(self, names: Sequence[bytes]) -> None:
        """Remove layers that were placed; what makes them visible goes first."""
        for name in names:
            for path in (b"graph", *OWN_FOLDERS["aufs"], *OWN_FOLDERS["vfs"]):
                with suppress(MissingMember):
                    remove(self._root.folder(path.split(b"/")), name)

    def _left_placed(self) -> list[bytes]:
        """Name the layers that a killed run placed and did not keep."""
        with suppress(MissingMember):
            names = os.listdir(self._root.folder([WORK.encode(), PLACED]))
            return [name.encode() for name in names if is_v1_id(name)]
        return []

    def _remove_made(self) -> None:
        for path in reversed(self._made):
            *folder, name = path.split(b"/")
            with suppress(OSError, MissingMember):
                os.rmdir(name, dir_fd=self._root.folder(folder))


def _is_there(parent: int, name: bytes) -> bool:
    try:
        os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def make_folder_at(parent: int, name: bytes, mode: int) -> None:
    """Make a folder with exactly this mode, whatever the umask."""
    os.mkdir(name, PRIVATE, dir_fd=parent)
    os.chmod(name, mode, dir_fd=parent)


def write_new(parent: int, name: bytes, content: bytes, mode: int = 0o600) -> None:
    """Write a file that is not there yet."""
    handle = os.open(name, NEW_FILE, mode, dir_fd=parent)
    try:
        os.fchmod(handle, mode)
        write_all(handle, content)
    finally:
        os.close(handle)
