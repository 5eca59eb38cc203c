"""The new images of a set, as a Source: what it contains from its volumes, the rest from the base store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager

from toolkit.bundles.entries import Entries, digest_in
from toolkit.bundles.modern import Blobs, ModernImage, blob_name
from toolkit.bundles.ocilayout import INDEX, ListedImages, check_layout
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, MissingMember, NotFound
from toolkit.limits import limits
from toolkit.mirror.records.increment import Increment
from toolkit.model import Descriptor
from toolkit.platform import Platform
from toolkit.ports import Content

MADE_WRONG = "the set was not made as it should be: make another one"


class SetImages(ListedImages):
    """The images that a set makes whole, each by its digest; exactly the blobs that its increment names."""

    def __init__(self, increment: Increment, own: Blobs, base: Blobs) -> None:
        super().__init__(_Both(increment, own, base), f"set {increment.name}")
        check_layout(own, self.place)
        raw = own.read(INDEX, limits().document)
        if raw is None:
            raise MissingMember(self.place, f"has no {INDEX}")
        listed = {entry.top.digest: entry.top for entry in Entries.of(raw)}
        self.increment = increment
        self.names: dict[Digest, tuple[str, ...]] = {}
        for image in increment.new:
            self.names[image.digest] = (*self.names.get(image.digest, ()), image.name)
        if absent := next((digest for digest in self.names if digest not in listed), None):
            problem = f"has {self.names[absent][0]}, {absent}, which its {INDEX} does not list"
            raise CorruptContent(self.place, problem, MADE_WRONG)
        self.tops: Mapping[Digest, Descriptor] = {digest: listed[digest] for digest in self.names}

    def entries(self) -> Entries:
        """Return the images."""
        return Entries.listing((names, self.tops[digest]) for digest, names in self.names.items())

    def image(self, name: str, platform: Platform | None = None) -> ModernImage:
        """Return an image by its digest, under the names that it will have."""
        digest = digest_in(name)
        if digest is None or digest not in self.tops:
            raise NotFound(f"image {name}", f"is not among the new ones of {self.place}")
        return self.gathered(self.names[digest], self.tops[digest], platform)

    def checked(self) -> Iterator[ModernImage]:
        """Yield each image; they must be whole, and consist of all that the increment names, and no more.

        Raises CorruptContent.
        """
        wanted = {blob.digest for blob in (*self.increment.contains, *self.increment.requires)}
        for digest, names in self.names.items():
            image = self.image(str(digest))
            if lost := next((each for each in image.lacking if each.severity == "error"), None):
                problem = f"has {names[0]} not whole: {lost.subject} {lost.problem}"
                raise CorruptContent(self.place, problem, MADE_WRONG)
            wanted.difference_update(image.documents)
            wanted.difference_update(layer.digest for layer in image.layers if layer.digest)
            yield image
        if wanted:
            problem = f"names blob {min(wanted)}, of which none of its images consists"
            raise CorruptContent(self.place, problem, MADE_WRONG)


class _Both:
    """Blobs of a set and of the base store: each only from where the increment says it is."""

    def __init__(self, increment: Increment, own: Blobs, base: Blobs) -> None:
        self._places = {blob_name(blob.digest): own for blob in increment.contains}
        self._places |= {blob_name(blob.digest): base for blob in increment.requires}

    def read(self, name: str, limit: int) -> bytes | None:
        """Return a document by its name."""
        place = self._places.get(name)
        return place.read(name, limit) if place else None

    def size(self, digest: Digest) -> int | None:
        """Return a blob's size."""
        place = self._places.get(blob_name(digest))
        return place.size(digest) if place else None

    def open(self, digest: Digest, size: int) -> AbstractContextManager[Content]:
        """Open a blob whose size was asked before."""
        if (place := self._places.get(blob_name(digest))) is None:
            raise MissingMember(f"blob {digest}", "is not there")
        return place.open(digest, size)
