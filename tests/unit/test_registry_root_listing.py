from __future__ import annotations

from pathlib import Path

from tests.archives import ONE, image
from tests.registries import Registry
from toolkit.stores.registry_root.disk import Disk
from toolkit.stores.registry_root.listing import listings

APP = image(ONE)
MANY = 2000


def test_an_empty_registry_lists_nothing(tmp_path: Path) -> None:
    assert listings(Disk(Registry(tmp_path).folder, "x")) == []


def test_many_tags_of_one_image_are_one_line(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.push("app:1", APP)
    for number in range(MANY):
        registry.link(registry.tag("app", f"t{number}"), APP.digest)
    (line,) = listings(Disk(tmp_path, "x"))
    assert len(line.names) == MANY + 1


def test_a_tag_that_points_at_nothing_is_a_line_that_says_so(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.push("app:1", APP)
    registry.tag("app", "2").parent.mkdir(parents=True)
    bad, good = sorted(listings(Disk(tmp_path, "x")), key=lambda line: line.problem, reverse=True)
    problem = f"tag app:2: its link {registry.tag('app', '2')} is not there"
    assert (bad.names, bad.problem.partition(";")[0]) == (("app:2",), problem)
    assert good.names == ("app:1",)
