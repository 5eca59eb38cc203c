from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.archives import ONE, A, Picture, described, encode, image, index, layout, sha256, v1_json, written
from toolkit.ancestry import V1Layer
from toolkit.bundles import open_bundle
from toolkit.hazards import v1_hazards
from toolkit.image import Finding
from toolkit.operations.verify import verify


@pytest.fixture
def told(tmp_path: Path) -> Any:
    """What verify tells of an image, whatever the depth."""

    def run(picture: Picture) -> list[Finding]:
        path = written(tmp_path / "in.tar", layout(("app:1", picture)))
        reports = [verify(open_bundle(path), depth=depth).findings for depth in ("fast", "full", "deep")]
        assert reports[0] == reports[1] == reports[2]
        return list(reports[0])

    return run


@pytest.mark.parametrize(
    "user",
    ["2147483648", "0:2147483648", "-1", "1000:-1", "4294967296", "+99999999999999999999999", "9" * 5000],
)
def test_a_user_that_old_engines_take_for_root_is_told(told: Any, user: str) -> None:
    picture = image(ONE, config={"User": user})
    (finding,) = told(picture)
    assert (finding.subject, finding.severity) == (f"image {sha256(picture.config)}", "warning")
    assert (finding.check, finding.fact, finding.expected) == ("user", "User", "0 to 2147483647")
    assert len(finding.problem) < 300


@pytest.mark.parametrize(
    "user", ["", "0", "1000:1000", "2147483647", "www-data", "1000:users", "007", None, 5, []]
)
def test_any_other_user_is_not(told: Any, user: object) -> None:
    assert told(image(ONE, config={"User": user})) == []


def test_keys_of_a_v1_json_are_found_in_any_case_as_go_finds_them() -> None:
    raw = encode({"id": "a" * 64, "config": {"\u017fecurityOpt": ["a"]}})
    assert [finding.check for finding in v1_hazards(V1Layer.from_bytes(raw))] == ["security-opt"]


@pytest.mark.parametrize(
    "name", ["containerd.io/restart.status", "io.containerd.image.x", "io.cri-containerd.kind"]
)
def test_a_label_of_containerds_own_is_told(told: Any, name: str) -> None:
    (finding,) = told(image(ONE, config={"Labels": {name: "x", "maintainer": "me"}}))
    assert (finding.check, finding.severity) == ("label", "warning")
    assert finding.problem == f"has labels that are containerd's own: {name!r}"


def test_other_labels_are_not(told: Any) -> None:
    labels = {"org.opencontainers.image.title": "x", "io.containerdx": "", "containerd.io": ""}
    assert told(image(ONE, config={"Labels": labels})) == []
    assert told(image(ONE, config={"Labels": ["io.containerd.x"]})) == []


def test_security_options_are_told(told: Any) -> None:
    (finding,) = told(image(ONE, config={"SecurityOpt": ["label:disable"]}))
    assert (finding.check, finding.problem) == (
        "security-opt", "asks for the security options ['label:disable']",
    )  # fmt: skip
    assert told(image(ONE, config={"SecurityOpt": None})) == []


@pytest.mark.parametrize("member", ["config", "container_config"])
def test_those_of_a_v1_json_are_told_too(member: str) -> None:
    layer = V1Layer.from_bytes(encode({"id": A, member: {"SecurityOpt": ["apparmor:unconfined"]}}))
    (finding,) = v1_hazards(layer)
    assert (finding.subject, finding.check) == (f"layer {A[:12]}", "security-opt")
    assert list(v1_hazards(V1Layer.from_bytes(v1_json(A, config={}, container_config=None)))) == []


@pytest.mark.parametrize(
    "name",
    [
        "io.kubernetes.cri-o.annotations.checkpoint.name",
        "io.podman.annotations.checkpoint.runtime.name",
        "org.criu.checkpoint.container.name",
    ],
)
def test_a_checkpoint_is_told_by_its_annotations(told: Any, name: str) -> None:
    picture = image(ONE)
    raw = encode({**json.loads(picture.raw), "annotations": {name: "web"}})
    (finding,) = told(Picture(raw, blobs={**picture.blobs, sha256(raw): raw}))
    assert (finding.subject, finding.check, finding.severity) == ("image app:1", "checkpoint", "warning")


def test_a_checkpoint_is_told_by_what_it_holds(told: Any) -> None:
    picture, criu = index(image(ONE)), b"pages"
    listed = described(criu, "application/vnd.containerd.container.criu.checkpoint.criu.tar")
    raw = encode({**json.loads(picture.raw), "manifests": [*json.loads(picture.raw)["manifests"], listed]})
    found = told(Picture(raw, picture.media_type, {**picture.blobs, sha256(raw): raw, sha256(criu): criu}))
    assert [finding.check for finding in found] == ["checkpoint"]
