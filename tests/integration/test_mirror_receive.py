"""What was received goes on into a real registry, and on into a real Docker: the same digests there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.archives import ONE, TWO, image, index
from tests.crossings import Crossing
from toolkit.cli import main
from toolkit.places import open_source
from toolkit.settings import Settings

if TYPE_CHECKING:
    from .engines import Dockerd, Registry

pytestmark = pytest.mark.engine

CREATED = "2020-01-01T00:00:00Z"
BASE = image(ONE, created=CREATED)
APP = image(ONE, TWO, created=CREATED)
MULTI = index(APP, image(TWO, architecture="arm64", created=CREATED))


class Here(Crossing):
    """The closed side is this home."""

    @property
    def home(self) -> Path:
        return self.folder / "home"


@pytest.fixture
def gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LADING_HOME", str(tmp_path / "home"))
    return Here(tmp_path)


def test_sets_go_on_into_a_registry_under_its_name(gap: Here, registry: Registry) -> None:
    place = f"docker://{registry.host}"
    words = ("--into", place, "--rename", f"docker.io/library/={registry.host}/received/")
    first, second = gap.send({"app:1": BASE, "multi:1": MULTI}), gap.send({"app:1": APP, "multi:1": MULTI})
    for medium, app in (
        (first, BASE),
        (second, APP),
        (first, APP),
    ):  # the last one comes late, and moves nothing
        assert main(["mirror", "receive", str(medium), *words]) == 0
        for name, picture in {"app": app, "multi": MULTI}.items():
            there = open_source(f"{place}/received/{name}", Settings())
            assert there.identify(f"{registry.host}/received/{name}:1") == picture.digest


def test_sets_go_on_into_docker(gap: Here, dockerd: Dockerd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", dockerd.host)
    words = ("--into", "docker-daemon:", "--rename", "docker.io/library/=closed.example/")
    assert main(["mirror", "receive", str(gap.send({"app:7": APP})), *words]) == 0
    told = json.loads(dockerd.docker("image", "inspect", "closed.example/app:7"))
    assert [each["Id"] for each in told] == [json.loads(APP.raw)["config"]["digest"]]
