"""What a report can tell of: each check by its name, and what engines do with an image that fails it.

Measured on Docker 20.10.24, containerd 1.6.20, skopeo 1.9.3 and podman 4.3.1, the rest from their sources
(formats A.4, A.11, D.3 to D.8, E, G.1, G.2; peers 3a). A check whose failure nobody has tried says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from toolkit.errors import Mismatch, ToolkitError
from toolkit.image import Finding
from toolkit.place import is_store
from toolkit.printable import printable

EFFECTS: Mapping[str, str] = {
    # ── bytes against what is recorded of them ──
    "digest": "docker load refuses a layer, by its diffID, and takes any other blob as it is; containerd "
    "keeps it under the digest that it has, and finds nothing under this one; podman and skopeo refuse it",
    "size": "",
    "diff-id": "docker load refuses it, unless it has a layer of this chain already; containerd finds "
    "out when it unpacks it, and not with --no-unpack; skopeo looks at docker archives alone",
    "proof": "engines take it as it is: what it was before they cannot know",
    "tar-split": "docker save fails: file integrity checksum failed",
    "tarsum": "Docker 1.4 only logged it, and no other looks",
    "checksum": "Docker 1.10 took it over, unread, as the digest that the layer has in a registry",
    "layersize": "Docker never checks it: up to 1.9 it shows it, computes it where there is none, "
    "and cannot read the image where it is no number",
    "compression": "engines go by the bytes; Docker before 23 reads no zstd, containerd neither xz nor bzip2",
    # ── documents against each other ──
    "document": "engines read JSON less strictly, and may take it for something else",
    "missing": "docker load takes an archive without a layer that it has already; else no engine loads it",
    "incomplete": "containerd keeps such an index, and runs the platforms that are here",
    "agreement": "docker load up to 24 and skopeo's docker-archive go by manifest.json, containerd and "
    "skopeo's oci-archive by index.json, Docker up to 1.9 by the v1 folders",
    "names": "docker load refuses an archive with a name without a tag; containerd adds :latest, skopeo "
    "takes it",
    "file-name": "every engine loads it: none compares a file with the digest that it is called by",
    "v1-id": "Docker up to 1.9 takes a layer by the ID that it claims, and keeps what it has under that ID",
    "platform": "docker load looks at the operating system alone, containerd at what the index says",
    "manifest": "",
    "referrer": "",
    "empty": "docker load ends well and loads nothing; containerd and skopeo refuse it",
    # ── what a config or manifest asks for ──
    "user": "containerd before 1.7.27 and 2.0.4 may run it as root (CVE-2024-40635, CVE-2026-46680)",
    "label": "containerd before 1.7.33 and 2.3.2 may take it for its own, and run a command on the host "
    "(CVE-2026-53488)",
    "security-opt": "Docker 1.3.0 and 1.3.1 run it with these options (CVE-2014-6408)",
    "checkpoint": "containerd restores a container from it, and trusts what its annotations say "
    "(CVE-2026-50195)",
    # ── the archive, and the files beside it ──
    "archive": "no engine looks behind the end of an archive, or misses it; containerd ignores hard links",
    "companion": "no engine looks at it; sha256sum -c does",
    "signature": "",
    "volume": "",
    # ── inside a layer ──
    "structure": "",
    "layers": "Docker since 1.10 refuses to load it",
    "escape": "Docker 20.10 keeps such a path inside the root, Docker 29 refuses the layer",
    "path": "containerd and Docker 29 follow a link on the way inside the root, Docker 20.10 fails where "
    "it leads nowhere",
    "duplicate": "docker load refuses the layer; containerd takes it, and the last one counts",
    "whiteout": "Docker on overlay2, Docker on vfs and containerd make different files of it, or refuse "
    "the layer",
    "idle-whiteout": "nothing is hidden; on overlay2 a device of that name is left in the layer",
    "aufs": "Docker on vfs leaves them out, on overlay2 it takes them for whiteouts of odd names",
    "overlay": "overlay2 takes it for a whiteout, vfs and btrfs for the device or xattr that it is",
    "hard-link": "Docker on vfs finds a target in a lower layer, on overlay2 it refuses the layer; one "
    "that comes later, or never, is refused by all",
    "device": "engines make the node, but for those without root, which leave it out",
    "pipe": "",
    "setuid": "engines keep the bits",
    "capability": "engines set it, and refuse the layer where the kernel does not take it",
    "xattr": "Docker and containerd set it where the file system takes it",
    "sparse": "Docker loads the layer, and cannot save it again",
    "owner": "Docker 20.10 takes 4294967296 for root; engines without root have 65,536 numbers, and "
    "refuse others",
    "name": "",
    "elf": "no engine looks; a program for another machine does not start",
    # ── what could not be looked at ──
    "unsafe": "",
    "unsupported": "",
    "reading": "",
}
LOADING = frozenset({"digest", "diff-id", "missing", "names"})  # told of archives that engines load
MISMATCHES = {  # the facts that a Mismatch names → what is told of
    "digest": "digest",
    "config": "digest",
    "size": "size",
    "diffID": "diff-id",
    "diff-digest": "diff-id",
    "CRC-64": "tar-split",
    "sum of its files": "layersize",
    "subject": "referrer",
    "sha256": "companion",
    "key ID": "signature",
    "parent": "structure",
}


def effect(check: str, place: str = "") -> str:
    """Return what engines do where a check fails; empty where that is not known, or depends.

    In a store, which is a `place` that no engine loads, it is empty too where it is told of archives.
    """
    return "" if check in LOADING and is_store(place) else EFFECTS.get(check, "")


def as_finding(error: ToolkitError, advice: str = "") -> Finding:
    """Return a failure as a finding, with the facts that it carries; `advice` stands behind its own."""
    sentence, check, facts = error.problem, error.check, ("", "", "")
    if isinstance(error, Mismatch):
        sentence = f"{error.problem} is {error.actual}, expected {error.expected}"
        check = MISMATCHES.get(error.problem, "digest") if type(error) is Mismatch else error.check
        facts = error.problem, printable(str(error.expected)), printable(str(error.actual))
    told, advice = printable(sentence), printable("; ".join(filter(None, (error.advice, advice))))
    return Finding(error.subject, told, "error", error.exit_code, check, *facts, advice, error.images)
