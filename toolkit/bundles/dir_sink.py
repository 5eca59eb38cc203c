"""Writing `dir`: skopeo's folder of one image, whole at once (formats D.3.7)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from toolkit import mediatype
from toolkit.bundles.dir_reader import BEGINS, VERSION, is_dir_folder
from toolkit.bundles.docker_part import MANIFEST
from toolkit.bundles.losses import lost_referrers
from toolkit.digest import Digest
from toolkit.errors import MissingMember, StoreError, Unsupported, UsageError
from toolkit.image import Finding, Layer, Proof, ProvenImage, SourceImage, drafts
from toolkit.model import Descriptor
from toolkit.plumbing.files import storing, write_all
from toolkit.plumbing.space import require_space_in, reserve
from toolkit.plumbing.stagedfolder import staged_folder
from toolkit.plumbing.streams import transfer
from toolkit.plumbing.writebehind import WriteBehind
from toolkit.ports import Content

OURS = re.compile(
    rf"{VERSION}|([0-9a-f]{{64,128}}\.)?(manifest\.json|signature-\d+)|[0-9a-f]{{64,128}}", re.ASCII
)
WRITE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class DirSink:
    """A folder that does not exist yet, or holds an older `dir`, which is replaced."""

    def __init__(self, path: Path) -> None:
        self.path, self.place = Path(os.path.abspath(path)), str(path)

    def losses(self, image: ProvenImage) -> Sequence[Finding]:
        """Return the names, and what refers to the image: a `dir` has no place for them."""
        lost = lost_referrers(image, "a dir")
        if image.names:
            problem = "is not named in a dir; its name is chosen where it is read"
            lost.append(Finding(", ".join(image.names), problem, "note"))
        return tuple(lost)

    def present(self, layer: Layer) -> Proof | None:  # noqa: ARG002 - a new folder holds nothing
        """Return None: a `dir` is always written whole."""
        return None

    @contextmanager
    def receive(self, images: Sequence[SourceImage], known: Mapping[str, Proof]) -> Iterator[DirReceiver]:
        """Begin the folder; it has its name when the block ends after `finish`. Raises Unsupported."""
        del known  # every blob is a file of its own
        _only(
            [image.proven(drafts(image.layers)) for image in images],
            self.place,
        )
        _refuse_foreign(self.path)
        with staged_folder(self.path) as folder:
            layers = {layer.key: layer for image in images for layer in image.layers}
            require_space_in(folder, sum(layer.size for layer in layers.values()), self.place)
            receiver = DirReceiver(folder, self.place)
            yield receiver
            receiver.must_be_finished()


class DirReceiver:
    """One folder being written."""

    def __init__(self, folder: Path, place: str) -> None:
        self._folder, self._place, self._finished = folder, place, False

    def write(self, layer: Layer, content: Content) -> Proof:
        """Write one blob; raises Mismatch, and then nothing is kept."""
        part = self._folder / f"part-{Digest.of(layer.key.encode()).hex}"
        with storing(part):
            handle = os.open(part, WRITE, 0o666)
            try:
                reserve(handle, layer.size)
                proof = transfer(content, layer, WriteBehind(handle))
                os.fsync(handle)
                os.replace(part, self._folder / proof.digest.hex)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
            finally:
                os.close(handle)
        return proof

    def finish(self, images: Sequence[ProvenImage]) -> None:
        """Write the documents; raises Unsupported for several images, which a `dir` cannot hold."""
        image = _only(images, self._place)
        for blob in image.blobs:
            path = self._folder / blob.digest.hex
            if not path.is_file():
                raise MissingMember(f"blob {blob.digest}", f"is not in {self._place}")
            os.replace(path, self._folder / _name(blob))
        for blob in (blob for referrer in image.referrers for blob in referrer.blobs):
            (self._folder / blob.digest.hex).unlink(missing_ok=True)
        for document in image.documents.values():
            is_top = document.descriptor.digest == image.top.digest
            self._write(MANIFEST if is_top else _name(document.descriptor), document.raw)
        self._write(VERSION, BEGINS + b"1.1\n")
        self._finished = True

    def must_be_finished(self) -> None:
        """Raise where the block ended without `finish`: nothing may get the folder's name."""
        if not self._finished:
            raise StoreError(self._place, "was left before it was finished")

    def _write(self, name: str, content: bytes) -> None:
        path = self._folder / name
        with storing(path):
            handle = os.open(path, WRITE & ~os.O_EXCL | os.O_TRUNC, 0o666)
            try:
                write_all(handle, content)
                os.fsync(handle)
            finally:
                os.close(handle)


def _only(images: Sequence[ProvenImage], place: str) -> ProvenImage:
    tops = {image.top.digest: image for image in images}
    if len(tops) != 1:
        raise Unsupported(
            place, f"would hold {len(tops)} images, and a dir holds one", "write one dir for each"
        )
    return next(iter(tops.values()))


def _name(descriptor: Descriptor) -> str:
    """Return what a file is called: manifests that an index lists have a name of their own kind."""
    is_manifest = descriptor.media_type in mediatype.MANIFESTS | mediatype.INDEXES
    return f"{descriptor.digest.hex}.{MANIFEST}" if is_manifest else descriptor.digest.hex


def _refuse_foreign(path: Path) -> None:
    """Raise UsageError for a folder with something else in it: replacing it would lose that."""
    with storing(path):
        if not path.is_symlink() and not path.exists():
            return
        if path.is_symlink() or not path.is_dir():
            raise UsageError(str(path), "is no folder, and a dir is one", "name a new folder")
        with os.scandir(path) as found:
            names = {entry.name: entry.is_file(follow_symlinks=False) for entry in found}
        foreign = [name for name, is_file in names.items() if not (is_file and OURS.fullmatch(name))]
    if names and (foreign or not is_dir_folder(path)):
        what = f"{min(foreign)} and perhaps more" if foreign else f"no {VERSION} of a dir"
        raise UsageError(str(path), f"is a folder with {what} in it", "name a new or empty folder")
