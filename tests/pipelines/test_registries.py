"""ExportImage out of a registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines import ExportImage
from tests.archives import ONE, TWO, image
from tests.pipelines.conftest import build
from tests.webregistry import MemoryRegistry
from tests.webs import Asked, Reply
from toolkit.plumbing.pace import shared_pace

RATE = 1_000_000_009  # bytes a second, that nobody else asks for


class Limited(MemoryRegistry):
    """A registry that has nothing left for us after this."""

    def answer(self, asked: Asked) -> Reply:
        reply = super().answer(asked)
        left = {"RateLimit-Limit": "200", "RateLimit-Remaining": "0", "Docker-RateLimit-Source": "192.0.2.1"}
        return replace(reply, headers={**reply.headers, **left})


@pytest.fixture
def web() -> Iterator[Limited]:
    with Limited() as web:
        web.push("team/app:1", image(ONE, TWO))
        yield web


def test_what_a_registry_says_of_its_limit_is_in_the_report(home: Path, web: Limited) -> None:
    bundle = home / "app.tar"
    task = ExportImage(tag="team/app:1", source=f"docker://{web.host}/team/app", bundle=str(bundle))
    assert build(task) == "SUCCESS"
    [finding] = json.loads((home / "app.tar.json").read_text())["findings"]
    assert (finding["severity"], finding["subject"]) == ("note", web.host)
    assert finding["problem"].startswith("0 of 200 requests are left, as counted for 192.0.2.1; no login")


def test_the_rate_of_the_settings_holds(home: Path, web: Limited) -> None:
    (home.parent / "luigi.cfg").write_text(f"[lading]\nlimit_rate = {RATE}\n")
    task = ExportImage(tag="team/app:1", source=f"docker://{web.host}/team/app", bundle=str(home / "app.tar"))
    assert build(task) == "SUCCESS"
    pace = shared_pace(RATE)
    assert pace is not None
    assert pace.passed > len(ONE) + len(TWO)
