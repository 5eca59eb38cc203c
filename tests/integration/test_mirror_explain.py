"""`lading mirror explain` with a real registry: all pages of its tags, and a repository that is not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.archives import ONE, image
from tests.registries import Registry as Storage
from toolkit.cli import main

if TYPE_CHECKING:
    from .engines import Registry

pytestmark = pytest.mark.engine
APP = image(ONE, created="2020-01-01T00:00:00Z")
MINORS = 1100  # more than a page has


def test_the_tags_of_a_real_registry_are_explained(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LADING_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    storage = Storage(registry.root)
    storage.push("team/app:latest", APP)
    for minor in range(MINORS):
        storage.link(storage.tag("team/app", f"v1.{minor}.0"), APP.digest)
    Path("mirror.toml").write_text(
        f"""
        site = "plant-7"
        images = [
            {{repo = "{registry.host}/team/app", tags = [">=1.5", "!*.1098.*", "latest 3"]}},
            {{repo = "{registry.host}/team/none", tags = "*"}},
        ]
        """
    )
    assert main(["mirror", "explain", "mirror.toml", "--json"]) == 8
    app, none = json.loads(capsys.readouterr().out)["images"]
    assert len(app["tags"]) == MINORS + 1
    assert [image["origin"].rpartition(":")[2] for image in app["images"]] == [
        "v1.1099.0",
        "v1.1097.0",
        "v1.1096.0",
    ]
    assert none["error"].startswith(
        f"repository {registry.host}/team/none: has no tag in docker://{registry.host}"
    )
