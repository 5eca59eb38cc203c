"""Names by which a layer takes away what lower layers have (formats E.5, A.9.1)."""

from __future__ import annotations

from collections.abc import Sequence

WHITEOUT, OPAQUE, AUFS_OWN = b".wh.", b".wh..wh..opq", b".wh..wh."
BAD_WHITEOUTS = frozenset((b".wh.", b".wh..", b".wh...", b".wh..wh."))


def is_aufs_own(parts: Sequence[bytes]) -> bool:
    """Tell whether a path is bookkeeping of aufs, which lies at the top of its layer."""
    return parts[0].startswith(AUFS_OWN) and list(parts) != [OPAQUE]
