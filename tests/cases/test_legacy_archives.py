"""Cases 19 to 21: what Docker 0.7, 1.0 and 1.9 saved, and what rule R makes of it (formats A.3, A.10, B.6)."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests import eras
from tests.archives import EMPTY, Body, Folder, encode, sha256
from tests.eras import BASE, IMAGE_IDS, LOSSY_IDS, MIDDLE, TOP, layer_tar, saved_by

from .conftest import Tell
from .judging import Judge, Judged, ran

RULE_R = Path(__file__).parents[1] / "data" / "rule_r"


def saved(folder: Path, content: bytes) -> Path:
    path = folder / "saved.tar"
    path.write_bytes(content)
    return path


def config_of(found: Judged, image_id: str) -> bytes:
    return (found.store / "blobs" / image_id.replace(":", "/")).read_bytes()


def test_case_19_an_archive_of_docker_0_7_is_the_image_that_docker_20_10_makes_of_it(
    judge: Judge, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The IDs are Docker's, of jsons without the key that is its own here: it must be dropped."""
    body = eras.v1_body
    monkeypatch.setattr(eras, "v1_body", lambda *told: {**body(*told), "custom": 1})
    path = saved(here, saved_by("0.7.6"))
    with tarfile.open(path) as archive:
        members = archive.getmembers()
    assert members[0].name == "."
    assert {member.mode for member in members if not member.name.endswith("layer.tar")} == {0}
    found = judge(path)
    assert (found.code, sorted(found.names)) == (0, ["app:1", "app:latest", "team/other:0.1"])
    assert {image_id for image_id, _ in found.images} == set(IMAGE_IDS["0.7.6"])
    diff_ids = [sha256(layer_tar("0.7.6", v1_id)) for v1_id in (BASE, MIDDLE, TOP)]
    assert dict(found.images)[IMAGE_IDS["0.7.6"][0]] == diff_ids
    config = json.loads(config_of(found, IMAGE_IDS["0.7.6"][0]))
    assert (len(config["history"]), "custom" in config, "Dns" in config["config"]) == (3, False, False)


def test_case_20_a_key_of_its_own_stays_where_docker_1_9_wrote_the_json(judge: Judge, ours: Tell) -> None:
    """Both jsons lie in tests/data/rule_r: what was loaded, and the config that Docker made of it."""
    v1_id, v1_json = "ab" * 32, (RULE_R / "1.9.1-spaced.v1.json").read_bytes()
    assert b'"custom": 1' in v1_json
    members: dict[str, Body] = {
        "./": Folder(0),
        "./repositories": encode({"app": {"1": v1_id}}),
        f"./{v1_id}/": Folder(0),
        f"./{v1_id}/json": v1_json,
        f"./{v1_id}/layer.tar": EMPTY,
    }
    expected = (RULE_R / "1.9.1-spaced.config.json").read_bytes()
    assert b'"custom":1' in expected
    found = judge(members)
    assert (found.code, found.images) == (0, [(sha256(expected), [sha256(EMPTY)])])
    assert config_of(found, sha256(expected)) == expected
    ours("the very bytes of the config that Docker 20.10.24 made of it")


@pytest.mark.parametrize("version", ["0.12.0", "1.0.1"])
def test_case_21_camelcase_jsons_are_recovered_and_docker_s_loss_is_to_be_had(
    judge: Judge, ours: Tell, here: Path, version: str
) -> None:
    found = judge(saved(here, saved_by(version)))
    assert (found.code, {image_id for image_id, _ in found.images}) == (0, set(IMAGE_IDS[version]))
    config: dict[str, Any] = json.loads(config_of(found, IMAGE_IDS[version][0]))
    assert config["docker_version"] == version
    assert config["container_config"]["Hostname"] == "cccccccccccc"
    assert config["history"][0]["comment"] == "2014"
    told = found.told("note")
    assert any("ContainerConfig and DockerVersion are kept, and Docker loses them" in each for each in told)
    assert any("Comment of a v1 json is no text" in each for each in told)
    lossy = judge(saved(here, saved_by(version, comment="no number")), "--docker-compatible")
    assert {image_id for image_id, _ in lossy.images} == set(LOSSY_IDS[version])
    refused = ran("verify", saved(here, saved_by(version)), "app:1", "--docker-compatible")
    assert (refused.code, "Docker cannot read it" in refused.error) == (5, True)
    ours(
        "ContainerConfig, DockerVersion and the comment 2014 kept; with --docker-compatible the ID of Docker's"
    )
