"""What is measured: the inputs, and every row that works on them."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from make_input import EIGHT, LARGE, SMALL, Shape
from timing import Command, Limit, Row, timed


@dataclass(frozen=True, slots=True)
class Bench:
    """A folder with the inputs, and the rows that work on them."""

    folder: Path
    megabytes: int  # of each input

    @property
    def memory(self) -> int:
        """Bytes of page cache that one run fills: what it reads is there, what it writes is not."""
        return self.megabytes * 1_500_000

    def store(self, shape: Shape) -> Path:
        """The legacy store with files of this shape."""
        return self.folder / f"graph-{shape.name}"

    def bundle(self, shape: Shape) -> Path:
        """A bundle of the image in it."""
        return self.folder / f"{shape.name}.tar"

    @property
    def layout(self) -> Path:
        """An embedded store that holds the image of large files."""
        return self.folder / "layout"

    def packed(self, shape: Shape) -> Path:
        """A bundle of the same image, its layers compressed."""
        return self.folder / f"packed-{shape.name}.tar"

    @property
    def one_layer(self) -> Path:
        """A bundle of an image whose one layer has the same files."""
        return self.folder / "one.tar"

    def prepare(self) -> None:
        """Make what is not there yet: legacy stores, a bundle of each, one embedded store."""
        for shape in (LARGE, SMALL, EIGHT):
            if not (self.store(shape) / "expected.json").exists():
                shutil.rmtree(self.store(shape), ignore_errors=True)
                make_input(self.store(shape), shape, self.megabytes)
            if not self.bundle(shape).exists():
                timed(self.export(shape, self.bundle(shape)))
        if not self.layout.exists():
            timed(["lading", "import", str(self.bundle(LARGE)), "--into", f"oci:{self.layout}"])
        for shape in (LARGE, EIGHT):
            if not self.packed(shape).exists():
                packed = ["--format", "oci", "--compression", "gzip"]
                timed(["lading", "copy", str(self.bundle(shape)), str(self.packed(shape)), *packed])
        if not self.one_layer.exists():
            tar = self.folder / "rootfs.tar"
            timed(["tar", "-C", str(self.store(LARGE) / "aufs"), "-cf", str(tar), "diff"])
            words = ["--tag", "one:1", "--platform", "linux/amd64", "--into", str(self.one_layer)]
            timed(["lading", "import", "--rootfs", str(tar), *words])
            tar.unlink()

    def export(self, shape: Shape, out: Path) -> Command:
        """Legacy store to bundle."""
        return ["lading", "export", name(shape), "--from", f"graph:{self.store(shape)}", "-o", str(out)]

    def rows(self) -> list[Row]:
        """What is measured against a peer, in the order of the table."""
        return [
            self.legacy("legacy graph -> bundle, large files", LARGE, Limit("at most", 1.5)),
            self.legacy("legacy graph -> bundle, small files", SMALL, Limit("at most", 4, aim=2)),
            self.into_store(),
            self.out_of_store(),
            self.copied(),
            self.verify("verify in full", self.bundle(LARGE), Limit("at most", 1.0, aim=0.7)),
            self.verify("verify, one large layer", self.one_layer, Limit("at most", 1.0, grace=0.3)),
            self.verify_packed(),
            *map(self.verify_deep, (self.bundle(LARGE), self.one_layer, self.packed(LARGE))),
        ]

    def engine_rows(self, docker: Command, root: Path) -> list[Row]:
        """What is measured against a running engine that has the image of large files in `root`."""
        bundle, out, saved = self.bundle(LARGE), self.folder / "out.tar", self.folder / "saved.tar"
        store = self.folder / "loaded"
        return [
            Row(
                "embedded store -> bundle, and docker save",
                ["lading", "export", name(LARGE), "--from", f"oci:{self.layout}", "-o", str(out)],
                [*docker, "save", "-o", str(saved), name(LARGE)],
                "docker",
                Limit("at least", 8),
                (out, saved),
            ),
            Row(
                "docker's own root -> bundle, and docker save",
                ["lading", "export", name(LARGE), "--from", f"docker-root:{root}", "--live", "-o", str(out)],
                [*docker, "save", "-o", str(saved), name(LARGE)],
                "docker",
                Limit("at least", 8),
                (out, saved),
            ),
            Row(
                "bundle -> embedded store, and docker load",
                ["lading", "import", str(bundle), "--into", f"oci:{store}"],
                [*docker, "load", "-i", str(bundle)],
                "docker",
                Limit("at least", 6),
                (store,),
                [*docker, "rmi", "--force", name(LARGE)],
            ),
        ]

    def legacy(self, work: str, shape: Shape, limit: Limit) -> Row:
        """Against tar and openssl over the same layer folders."""
        out = self.folder / "exported.tar"
        layers = json.loads((self.store(shape) / "expected.json").read_text())["layers"]
        tar = f"tar -C {self.store(shape)}/aufs/diff -c {' '.join(layers)} | openssl dgst -sha256"
        return Row(work, self.export(shape, out), ["sh", "-c", tar], "tar, openssl", limit, (out,))

    def into_store(self) -> Row:
        """Against skopeo, into an empty layout."""
        bundle, ours, theirs = self.bundle(LARGE), self.folder / "in-ours", self.folder / "in-theirs"
        return Row(
            "bundle -> embedded store",
            ["lading", "import", str(bundle), "--into", f"oci:{ours}"],
            skopeo_copy(f"docker-archive:{bundle}:{name(LARGE)}", f"oci:{theirs}:{name(LARGE)}"),
            "skopeo",
            Limit("at least", 2, aim=3),
            (ours, theirs),
        )

    def out_of_store(self) -> Row:
        """Against skopeo, out of the same layout."""
        ours, theirs = self.folder / "out-ours.tar", self.folder / "out-theirs.tar"
        return Row(
            "embedded store -> bundle",
            ["lading", "export", name(LARGE), "--from", f"oci:{self.layout}", "-o", str(ours)],
            skopeo_copy(f"oci:{self.layout}:{name(LARGE)}", f"docker-archive:{theirs}:{name(LARGE)}"),
            "skopeo",
            Limit("at least", 3, aim=5),
            (ours, theirs),
        )

    def copied(self) -> Row:
        """Against skopeo, from one docker archive to another."""
        bundle, ours, theirs = (
            self.bundle(LARGE),
            self.folder / "copy-ours.tar",
            self.folder / "copy-theirs.tar",
        )
        archives = [f"docker-archive:{path}:{name(LARGE)}" for path in (bundle, theirs)]
        return Row(
            "bundle -> bundle",
            ["lading", "copy", str(bundle), str(ours), "--format", "docker-v1.2"],
            skopeo_copy(*archives),
            "skopeo",
            Limit("at least", 3, aim=5),
            (ours, theirs),
        )

    def verify(self, work: str, bundle: Path, limit: Limit) -> Row:
        """Against one digest over the whole file."""
        theirs = ["openssl", "dgst", "-sha256", str(bundle)]
        return Row(work, ["lading", "verify", str(bundle)], theirs, "openssl", limit)

    def verify_deep(self, bundle: Path) -> Row:
        """Against our own check without a look inside the layers."""
        ours, theirs = ["lading", "verify", "--deep", str(bundle)], ["lading", "verify", str(bundle)]
        return Row(f"verify --deep, {bundle.name}", ours, theirs, "lading verify", Limit("at most", 3))

    def registry_rows(self, full: str, empty: str, root: Path) -> list[Row]:
        """What is measured against a registry that has the images, and one that is empty, its disk `root`."""
        rows = []
        for shape, factor in ((LARGE, 1.0), (EIGHT, 1.5)):
            # What Docker loads; and what no other tool looks into, where we prove the diffIDs as well.
            rows.append(self.pulled(shape, full, "universal", "docker-archive", factor))
            rows.append(self.pulled(shape, full, "oci", "oci-archive", 1.0))
            rows.append(self.pushed(shape, empty, root, factor))
        return rows

    def pulled(self, shape: Shape, host: str, format_: str, transport: str, factor: float) -> Row:
        """Registry to bundle."""
        ours, theirs = self.folder / "pulled-ours.tar", self.folder / "pulled-theirs.tar"
        there = f"docker://{host}/{name(shape)}"
        return Row(
            f"registry -> {transport}, {shape.layers} layers",
            ["lading", "copy", there, name(shape), str(ours), "--format", format_],
            [*skopeo_copy(there, f"{transport}:{theirs}:{name(shape)}"), "--src-tls-verify=false"],
            "skopeo",
            Limit("at least", factor),
            (ours, theirs),
        )

    def pushed(self, shape: Shape, host: str, root: Path, factor: float) -> Row:
        """Bundle to registry, which has nothing of it."""
        bundle, there = str(self.packed(shape)), f"docker://{host}/{name(shape)}"
        return Row(
            f"oci-archive -> registry, {shape.layers} layers",
            ["lading", "copy", bundle, name(shape), there],
            [*skopeo_copy(f"oci-archive:{bundle}:{name(shape)}", there), "--dest-tls-verify=false"],
            "skopeo",
            Limit("at least", factor),
            (root / "docker",),
        )

    def verify_packed(self) -> Row:
        """Against one process that decompresses each layer and hashes it twice."""
        peer, bundle = Path(__file__).with_name("peer_gzip.py"), str(self.packed(LARGE))
        theirs = [sys.executable, str(peer), bundle]
        limit = Limit("at most", 1.2)
        return Row("verify, gzip layers", ["lading", "verify", bundle], theirs, "zlib, hashlib", limit)

    def inspect(self) -> Command:
        """No peer: it has to be quick whatever the size."""
        return ["lading", "inspect", str(self.bundle(LARGE))]


def make_input(store: Path, shape: Shape, megabytes: int) -> None:
    """In a process of its own: a new process starts with its parent's peak, so ours stays small."""
    script = Path(__file__).with_name("make_input.py")
    timed([sys.executable, str(script), str(store), f"--{shape.name}", f"--megabytes={megabytes}"])


def name(shape: Shape) -> str:
    return f"benchmark:{shape.name}"


def skopeo_copy(source: str, destination: str) -> Command:
    return ["skopeo", "--insecure-policy", "copy", "--quiet", source, destination]
