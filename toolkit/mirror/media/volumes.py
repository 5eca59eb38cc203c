"""Writing a set: one stream, in order, into volumes that are hashed, and joined into parity, while they grow.

All is written in a folder beside, and takes its names when it is whole: first what another run left under the
name of the set goes, its list before all; then the volumes come, and at last `NAME.sha256`, which vouches for
them. A run that was killed leaves nothing that has a list, and the next one removes what it left.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from toolkit.checksums import ChecksumList
from toolkit.digest import new_hash
from toolkit.errors import Mismatch
from toolkit.mirror.media.cut import Cargo, cut
from toolkit.mirror.media.parity import ParityWriter, Slice, piece_sum
from toolkit.mirror.media.volume import PIECE, VolumeHeader, is_volume_of, list_name
from toolkit.plumbing.aside import IN_USE, aside
from toolkit.plumbing.filelock import locked
from toolkit.plumbing.files import LOCK, fsync_folder, part_name, storing, surely, write_all, write_atomically
from toolkit.plumbing.removal import remove_path
from toolkit.plumbing.space import require_length, require_space_in
from toolkit.plumbing.tarreader import StreamReader
from toolkit.plumbing.writebehind import WriteBehind
from toolkit.ports import Block

NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
SIGNATURE = ".minisig"  # of a list, beside it (toolkit.signature)
CUT = "set bundle.volume in the job: fat32, or a size"

Take = Callable[[Block], None]


@dataclass(frozen=True, slots=True)
class Written:
    """One volume that was written."""

    path: Path
    size: int
    sha256: str  # hex


def write_set(
    folder: Path, cargo: Cargo, pieces: Iterator[Block], volume: int = 0, *, parity: bool = False
) -> list[Written]:
    """Write the stream into volumes of at most `volume` bytes each, 0 for one file, and their list.

    A piece is free again when the next one is asked for. What the folder has of another set of this name
    gives way once the new one is whole. Raises UsageError where it cannot be cut so, StoreError without the
    space, and Mismatch where the stream is not as long as was said.
    """
    headers = cut(cargo, volume, parity=parity)
    with storing(folder), _stage(folder / cargo.name) as stage:
        if not os.path.lexists(folder / list_name(cargo.name)):
            _remove_volumes(folder, cargo.name)  # what nothing vouches for takes no room
        require_space_in(folder, sum(header.file_size for header in headers), str(folder))
        sums = _Writer(stage, headers, pieces).write()
        _put_in_place(stage, folder, cargo.name, sums)
    return [
        Written(folder / header.file_name, header.file_size, sums[header.file_name]) for header in headers
    ]


def clear_unfinished(folder: Path, name: str) -> None:
    """Remove what a killed run left of a set that nobody will write again; one that has a list stays."""
    if folder.is_dir():
        with storing(folder), _stage(folder / name):
            if not os.path.lexists(folder / list_name(name)):
                _remove_volumes(folder, name)


class _Writer:
    """Writes all files of a set into a folder of their own."""

    def __init__(self, stage: Path, headers: Sequence[VolumeHeader], pieces: Iterator[Block]) -> None:
        self._stage, self._stream = stage, StreamReader(pieces)
        self._volumes = [header for header in headers if not header.is_parity]
        self._parity = next((header for header in headers if header.is_parity), None)
        self._buffers = [memoryview(bytearray(PIECE)) for _ in range(IN_USE)]  # in turn
        self._sums = bytearray()  # of every piece of every slice, where there is parity

    def write(self) -> dict[str, str]:
        """Write the files; return the sha256 of each by its name."""
        with ExitStack() as stack:
            finish, taken = self._begin_parity(stack) if self._parity else (dict, None)
            with aside(taken or _nothing) as give:
                sums = {header.file_name: self._volume(header, give) for header in self._volumes}
            self._must_end()
            return sums | finish()

    def _volume(self, header: VolumeHeader, give: Callable[[Slice], None]) -> str:
        path, prefix, hash_ = self._stage / header.file_name, header.prefix, new_hash()
        with _new_file(path, header.file_size) as handle:
            write, suffix = WriteBehind(handle), header.suffix()
            write(prefix)
            hash_.update(prefix)
            with aside(hash_.update) as add:
                for block in self._slice(header):
                    add(block)
                    if self._parity:
                        self._sums += piece_sum(block)
                    write(block)
            write(suffix)
            hash_.update(suffix)
        give((str(path), len(prefix), header.size))
        return hash_.hexdigest()

    def _slice(self, header: VolumeHeader) -> Iterator[memoryview]:
        """Yield a slice in pieces as the parity volume counts them, each in a buffer of its own."""
        for number, start in enumerate(range(0, header.size, PIECE)):
            block = self._buffers[number % IN_USE][: header.size - start]
            done = 0
            while done < len(block):
                if not (part := self._stream.take(len(block) - done)):
                    position = self._stream.position
                    raise Mismatch(f"set {header.set}", "size", "it ended early", position, header.total)
                block[done : done + len(part)] = part
                done += len(part)
            yield block

    def _must_end(self) -> None:
        if self._stream.take(1):
            header = self._volumes[0]
            raise Mismatch(f"set {header.set}", "size", "", f"more than {header.total}", header.total)

    def _begin_parity(self, stack: ExitStack) -> tuple[Callable[[], dict[str, str]], Callable[[Slice], None]]:
        """Return how to finish the parity volume, and what takes the others as they are done."""
        assert self._parity  # noqa: S101 - for the reader and mypy: asked before
        header, hash_, prefix = self._parity, new_hash(), self._parity.prefix
        handle = stack.enter_context(_new_file(self._stage / header.file_name, header.file_size))
        write_all(handle, prefix)
        hash_.update(prefix)
        writer = ParityWriter(handle, len(prefix), header.size, len(self._volumes), hash_.update)

        def finish() -> dict[str, str]:
            suffix = header.suffix(bytes(self._sums + piece_sum(self._sums)))
            os.lseek(handle, len(prefix) + header.size, os.SEEK_SET)
            write_all(handle, suffix)
            hash_.update(suffix)
            return {header.file_name: hash_.hexdigest()}

        return finish, writer.take


def _nothing(_: object) -> None:
    """Take what nobody needs."""


@contextmanager
def _stage(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`, ours alone; it is gone afterwards."""
    part = part_name(path)
    lock = part.with_name(part.name + LOCK)
    with locked(lock):
        try:
            remove_path(part)
            part.mkdir()
            yield part
        finally:
            surely(lambda: remove_path(part))
            surely(lambda: lock.unlink(missing_ok=True))


@contextmanager
def _new_file(path: Path, size: int) -> Iterator[int]:
    """Yield a descriptor of a new file of `size` bytes to come, durable when the block ends well."""
    handle = os.open(path, NEW, 0o666)
    try:
        require_length(handle, size, str(path.parent.parent), CUT)
        yield handle
        os.fsync(handle)
    finally:
        os.close(handle)


def _put_in_place(stage: Path, folder: Path, name: str, sums: dict[str, str]) -> None:
    """Give all volumes their names, in place of those that had them or are of another cut, and the list."""
    names = folder / list_name(name)
    for old in (names, names.with_name(names.name + SIGNATURE)):
        old.unlink(missing_ok=True)
    fsync_folder(folder)
    _remove_volumes(folder, name, sums)
    for file_name in sums:
        os.replace(stage / file_name, folder / file_name)
    fsync_folder(folder)
    write_atomically(names, bytes(ChecksumList(sums)))


def _remove_volumes(folder: Path, name: str, kept: dict[str, str] | None = None) -> None:
    """Remove the volumes of a set, but those that are called so."""
    for file_name in os.listdir(folder):
        if is_volume_of(name, file_name) and file_name not in (kept or {}):
            remove_path(folder / file_name)
