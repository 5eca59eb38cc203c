"""`image/<driver>/distribution`: what a pull left behind. Hints, never proof (formats B.1).

A root keeps no manifest, only the digest that an image was pulled by, and for each layer the digest of
the blob that it came from. Nothing can be computed from that; the two records of each layer can be held
against each other, which shows whether they belong to this image.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import islice

from toolkit.digest import Digest
from toolkit.document import Node, load_any
from toolkit.errors import ToolkitError
from toolkit.image import Finding
from toolkit.limits import limits
from toolkit.plumbing.folder_files import FolderFiles

RECORDS = 50  # kept of a layer


class Distribution:
    """The records of one driver."""

    def __init__(self, files: FolderFiles, driver: str) -> None:
        self._files, self._folder = files, f"image/{driver}/distribution"

    def findings(self, image_id: Digest, names: Sequence[str], diff_ids: Sequence[Digest]) -> list[Finding]:
        """Return a note for each digest that the image is said to have been pulled by."""
        found = []
        pulled = [name for name in names if "@" in name]
        kept = {diff_id: self._repositories(diff_id) for diff_id in diff_ids} if pulled else {}
        for name in pulled:
            repository = name.partition("@")[0]
            agreed = bool(kept) and all(repository in repositories for repositories in kept.values())
            told = "the records of its layers agree" if agreed else "the records of its layers do not tell"
            problem = f"was pulled as {name}, and {told}; the manifest itself is not kept"
            found.append(Finding(f"image {image_id}", problem, "note", check="manifest"))
        return found

    def _repositories(self, diff_id: Digest) -> set[str]:
        """Return the repositories of which a blob is recorded for the layer, in both directions."""
        found: set[str] = set()
        with suppress(ToolkitError):
            for entry in islice(self._entries(diff_id), RECORDS):
                if self._diff_id(entry.get("Digest", str)) == str(diff_id):
                    found.add(_repository(entry))
        return found

    def _entries(self, diff_id: Digest) -> list[Node]:
        name = f"{self._folder}/v2metadata-by-diffid/{diff_id.algorithm}/{diff_id.hex}"
        raw = self._files.read(name, limits().document)
        if raw is None:
            return []
        value = load_any(raw, f"{self._files.folder}/{name}")
        return list(Node({"entries": value}, name).children("entries"))

    def _diff_id(self, blob: str) -> str:
        digest = Digest.parse(blob)
        name = f"{self._folder}/diffid-by-digest/{digest.algorithm}/{digest.hex}"
        return (self._files.read(name, limits().text) or b"").decode("ascii", "replace")


def _repository(entry: Node) -> str:
    """Return the familiar form of an entry's repository: docker.io/library/x is called x."""
    whole = entry.get("SourceRepository", str)
    return whole.removeprefix("docker.io/library/").removeprefix("docker.io/")
