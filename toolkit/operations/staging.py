"""Staging: layers that were read and proven, waiting in `<home>/layers` to go into a bundle.

    <source>-<key>/layer.tar      the exact bytes
    <source>-<key>/json           the layer's own json, where it is a legacy layer
    <source>-<key>/receipt.json   what its bytes proved, and the stamp of layer.tar
    claims/<owner>                what a run in progress still needs; locked by it while it lives

A staged layer counts only while its stamp fits: nobody touched it since it was proven.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from toolkit.digest import Digest
from toolkit.document import load
from toolkit.errors import NotFound, ToolkitError
from toolkit.event import Tell, nobody
from toolkit.image import Layer, Proof
from toolkit.operations.taking import taken
from toolkit.operations.through import Through
from toolkit.plumbing.filelock import still_named
from toolkit.plumbing.files import (
    Stamp,
    atomic_file,
    fsync_folder,
    make_folder,
    read_bounded,
    storing,
    sweep,
    write_atomically,
)
from toolkit.plumbing.sharing import link_atomically
from toolkit.plumbing.space import require_space, reserve
from toolkit.plumbing.streams import Extent, ProvenExtent, nowhere, transfer
from toolkit.plumbing.turns import turn
from toolkit.plumbing.writebehind import WriteBehind
from toolkit.ports import Content, Landing, Source
from toolkit.voucher import must_stand, vouchers_of

RECEIPT_LIMIT = 64 << 10  # bytes
CLAIMS = "claims"


class Staging:
    """The folder of staged layers. Several processes may use it at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held: dict[str, int] = {}  # owner → the claim's descriptor, locked while we live

    def place_of(self, place: str, key: str) -> Path:
        """Return the folder of one layer of one source."""
        short = Digest.of(place.encode()).hex[:12]
        return self.folder / f"{short}-{key.replace(':', '-')}"

    def proof(self, place: str, key: str) -> Proof | None:
        """Return what a staged layer proved; None where it is not staged, or was touched since."""
        folder = self.place_of(place, key)
        try:
            facts = load(read_bounded(folder / "receipt.json", RECEIPT_LIMIT), "receipt")
            stamp = Stamp.from_json(facts.value.get("stamp"))
            digest, diff_id = facts.parsed("digest", Digest.parse), facts.parsed("diff_id", Digest.parse)
            proof = Proof(digest, facts.get("size", int), diff_id, facts.get("compression", str))
        except ToolkitError:
            return None
        is_whole = stamp is not None and stamp.is_same_content(Stamp.of(folder / "layer.tar"))
        return proof if is_whole else None

    def stage(self, source: Source, layer: Layer, progress: Tell = nobody) -> Proof:
        """Write one layer, its json and its receipt; raises what reading the layer raises."""
        place = origin_of(source)
        path = self.place_of(place, layer.key) / "layer.tar"
        make_folder(path.parent)
        with turn(path):  # while we waited, another run may have staged it
            return self.proof(place, layer.key) or _staged(source, layer, path, progress)

    @contextmanager
    def landing(self, place: str) -> Iterator[Landing]:
        """Yield how to stage layers of a place that come before anybody asks for them, by their digests."""
        yield lambda layer, content: self._landed(place, layer, content)

    def _landed(self, place: str, layer: Layer, content: Content) -> Proof:
        if layer.digest and (proof := self.proof(place, str(layer.digest))):
            return proof
        arriving = self.place_of(place, f"arriving-{Digest.of(layer.key.encode()).hex}") / "layer.tar"
        make_folder(arriving.parent)
        try:
            proof = _written(content, layer, arriving)
            path = self.place_of(place, str(proof.digest)) / "layer.tar"
            make_folder(path.parent)
            with turn(path), storing(path):
                os.replace(arriving, path)
                fsync_folder(path.parent)
                _write_receipt(place, str(proof.digest), proof, path)
        finally:
            shutil.rmtree(arriving.parent, ignore_errors=True)
        return proof

    @contextmanager
    def open(self, place: str, layer: Layer) -> Iterator[Content]:
        """Open a staged layer as content already proven; raises NotFound where it is not staged."""
        proof = self.proof(place, layer.key)
        path = self.place_of(place, layer.key) / "layer.tar"
        if proof is None:
            raise NotFound(f"layer {layer.key[:19]}", f"is not staged in {self.folder}", "run again")
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            yield ProvenExtent(handle, proof, str(path))
        finally:
            os.close(handle)

    def claim(self, owner: str, place: str, keys: Sequence[str]) -> None:
        """Say that `owner` still needs these layers, for as long as this process lives."""
        path = self.folder / CLAIMS / owner
        with storing(path):
            if owner not in self._held:
                self._held[owner] = _held_claim(path)
            handle = self._held[owner]
            names = "\n".join(self.place_of(place, key).name for key in keys)
            os.ftruncate(handle, 0)
            os.pwrite(handle, names.encode(), 0)

    def release(self, owner: str) -> None:
        """Give a claim up, and remove the layers that no living claim names."""
        if (handle := self._held.pop(owner, None)) is not None:
            with suppress(BlockingIOError):  # another run of the same image still needs them
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                (self.folder / CLAIMS / owner).unlink(missing_ok=True)
            os.close(handle)
        needed = self._needed()
        for folder in _within(self.folder):
            if folder.name not in needed and folder.name != CLAIMS:
                shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            (self.folder / CLAIMS).rmdir()

    def sweep(self) -> None:
        """Remove what killed runs left half-written."""
        for folder in _within(self.folder):
            if folder.is_dir() and folder.name != CLAIMS:
                sweep(folder)

    def _needed(self) -> set[str]:
        needed: set[str] = set()
        claims = self.folder / CLAIMS
        for path in _within(claims):
            with suppress(FileNotFoundError), path.open("r+b") as claim:
                try:
                    fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    names = claim.read().decode(errors="replace").split()
                    needed |= set(names or os.listdir(self.folder))  # it is just being written
                else:
                    path.unlink(missing_ok=True)  # its run is dead
        return needed


def origin_of(source: Source) -> str:
    """Return what layers of a source are staged under: what nobody let in is never taken for what was."""
    return " ".join([source.place, *(voucher.mark for voucher in vouchers_of(source))])


def _within(folder: Path) -> list[Path]:
    """Return what is in a folder; nothing of one that is not there, or goes just now."""
    with suppress(FileNotFoundError):
        return list(folder.iterdir())
    return []


def _held_claim(path: Path) -> int:
    """Create a claim and hold it; one that was taken for a dead run's before it was held, again."""
    while True:
        make_folder(path.parent)
        with suppress(FileNotFoundError):  # the folder itself may go with its last claim
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
            fcntl.flock(handle, fcntl.LOCK_SH)
            if still_named(handle, path):
                return handle
            os.close(handle)


def _staged(source: Source, layer: Layer, path: Path, progress: Tell) -> Proof:
    def take(content: Content, seen: Content) -> Proof:
        return transfer(seen, layer, nowhere) if _shared(content, path) else _written(seen, layer, path)

    proof = taken(source, layer, take, progress)
    must_stand(source)
    if layer.v1 is not None:
        write_atomically(path.with_name("json"), layer.v1.raw)
    _write_receipt(origin_of(source), layer.key, proof, path)
    return proof


def _write_receipt(place: str, key: str, proof: Proof, path: Path) -> None:
    stamp = Stamp.of(path)
    receipt = {
        "source": place,
        "layer": key,
        "digest": str(proof.digest),
        "size": proof.size,
        "diff_id": str(proof.diff_id),
        "compression": proof.compression,
        "stamp": stamp.to_json() if stamp else None,
    }
    write_atomically(path.with_name("receipt.json"), json.dumps(receipt, indent=1).encode() + b"\n")


def _shared(content: Content, path: Path) -> bool:
    """Give a blob that is a file of its own, as in an `oci:` store, a second name; tell whether it has it."""
    if not isinstance(content, Extent) or not content.is_whole_file():
        return False
    return link_atomically(content.handle, path)


def _written(content: Content, layer: Layer, path: Path) -> Proof:
    with atomic_file(path) as handle:
        require_space(handle, layer.size, str(path))
        reserve(handle, layer.size)
        return transfer(content, layer, WriteBehind(handle))


class StagedSource(Through):
    """A source whose layers are read from where they were staged."""

    def __init__(self, source: Source, staging: Staging) -> None:
        super().__init__(source)
        self._staging, self._origin = staging, origin_of(source)

    def open(self, layer: Layer) -> AbstractContextManager[Content]:
        """Open the staged bytes."""
        return self._staging.open(self._origin, layer)

    def proof(self, layer: Layer) -> Proof | None:
        """Return what staging the layer proved."""
        return self._staging.proof(self._origin, layer.key)
