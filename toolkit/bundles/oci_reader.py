"""Bundles that are, or hold, an OCI layout: `universal`, `docker` of 25 and later, `oci`, all read here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from toolkit import mediatype
from toolkit.bundles.agreement import Agreement, Offer, refuse_two_images
from toolkit.bundles.archive_reader import Archive, ArchiveSource
from toolkit.bundles.docker_part import MANIFEST, items
from toolkit.bundles.entries import Entries, Entry
from toolkit.bundles.modern import Blobs, ModernImage, blob_name, gather
from toolkit.bundles.ocilayout import INDEX, OciImages
from toolkit.document import Allowance
from toolkit.errors import Disagreement, MissingMember, ToolkitError, UnsafeArchive, Unsupported
from toolkit.image import Finding, Image
from toolkit.limits import limits
from toolkit.model import Config, Descriptor, Index, Manifest
from toolkit.platform import Platform
from toolkit.ports import Source
from toolkit.reading import DOCKER, OCI

DISPUTED = "with --prefer oci it has both names, if you trust the archive"
DISORDERED = "has manifests whose layers are out of order, as Docker 25.0 wrote them; they are made anew"


def open_archive(archive: Archive, prefer: str = "") -> Source:
    """Read an archive by its OCI part, or by its docker part where that is preferred or the better one."""
    if prefer == DOCKER and MANIFEST in archive:
        return _by_docker_part(archive, prefer)
    if not prefer and MANIFEST in archive and INDEX in archive:
        index = Index.from_bytes(archive.read(INDEX, limits().document) or b"", is_proven=False)
        if not index.manifests and items(archive):  # Docker 25 saved images without a name
            return _by_docker_part(archive)
        if any(_is_disordered(*pair) for pair in _pairs(archive, index)):
            refuse_two_images(archive, _mended(archive))
            return _by_docker_part(archive, note=DISORDERED)
    return OciBundle(archive, prefer)


def _by_docker_part(archive: Archive, prefer: str = "", note: str = "") -> Source:
    from toolkit.bundles.docker_reader import DockerArchive

    return DockerArchive(archive, prefer, note)


class OciBundle(ArchiveSource, OciImages):
    """An archive with a layout in it. `prefer` oci says whom to believe where its parts disagree.

    Nothing is told of the archive before its parts were compared: once, and from metadata alone.
    """

    def __init__(self, archive: Archive, prefer: str = "") -> None:
        ArchiveSource.__init__(self, archive)
        OciImages.__init__(self, archive, archive.place)
        self._preferred = prefer == OCI
        self._agreed: Entries | None = None
        self._noted: tuple[Finding, ...] = ()

    def entries(self) -> Entries:
        """Return what the archive lists; raises UnsafeArchive where its parts disagree."""
        if self._agreed is None:
            entries = super().entries()
            if not self._preferred:
                if entries.disputed:
                    raise Disagreement(self.place, entries.disputed, DISPUTED)
                self._noted = refuse_two_images(self._archive, self._offered(entries, _platforms))
            self._agreed = entries
        return self._agreed

    def disagreements(self) -> Iterator[ToolkitError]:
        """Yield all that its parts differ in; afterwards its OCI part is read."""
        if self._agreed is not None or self._preferred:
            return
        entries, agreement = super().entries(), Agreement(self._archive)
        if entries.disputed:
            yield Disagreement(self.place, entries.disputed, DISPUTED)
        yield from agreement.problems(self._offered(entries, _readable))
        self._agreed, self._noted = entries, agreement.findings()

    def _offered(self, entries: Entries, read: Callable[[Blobs, Entry], list[Image]]) -> Iterator[Offer]:
        blobs = _Counted(self.blobs, self.place)
        return ((entry, partial(read, blobs, entry)) for entry in entries)

    def gathered(
        self, names: tuple[str, ...], top: Descriptor, platform: Platform | None = None
    ) -> ModernImage:
        """Return an image, with what is odd about the archive."""
        image = super().gathered(names, top, platform)
        return replace(image, findings=(*image.findings, *self._noted, *self._archive.findings))


class _Counted:
    """Blobs whose documents are counted, each time that one is read."""

    def __init__(self, inner: Blobs, place: str) -> None:
        self._inner, self._allowance = inner, Allowance(place)
        self.size, self.open = inner.size, inner.open

    def read(self, name: str, limit: int) -> bytes | None:
        """Return a document; raises UnsafeArchive where all are too much together."""
        raw = self._inner.read(name, limit)
        self._allowance.take(raw or b"")
        return raw


def _platforms(blobs: Blobs, entry: Entry) -> list[Image]:
    """Return what an entry offers; nothing of what is refused when it is asked for."""
    try:
        return _readable(blobs, entry)
    except MissingMember:
        return []  # the other parts must not have it


def _readable(blobs: Blobs, entry: Entry) -> list[Image]:
    """Return what an entry offers; raises where it is not whole, and nothing can be held against it."""
    try:
        return gather(blobs, entry.names, entry.top).offered.images()
    except Unsupported:
        return []


def _pairs(archive: Archive, index: Index) -> Iterator[tuple[Manifest, Config]]:
    """Yield the manifests of index.json with their configs; what is broken is told later."""
    blobs = _Counted(archive, archive.place)
    for top in index.manifests:
        if pair := _pair(blobs, top):
            yield pair


def _pair(blobs: Blobs, top: Descriptor) -> tuple[Manifest, Config] | None:
    """Return a manifest and its config; None where one of them is broken or no manifest."""
    if top.media_type not in mediatype.MANIFESTS:
        return None
    try:
        limit = limits().document
        raw = blobs.read(blob_name(top.digest), limit) or b""
        manifest = Manifest.from_bytes(top.check(raw), top.media_type)
        raw = blobs.read(blob_name(manifest.config.digest), limit) or b""
        return manifest, Config.from_bytes(manifest.config.check(raw))
    except UnsafeArchive:
        raise
    except ToolkitError:
        return None


def _mended(archive: Archive) -> Iterator[Offer]:
    """Yield the entries of index.json with what they offer, the layers in the order of the config."""
    blobs = _Counted(archive, archive.place)
    for entry in Entries.of(archive.read(INDEX, limits().document) or b""):
        pair = _pair(blobs, entry.top)
        if pair is None or not _is_disordered(*pair):
            yield entry, partial(_platforms, blobs, entry)
            continue
        manifest, config = pair
        layers = {layer.digest: layer for layer in manifest.layers}
        ordered = tuple(layers[diff_id] for diff_id in config.diff_ids)
        yield entry, partial(_ordered, manifest, ordered, config)


def _ordered(manifest: Manifest, layers: tuple[Descriptor, ...], config: Config) -> list[Image]:
    return [Image(replace(manifest, layers=layers), config)]


def _is_disordered(manifest: Manifest, config: Config) -> bool:
    """Tell the fault of Docker 25.0 (formats D.3.2): plain layers in the order of a map, each once."""
    layers = [layer.digest for layer in manifest.layers]
    plain = all(mediatype.compression_of(layer.media_type) == "" for layer in manifest.layers)
    return plain and layers != list(config.diff_ids) and set(layers) == set(config.diff_ids)
