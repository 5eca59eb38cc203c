"""A root file system as an image of one layer, as `docker import` makes it (formats D.3.8).

The layer is the tar byte for byte, without an outer compression, so its diffID is the digest of what was
given. The config has the shape that Docker gives it: every v1 engine reads the same image ID.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from toolkit import gojson, mediatype, v1image
from toolkit.bundles.opening import STANDARD_INPUT, Opened, opened
from toolkit.bundles.rootfs_survey import Survey
from toolkit.digest import Digest
from toolkit.document import Node
from toolkit.errors import CorruptContent, NotFound, Unsupported, UsageError
from toolkit.gotime import EPOCH
from toolkit.image import Document, Finding, Layer, Proof, ProvenImage
from toolkit.model import Config, Descriptor, HistoryItem, Manifest
from toolkit.outline import Listing, Outline, OutlineLayer
from toolkit.platform import Platform
from toolkit.plumbing.files import Stamp
from toolkit.plumbing.streams import Extent
from toolkit.ports import Content
from toolkit.reference import same
from toolkit.voucher import Voucher

KEY = "rootfs"  # of the one layer; and what the image is asked for by where it has no name
OS = "linux"


@dataclass(frozen=True, slots=True)
class RootfsImage:
    """The image before its layer was read; a SourceImage."""

    names: tuple[str, ...]
    layers: tuple[Layer, ...]
    platform: Platform
    created: str
    comment: str
    findings: tuple[Finding, ...] = ()

    def under(self, names: tuple[str, ...]) -> RootfsImage:
        """Return the same image under these names."""
        return replace(self, names=names)

    def proven(self, proofs: Mapping[str, Proof]) -> ProvenImage:
        """Return the image: the same layer, platform, time and comment give the same bytes."""
        proof = proofs[KEY]
        raw = self.config(proof.diff_id)
        config = Descriptor.of(mediatype.OCI_CONFIG, Config.from_bytes(raw).raw)
        blob = Descriptor(mediatype.OCI_LAYER, proof.digest, proof.size)
        body = {
            "schemaVersion": 2,
            "mediaType": mediatype.OCI_MANIFEST,
            "config": config.to_json(),
            "layers": [blob.to_json()],
        }
        manifest = Manifest.from_bytes(gojson.encode(body))
        documents = {
            config.digest: Document(config, raw),
            manifest.descriptor.digest: Document(manifest.descriptor, manifest.raw),
        }
        return ProvenImage(self.names, manifest.descriptor, documents, (blob,), self.findings)

    def config(self, diff_id: Digest) -> bytes:
        """Return the config: what Docker's struct makes of these facts, its keys sorted."""
        said = {"created": self.created, "comment": self.comment}
        facts = {**said, **self.platform.to_json(), "config": {}}
        members = {
            **v1image.struct(Node(facts, "config of the root file system")),
            "history": [said],
            "rootfs": {"type": "layers", "diff_ids": [str(diff_id)]},
        }
        return gojson.encode(dict(sorted(members.items())))


class Rootfs:
    """The tar of a root file system as a Source of one image; `close` it."""

    def __init__(
        self,
        path: Path | None,
        names: Sequence[str] = (),
        platform: Platform | None = None,
        created: str = EPOCH,
    ) -> None:
        """Open and look over the file, standard input where there is no path.

        Without `platform` the programs in it tell; raises UsageError where they do not, or disagree, and
        as `Survey.of`.
        """
        self.place, self.names = str(path or STANDARD_INPUT), tuple(dict.fromkeys(names))
        self.vouchers: tuple[Voucher, ...] = ()
        self._created, self._comment = created, f"Imported from {path.name if path else '-'}"
        self._opened = _opened(path)
        try:
            survey = Survey.of(self._opened.handle, self.place)
            self._size = os.fstat(self._opened.handle).st_size
            self.platform = platform or _told_by(survey)
            self._findings = (*survey.findings(), *_contradiction(survey, self.platform))
        except BaseException:
            self.close()
            raise

    def listings(self) -> list[Listing]:
        """List the one image; its ID is known when its layer was read."""
        return [Listing(self.names, KEY, self._created, str(self.platform), self._size)]

    def identify(self, name: str) -> str:
        """Return what changes when the file does."""
        self._check(name)
        facts = os.fstat(self._opened.handle)
        return f"{facts.st_ino}-{facts.st_size}-{facts.st_mtime_ns}"

    def outline(self, name: str, platform: Platform | None = None) -> Outline:
        """Describe the image."""
        image = self.image(name, platform)
        item = HistoryItem(self._created, comment=self._comment)
        return Outline(
            image.names, "oci", KEY, str(self.platform), self._created, author="", config={},
            layers=(OutlineLayer(KEY, item, self._size),), findings=self._findings,
        )  # fmt: skip

    def image(self, name: str, platform: Platform | None = None) -> RootfsImage:
        """Return the image; raises NotFound."""
        self._check(name)
        if platform and not self.platform.matches(platform):
            raise NotFound(f"image {name}", f"is for {self.platform}, expected {platform}")
        names = tuple(stored for stored in self.names if same(stored, name))[:1]
        return RootfsImage(
            names, (self.layer(KEY),), self.platform, self._created, self._comment, self._findings
        )

    def layer_keys(self, name: str, platform: Platform | None = None) -> tuple[str, ...]:
        """Return the key of the one layer."""
        return tuple(layer.key for layer in self.image(name, platform).layers)

    def layer(self, key: str) -> Layer:
        """Return the one layer; raises NotFound."""
        if key != KEY:
            raise NotFound(f"layer {key[:64]!r}", f"is not in {self.place}")
        return Layer(KEY, self._size)

    @contextmanager
    def open(self, layer: Layer) -> Iterator[Content]:
        """Open the tar."""
        yield Extent(self._opened.handle, 0, layer.size, self.place)

    def file_stamp(self) -> Stamp | None:
        """Return how the file stands, or stood when it was unpacked."""
        return self._opened.file_stamp()

    def close(self) -> None:
        """Let the file go."""
        self._opened.close()

    def _check(self, name: str) -> None:
        if name != KEY and not any(same(stored, name) for stored in self.names):
            raise NotFound(f"image {name}", f"is not in {self.place}")


def _opened(path: Path | None) -> Opened:
    """Open the tar, unpacked where it is compressed; raises CorruptContent for what is none."""
    try:
        return opened(path)
    except Unsupported as error:
        what = error.problem.removesuffix(", not an image bundle")
        raise CorruptContent(error.subject, f"{what}, not a tar of a root file system") from error


def _told_by(survey: Survey) -> Platform:
    found = survey.architectures
    if not found:
        problem = "holds no program that we know, so it does not tell what it runs on"
        raise UsageError(survey.subject, problem, "say it: --platform linux/amd64")
    if len(found) > 1:
        problem = f"holds programs for {' and '.join(found)}"
        raise UsageError(survey.subject, problem, f"say which it is for: --platform {OS}/{found[0]}")
    return Platform(OS, found[0])


def _contradiction(survey: Survey, platform: Platform) -> list[Finding]:
    found = survey.architectures
    if not found or platform.architecture in found:
        return []
    return [Finding(survey.subject, f"holds programs for {' and '.join(found)}, and becomes {platform}")]
