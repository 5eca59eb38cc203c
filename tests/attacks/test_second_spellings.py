"""Documents that start one thing here and another in an engine: Go reads keys in any case, the last one counts."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.archives import (
    ONE,
    docker_item,
    encode,
    image,
    index,
    layout,
    rewritten,
    v1_folder,
    v1_json,
    written,
)
from toolkit.bundles import create_bundle, open_bundle
from toolkit.errors import UnsafeArchive
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.report import DEEP

ID = "a" * 64
TWICE = "second spelling|in two spellings"
EVIL: list[dict[str, Any]] = [
    {"config": {"Cmd": ["good"], "cmd": ["evil"]}},
    {"config": {"Cmd": ["good"], "ENTRYPOINT": ["evil"]}},
    {"config": {"Healthcheck": {"Test": ["CMD", "good"], "test": ["CMD", "evil"]}}},
    {"container_config": {"User": "1", "u\u017fer": "0"}},
    {"history": [{"created_by": "good", "Created_By": "evil"}]},
]


def refused(path: Path, name: str = "a:1") -> None:
    report = verify(open_bundle(path), strict=True, depth=DEEP)
    assert 6 in {each.exit_code for each in report.errors}
    assert any(re.search(TWICE, each.problem) for each in report.errors)
    assert not report.images
    with pytest.raises(UnsafeArchive, match=TWICE):
        copy(open_bundle(path), create_bundle(path.with_suffix(".new")), [name])
    assert not path.with_suffix(".new").exists()


@pytest.mark.parametrize("evil", EVIL)
def test_a_config_that_tells_two_commands_is_refused(tmp_path: Path, evil: dict[str, Any]) -> None:
    refused(written(tmp_path / "oci.tar", layout(("a:1", image(ONE, **evil)))))


@pytest.mark.parametrize("evil", EVIL)
def test_so_it_is_beside_a_manifest_json(tmp_path: Path, evil: dict[str, Any]) -> None:
    one = image(ONE, **evil)
    files = layout(("a:1", one))
    del files["index.json"], files["oci-layout"]
    refused(written(tmp_path / "d.tar", {**files, "manifest.json": encode([docker_item(one, "a:1")])}))


@pytest.mark.parametrize("evil", [EVIL[0], EVIL[2], EVIL[3]])
def test_a_v1_json_that_tells_two_commands_is_refused(tmp_path: Path, evil: dict[str, Any]) -> None:
    files = v1_folder(ID, layer=ONE, json_=v1_json(ID, **evil))
    refused(written(tmp_path / "v1.tar", {**files, "repositories": encode({"a": {"1": ID}})}))


def _platform(value: Any) -> None:
    value["manifests"][0]["platform"]["OS"] = "windows"


def _urls(value: Any) -> None:
    value["manifests"][0]["Urls"] = ["http://example.org/"]


def _subject(value: Any) -> None:
    value["Subject"] = value["manifests"][0]


def _inner_subject(value: Any) -> None:
    value["subject"] = {**value["manifests"][0], "DIGEST": value["manifests"][0]["digest"]}


@pytest.mark.parametrize("change", [_platform, _urls, _subject, _inner_subject])
def test_an_index_that_tells_two_things_is_refused(tmp_path: Path, change: Callable[[Any], None]) -> None:
    refused(written(tmp_path / "x.tar", layout(("a:1", rewritten(index(image(ONE)), change)))))


def test_labels_ports_and_volumes_of_two_cases_are_data(tmp_path: Path) -> None:
    config = {"Labels": {"cmd": "x", "Cmd": "y"}, "Volumes": {"/a": {}, "/A": {}}, "ExposedPorts": {"80": {}}}
    path = written(tmp_path / "x.tar", layout(("a:1", image(ONE, config=config))))
    assert verify(open_bundle(path), strict=True, depth=DEEP).ok
