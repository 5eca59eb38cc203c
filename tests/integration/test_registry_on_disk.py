"""What `registry-root:` finds on the disk of a real registry, compared with what skopeo and Docker are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.archives import ONE, TWO, image, index, layout, unpacked
from tests.conformance import proven
from toolkit.digest import Digest
from toolkit.operations.verify import verify
from toolkit.stores.registry_root.store import RegistryRoot

if TYPE_CHECKING:
    from .engines import Dockerd, Registry, Skopeo

pytestmark = pytest.mark.engine

CREATED = "2020-01-01T00:00:00Z"
COMMANDS = [
    {"created": CREATED, "created_by": "ADD file", "author": "somebody"},
    {"created": CREATED, "created_by": 'ENV A=<b> && "c"', "empty_layer": True},
    {"created": CREATED, "created_by": "ADD other", "comment": "a comment"},
]
APP = image(ONE, TWO, created=CREATED, history=COMMANDS, config={"Cmd": ["/bin/sh"], "Env": ["A=<b>"]})
ARM = image(ONE, architecture="arm64", created=CREATED)
PLAIN = ("--dest-tls-verify=false", "--quiet", "--all")


def pushed(skopeo: Skopeo, registry: Registry, folder: Path, *words: str) -> None:
    """Push what is in a layout: one image under two tags, and an index."""
    files = layout(("app", APP), ("multi", index(APP, ARM)))
    source = unpacked(folder / "layout", files)
    for tag, name in (("app", "library/app:1"), ("app", "library/app:latest"), ("multi", "team/sub/multi:1")):
        skopeo.skopeo("copy", *PLAIN, *words, f"oci:{source}:{tag}", f"docker://{registry.host}/{name}")


def raw_manifest(skopeo: Skopeo, registry: Registry, name: str) -> bytes:
    return skopeo.skopeo(
        "inspect", "--raw", "--tls-verify=false", f"docker://{registry.host}/{name}"
    ).encode()


@pytest.mark.parametrize("format_", ["oci", "v2s2"])
def test_manifests_are_those_that_the_registry_gives_out(
    skopeo: Skopeo, registry: Registry, tmp_path: Path, format_: str
) -> None:
    pushed(skopeo, registry, tmp_path, "--format", format_)
    found = RegistryRoot(registry.root)
    assert [line.names for line in found.listings()] == [
        ("library/app:1", "library/app:latest"),
        ("team/sub/multi:1",),
    ]
    for name in ("library/app:1", "library/app:latest", "team/sub/multi:1"):
        assert found.identify(name) == str(Digest.of(raw_manifest(skopeo, registry, name)))
        assert proven(found, name).images()
    assert not verify(found).errors


@pytest.mark.root
def test_a_manifest_of_schema_1_becomes_the_image_that_docker_pulls(
    skopeo: Skopeo, registry: Registry, dockerd: Dockerd, tmp_path: Path
) -> None:
    source = unpacked(tmp_path / "layout", layout(("app", APP)))
    skopeo.skopeo(
        "copy", *PLAIN, "--format", "v2s1", f"oci:{source}:app", f"docker://{registry.host}/library/old:1"
    )
    name = f"{registry.host}/library/old:1"
    told = json.loads(raw_manifest(skopeo, registry, "library/old:1"))
    assert told["schemaVersion"] == 1
    dockerd.docker("pull", "--quiet", name)
    (picture,) = proven(RegistryRoot(registry.root), "old:1").images()
    assert str(picture.config.image_id) == dockerd.inspect(name)["Id"]
    assert [item.empty_layer for item in picture.config.history] == [False, True, False]
