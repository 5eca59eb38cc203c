"""The pipeline with a registry as its source, named or found by `auto`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines import ExportImage, ImportBundle
from tests.archives import ONE, TWO, image, layout, sha256, unpacked
from tests.pipelines.conftest import build
from tests.webregistry import MemoryRegistry
from tests.webs import Asked, Reply
from toolkit.plumbing.pace import shared_pace

APP, OTHER = image(ONE, TWO), image(TWO)


@pytest.fixture
def web() -> Iterator[MemoryRegistry]:
    with MemoryRegistry() as web:
        yield web.push("team/app:1", APP)


def report(home: Path, bundle: str) -> Any:
    return json.loads((home / bundle).read_text())


def tagged(web: MemoryRegistry, name: str) -> str:
    repository, _, tag = name.partition(":")
    return sha256(web.manifests[repository, tag][1])


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


@pytest.mark.parametrize(
    ("place", "name"),
    [("", "app:1"), ("/site", "site:1"), ("/site/app:old", "site/app:old")],
    ids=["host", "repository", "tag"],
)
def test_a_bundle_is_pushed_once_and_again_where_its_tag_was_moved(
    home: Path, web: MemoryRegistry, place: str, name: str
) -> None:
    unpacked(home / "store", layout(("app:1", APP)))
    assert (
        build(ExportImage(tag="app:1", source=f"oci:{home}/store", bundle=str(home / "b.tar"))) == "SUCCESS"
    )
    task = ImportBundle(bundle=str(home / "b.tar"), store=f"docker://{web.host}{place}")
    for pushes in (1, 0):
        before = len(web.targets("PUT"))
        assert build(task) == "SUCCESS"
        assert bool(len(web.targets("PUT")) - before) == bool(pushes)
        assert tagged(web, name) == APP.digest
    web.push(name, OTHER)
    for _ in range(2):
        assert build(task) == "SUCCESS"
        assert tagged(web, name) == APP.digest
    before = len(web.targets("PUT"))
    assert build(task) == "SUCCESS"
    assert len(web.targets("PUT")) == before


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
        ("image app:1", f"comes from the mirror {web.host}/cache/library/app"),
        ("mirror 127.0.0.1:1", "is passed over: no connection can be made: connection refused"),
    ]


RATE = 1_000_000_009  # bytes a second, that nobody else asks for


class Limited(MemoryRegistry):
    """A registry that has nothing left for us after this."""

    def answer(self, asked: Asked) -> Reply:
        reply = super().answer(asked)
        left = {"RateLimit-Limit": "200", "RateLimit-Remaining": "0", "Docker-RateLimit-Source": "192.0.2.1"}
        return replace(reply, headers={**reply.headers, **left})


@pytest.fixture
def limited() -> Iterator[Limited]:
    with Limited() as web:
        web.push("team/app:1", APP)
        yield web


def test_what_a_registry_says_of_its_limit_is_in_the_report(home: Path, limited: Limited) -> None:
    bundle = home / "app.tar"
    task = ExportImage(tag="team/app:1", source=f"docker://{limited.host}/team/app", bundle=str(bundle))
    assert build(task) == "SUCCESS"
    [finding] = json.loads((home / "app.tar.json").read_text())["findings"]
    assert (finding["severity"], finding["subject"]) == ("note", limited.host)
    assert finding["problem"].startswith("0 of 200 requests are left, as counted for 192.0.2.1; no login")


def test_the_rate_of_the_settings_holds(home: Path, limited: Limited) -> None:
    (home.parent / "luigi.cfg").write_text(f"[lading]\nlimit_rate = {RATE}\n")
    task = ExportImage(
        tag="team/app:1", source=f"docker://{limited.host}/team/app", bundle=str(home / "app.tar")
    )
    assert build(task) == "SUCCESS"
    pace = shared_pace(RATE)
    assert pace is not None
    assert pace.passed > len(ONE) + len(TWO)
