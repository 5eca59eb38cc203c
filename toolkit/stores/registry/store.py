"""`docker://` — a registry as a source: one repository, one image, or whatever names its host."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from typing import TypeVar

from toolkit import mediatype
from toolkit.bundles import layout_lines
from toolkit.bundles.layout_lines import in_order, listing, told_apart
from toolkit.bundles.modern import ModernImage
from toolkit.bundles.refertags import cosign_tags, list_tag
from toolkit.digest import Digest
from toolkit.errors import (
    CorruptContent,
    InvalidDigest,
    MissingMember,
    NotFound,
    RegistryError,
    ToolkitError,
    Unsupported,
)
from toolkit.historic import HistoricImage, historic_outline
from toolkit.image import Finding, Layer
from toolkit.model import Descriptor
from toolkit.outline import Listing, Outline
from toolkit.platform import Platform
from toolkit.plumbing.parallel import in_parallel
from toolkit.plumbing.partials import Partials
from toolkit.ports import Content
from toolkit.reference import near
from toolkit.report import NOTE
from toolkit.stores.registry.address import Address, Target
from toolkit.stores.registry.blob import Blob
from toolkit.stores.registry.client import AT_ONCE, FORBIDDEN, UNAUTHORIZED, Client
from toolkit.stores.registry.documents import ACCEPT, Documents, Large, blob_size, digest_told
from toolkit.stores.registry.tags import tags

T = TypeVar("T")


class RegistryStore:
    """A registry; a Source that HoldsReferrers, ListsTags, Recalls and TellsPlatforms."""

    at_once = AT_ONCE
    referrers = False

    def __init__(
        self, address: Address, client: Client, place: str, partials: Partials | None = None
    ) -> None:
        self.place, self._address, self._client = place, address, client
        # What a tag pointed at when it was last read, and whether that is to hold.
        self._proven: dict[tuple[str, str], Digest] = {}
        self._holds = self._believes = False
        self._partials = partials or Partials()
        self._ids: dict[str, Target] = {}  # image IDs that were listed
        self._where: dict[Digest, str] = {}  # the repository of a blob: a registry has none outside of one
        self._last = address.repository
        self._lock = threading.Lock()
        self._parts: set[Digest] = set()  # of images that were read where referrers are wanted

    def described(self) -> dict[str, str]:
        """Say what it is."""
        return {"kind": "registry", "host": self._address.host}

    def hold(self, held: dict[tuple[str, str], Digest]) -> None:
        """Take each tag for what it is held to be, or is found to be first, however often it is asked for."""
        self._proven, self._holds = held, True

    def recall(self, digests: Mapping[str, Digest]) -> None:
        """Know what names pointed at, and believe the registry what they point at now, which HEAD asks."""
        self._believes = True
        pairs = ((target, digest) for name, digest in digests.items() for target in self._address.meant(name))
        self._proven.update(((target.repository, target.tag_or_digest), digest) for target, digest in pairs)

    def platforms(self, name: str) -> Mapping[Digest, Platform | None]:
        """Return what an index lists, by one request; raises as `identify`."""
        return self._found(name, lambda target: Documents(self._client, target.repository).listed(target))

    def narrowed(self, name: str) -> str:
        """Return the repository that has an image; raises as `identify`."""
        if self._address.repository:
            return self.place
        repository = self._found(name, lambda target: (self._identified(target), target.repository)[1])
        return Address(self._address.host, repository).place

    def remarks(self) -> list[Finding]:
        """Say what is left of the registry's limit, where that is little, and which mirrors fail."""
        return self._client.remarks()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def listings(self) -> list[Listing]:
        """List the tags of the repository, or the one image; raises NotFound, Unsupported without either."""
        address, of = self._address, self._address.repository
        if not of:
            problem = "is a registry, which is not asked for all that it holds"
            raise Unsupported(self.place, problem, f"name a repository: docker://{address.host}/REPOSITORY")
        targets = [Target(of, one, address.name(of, one)) for one in self._tags()]
        if address.digest is not None:
            targets = [Target(of, str(address.digest), address.name(of, "", address.digest))]
        lines = self._listed(targets)
        if lines and lines[0].problem and (address.tag or address.digest):
            self.identify(targets[0].name)  # raises where the one image is not there
        return lines

    def tags(self, repository: str) -> list[str]:
        """List the tags of a repository, each once; raises NotFound where there is none."""

        def listed(target: Target) -> list[str]:
            if found := tags(self._client, target.repository):
                return found
            raise NotFound(target.repository, "has no tag")

        try:
            return self._found(repository, listed)
        except NotFound as error:
            raise NotFound(f"repository {repository}", f"has no tag in {self.place}") from error

    def identify(self, name: str) -> str:
        """Return the digest of what the name points at: read, or told to be what was read before."""
        return str(self._found(name, self._identified))

    def outline(self, name: str, platform: Platform | None = None) -> Outline:
        """Describe an image by its documents."""
        image = self.image(name, platform)
        return historic_outline(image) if isinstance(image, HistoricImage) else layout_lines.outline(image)

    def image(self, name: str, platform: Platform | None = None) -> ModernImage | HistoricImage:
        """Return an image, its documents proven; raises as `Documents`, NotFound with near names."""
        return self._found(name, lambda target: self._whole(target, platform))

    def layer_keys(self, name: str, platform: Platform | None = None) -> tuple[str, ...]:
        """Return the digests of the blobs, base first."""
        return tuple(layer.key for layer in self.image(name, platform).layers)

    def layer(self, key: str) -> Layer:
        """Return one blob by its digest."""
        absent = NotFound(f"layer {key[:150]}", f"is not in {self.place}")
        try:
            digest = Digest.parse(key)
        except InvalidDigest as error:
            raise absent from error
        repository = self._where.get(digest, self._last)
        size = blob_size(self._client, repository, digest) if repository else None
        if size is None:
            raise absent
        return Layer(key, size, digest)

    def open(self, layer: Layer) -> AbstractContextManager[Content]:
        """Open a blob; what breaks off on the way is gone on with, and kept for another run if need be."""
        if layer.digest is None:
            raise MissingMember(layer.subject, f"has no digest, and is not of {self.place}")
        repository = self._where.get(layer.digest, self._last)
        is_document = layer.media_type in mediatype.MANIFESTS | mediatype.INDEXES
        path = f"/v2/{repository}/{'manifests' if is_document else 'blobs'}/{layer.digest}"
        return self._opened(repository, path, layer.digest, layer.size)

    @contextmanager
    def _opened(self, repository: str, path: str, digest: Digest, size: int) -> Iterator[Content]:
        with self._partials.keeping(digest, size) as kept:
            yield Blob(self._client, repository, path, digest, size, kept=kept)

    def _found(self, name: str, ask: Callable[[Target], T]) -> T:
        """Ask for each thing that a name may mean, until one is there."""
        refusal: ToolkitError | None = None
        for target in self._address.meant(name):
            try:
                return ask(target)
            except NotFound as error:
                if error.subject.startswith("platform "):
                    raise
                if (known := self._by_image_id(name)) is not None:
                    return ask(known)
            except RegistryError as error:
                if error.status not in {UNAUTHORIZED, FORBIDDEN}:
                    raise
                refusal = refusal or error  # of a repository that is not there, many registries say no more
        if refusal:
            raise refusal
        raise self._absent(name)

    def _by_image_id(self, name: str) -> Target | None:
        """Return the image that `listings` tells by an ID; nothing else knows one."""
        try:
            Digest.parse(name)
        except InvalidDigest:
            return None
        if not self._ids:
            self.listings()
        return self._ids.get(name)

    def _absent(self, name: str) -> NotFound:
        meant = {target.repository: target.tag_or_digest for target in self._address.meant(name)}
        if self._address.repository:
            meant.setdefault(self._address.repository, "")
        close: dict[str, None] = {}
        for repository, tag_or_digest in meant.items():
            with suppress(ToolkitError):  # that the image is not there is what we have to say
                there = tags(self._client, repository)
                if tag_or_digest in there:
                    advice = "the registry lists the tag, and does not have the manifest that it points at"
                    return NotFound(f"image {name}", f"is not in {self.place}", advice)
                names = [self._address.name(repository, tag) for tag in there]
                wanted = self._address.name(repository, "" if ":" in tag_or_digest else tag_or_digest)
                close.update(dict.fromkeys(near(wanted, names)))
        advice = f"near it: {', '.join(close)}" if close else ""
        missed = "".join(dict.fromkeys(map(self._client.missed, meant)))
        return NotFound(f"image {name}", f"is not in {self.place}{missed}", advice)

    def _tags(self) -> list[str]:
        if self._address.tag:
            return [self._address.tag]
        return [] if self._address.digest else tags(self._client, self._address.repository)

    def _identified(self, target: Target) -> Digest:
        key = (target.repository, target.tag_or_digest)
        known = self._proven.get(key)
        if known and self._holds:
            return known
        if known or self._believes:
            told = digest_told(self._client.ask("HEAD", target.path, target.repository, headers=ACCEPT))
            if told and (told == known or self._believes):
                return told
        digest = self._top(Documents(self._client, target.repository), target).digest
        self._proven[key] = digest
        return digest

    def _top(self, documents: Documents, target: Target) -> Descriptor:
        """Read what a target leads to; of what is wrong with it, tell which mirror has it so."""
        try:
            return documents.top(target.tag_or_digest)
        except CorruptContent as error:
            if mirror := self._client.served_by(target.path):
                raise replace(error, advice=f"it comes from the mirror {mirror}") from error
            raise

    def _read(
        self, target: Target, platform: Platform | None = None, large: Large | None = None
    ) -> ModernImage | HistoricImage:
        documents = Documents(self._client, target.repository, large)
        key = target.repository, target.tag_or_digest
        if self._holds and key in self._proven:
            target = replace(target, tag_or_digest=str(self._proven[key]))
        top = self._top(documents, target)
        image = documents.image((target.name,), top, platform)
        self._proven[key] = top.digest
        self._where.update((layer.digest, target.repository) for layer in image.layers if layer.digest)
        self._last = target.repository
        if self.referrers and isinstance(image, ModernImage):
            self._parts.update(image.documents)
        if mirror := self._client.served_by(target.path):
            return image.noting(Finding(f"image {target.name}", f"comes from the mirror {mirror}", NOTE))
        return image

    def _whole(self, target: Target, platform: Platform | None) -> ModernImage | HistoricImage:
        """Return an image, and what refers to it where that is wanted."""
        image = self._read(target, platform)
        if not self.referrers or isinstance(image, HistoricImage):
            return image
        from toolkit.bundles.referrers import accompanied
        from toolkit.stores.registry.referrers import RepositoryReferrers

        image = accompanied(image, RepositoryReferrers(self._client, target.repository))
        self._where.update((layer.digest, target.repository) for layer in image.layers if layer.digest)
        return image

    def _listed(self, targets: Sequence[Target]) -> list[Listing]:
        lines = in_parallel(self._line, targets, size=lambda _: 0, jobs=AT_ONCE)
        along = {tag for digest in self._parts for tag in (list_tag(digest), *cosign_tags(digest))}
        names: dict[tuple[str, Listing], list[str]] = {}
        for target, (top, line) in zip(targets, lines, strict=True):
            if target.tag_or_digest in along:
                continue  # it goes with its image
            names.setdefault((top, replace(line, names=())), []).append(target.name)
            self._ids.setdefault(line.id, target)
        merged = [replace(line, names=tuple(sorted(called))) for (_, line), called in names.items()]
        tops = [Digest.parse(top) if top else Digest.of(b"") for top, _ in names]
        return in_order(told_apart(merged, tops))

    def _line(self, target: Target) -> tuple[str, Listing]:
        """Return the digest that a tag points at, and its line, which may say why it cannot be read."""
        with Large(self._lock) as large:
            return self._told(target, large)

    def _told(self, target: Target, large: Large) -> tuple[str, Listing]:
        try:
            image = self._read(target, large=large)
        except (CorruptContent, NotFound, Unsupported) as error:
            told = str(self._proven.get((target.repository, target.tag_or_digest)) or "")
            return told, Listing((), told, problem=str(error))
        if isinstance(image, HistoricImage):
            old = historic_outline(image)
            return str(image.schema1.digest), Listing((), old.id, old.created, old.platform, old.size)
        return str(image.top.digest), listing(image)
