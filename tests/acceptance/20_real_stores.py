"""Each store that Docker 1.9.1 wrote becomes a bundle that real engines load under Docker's own image ID."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

from tests.engine_made import TAG, expect, luigi, stores
from tests.integration.engines import Dockerd, Podman, Skopeo, Umoci
from tests.stores.facts import DIFF_IDS, DRIVERS, IDS, IMAGE_ID, LAYERSIZES, RULES


def check_report(path: Path, driver: str) -> None:
    """The report tells the facts of tests/golden/README.md."""
    (image,) = json.loads(path.read_text())["images"]
    (platform,) = image["platforms"]
    layers = platform["layers"]
    expect("image ID", platform["image_id"], IMAGE_ID)
    expect("v1 IDs", tuple(layer["v1_id"] for layer in layers), IDS)
    expect("diffIDs", tuple(layer["diff_id"].removeprefix("sha256:") for layer in layers), DIFF_IDS)
    expect("layersizes", tuple(layer["layersize"]["recorded"] for layer in layers), LAYERSIZES[driver])
    expect("rules", {layer["layersize"]["rule"] for layer in layers}, {RULES[driver]})


def main() -> None:
    """Every driver's bundle, in every engine."""
    folder = Path(tempfile.mkdtemp(prefix="accept-"))
    roots = stores(folder / "stores")
    with Dockerd() as docker, Podman() as podman, Skopeo() as skopeo, Umoci() as umoci:
        for driver in DRIVERS:
            print(f"== {driver}")
            home = folder / driver
            source = f"graph:{roots}/docker-1.9.1-{driver}"
            luigi("ExportImage", "--tag", TAG, "--source", source, home=home)
            bundle = home / "bundles/ubuntu_14.04.tar"
            check_report(bundle.with_name(bundle.name + ".json"), driver)
            docker.forget()
            expect("docker load says", docker.load(bundle), [f"Loaded image: {TAG}"])
            expect("dockerd's image ID", docker.images()[TAG], IMAGE_ID)
            podman.load(bundle)
            expect("podman has the image ID", IMAGE_ID in podman.images().values(), True)
            for kind in ("docker-archive", "oci-archive"):
                expect(f"skopeo, {kind}:", skopeo.inspect(f"{kind}:{bundle}")["DockerVersion"], "1.6.2")
            layout = home / "layout"
            layout.mkdir()
            subprocess.run(["tar", "-C", layout, "-xf", bundle], check=True)
            expect("umoci's layers", len(umoci.stat(layout, TAG)["history"]), len(IDS))
    subprocess.run(["rm", "-rf", folder], check=True)


if os.geteuid() != 0:
    raise SystemExit("needs root")
main()
