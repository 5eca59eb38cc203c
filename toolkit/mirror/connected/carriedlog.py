"""The log of the connected side, signed as the volumes are that it travels beside: `plant-7.trail.jsonl`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from toolkit.mirror.connected.site import Site
from toolkit.mirror.records.trail import log_name
from toolkit.operations.companion import SIGNATURE, beside
from toolkit.operations.signing import sign_file
from toolkit.plumbing.files import storing, write_atomically
from toolkit.secretkey import SigningKey


def carry_log(site: Site, folder: Path, key: SigningKey | None, now: datetime) -> None:
    """Put the log as it stands beside the volumes, for the closed side; nothing once they left."""
    if not folder.is_dir():
        return
    path, content = folder / log_name(site.name), site.trail.raw()
    with storing(path):
        beside(path, SIGNATURE).unlink(missing_ok=True)  # of the log as it stood before
    write_atomically(path, content)
    if key:
        sign_file(path, content, key, int(now.timestamp()))
