"""extract: the files of an image in a new folder, every byte of its layers proven on the way.

Layers are read one after the other, base first. The folder has another name, and is closed to everybody
else, until all of it is there (CVE-2021-41091).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import MissingMember, NotFound, Spoiled, Unsupported, UsageError
from toolkit.event import BlobsExpected, Tell, nobody
from toolkit.image import Finding, Image, Layer, Proof, SourceImage, drafts, placeholder
from toolkit.operations.copy import refuse_warnings
from toolkit.platform import Platform
from toolkit.plumbing.census import Census
from toolkit.plumbing.extraction import Extraction
from toolkit.plumbing.files import storing, sync_file_system
from toolkit.plumbing.followed import followed
from toolkit.plumbing.odd import Odd
from toolkit.plumbing.profile import SAFE, Profile
from toolkit.plumbing.space import require_space
from toolkit.plumbing.stagedfolder import clear_left, staged_folder
from toolkit.plumbing.tarball import entries
from toolkit.plumbing.tarreader import StreamReader
from toolkit.plumbing.tree import Tree
from toolkit.plumbing.unpacking import unpacked
from toolkit.ports import Block, Source
from toolkit.voucher import must_stand


@dataclass(frozen=True, slots=True)
class Rules:
    """How an image is extracted."""

    profile: Profile = SAFE
    as_whiteout: bool = False  # what overlay takes for a whiteout is one
    strict: bool = False  # warnings are errors


@dataclass(frozen=True, slots=True)
class Extracted:
    """An image that lies in a folder now."""

    name: str
    folder: Path
    image: Image
    census: Census
    left_out: Mapping[str, Odd]  # by kind: what of its entries was not kept
    findings: tuple[Finding, ...]  # without those


def extract(
    source: Source,
    name: str,
    folder: Path,
    rules: Rules | None = None,
    *,
    platform: Platform | None = None,
    progress: Tell = nobody,
) -> Extracted:
    """Lay the layers of an image, of one platform, over one another in a folder that is not there yet.

    Raises UsageError where something is there, Unsupported for what has no files, UnsafeArchive for what
    leads out or engines make different trees of, Mismatch, and what reading raises: then there is no folder.
    """
    try:
        check_free(folder)
    except UsageError:
        if folder.name:  # the root of all has none
            clear_left(folder)
        raise
    work = _Work(source, name, folder, rules or Rules(), platform=platform, tell=progress)
    progress(BlobsExpected(tuple({layer.key: layer for layer in work.stack}.values())))
    try:
        return work.done()
    except Spoiled:  # what an earlier run had kept is removed: now every byte comes from the source
        return work.done()


def check_free(folder: Path) -> None:
    """Raise UsageError or NotFound unless a folder can be made there, or an empty one takes its place."""
    subject = str(folder)
    with storing(subject):
        if not os.path.isdir(folder.parent):
            raise NotFound(str(folder.parent), "is not there", f"make it: mkdir -p {folder.parent}")
        if not os.path.lexists(folder):
            return
        if os.path.islink(folder) or not os.path.isdir(folder):
            raise UsageError(subject, "is there and no folder", "name a new one")
        with os.scandir(folder) as found:
            if next(found, None):
                raise UsageError(subject, "is not empty", "name a new folder: nothing is ever written over")
        if os.path.ismount(folder) or os.path.samefile(folder, "."):
            problem = "is the working folder, or one that something is mounted on, and cannot be replaced"
            raise UsageError(subject, problem, f"name a new one in it: {folder / 'rootfs'}")


class _Work:
    """One image on its way into one folder."""

    def __init__(
        self, source: Source, name: str, folder: Path, rules: Rules, *, platform: Platform | None, tell: Tell
    ) -> None:
        self._source, self._name, self._folder, self._rules = source, name, folder, rules
        self._platform, self._tell = platform, tell
        self._image = source.image(name, platform)
        self.stack = _stack(self._image, self._picture({}))
        if rules.strict:
            refuse_warnings(self._image.findings)

    def done(self) -> Extracted:
        """Read everything, and give the folder its name."""
        with staged_folder(self._folder, replaces=False) as part, Tree(part, str(self._folder)) as tree:
            check_free(self._folder)  # whoever held the lock may just have filled it
            require_space(tree.handle, sum(layer.size for layer in self.stack), str(self._folder))
            with Extraction(tree, self._rules.profile, as_whiteout=self._rules.as_whiteout) as extraction:
                proofs = {layer.key: self._read(layer, extraction) for layer in self.stack}
                findings = (*self._findings(proofs), *extraction.findings())
                if self._rules.strict:
                    refuse_warnings(findings)
                found = extraction.finish()
            must_stand(self._source)
            sync_file_system(tree.handle)
        image = self._picture(proofs)
        return Extracted(self._name, self._folder, image, found, extraction.left_out, findings)

    def _read(self, layer: Layer, extraction: Extraction) -> Proof:
        subject = layer.subject

        def lay(tar: Iterator[Block]) -> None:
            extraction.take(entries(StreamReader(tar), subject), subject)

        with self._source.open(layer) as content, followed(content, layer, self._tell) as seen:
            return unpacked(seen, layer, lay)[0]

    def _picture(self, proofs: Mapping[str, Proof]) -> Image:
        """Return the one image that is meant, as its layers prove it; unread ones stand in for themselves."""
        picture = self._image.proven(drafts(self._image.layers, proofs)).preferred(self._platform)
        if picture is None:
            raise Unsupported(f"image {self._name}", "is an artifact: it has no config, and no files")
        return picture

    def _findings(self, proofs: Mapping[str, Proof]) -> Sequence[Finding]:
        is_whole = all(layer.key in proofs for layer in self._image.layers)
        return self._image.proven(proofs).findings if is_whole else self._image.findings


def _stack(image: SourceImage, picture: Image) -> list[Layer]:
    """Return the layers of one of the platforms, base first; one may stand in it twice."""
    known = {placeholder(layer).digest: layer for layer in image.layers}
    for layer, _ in picture.layers:
        if layer.digest not in known:
            raise MissingMember(f"layer {layer.digest}", "is not among the image's layers")
    return [known[layer.digest] for layer, _ in picture.layers]
