"""The pipeline with a registry as its source, named or found by `auto`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines import ExportImage
from tests.archives import ONE, TWO, image, layout, sha256, unpacked
from tests.pipelines.conftest import build
from tests.webregistry import MemoryRegistry
from tests.webs import Asked

APP, OTHER = image(ONE, TWO), image(TWO)


@pytest.fixture
def web() -> Iterator[MemoryRegistry]:
    with MemoryRegistry() as web:
        yield web.push("team/app:1", APP)


def report(home: Path, bundle: str) -> Any:
    return json.loads((home / bundle).read_text())


def settings(home: Path, *lines: str) -> None:
    (home.parent / "luigi.cfg").write_text("\n".join(["[lading]", *lines, ""]))


def test_a_name_alone_is_pulled_from_the_registry_that_it_says(home: Path, web: MemoryRegistry) -> None:
    settings(home, "source = auto")
    name = f"{web.host}/team/app:1"
    task = ExportImage(tag=name, bundle=str(home / "b.tar"))
    assert build(task) == "SUCCESS"
    told = report(home, "b.tar.json")
    assert told["source"] == f"docker://{web.host}/team/app"
    assert (told["reference"], told["resolved"]) == (name, APP.digest)
    assert told["images"][0]["platforms"][0]["image_id"] == sha256(APP.config)
    asked = len(web.targets("GET"))
    assert build(task) == "SUCCESS"
    assert not [target for target in web.targets("GET")[asked:] if "blobs" in target]


def test_what_the_store_has_is_asked_of_no_registry(home: Path, web: MemoryRegistry) -> None:
    settings(home, "source = auto")
    name = f"{web.host}/team/app:1"
    unpacked(home / "store", layout((name, OTHER)))
    assert build(ExportImage(tag=name, bundle=str(home / "b.tar"))) == "SUCCESS"
    assert report(home, "b.tar.json")["source"] == f"oci:{home}/store"
    assert web.asked == []


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("path", ["", "/team/app"])
def test_a_moving_tag_is_resolved_once_a_run(
    home: Path, web: MemoryRegistry, path: str, workers: int
) -> None:
    moves = iter([APP, *[OTHER] * 99])

    def odd(asked: Asked) -> None:
        if asked.path == "/v2/team/app/manifests/1" and path:
            web.push("team/app:1", next(moves))

    web.odd = odd
    task = ExportImage(tag="team/app:1", source=f"docker://{web.host}{path}", bundle=str(home / "b.tar"))
    assert build(task, workers=workers) == "SUCCESS"
    told = report(home, "b.tar.json")
    assert told["resolved"] == told["images"][0]["digest"] == APP.digest
    assert told["source"] == f"docker://{web.host}/team/app"
    assert len(web.targets()) - len([target for target in web.targets() if "/1" not in target]) <= 2
    web.odd = lambda _: None
    web.push("team/app:1", OTHER)
    assert build(task) == "SUCCESS"
    assert report(home, "b.tar.json")["resolved"] == OTHER.digest


def test_the_report_says_which_mirror_served(home: Path, web: MemoryRegistry) -> None:
    web.push("cache/library/app:1", APP)
    settings(home, "source = auto", "[lading.mirrors]", f"docker.io = 127.0.0.1:1, {web.host}/cache")
    assert build(ExportImage(tag="app:1")) == "SUCCESS"
    told = report(home, "bundles/app_1.tar.json")
    assert told["source"] == "docker://docker.io/library/app"
    assert [(finding["subject"], finding["problem"]) for finding in told["findings"]] == [
        ("mirror 127.0.0.1:1", "is passed over: no connection can be made"),
        ("image app:1", f"comes from the mirror {web.host}/cache/library/app"),
    ]
