"""How long luigi takes for a night of many images: schedule MirrorImage tasks, and print time per task.

    python benchmarks/schedule.py [there|fetched] [N…]        default: there 625 1250 2500 5000

`there` are tasks that are done already; of those that are `fetched` each brings a tiny image from a layout.
Whatever takes time with the square of their number shows in the last column, which should stay level. For
what is fetched it does not quite: a layout's index.json is read and written anew with each name.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from pipelines import MirrorImage
from pipelines.batches import in_batches
from toolkit.digest import Digest
from toolkit.mirror.connected.site import Site
from toolkit.mirror.records.lock import Lock, Locked

DATE = dt.date(2026, 11, 23)
CONFIG, MANIFEST = (f"application/vnd.oci.image.{kind}.v1+json" for kind in ("config", "manifest"))
LAYER = bytes(10240)  # an empty tar


def make_layout(folder: Path, count: int) -> list[tuple[str, str]]:
    """Write a layout of images that share a layer; return their names and digests."""
    (folder / "blobs/sha256").mkdir(parents=True)
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    layer = _blob(folder, LAYER, "application/vnd.oci.image.layer.v1.tar")
    found, rows = [], []
    for number in range(count):
        facts = {"architecture": "amd64", "os": "linux", "author": str(number)}
        rootfs = {"type": "layers", "diff_ids": [layer["digest"]]}
        config = _blob(folder, json.dumps({**facts, "rootfs": rootfs}).encode(), CONFIG)
        body = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
        manifest = _blob(folder, json.dumps(body).encode(), MANIFEST)
        name = f"registry.example/app{number}:1"
        found.append((name, str(manifest["digest"])))
        named = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": "1"}
        rows.append({**manifest, "annotations": named})
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": rows}))
    return found


def _blob(folder: Path, raw: bytes, media_type: str) -> dict[str, object]:
    hex_ = hashlib.sha256(raw).hexdigest()
    (folder / "blobs/sha256" / hex_).write_bytes(raw)
    return {"mediaType": media_type, "digest": f"sha256:{hex_}", "size": len(raw)}


def timed(home: Path, tasks: list[MirrorImage]) -> float:
    """Run tasks, and return the seconds that it took."""
    os.environ["LADING_HOME"] = str(home)
    begun = time.monotonic()
    in_batches(tasks)
    seconds = time.monotonic() - begun
    assert all(task.output().exists() for task in tasks)
    return seconds


def night(folder: Path, count: int, kind: str) -> float:
    """Make a home with a lock of so many images, and run its tasks."""
    home, site = folder / f"{kind}{count}", f"{kind}-{count}"
    source = home / ("store" if kind == "there" else "source")
    images = make_layout(source, count)
    place = f"oci:{source}"
    locked = tuple(Locked(name, name, place, Digest.parse(digest)) for name, digest in sorted(images))
    Site(home, site).keep_lock(Lock(site, DATE, locked))
    job = home / "mirror.toml"
    job.write_text(f'site = "{site}"\nimages = ["app0"]\n')
    return timed(
        home,
        [
            MirrorImage(date=DATE, job=str(job), site=site, image=name, digest=digest)
            for name, digest in images
        ],
    )


def main(kind: str, counts: list[int]) -> None:
    """Print a table."""
    logging.disable(logging.ERROR)
    print(f"{'':8} {'images':>7} {'seconds':>8} {'ms each':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            seconds = night(Path(folder), count, kind)
            print(f"{kind:8} {count:7} {seconds:8.1f} {1000 * seconds / count:8.2f}", flush=True)
    print(f"at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB")


if __name__ == "__main__":
    words = sys.argv[1:]
    main(
        "fetched" if "fetched" in words else "there",
        [int(word) for word in words if word.isdigit()] or [625, 1250, 2500, 5000],
    )
