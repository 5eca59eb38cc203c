"""`oci:` — an OCI image layout in a folder, read and written; the embedded store is one.

    oci-layout  index.json  blobs/<algorithm>/<hex> …
    .lading/stamps/ …      which blobs are proven (toolkit.stores.stamps)
    .lading/parts/ …       blobs in the making, one name for each layer, held under a lock
    .lading/index.lock     held while index.json is replaced
    .lading/writers.lock   held together by all deliveries; alone by whoever removes blobs that nothing names

Other tools pass over `.lading`, and it may be removed at any time when nobody writes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from toolkit.bundles.entries import Entries
from toolkit.bundles.layout_members import OCI_LAYOUT
from toolkit.bundles.names import merged
from toolkit.bundles.ocilayout import INDEX, LAYOUT, OciImages, check_layout
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, MissingMember, NotFound, Unsupported
from toolkit.image import Document, Layer, Proof, ProvenImage, SourceImage
from toolkit.limits import limits
from toolkit.plumbing.filelock import locked
from toolkit.plumbing.files import PART, Stamp, fsync_folder, make_folder, storing, sweep, write_atomically
from toolkit.plumbing.folder_files import must_be_folders
from toolkit.plumbing.sharedlock import alone, together
from toolkit.plumbing.space import require_space, require_space_in, reserve
from toolkit.plumbing.streams import nowhere, transfer
from toolkit.plumbing.writebehind import WriteBehind
from toolkit.ports import Content, Landing
from toolkit.stores.folder_blobs import FolderBlobs
from toolkit.stores.layout_blobs import Existing, Whole
from toolkit.stores.layout_index import EMPTY, named_in
from toolkit.stores.layout_tidy import BUSY, OWN, WRITERS, let_go, missing, unmake
from toolkit.stores.stamps import Stamps

ATTEMPTS = 10  # to begin in a folder that others, whose delivery failed, take away


class LayoutStore(OciImages):
    """An OCI layout; Source and Sink. Several processes may write to one at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = FolderBlobs(path)
        self._own = path / OWN
        self._stamps = Stamps(self._own / "stamps")
        self._landed = set[Digest]()  # what nobody has named yet of the blobs of a landing
        self._is_landing = False
        super().__init__(Existing(self.folder, path), f"oci:{path}")
        self._listed: tuple[Stamp, Entries] | None = None

    def entries(self) -> Entries:
        """Return what index.json lists; it is not read again while nobody touched it."""
        stamp = Stamp.of(self.path / INDEX)  # before it is read: what comes later shows next time
        if stamp and self._listed and self._listed[0] == stamp:
            return self._listed[1]
        entries = super().entries()
        self._listed = (stamp, entries) if stamp else None
        return entries

    def present(self, layer: Layer) -> Proof | None:
        """Return the proof of a blob that is stamped since it was proven, or that is proven now."""
        if layer.digest is None:
            return None
        stamp = Stamp.of(self.folder.path(layer.digest))
        if stamp is None or stamp.size != layer.size:
            return None
        return self._stamps.proof(layer, stamp) or self._examined(layer, layer.digest, stamp)

    @contextmanager
    def receive(self, images: Sequence[SourceImage], known: Mapping[str, Proof]) -> Iterator[LayoutReceiver]:
        """Begin a delivery; what it has not named when it ends is only blobs that nobody refers to.

        A folder that was made for it, and has none, goes again. Raises StoreError where what is not there
        yet cannot fit.
        """
        del known  # every blob lies by itself: there is nothing to lay out
        with self._delivery():
            self._require_space({layer.key: layer for image in images for layer in image.layers}.values())
            yield LayoutReceiver(self)

    @contextmanager
    def landing(self, expected: int = 0) -> Iterator[Landing]:
        """Yield how to put blobs here before a delivery begins; the folder becomes a layout now.

        Those that were not here before, and that no image has, go again when the block ends.
        """
        del expected  # how much of that is here already shows as it comes
        with self._delivery():
            self._is_landing = True
            try:
                yield lambda layer, content: self.present(layer) or self.put(layer, content)
            finally:
                self._is_landing = False

    @contextmanager
    def _delivery(self) -> Iterator[None]:
        """Make the folder a layout, and hold the lock of deliveries; what was in vain goes again."""
        made, was_there = missing(self.path), os.path.lexists(self.path / LAYOUT)
        try:
            with ExitStack() as stack:
                self._begin(stack)
                yield
        finally:
            if not self._is_landing:  # a delivery within it is a part of a landing
                let_go(self.path, self._landed)
                self._landed.clear()
                if not was_there:
                    unmake(self.path, made)

    def _begin(self, stack: ExitStack) -> None:
        for left in reversed(range(ATTEMPTS)):
            try:
                self._prepare()
                stack.enter_context(together(self._own / WRITERS))
                self._prepare()  # what was taken away while we waited
            except NotFound:
                if not left:
                    raise
            else:
                return

    def put(self, layer: Layer, content: Content) -> Proof:
        """Write one blob under its digest, unless somebody else did so while we waited to.

        Raises Mismatch, and then nothing is kept.
        """
        part = self._own / "parts" / f".{Digest.of(layer.key.encode()).hex}{PART}"
        with storing(part), locked(part) as handle:
            if proof := self.present(layer):
                part.unlink(missing_ok=True)
                return proof
            try:
                os.ftruncate(handle, 0)
                require_space(handle, layer.size, self.place)
                reserve(handle, layer.size)
                proof = transfer(content, layer, WriteBehind(handle))
                os.fsync(handle)
                self._name(part, proof.digest)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
            if stamp := Stamp.of(handle):  # renaming has changed it
                self._stamps.put(layer, proof, stamp)
        return proof

    def put_document(self, document: Document) -> None:
        """Write a manifest, index or config as a blob."""
        descriptor = document.descriptor
        layer = Layer(str(descriptor.digest), len(document.raw), descriptor.digest)
        if not self.present(layer):
            self.put(layer, Whole(document.raw))

    def name(self, images: Sequence[ProvenImage]) -> None:
        """Put images into index.json, beside what others have put there meanwhile."""
        with storing(self.place), locked(self._own / "index.lock"):
            limit = limits().document
            index = named_in(self.blobs.read(INDEX, limit) or EMPTY, merged(images), self.place)
            if len(index) > limit:
                problem = f"would get an {INDEX} of {len(index)} bytes, expected at most {limit}"
                raise Unsupported(self.place, problem, "use another store")
            write_atomically(self.path / INDEX, index)
        for part in (part for image in images for part in image.parts):
            self._landed -= {*part.documents, *(blob.digest for blob in part.blobs)}

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Keep deliveries from beginning; raises TryAgain where one is under way.

        What it has put or found here has no name yet, and looks as if nobody needed it.
        """
        self._make_own()
        with alone(self._own / WRITERS, self.place, BUSY):
            yield

    def unname(self, change: Callable[[Entries], bytes]) -> None:
        """Replace index.json by what `change` makes of its entries, while nobody else names anything."""
        self._make_own()
        with storing(self.place), locked(self._own / "index.lock"):
            before = self.entries()
            if (after := change(before)) != before.raw:
                write_atomically(self.path / INDEX, after)

    def _make_own(self) -> None:
        """Make the folder of our own in a layout that others may have made; raises NotFound without one."""
        self.entries()
        with storing(self.place):
            must_be_folders(self._own, self.path)
            make_folder(self._own)

    def _examined(self, layer: Layer, digest: Digest, stamp: Stamp) -> Proof | None:
        """Read a blob without a stamp; None, so that it is replaced, where it is not what it is called."""
        try:
            with self.folder.open(digest, stamp.size) as content:
                proof = transfer(content, layer, nowhere)
        except CorruptContent:
            return None
        if (self._own / "stamps").is_dir():
            self._stamps.put(layer, proof, stamp)
        return proof

    def _prepare(self) -> None:
        """Make the folder a layout, and remove what killed runs left behind."""
        make_folder(self.path)
        with storing(self.path):
            foreign = [name for name in sorted(os.listdir(self.path)) if not _is_ours(name)]
            if self.folder.read(LAYOUT, limits().document) is None:
                if foreign:
                    problem = f"is no OCI image layout and not empty: it holds {foreign[0]}"
                    raise Unsupported(self.place, problem, "choose an empty or new folder")
                write_atomically(self.path / LAYOUT, OCI_LAYOUT)
            check_layout(self.blobs, self.place)
            for folder in (self.path / "blobs" / "sha256", self._own / "stamps", self._own / "parts"):
                must_be_folders(folder, self.path)
                make_folder(folder)
            sweep(self._own / "parts")
            sweep(self.path)

    def _require_space(self, layers: Iterable[Layer]) -> None:
        missing = sum(
            layer.size
            for layer in layers
            if layer.digest is None or Stamp.of(self.folder.path(layer.digest)) is None
        )
        with storing(self.place):
            require_space_in(self.path, missing, self.place)

    def _name(self, part: Path, digest: Digest) -> None:
        path = self.folder.path(digest)
        make_folder(path.parent)
        if self._is_landing and not os.path.lexists(path):
            self._landed.add(digest)
        os.replace(part, path)
        fsync_folder(path.parent)


class LayoutReceiver:
    """One delivery to a layout."""

    def __init__(self, store: LayoutStore) -> None:
        self._store = store

    def write(self, layer: Layer, content: Content) -> Proof:
        """Write one blob under its digest; raises Mismatch, and then nothing is kept."""
        return self._store.put(layer, content)

    def finish(self, images: Sequence[ProvenImage]) -> None:
        """Write the documents, children first, then the names."""
        self.shelve(images)
        self._store.name(images)

    def shelve(self, images: Sequence[ProvenImage]) -> None:
        """Write the documents, children first: then the images are there, whole, and nothing lists them."""
        for part in (part for image in images for part in image.parts):
            for blob in part.blobs:
                if self._store.folder.size(blob.digest) != blob.size:
                    raise MissingMember(f"blob {blob.digest}", f"is not in {self._store.place}")
            for document in part.documents.values():
                self._store.put_document(document)


def _is_ours(name: str) -> bool:
    """Tell what a delivery that has just begun, or was killed as it began, leaves in an empty folder."""
    return name == OWN or (name.startswith(".") and PART in name)
