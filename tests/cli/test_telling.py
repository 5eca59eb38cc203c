"""ls, inspect, history and doctor tell machines what they tell people, whatever the kind of place."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.archives import ONE, TWO, image, index, layout, sha256, unpacked
from tests.cli.conftest import IMAGE, SAMPLE, Lading
from tests.registries import Registry
from tests.stores.facts import IMAGE_ID

AMD, ARM = image(ONE), image(ONE, TWO, architecture="arm64")
BOTH = index(AMD, ARM)
FORMATS = ("universal", "docker", "docker-v1.2", "docker-v1", "oci", "dir")
STORES = {
    "docker-1.9.1-aufs": "graph",
    "docker-20.10-overlay2": "docker-root",
    "docker-29-containerd": "docker-root",
    "docker-29-containerd/containerd/daemon": "containerd-root",
    "podman-4.3-overlay": "containers-storage",
    "registry": "registry-root",
    "layout": "oci",
}
# What `podman images --digests` shows of the golden root, by its images.json.
PODMAN = "sha256:f6ed8f387afeb6df073b6740e966b3ccfab7884376e86725122c067426b1f07a"


@pytest.fixture(params=[*STORES, *FORMATS])
def place(request: pytest.FixtureRequest, lading: Lading, engine_stores: Path, tmp_path: Path) -> str:
    """A place of each kind, with what engines wrote or an index in it."""
    if request.param in FORMATS:
        words = ("--from", SAMPLE, "-o", "bundle", "--format", request.param)
        assert lading("export", IMAGE, *words).code == 0
        return "bundle"
    if request.param == "registry":
        Registry(tmp_path / "registry").push("app:1", BOTH)
        return f"registry-root:{tmp_path / 'registry'}"
    if request.param == "layout":
        return f"oci:{unpacked(tmp_path / 'layout', layout(('app:1', BOTH)))}"
    return f"{STORES[request.param]}:{engine_stores / request.param}"


def cells(line: str) -> list[str]:
    return re.split(r"\s{3,}", line)


def test_ls_and_doctor_tell_machines_the_same(lading: Lading, place: str) -> None:
    listed = lading("ls", place, "--json").json["images"]
    lines = [cells(line) for line in lading("ls", place).out.splitlines()[1:]]
    assert [line[:3] for line in lines] == [
        [name, each["id"].removeprefix("sha256:")[:12], each["platform"]]
        for each in listed
        for name in each["names"] or ["<none>"]
    ]
    assert [line[3] for line in lines] == [
        each["created"][:10] if each["created"] else "N/A" for each in listed for _ in each["names"] or [""]
    ]
    (told,) = lading("doctor", place, "--json").json["places"]
    text = lading("doctor", place, "--quiet").out
    rows = [cells(line) for line in text.partition("STATE\n")[2].partition("\n\n")[0].splitlines()]
    assert [(row[1], row[3], row[5]) for row in rows] == [
        (each["id"].removeprefix("sha256:")[:12], str(each["layers"]), each["state"])
        for each in told["images"]
        for _ in each["names"] or [""]
    ]
    for title in {"driver", "namespace", "kind", "place"} & told.keys():
        assert re.search(rf"^{title.capitalize()} +{re.escape(told[title])}$", text, re.MULTILINE)
    assert [f"saves what is {each['state']}: {each['command']}" for each in told["saves"]] == [
        line for line in text.splitlines() if line.startswith("saves")
    ]


def test_inspect_and_history_tell_machines_the_same(lading: Lading, place: str) -> None:
    (image_,) = lading("inspect", place, "--json").json["images"]
    told = lading("inspect", place)
    facts = json.dumps({**image_, "names": image_["names"] or ["<none>"]}).replace("\\", "")
    for title, value, *_ in (re.split(r"\s{2,}", line) for line in told.out.splitlines()[1:]):
        assert value in facts or title == "Size", (title, value)
    assert [each["problem"] for each in image_["findings"]] == [
        line.split(": ", 2)[-1] for line in told.err.splitlines()
    ]
    asked = (image_["names"] or [image_["id"]])[0]
    document = lading("history", place, asked, "--json").json
    told = lading("history", place, asked, "--no-trunc")
    assert len(document["history"]) == len(told.out.splitlines()[1:])
    for line, each in zip(told.out.splitlines()[1:], document["history"], strict=True):
        assert each["created_by"].strip() in line
        assert line.startswith(("<missing>", document["id"], each["id"] or document["id"]))
    assert len(document["findings"]) == len(told.err.splitlines())


@pytest.mark.parametrize("scheme", ["registry-root", "oci"])
def test_inspect_tells_the_digests_that_an_image_is_referred_to_by(
    lading: Lading, tmp_path: Path, scheme: str
) -> None:
    Registry(tmp_path / "registry-root").push("app:1", BOTH)
    unpacked(tmp_path / "oci", layout(("app:1", BOTH)))
    place = f"{scheme}:{tmp_path / scheme}"
    lines = lading("inspect", place, "app:1").out.splitlines()
    assert [line.split() for line in lines[2:5]] == [
        ["Image", "ID", sha256(AMD.config)],
        ["Manifest", AMD.digest],
        ["Index", BOTH.digest],
    ]
    (image_,) = lading("inspect", place, "app:1", "--json").json["images"]
    assert (image_["manifest"], image_["index"]) == (AMD.digest, BOTH.digest)
    (other,) = lading("inspect", place, "app:1", "--platform", "linux/arm64", "--json").json["images"]
    assert (other["manifest"], other["index"]) == (ARM.digest, None)


def test_inspect_tells_the_manifest_that_podman_keeps_and_finds_the_image_by_it(
    lading: Lading, engine_stores: Path
) -> None:
    place = f"containers-storage:{engine_stores / 'podman-4.3-vfs'}"
    assert f"Manifest   {PODMAN}\n" in lading("inspect", place).out
    for asked in (PODMAN, PODMAN[7:19]):
        (image_,) = lading("inspect", place, asked, "--json").json["images"]
        assert (image_["id"], image_["manifest"]) == (IMAGE_ID, PODMAN)


def test_a_manifest_that_is_made_here_is_no_fact_of_the_place(lading: Lading, engine_stores: Path) -> None:
    for place in (SAMPLE, f"docker-root:{engine_stores / 'docker-20.10-vfs'}"):
        (image_,) = lading("inspect", place, "--json").json["images"]
        assert (image_["manifest"], image_["index"]) == (None, None)
        assert "Manifest" not in lading("inspect", place).out
