"""The root of a containerd that is not running; read, and never written or locked (formats C.1).

    io.containerd.content.v1.content/blobs/<algorithm>/<hex>    manifests, configs and layers, as they came
    io.containerd.metadata.v1.bolt/meta.db                      their names (toolkit.stores.containerd.names)

Docker 29 has such a root in its data root, in `containerd/daemon`. What containerd unpacked of the layers
lies in its snapshotters' folders, without the tar it came from, and is of no use here.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from toolkit.bundles.entries import Entries, Entry, digest_in
from toolkit.bundles.modern import ModernImage
from toolkit.bundles.ocilayout import ListedImages
from toolkit.errors import CorruptContent, MissingMember, NotFound
from toolkit.image import Finding
from toolkit.model import Descriptor
from toolkit.platform import Platform
from toolkit.plumbing.bolt import Bolt
from toolkit.plumbing.files import Stamp, storing
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.stores.containerd.names import FEW, Names, read_names
from toolkit.stores.containerd.recovery import recovered
from toolkit.stores.folder_blobs import FolderBlobs
from toolkit.stores.kinds import CONTENT, DATABASE, TOLD, docker_beside, holds_containerd, no_store

META = f"{DATABASE}/meta.db"
NAMELESS = "names are lost with it; lading ls lists the images that are there, ask for one by its digest"
NOT_HERE = "is not on this disk, and without it this image is not whole"
AGAIN = (
    "pull the image again, or export it from another node: containerd can discard layers"
    " that it has unpacked (discard_unpacked_layers)"
)


class ContainerdStore(ListedImages):
    """The images of one namespace; a Source.

    `path` is the root itself, as `holds_containerd` finds it; `place` is what it is called in messages.
    """

    def __init__(self, path: Path, namespace: str = "", place: str = "") -> None:
        self.path, self.namespace = path, namespace
        self._files, self._folder = FolderFiles(path), FolderBlobs(path, f"{CONTENT}/")
        super().__init__(self._folder, place or f"containerd-root:{path}")
        self._listed: Entries | None = None
        self._stamp: Stamp | None = None
        self._damage: CorruptContent | None = None
        self._told = ""
        self._others: tuple[str, ...] = ()

    def entries(self) -> Entries:
        """Return what the database lists; what can be found without it where it is damaged or not there."""
        with storing(self.path / META):
            stamp = Stamp.of(self.path / META)
        if self._listed is None or stamp != self._stamp:
            names = self._names()
            lost = recovered(self._folder, self.place) if names.damage else []
            self._listed = Entries.listing([*names.named, *(((), top) for top in lost)])
            self._stamp, self._damage = stamp, names.damage
            self._told, self._others = names.namespace, names.others
        return self._listed

    def described(self) -> dict[str, str]:
        """Say whose images these are."""
        self.entries()
        return {"kind": TOLD["containerd-root"][0], "namespace": self.namespace or self._told or "none"}

    def remarks(self) -> list[Finding]:
        """Say that names are lost, that other namespaces have images too, and where an empty one's are."""
        is_empty = not self.entries()
        problem = f"has lost names of images: {self._damage}"
        found = [Finding(self.place, problem, check="names")] if self._damage else []
        if self._others:
            names = ", ".join(self._others[:FEW])
            problem = f"has images in other namespaces too: {names}; name one with --namespace"
            found.append(Finding(self.place, problem))
        if is_empty and (docker := docker_beside(self.path)):
            problem = "is kept by a Docker for its containers, and its images lie with a graph driver"
            found.append(Finding(self.place, problem, advice=f"read docker-root:{docker}"))
        return found

    def gathered(
        self, names: tuple[str, ...], top: Descriptor, platform: Platform | None = None
    ) -> ModernImage:
        """Return an image; raises as `gather`, and says of a blob that is missing what can be done."""
        try:
            image = super().gathered(names, top, platform)
        except MissingMember as error:
            raise MissingMember(error.subject, NOT_HERE, AGAIN) from error
        if self._damage is None:
            return image
        return image.noting(Finding(self.place, f"has lost names of images: {self._damage}", check="names"))

    def _find(self, name: str) -> Entry:
        """Return the entry of a name; one that is not there because the names are lost is told so."""
        try:
            return super()._find(name)
        except NotFound:
            if self._damage is None or digest_in(name):
                raise
            raise replace(self._damage, advice=NAMELESS) from None

    def _names(self) -> Names:
        """Read the database; where it cannot be, tell why."""
        try:
            if (handle := self._files.handle(META)) is None:
                raise MissingMember(str(self.path / META), "is not there")
            try:
                return read_names(Bolt(handle, str(self.path / META)), self.namespace, self.place)
            finally:
                os.close(handle)
        except CorruptContent as error:
            return Names(damage=error)


def open_containerd(path: Path, namespace: str = "") -> ContainerdStore:
    """Open a containerd root, or that in a Docker data root; raises NotFound for neither."""
    place = f"containerd-root:{path}"
    if (root := holds_containerd(path)) is not None:
        return ContainerdStore(root, namespace, place)
    if not path.is_dir():
        raise NotFound(place, "is not there")
    raise no_store("containerd-root", place, path)
