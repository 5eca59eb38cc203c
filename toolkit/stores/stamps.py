"""Stamps: which blobs of a layout were proven, and have not been touched since (contract 6.2).

    .lading/stamps/<algorithm>-<hex>    {"stamp":[size,mtime,ctime,inode],"diff_id":…,"compression":…}

A stamp that is lost or damaged costs one more reading of the blob, so none is made durable.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from toolkit.digest import Digest
from toolkit.errors import ToolkitError
from toolkit.image import Layer, Proof
from toolkit.plumbing.files import Stamp, read_bounded, storing, write_all

LIMIT = 4096  # bytes
WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


class Stamps:
    """The stamps of one layout."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def proof(self, layer: Layer, now: Stamp) -> Proof | None:
        """Return what was proven of a layer's blob, if it still has the same stamp; else None.

        A diffID that nobody proved is taken from the layer, as when its bytes are read; one that the
        layer does not tell has to be found by reading.
        """
        if layer.digest is None or (told := self._read(layer.digest)) is None:
            return None
        if Stamp.from_json(told.get("stamp")) != now or type(told.get("compression")) is not str:
            return None
        try:
            proven = Digest.parse(str(told["diff_id"])) if told.get("diff_id") else None
        except ToolkitError:
            return None
        diff_id = proven or layer.diff_id
        if diff_id is None or layer.diff_id not in {None, diff_id}:
            return None
        return Proof(layer.digest, now.size, diff_id, told["compression"])

    def put(self, layer: Layer, proof: Proof, stamp: Stamp) -> None:
        """Record what reading a blob has proven."""
        proven = not proof.compression or layer.diff_id is None
        body = {
            "stamp": stamp.to_json(),
            "diff_id": str(proof.diff_id) if proven else None,
            "compression": proof.compression,
        }
        path = self._path(proof.digest)
        with storing(path):
            handle = os.open(path, WRITE, 0o666)
            try:
                write_all(handle, json.dumps(body).encode())
            finally:
                os.close(handle)

    def _read(self, digest: Digest) -> dict[str, Any] | None:
        with suppress(ToolkitError, ValueError, RecursionError):
            told = json.loads(read_bounded(self._path(digest), LIMIT))
            return told if isinstance(told, dict) else None
        return None

    def _path(self, digest: Digest) -> Path:
        return self.folder / f"{digest.algorithm}-{digest.hex}"
