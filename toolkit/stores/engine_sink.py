"""`docker-daemon:` written: images loaded into a running engine.

A bundle is laid out in a nameless temporary file (TMPDIR), as for a pipe, and sent to the engine's load
endpoint when it is whole: of a delivery that fails the engine sees nothing. Then the engine is asked what
it has under each name. Podman calls localhost/app:1 what a bundle calls app:1, and finds it by either.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from toolkit.bundles import named
from toolkit.bundles.losses import lost_layersizes, lost_manifest, lost_platforms, lost_referrers
from toolkit.bundles.names import loadable, merged
from toolkit.bundles.refertags import of_their_own
from toolkit.bundles.tarsink import TarSink
from toolkit.errors import NotFound, StoreError, Unsupported, UsageError
from toolkit.image import Finding, Layer, Proof, ProvenImage, SourceImage
from toolkit.plumbing.files import storing
from toolkit.plumbing.nameless import nameless_file, temporary_folder
from toolkit.plumbing.streams import Extent
from toolkit.ports import Content, Receiver
from toolkit.reference import Reference
from toolkit.stores.engine import Engine

PLACE = "docker-daemon"
VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})")


class EngineSink:
    """A running engine to load images into; `called` renames the only image of a delivery."""

    def __init__(self, engine: Engine, place: str = f"{PLACE}:", called: str = "") -> None:
        """Take an engine; raises InvalidReference for a name that is none, UsageError for a digest."""
        self.place, self._engine, self._called = place, engine, ""
        if called:
            reference = Reference.parse(called)
            if reference.digest or not reference.tag:
                raise UsageError(place, "names a digest, which no one chooses", f"write {PLACE}:NAME:TAG")
            self._called = reference.familiar

    def present(self, layer: Layer) -> Proof | None:  # noqa: ARG002 - its layers have no digests to ask by
        """Return None: a bundle is always sent whole."""
        return None

    def losses(self, image: ProvenImage) -> Sequence[Finding]:
        """Return what an engine that keeps configs and layers alone will not have of an image."""
        always, lost = (lost_referrers,), (lost_platforms, lost_manifest, lost_layersizes)
        kinds = always if self._engine.keeps_manifests else (*always, *lost)
        return [finding for each in kinds for finding in each(image, PLACE)]

    @contextmanager
    def receive(self, images: Sequence[SourceImage], known: Mapping[str, Proof]) -> Iterator[Receiver]:
        """Begin a delivery; raises StoreError where no engine answers, later what it says against it."""
        members_of = named(self._format()).members_of
        assert members_of is not None  # noqa: S101 - a tar has members
        # Its folder is where the nameless file lies; its name is for messages.
        path = temporary_folder() / f"bundle for {self._engine.subject}".replace("/", "+")
        sink = TarSink(path, lambda images: members_of(_alone(images)), None, self._sent)
        with sink.receive(images, known) as inner:
            receiver = _Receiver(inner, self)
            yield receiver
        self._compare(receiver.proven)

    def as_called(self, images: Sequence[SourceImage]) -> Sequence[SourceImage]:
        """Return the images as they are, or the only one under the name that the place gives it."""
        if self._called and len(images) != 1:
            problem = f"names one image, and {len(images)} are to be loaded"
            raise UsageError(self.place, problem, f"write {PLACE}: and --tag OLD=NEW")
        return [_Called(image, (self._called,)) for image in images] if self._called else images

    def must_load(self, images: Sequence[ProvenImage]) -> None:
        """Raise Unsupported for what this engine cannot unpack: no image, or compressions newer than it."""
        if self._engine.is_podman:
            return
        for image in of_their_own(images):
            if image.preferred() is None:
                problem = f"is no image that {self._engine.subject} can load"
                raise Unsupported(", ".join(image.names) or str(image.top.digest), problem, "name the images")
        if not (found := VERSION.match(told := self._engine.version)):
            return
        span = named(self._format()).engines.of(images).docker
        if span is None or (int(found[1]), int(found[2])) < span[0]:
            needed = f"Docker {span[0][0]}.{span[0][1]} or later" if span else "another engine"
            problem = f"is Docker {told}, and these images need {needed}"
            raise Unsupported(self._engine.subject, problem, "repack their layers: --compression gzip")

    def _format(self) -> str:
        """Return what the engine reads best: podman asks a layout with several images for no one of them."""
        return "docker-v1.2" if self._engine.is_podman else "docker"

    @contextmanager
    def _sent(self, path: Path) -> Iterator[int]:
        """Yield a nameless file to write to, and send it to the engine when the block ends well."""
        with nameless_file(path.parent) as plain:
            with storing(path):
                yield plain
            self._engine.load(Extent(plain, 0, os.fstat(plain).st_size, str(path)))

    def _compare(self, images: Sequence[ProvenImage]) -> None:
        """Raise StoreError where the engine has another image under a name than was sent, or none."""
        for image in merged(images):
            picture = image.preferred()
            if picture is None:
                continue
            config, manifest = picture.config.image_id, picture.manifest.descriptor.digest
            for name in loadable(image.names) or [str(config)]:
                if (found := self._id_of(name)) not in {*map(str, (config, manifest, image.top.digest))}:
                    problem = f"has {found or 'nothing'} as {name}, expected {config}"
                    raise StoreError(self._engine.subject, problem, "did somebody else give it that name?")

    def _id_of(self, name: str) -> str:
        try:
            return self._engine.inspect(name).get("Id", str)
        except NotFound:
            return ""


def _alone(images: Sequence[ProvenImage]) -> list[ProvenImage]:
    """Return images without what refers to them, which an engine would take for images of their own."""
    return [replace(image, referrers=()) for image in images]


class _Receiver:
    """A bundle's receiver that remembers what it was finished with."""

    def __init__(self, inner: Receiver, sink: EngineSink) -> None:
        self._inner, self._sink = inner, sink
        self.proven: Sequence[ProvenImage] = ()

    def write(self, layer: Layer, content: Content) -> Proof:
        """Put a layer into the bundle."""
        return self._inner.write(layer, content)

    def finish(self, images: Sequence[ProvenImage]) -> None:
        """Finish the bundle; it is sent when the delivery's block ends."""
        self._sink.must_load(images)
        self.proven = images
        self._inner.finish(images)


@dataclass(frozen=True, slots=True)
class _Called:
    """An image under another name; a SourceImage."""

    image: SourceImage
    names: tuple[str, ...]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Return the image's layers."""
        return self.image.layers

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return what the source noticed."""
        return self.image.findings

    def proven(self, proofs: Mapping[str, Proof]) -> ProvenImage:
        """Return the proven image under its other name."""
        return replace(self.image.proven(proofs), names=self.names)
