"""What can be odd about an entry of a layer: how grave it is, and what is said of all such entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from toolkit.errors import CorruptContent, UnsafeArchive
from toolkit.image import Finding


@dataclass(frozen=True, slots=True)
class Oddity:
    """One kind, as a finding tells it."""

    severity: str
    check: str  # a row of toolkit.checks
    problem: str  # before the names
    exit_code: int = CorruptContent.exit_code

    def finding(self, subject: str, names: str) -> Finding:
        """Return it as found in a layer, with the first name and how many more there are."""
        return Finding(subject, f"{self.problem}: {names}", self.severity, self.exit_code, self.check)


def _unsafe(check: str, problem: str) -> Oddity:
    return Oddity("error", check, problem, UnsafeArchive.exit_code)


ODDITIES: Mapping[str, Oddity] = {  # the gravest first
    "escape": _unsafe("escape", "has names that lead out of it"),
    "root": _unsafe("escape", "would replace the root folder"),
    "link outside": _unsafe("hard-link", "has hard links that lead out of it"),
    "link to folder": _unsafe("hard-link", "has hard links to folders"),
    "bad overlay": _unsafe("overlay", "has devices 0:0, or xattrs, that overlay file systems act on"),
    "bad whiteout": _unsafe("whiteout", "has whiteouts of nothing"),
    "duplicate": _unsafe("duplicate", "has paths that stand twice in it"),
    "path": _unsafe("path", "has files or links where other paths of it have a folder"),
    "bad owner": _unsafe("owner", "has owners that no Linux has"),
    "bad device": _unsafe("device", "has devices that no Linux has"),
    "bad name": _unsafe("name", "has links to a name that is empty, or longer than Linux takes"),
    "too deep": _unsafe("path", "has more folders without an entry than anyone needs"),
    "lost link": Oddity("error", "hard-link", "has hard links to what stands nowhere before them"),
    "lower link": Oddity("warning", "hard-link", "has hard links to what only a lower layer has"),
    "absolute": Oddity("warning", "name", "has absolute names, which engines take below the root"),
    "long name": Oddity("warning", "name", "has names longer than a Linux file system takes"),
    "duplicate folder": Oddity("warning", "duplicate", "has folders that stand twice in it"),
    "own whiteout": Oddity("warning", "whiteout", "has whiteouts of what the same layer brings"),
    "full whiteout": Oddity("warning", "whiteout", "has whiteouts with content"),
    "bad capability": Oddity("warning", "capability", "has capabilities that no Linux reads"),
    "checkpoint": Oddity("warning", "checkpoint", "holds the checkpoint of a container"),
    "sparse": Oddity("warning", "sparse", "has sparse files"),
    "setuid": Oddity("note", "setuid", "has setuid or setgid files"),
    "capability": Oddity("note", "capability", "has files with capabilities"),
    "device": Oddity("note", "device", "has devices"),
    "fifo": Oddity("note", "pipe", "has pipes"),
    "xattr": Oddity("note", "xattr", "has other extended attributes"),
    "owner": Oddity("note", "owner", "has owners above 65535"),
    "odd name": Oddity("note", "name", "has names that are no UTF-8, or with characters that do not print"),
    "aufs": Oddity("note", "aufs", "has aufs's own files"),
    "idle whiteout": Oddity("note", "idle-whiteout", "has whiteouts of what no layer below has"),
}  # fmt: skip
