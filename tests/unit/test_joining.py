"""Several places as one: an image is where it is, and a name that is two images is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.archives import EMPTY, ONE, TWO, A, Body, encode, image, layout, sha256, v1_folder, written
from tests.conformance import SourceContract, content
from toolkit.bundles import create_bundle, open_bundle
from toolkit.errors import NotFound, UsageError
from toolkit.image import Finding
from toolkit.operations.copy import copy
from toolkit.operations.joining import Joined
from toolkit.operations.through import Through
from toolkit.operations.verify import verify
from toolkit.plumbing.parallel import jobs_for
from toolkit.ports import Source
from toolkit.stores.sample import sample_store

APP, OTHER = image(ONE), image(ONE, TWO)


def bundle(path: Path, *named: tuple[str, object]) -> Source:
    return open_bundle(written(path, layout(*named)))  # type: ignore[arg-type]


@pytest.fixture
def both(tmp_path: Path) -> Joined:
    first = bundle(tmp_path / "a.tar", ("app:1", APP), ("same:1", APP))
    return Joined([first, bundle(tmp_path / "b.tar", ("other:1", OTHER), ("same:1", APP))])


def test_what_is_far_away_is_read_as_it_wants_to_be(both: Joined) -> None:
    assert both.at_once == 0
    far = Through(both)
    far.at_once = 6
    assert jobs_for(Joined([both, far])) >= 6


class TestJoined(SourceContract):
    """Two places, of which the second has the sample."""

    top = "ubuntu:14.04"

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        sample_store(tmp_path)
        return tmp_path

    @pytest.fixture
    def source(self, folder: Path) -> Source:
        return Joined([bundle(folder / "a.tar", ("app:1", APP)), sample_store(folder)])


def test_the_images_of_all_are_listed_each_once(both: Joined) -> None:
    assert sorted(name for line in both.listings() for name in line.names) == [
        "app:1",
        "other:1",
        "same:1",
        "same:1",
    ]
    assert len({line.id for line in both.listings()}) == 2


def test_bundles_are_merged_into_one(both: Joined, tmp_path: Path) -> None:
    copy(both, create_bundle(tmp_path / "m.tar"), ["app:1", "other:1", "same:1"])
    report = verify(open_bundle(tmp_path / "m.tar"))
    assert report.ok
    ids = {name: str(one.images()[0].config.image_id) for one in report.images for name in one.names}
    assert ids == {"app:1": sha256(APP.config), "same:1": sha256(APP.config), "other:1": sha256(OTHER.config)}


def test_layers_of_one_key_are_two_where_they_are_of_two_places(tmp_path: Path) -> None:
    sources = []
    for name, raw in (("one", ONE), ("two", TWO)):
        files: dict[str, Body] = {**v1_folder(A, "", raw), "repositories": encode({name: {"1": A}})}
        sources.append(open_bundle(written(tmp_path / name, files)))
    both = Joined(sources)
    keys = [both.image(name).layers[0].key for name in ("one:1", "two:1")]
    assert keys == [A, f"{A}#1"]
    assert [content(both, both.layer(key)) for key in keys] == [ONE, TWO]
    assert both.layer_keys("two:1") == (f"{A}#1",)
    copied = copy(both, create_bundle(tmp_path / "m.tar", "oci"), ["one:1", "two:1"])
    assert [str(image_.images()[0].config.diff_ids[0]) for image_ in copied] == [sha256(ONE), sha256(TWO)]


def test_a_name_that_is_two_images_is_refused_with_both(tmp_path: Path) -> None:
    first, second = bundle(tmp_path / "a.tar", ("app:1", APP)), bundle(tmp_path / "b.tar", ("app:1", OTHER))
    with pytest.raises(UsageError, match=rf"{APP.digest} in .*a\.tar and {OTHER.digest} in .*b\.tar"):
        Joined([first, second]).image("app:1")
    assert Joined([first, second]).identify(OTHER.digest) == OTHER.digest


@pytest.mark.parametrize("key", ["x", f"{A}#1", f"{sha256(ONE)}#2", f"{sha256(ONE)}#0", f"{sha256(EMPTY)}#x"])
def test_a_layer_that_is_nowhere_is_not_found(both: Joined, key: str) -> None:
    with pytest.raises(NotFound):
        both.layer(key)


def test_an_image_that_is_nowhere_is_not_found_with_what_is_near(both: Joined) -> None:
    with pytest.raises(NotFound, match=r"near it: other:1"):
        both.outline("other:2")


def test_what_each_has_to_say_is_said(both: Joined) -> None:
    class Remarking(Joined):
        def remarks(self) -> list[Finding]:
            return [Finding("place", "is odd")]

    assert Joined([both, Remarking([]), Remarking([both])]).remarks() == [Finding("place", "is odd")] * 2
