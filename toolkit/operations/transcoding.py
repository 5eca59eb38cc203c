"""Transcoding: layers packed anew, several at once, each proven by the way.

The new blobs wait in files without a name: nothing of them outlives the process, or the block.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Protocol, Self

from toolkit import mediatype
from toolkit.digest import Digest, Hash, new_hash
from toolkit.errors import StoreError
from toolkit.event import PRESENT, BlobsExpected, BlobSkipped, Tell, nobody
from toolkit.image import Layer, Proof
from toolkit.model import Descriptor
from toolkit.operations.taking import taken
from toolkit.plumbing.compressing import Compressor
from toolkit.plumbing.compression import decompressed, sniff
from toolkit.plumbing.files import storing
from toolkit.plumbing.nameless import Piece, Spool, nameless_file, temporary_folder
from toolkit.plumbing.parallel import default_jobs, in_parallel
from toolkit.plumbing.streams import SNIFF, Extent, compared
from toolkit.ports import Block, Content, Source


@dataclass(frozen=True, slots=True)
class Transcoded:
    """A layer's new blob: `layer` describes it, its key the new digest; `content` has its bytes.

    Whoever reads them proves them, as any other layer's.
    """

    layer: Layer
    digest: Digest
    content: Content

    @property
    def descriptor(self) -> Descriptor:
        """Describe the new blob."""
        return Descriptor(self.layer.media_type, self.digest, self.layer.size)


class Earlier(Protocol):
    """Where layers that were packed before may be found; asked from several threads."""

    def turn(self, layer: Layer) -> AbstractContextManager[object]:
        """Wait until nobody else packs this layer."""

    def found(self, layer: Layer) -> Transcoded | None:
        """Return what a layer was packed to, if that is still there and proven."""

    def keep(self, layer: Layer, new: Transcoded) -> None:
        """Keep what a layer was packed to for whoever has it next."""


class Transcoder(AbstractContextManager["Transcoder"]):
    """Packs layers of one source with `compression`: gzip, zstd, or nothing. Each layer once."""

    def __init__(
        self,
        source: Source,
        compression: str,
        level: int | None = None,
        progress: Tell = nobody,
        jobs: int = 0,
        *,
        earlier: Earlier | None = None,
    ) -> None:
        """Raises UsageError for a level that the compression does not have."""
        self.compression = compression
        self._source, self._progress, self._earlier = source, progress, earlier
        self._compressor = Compressor(compression, level)
        self._jobs = jobs or default_jobs()
        self._files = ExitStack()
        self._spool: Spool | None = None
        self._known: dict[str, Transcoded | None] = {}
        self._given_up = threading.Event()

    def transcoded(self, layers: Sequence[Layer]) -> dict[str, Transcoded]:
        """Return the new blobs by the layers' keys; a layer that is packed as wanted is not among them.

        Raises Mismatch where a layer is not what its digest or diffID says, and what reading it raises.
        """
        if self._earlier:
            self._known |= {layer.key: one for layer in layers if (one := self._earlier.found(layer))}
        new = list({layer.key: layer for layer in layers if layer.key not in self._known}.values())
        found = in_parallel(self._compression_of, new, lambda layer: layer.size, self._jobs)
        todo = [pair for pair in zip(new, found, strict=True) if pair[1] != self.compression]
        self._progress(BlobsExpected(tuple(self._counted(layer) for layer, _ in todo)))
        made = self._all(todo) if todo else []
        self._known |= dict.fromkeys(layer.key for layer in new)
        self._known |= {layer.key: one for (layer, _), one in zip(todo, made, strict=True)}
        return {layer.key: one for layer in layers if (one := self._known[layer.key])}

    def _compression_of(self, layer: Layer) -> str:
        """Look at the first bytes: media types do not always tell the truth (formats D.9)."""
        with self._source.open(layer) as content:
            if isinstance(content, Extent):
                return content.compression()
            first = bytearray()
            for block in content.blocks():
                first += block[:SNIFF]
                if len(first) >= SNIFF:
                    break
            return sniff(bytes(first))

    def _all(self, todo: Sequence[tuple[Layer, str]]) -> list[Transcoded]:
        spool = self._spool = self._spool or Spool(self._files.enter_context(nameless_file()))

        def work(pair: tuple[Layer, str]) -> Transcoded:
            return self._made_once(spool, *pair)

        jobs = min(self._jobs, self._compressor.jobs)
        return in_parallel(work, todo, lambda pair: pair[0].size, jobs, self._given_up.set)

    def _made_once(self, spool: Spool, layer: Layer, compression: str) -> Transcoded:
        """Return the new blob, unless somebody else has made it while we waited for our turn."""
        if (earlier := self._earlier) is None:
            return self._made(spool, layer, compression)
        with earlier.turn(layer):
            if found := earlier.found(layer):
                self._progress(BlobSkipped(self._counted(layer), PRESENT))
                return found
            made = self._made(spool, layer, compression)
            earlier.keep(layer, made)
            return made

    def _made(self, spool: Spool, layer: Layer, compression: str) -> Transcoded:
        def take(_: Content, seen: Content) -> Transcoded:
            return self._packed(spool, seen, layer, compression)

        return taken(self._source, layer, take, self._progress, self._counted(layer))

    def _packed(self, spool: Spool, content: Content, layer: Layer, compression: str) -> Transcoded:
        algorithm = layer.digest.algorithm if layer.digest else "sha256"
        packed, plain, made = new_hash(algorithm), new_hash(), new_hash()
        added: list[Piece] = []
        unpacked = _hashed(decompressed(_hashed(content.blocks(), packed), compression, layer.subject), plain)
        with closing(self._compressor.compressed(unpacked)) as pieces:
            for piece in pieces:
                added.append(self._add(spool, piece, layer))
                made.update(piece)
        digest = Digest("sha256", plain.hexdigest())
        proof = compared(
            layer, Proof(Digest(algorithm, packed.hexdigest()), content.size, digest, compression)
        )
        new, found = Digest("sha256", made.hexdigest()), spool.content(added, layer.subject)
        media_type = mediatype.with_compression(layer.media_type, self.compression)
        told = replace(
            layer, key=str(new), size=found.size, digest=new, diff_id=proof.diff_id, media_type=media_type
        )
        return Transcoded(told, new, found)

    def _add(self, spool: Spool, piece: bytes, layer: Layer) -> Piece:
        if self._given_up.is_set():
            raise StoreError(layer.subject, "was given up, since something else failed")
        with storing(f"temporary file in {temporary_folder()} for {layer.subject}"):
            return spool.add(piece)

    def _counted(self, layer: Layer) -> Layer:
        """Count the old bytes as a layer of their own: the new ones are counted when they are carried."""
        return replace(layer, key=f"{self.compression or 'plain'}:{layer.key.rpartition(':')[2]}")

    def __enter__(self) -> Self:
        self._compressor.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()
        self._compressor.__exit__(kind, error, trace)


def _hashed(blocks: Iterator[Block], hash_: Hash) -> Iterator[Block]:
    for block in blocks:
        hash_.update(block)
        yield block
