"""Source and Sink: what a store or bundle must do to be read from, or written to.

The docstrings are the contract; `tests/conformance.py` holds every implementation to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:  # every module imports this one, and few of them make an outline
    from toolkit.digest import Digest
    from toolkit.image import Finding, Layer, Proof, ProvenImage, SourceImage
    from toolkit.outline import Listing, Outline
    from toolkit.platform import Platform

Block = bytes | bytearray | memoryview


class Content(Protocol):
    """The bytes of one blob, once, from the start."""

    size: int  # bytes that `blocks` will yield; a source that yields others raises

    def blocks(self) -> Iterator[Block]:
        """Yield the bytes in order. A block is valid until the next one is asked for."""


@runtime_checkable
class Resumes(Protocol):
    """Content that comes over a network, and goes on where it broke off."""

    resumed: Callable[[int], object]  # called with how many bytes had come, each time that it goes on


class Source(Protocol):
    """Where images are read from. Reading changes nothing in the place."""

    place: str  # the URI, for messages

    def listings(self) -> list[Listing]:
        """List every image, named ones first in the order of their names; bad ones too."""

    def identify(self, name: str) -> str:
        """Return what `name` points at now, cheaply: two answers are equal while the image is.

        Raises NotFound with the names that exist and are near.
        """

    def outline(self, name: str, platform: Platform | None = None) -> Outline:
        """Describe one image from metadata alone; raises NotFound."""

    def image(self, name: str, platform: Platform | None = None) -> SourceImage:
        """Return one image, its documents proven and its layers' sizes known; raises NotFound."""

    def layer_keys(self, name: str, platform: Platform | None = None) -> tuple[str, ...]:
        """Return the keys of the image's layers, base first, without looking at the layers."""

    def layer(self, key: str) -> Layer:
        """Return one layer by its key, its size known; raises NotFound."""

    def open(self, layer: Layer) -> AbstractContextManager[Content]:
        """Open one layer of an image of this source; several may be open in several threads."""


class Receiver(Protocol):
    """One delivery in progress.

    Leaving its block with an exception, or without `finish`, leaves nothing behind that anyone could
    take for an image.
    """

    def write(self, layer: Layer, content: Content) -> Proof:
        """Take one blob in; called from several threads, once for each layer, and again where it raised.

        Raises Mismatch where the bytes are not what the layer promised; then nothing is kept.
        """

    def finish(self, images: Sequence[ProvenImage]) -> None:
        """Write the documents, then the names: afterwards all images are there, whole."""


class Sink(Protocol):
    """Where images are written to."""

    place: str

    def receive(
        self, images: Sequence[SourceImage], known: Mapping[str, Proof]
    ) -> AbstractContextManager[Receiver]:
        """Begin a delivery of exactly these images.

        `known` holds proofs, by layer key, of layers that were read before (small ones, so that a file
        can be laid out knowing which of them are the same); their bytes come through `write` all the same.
        """

    def present(self, layer: Layer) -> Proof | None:
        """Return the proof of a blob that is already there, proven; else None."""


@runtime_checkable
class Loses(Protocol):
    """A sink that cannot hold all of every image."""

    def losses(self, image: ProvenImage) -> Sequence[Finding]:
        """Return what this image will have lost when it is read back from here."""


@runtime_checkable
class Names(Protocol):
    """A sink whose place says what an image will be called there, as docker-daemon:NAME:TAG does."""

    def as_called(self, images: Sequence[SourceImage]) -> Sequence[SourceImage]:
        """Return the images under the names that they get; raises UsageError where one is for several."""


@runtime_checkable
class Renames(Protocol):
    """A sink that calls images by its own name for them, as a registry has its host in each."""

    def names_there(self, names: Sequence[str]) -> Sequence[str]:
        """Return what an image of these names is asked for by, in the place it went to."""

    def repositories_there(self, names: Sequence[str]) -> Sequence[str]:
        """Return the repositories that an image of these names lies in."""


@runtime_checkable
class HoldsV1(Protocol):
    """A source of v1 jsons, some of which Docker reads with losses (formats A.3.1)."""

    docker_compatible: bool  # lose the same, so that images get the IDs that Docker gives them


@runtime_checkable
class Lacks(Protocol):
    """An image of several platforms, of which some may not be here."""

    @property
    def lacking(self) -> Sequence[Finding]:
        """Return what is told of each that is not; an error where it was here and is lost."""


@runtime_checkable
class SeveralDrivers(Protocol):
    """A store that may have been used with several graph drivers, each with images of its own."""

    def driver_names(self) -> Sequence[str]:
        """Return those it has images of, which a place can name one of."""


@runtime_checkable
class KnowsIds(Protocol):
    """A source whose images may be asked for by more IDs than it lists: of parents, platforms, manifests."""

    def ids(self) -> Iterable[str]:
        """Yield every ID that an image can be asked for by, in full; one may come twice."""


@runtime_checkable
class Resolves(Protocol):
    """A source that finds out by itself which image a short ID is of."""

    def full_name(self, name: str) -> str:
        """Return the name as it stands where it is one, else the ID that begins so, else the name."""


@runtime_checkable
class Proves(Protocol):
    """A source whose layers may have been proven before."""

    def proof(self, layer: Layer) -> Proof | None:
        """Return what reading a layer will prove, if that is known; it is proven again all the same."""


@runtime_checkable
class Gathers(Protocol):
    """A source that fetches images, all at once where it knows beforehand which ones."""

    def gather(self, names: Sequence[str], land: Callable[[int], Landing] | None = None) -> None:
        """Fetch these images now; each is asked for by its name afterwards. Raises NotFound.

        Large layers may go straight into the sink that all of them are for, which `land` begins, told how
        many bytes will come at least: there they are present, and are not to be opened here.
        """


class Landing(Protocol):
    """How a blob is put into a sink before its image is known."""

    def __call__(self, layer: Layer, content: Content, /) -> Proof:
        """Take one blob in, as `Receiver.write` does; `content` of one that is there already is not read."""


@runtime_checkable
class Lands(Protocol):
    """A sink that blobs can arrive in before their image is known."""

    def landing(self, expected: int = 0) -> AbstractContextManager[Landing]:
        """Yield how to put blobs there, `expected` bytes at least; the delivery follows within the block.

        An exception, or no delivery, leaves nothing that refers to a blob. Raises StoreError, no OSError.
        """


@runtime_checkable
class HoldsReferrers(Protocol):
    """A source that can tell what refers to an image: signatures, SBOMs, attestations."""

    referrers: bool  # they travel with their images, and are no images of their own; else nobody looks


@runtime_checkable
class Mounts(Protocol):
    """A sink that may take a blob over from another repository of its own."""

    def is_mounted(self, layer: Layer) -> bool:
        """Tell whether a blob that is present came so, in this delivery."""


@runtime_checkable
class Described(Protocol):
    """A store that can say what it is."""

    def described(self) -> Mapping[str, str]:
        """Return titles and facts, as `kind` and `driver`: short, for people."""


@runtime_checkable
class Remarks(Protocol):
    """A store that may have something to say of itself, whichever image is asked for."""

    def remarks(self) -> Sequence[Finding]:
        """Return what a person should know: names that are lost, images that are not listed here."""


def remarks_of(source: Source) -> Sequence[Finding]:
    """Return what a place has to say of itself; nothing of one without that role."""
    return source.remarks() if isinstance(source, Remarks) else ()


@runtime_checkable
class Namespaced(Protocol):
    """A store whose images lie in namespaces, of which it shows one."""

    namespace: str  # the one that was asked for; empty where none was


@runtime_checkable
class Distant(Protocol):
    """A place at the other end of a network, which is waited for more than worked with."""

    at_once: int  # blobs to carry at once, at least; 0 is as many as there are processors


@runtime_checkable
class Unpacks(Protocol):
    """A sink whose place knows blobs by their digests, and never unpacks one, as a registry."""

    unpacks: bool  # diffIDs are proven on the way all the same, by a decompression of each layer


@runtime_checkable
class TakesOneByOne(Protocol):
    """A sink that takes one blob after the other, however many are offered."""

    one_by_one: bool


@runtime_checkable
class Narrows(Protocol):
    """A place that is several places in one."""

    def narrowed(self, name: str) -> str:
        """Return the URI of the one that has an image; raises NotFound."""


@runtime_checkable
class Holds(Protocol):
    """A place where names move, as tags of a registry do."""

    def hold(self, held: dict[tuple[str, str], Digest]) -> None:
        """Let each name mean what is held of it, or what it is found to mean first, which is held then."""


@runtime_checkable
class OfFile(Protocol):
    """A place that is one file."""

    def file_stamp(self) -> object:
        """Return what changes when the file does: as it stands, or stood when it was read last."""


@runtime_checkable
class Closes(Protocol):
    """A place that holds a file open."""

    def close(self) -> None:
        """Let it go."""
