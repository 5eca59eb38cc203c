"""`image/<driver>/imagedb` and `repositories.json`: configs and their names (formats B.1, B.3)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from toolkit.digest import Digest, is_v1_id
from toolkit.document import load
from toolkit.errors import (
    CorruptContent,
    InvalidDocument,
    Mismatch,
    MissingMember,
    ToolkitError,
    UnsafeArchive,
)
from toolkit.limits import limits
from toolkit.model import Config
from toolkit.plumbing.files import Stamp
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.reference import same

NAMES_VALUES = 500_000  # in repositories.json
IMAGES = 100_000  # of one driver


class ImageDb:
    """The images of one driver. Read-only; a config counts only where its bytes have its digest."""

    def __init__(self, files: FolderFiles, driver: str) -> None:
        self._files, self._folder = files, f"image/{driver}"
        self._last: tuple[Stamp | None, list[tuple[str, str]]] = None, []

    def ids(self) -> Iterator[Digest]:
        """Yield the ID of every image, named or not; raises UnsafeArchive where they are too many."""
        yield from (Digest("sha256", name) for name in self._listed("imagedb/content/sha256"))

    def has(self, image_id: str) -> bool:
        """Tell whether there is an image of this ID, `sha256:…`."""
        hex_ = image_id.removeprefix("sha256:")
        is_id = is_v1_id(hex_) and hex_ != image_id
        return is_id and self._files.size(f"{self._folder}/imagedb/content/sha256/{hex_}") is not None

    def config(self, image_id: Digest) -> Config:
        """Return a config; raises MissingMember, or Mismatch where its bytes were changed."""
        name = f"{self._folder}/imagedb/content/sha256/{image_id.hex}"
        raw = self._files.read(name, limits().document)
        if raw is None:
            problem = f"has no config in {self._files.folder}/{self._folder}/imagedb"
            raise MissingMember(f"image {image_id}", problem)
        if (actual := Digest.of(raw)) != image_id:
            raise Mismatch(f"{self._files.folder}/{name}", "digest", "it was changed", actual, image_id)
        return Config.from_bytes(raw)

    def parents(self) -> set[Digest]:
        """Return the images that another one was built on, which docker images does not list either.

        What cannot be read tells of none: it costs a line more in a list.
        """
        folder = "imagedb/metadata/sha256"
        found = set()
        with suppress(ToolkitError):
            for name in self._listed(folder):
                with suppress(ToolkitError):
                    raw = self._files.read(f"{self._folder}/{folder}/{name}/parent", limits().text) or b""
                    found.add(Digest.parse(raw.decode("ascii", "replace")))
        return found

    def unnamed(self) -> CorruptContent | None:
        """Return what is wrong where there is no file of names; a table may be empty."""
        where = f"{self._folder}/repositories.json"
        if self._files.size(where) is not None:
            return None
        return MissingMember(f"{self._files.folder}/{where}", "is not there")

    def names(self) -> list[tuple[str, str]]:
        """Return each name, `ubuntu:14.04` or `ubuntu@sha256:…`, with the image ID it stands for, as text.

        It is the same list until the file is changed. Raises InvalidDocument, also where a name stands
        under another's repository.
        """
        stamp = self._files.stamp(f"{self._folder}/repositories.json")
        if stamp is None or stamp != self._last[0]:
            self._last = stamp, list(self._read_names().items())
        return self._last[1]

    def _listed(self, folder: str) -> list[str]:
        names = [name for name in self._files.names(f"{self._folder}/{folder}") if is_v1_id(name)]
        if len(names) > IMAGES:
            where = f"{self._files.folder}/{self._folder}/{folder}"
            raise UnsafeArchive(where, f"holds {len(names)} images, expected at most {IMAGES}")
        return names

    def _read_names(self) -> dict[str, str]:
        where = f"{self._folder}/repositories.json"
        limit = limits().names
        raw = self._files.read(where, limit)
        if raw is None:
            return {}
        top = load(raw, f"{self._files.folder}/{where}", limit, NAMES_VALUES)
        repositories = top.child("Repositories") if top.value.get("Repositories") is not None else None
        names: dict[str, str] = {}
        for repository in sorted(repositories.value if repositories else {}):
            for name, image_id in sorted((repositories.text_map(repository) if repositories else {}).items()):
                _check_repository(name, repository, top.subject)
                names[name] = image_id
        return names


def _check_repository(name: str, repository: str, subject: str) -> None:
    if not same(name.partition("@")[0].removesuffix(_tag(name)), repository):
        raise InvalidDocument(subject, f"has {name[:150]!r} under the repository {repository[:150]!r}")


def _tag(name: str) -> str:
    bare = name.partition("@")[0]
    head, colon, tag = bare.rpartition(":")
    return f":{tag}" if colon and head and "/" not in tag else ""
