"""Each bundle that an engine wrote goes through a real registry: pushed, copied there, pulled, the same digests.

What is there is read by skopeo, and pulled by its digest by a real dockerd under the image ID that the
engine which wrote the bundle gave it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.engine_made import expect, lading
from tests.integration.engines import Dockerd, Registry, Skopeo
from tests.stores.facts import IMAGE_ID
from toolkit.bundles import open_bundle
from toolkit.operations.verify import verify

OCI_ID = "sha256:b5d838c84eee7169c108fbba66e3bc9f7fa7dd8fac5f5779aec46182a2577d77"  # a config of skopeo's own
WRITTEN_ANEW = {"podman-oci-archive.tar", "skopeo-oci-archive.tar"}  # they have it
PLAIN = "--tls-verify=false"


def sha256(raw: str) -> str:
    """Return the digest of what skopeo printed."""
    return f"sha256:{hashlib.sha256(raw.encode()).hexdigest()}"


@dataclass(frozen=True)
class Ends:
    """A registry, and who else speaks to it."""

    registry: Registry
    skopeo: Skopeo
    docker: Dockerd
    folder: Path

    def check(self, file: Path) -> None:
        """Carry the one image of a file there and back."""
        (image,) = {image.top.digest: image for image in verify(open_bundle(file)).images}.values()
        digest, name = str(image.top.digest), (image.names or ("",))[0] or digest_name(file)
        there = f"{self.registry.host}/pushed/{file.stem}"
        lading("copy", str(file), name, f"docker://{there}:1", "--quiet")
        self.holds(f"{there}:1", digest)
        again = f"{self.registry.host}/copied/{file.stem}"
        lading("copy", f"docker://{there}", f"{there}:1", f"docker://{again}:1", "--quiet")
        self.holds(f"{again}:1", digest)
        self.pulled(f"{again}:1", digest)
        self.in_docker(f"{there}@{digest}", OCI_ID if file.name in WRITTEN_ANEW else IMAGE_ID)

    def holds(self, name: str, digest: str) -> None:
        """Let skopeo read what a tag leads to: the manifest's bytes, and the image behind them."""
        expect(
            "the manifest", sha256(self.skopeo.skopeo("inspect", PLAIN, "--raw", f"docker://{name}")), digest
        )
        expect("layers by skopeo", bool(self.inspected(name)["Layers"]), True)

    def inspected(self, name: str) -> dict[str, object]:
        """Return what `skopeo inspect` tells."""
        found: dict[str, object] = json.loads(self.skopeo.skopeo("inspect", PLAIN, f"docker://{name}"))
        return found

    def pulled(self, name: str, digest: str) -> None:
        """Pull into a layout, whose index names the same digest."""
        layout = self.folder / "layout"
        lading("copy", f"docker://{name.rpartition(':')[0]}", name, f"oci:{layout}", "--quiet")
        told = json.loads((layout / "index.json").read_text())["manifests"]
        expect("digests of the layout", [each["digest"] for each in told], [digest])
        shutil.rmtree(layout)

    def in_docker(self, name: str, image_id: str) -> None:
        """Pull by digest with Docker, which proves every layer."""
        self.docker.forget()
        self.docker.docker("pull", "--quiet", name)
        expect("dockerd's image ID", self.docker.image_ids(), {image_id})


def digest_name(file: Path) -> str:
    """Return the ID of an image without a name."""
    (line,) = open_bundle(file).listings()
    return line.id


def main() -> None:
    """All files of the corpus."""
    if not (corpus := os.environ.get("CORPUS", "")):
        raise SystemExit(77)
    if os.geteuid() != 0:
        raise SystemExit("needs root")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="accept-")))
        ends = Ends(
            stack.enter_context(Registry()),
            stack.enter_context(Skopeo()),
            stack.enter_context(Dockerd()),
            folder,
        )
        for file in sorted(Path(corpus).glob("bundles/*.tar")):
            print(f"== {file.name}")
            ends.check(file)


main()
