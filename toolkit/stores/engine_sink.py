"""`docker-daemon:` written: images loaded into a running engine.

A bundle is sent to the engine's load endpoint while its layers are read. What it holds is told at its end: of
a delivery that breaks off the engine keeps nothing. Then it is asked what it has under each name. Podman
calls localhost/app:1 what a bundle calls app:1, and finds it by either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from toolkit.bundles import named
from toolkit.bundles.losses import lost_layersizes, lost_manifest, lost_platforms, lost_referrers
from toolkit.bundles.names import loadable, merged
from toolkit.bundles.refertags import of_their_own
from toolkit.bundles.tarstream import TarStream
from toolkit.errors import NotFound, StoreError, Unsupported, UsageError
from toolkit.image import Finding, Layer, Proof, ProvenImage, SourceImage, drafts, layers_of
from toolkit.plumbing.handover import handed_over
from toolkit.ports import Content, Receiver
from toolkit.reference import Reference
from toolkit.stores.engine import Engine

PLACE = "docker-daemon"


class EngineSink:
    """A running engine to load images into; `called` renames the only image of a delivery."""

    one_by_one = True

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
        draft = drafts(layers_of(images), known)
        self.must_load([image.proven(draft) for image in images])
        with handed_over(self._engine.load, self._engine.subject) as give:
            stream = TarStream(give, lambda images: members_of(_alone(images)), images, known)
            receiver = _Receiver(stream, self)
            yield receiver
            stream.must_be_finished()
        self._compare(receiver.proven)

    def as_called(self, images: Sequence[SourceImage]) -> Sequence[SourceImage]:
        """Return the images as they are, or the only one under the name that the place gives it."""
        if self._called and len(images) != 1:
            problem = f"names one image, and {len(images)} are to be loaded"
            raise UsageError(self.place, problem, f"write {PLACE}: and --tag OLD=NEW")
        return [image.under((self._called,)) for image in images] if self._called else images

    def must_load(self, images: Sequence[ProvenImage]) -> None:
        """Raise Unsupported for what this engine cannot unpack: no image, or compressions newer than it."""
        if self._engine.is_podman:
            return
        for image in of_their_own(images):
            if image.preferred() is None:
                problem = f"is no image that {self._engine.subject} can load"
                raise Unsupported(", ".join(image.names) or str(image.top.digest), problem, "name the images")
        span = named(self._format()).engines.of(images).docker
        if span is None or self._engine.release < span[0]:
            needed = f"Docker {span[0][0]}.{span[0][1]} or later" if span else "another engine"
            problem = f"is Docker {self._engine.version}, and these images need {needed}"
            raise Unsupported(self._engine.subject, problem, "repack their layers: --compression gzip")

    def _format(self) -> str:
        """Return what the engine reads best: podman asks a layout with several images for no one of them."""
        return "docker-v1.2" if self._engine.is_podman else "docker"

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
        """Send a layer."""
        return self._inner.write(layer, content)

    def finish(self, images: Sequence[ProvenImage]) -> None:
        """Send the end of the bundle; the engine has it when the delivery's block ends."""
        self._sink.must_load(images)
        self.proven = images
        self._inner.finish(images)
