"""Marks by which an overlay file system takes away what lower layers have, in a tar (formats E.5).

In an image they are an injection: one engine's whiteout is another's device. Asked for, they mean what
overlay takes them for.
"""

from __future__ import annotations

from dataclasses import replace

from toolkit.plumbing.nodes import OVERLAY_XATTRS
from toolkit.plumbing.tarheader import CHARACTER, NO_XATTRS, REGULAR, Entry
from toolkit.plumbing.whiteouts import OPAQUE, WHITEOUT

OPAQUE_XATTR = b"opaque"
NO_CONTENT = frozenset((b"origin", b"impure", b"nlink", b"upper", b"uuid"))  # say where a copy is from


def is_overlay_whiteout(entry: Entry) -> bool:
    """Tell a character device 0:0."""
    return entry.type == CHARACTER and not entry.major and not entry.minor


def overlay_xattrs(entry: Entry) -> dict[bytes, bytes]:
    """Return the xattrs that overlay acts on, by what follows its prefix."""
    return {
        key[len(prefix) :]: value
        for key, value in entry.xattrs.items()
        for prefix in OVERLAY_XATTRS
        if key.startswith(prefix)
    }


def as_oci(entry: Entry) -> list[Entry]:
    """Return an entry as OCI layers have it, and the mark that follows an opaque folder.

    What overlay would take from elsewhere, a redirect or a metacopy, keeps its xattrs.
    """
    if is_overlay_whiteout(entry):
        folder, slash, name = entry.name.rstrip(b"/").rpartition(b"/")
        return [_mark(entry, folder + slash + WHITEOUT + name)]
    marks = overlay_xattrs(entry)
    if not marks or marks.keys() - NO_CONTENT - {OPAQUE_XATTR}:
        return [entry]
    kept = {key: value for key, value in entry.xattrs.items() if not key.startswith(OVERLAY_XATTRS)}
    plain = replace(entry, xattrs=kept)
    if not entry.is_directory or marks.get(OPAQUE_XATTR) != b"y":
        return [plain]
    return [plain, _mark(entry, entry.name.rstrip(b"/") + b"/" + OPAQUE)]


def _mark(entry: Entry, name: bytes) -> Entry:
    return replace(entry, name=name, type=REGULAR, size=0, linkname=b"", xattrs=NO_XATTRS)
