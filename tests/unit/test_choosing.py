from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from tests.archives import ONE, TWO, Picture, image, layout, unpacked, written
from tests.conformance import content
from toolkit.bundles import create_bundle, open_bundle
from toolkit.errors import CorruptContent, NotFound, RegistryError, StoreError, ToolkitError
from toolkit.image import Finding
from toolkit.operations.choosing import FirstThatHas, one_place
from toolkit.operations.copy import copy
from toolkit.operations.through import Through
from toolkit.platform import Platform
from toolkit.ports import Landing, Source
from toolkit.stores.layout import LayoutStore

A, B, C = image(ONE), image(ONE, TWO), image(TWO)


def store(folder: Path, *named: tuple[str, Picture]) -> LayoutStore:
    unpacked(folder, layout(*named))
    return LayoutStore(folder)


def absent(name: str) -> Source:
    del name
    raise StoreError("the far place", "is not there")


@pytest.fixture
def both(tmp_path: Path) -> FirstThatHas:
    first = store(tmp_path / "a", ("app:1", A))
    second = store(tmp_path / "b", ("app:1", B), ("b:1", C))
    return FirstThatHas("auto", [one_place(lambda: first), one_place(lambda: second)], "look elsewhere")


def test_each_image_comes_from_the_first_place_that_has_it(both: FirstThatHas, tmp_path: Path) -> None:
    assert both.place == "auto"
    copied = copy(both, create_bundle(tmp_path / "out.tar"), ["app:1", "b:1"])
    assert [str(image.top.digest) for image in copied] == [A.digest, C.digest]
    assert both.place == f"oci:{tmp_path}/a and oci:{tmp_path}/b"
    assert both.outline("b:1").names == ("b:1",)


def test_of_a_platform_that_the_first_place_lacks_it_is_told_who_was_asked(
    both: FirstThatHas, tmp_path: Path
) -> None:
    for ask in (both.image, both.outline, both.layer_keys):
        with pytest.raises(NotFound) as caught:
            ask("app:1", Platform("linux", "s390x"))
        assert caught.value.advice == (
            f"that is what oci:{tmp_path}/a has, which is asked first; name the place that has linux/s390x"
        )


def test_what_is_listed_is_what_the_first_place_has(both: FirstThatHas) -> None:
    assert [line.names for line in both.listings()] == [("app:1",)]


def test_a_place_is_opened_only_when_the_ones_before_lack_the_image(tmp_path: Path) -> None:
    first = store(tmp_path / "a", ("app:1", A))
    source = FirstThatHas("auto", [one_place(lambda: first), absent])
    assert source.identify("app:1") == A.digest
    source = FirstThatHas("auto", [absent, one_place(lambda: first)])
    assert source.identify("app:1") == A.digest


def test_all_that_was_asked_is_told(tmp_path: Path) -> None:
    first = store(tmp_path / "a", ("app:1", A))
    source = FirstThatHas("auto", [one_place(lambda: first), absent], "look elsewhere")
    with pytest.raises(NotFound) as caught:
        source.identify("zzz:9")
    told = f"image zzz:9: is not in oci:{tmp_path}/a and the far place is not there; look elsewhere"
    assert str(caught.value) == told
    with pytest.raises(NotFound, match="near it: app:1"):
        source.identify("app:2")


def test_a_registry_that_could_not_be_asked_may_have_it(tmp_path: Path) -> None:
    first = store(tmp_path / "a", ("app:1", A))
    cases = {"": "look elsewhere", "log in": "log in"}
    for advice, told in cases.items():
        far = Refusing(first, RegistryError("GET https://h/v2/zzz", "no such host", advice))
        source = FirstThatHas(
            "auto", [one_place(lambda: first), absent, one_place(partial(Through, far))], "look elsewhere"
        )
        with pytest.raises(StoreError) as caught:
            source.identify("zzz")
        assert str(caught.value) == (
            f"image zzz: is not in oci:{tmp_path}/a, the far place is not there, "
            f"and docker://h/zzz cannot be asked: no such host; {told}"
        )
        assert caught.value.exit_code == 7


def test_what_the_places_remark_is_told(tmp_path: Path) -> None:
    first = store(tmp_path / "a", ("app:1", A))
    far = Refusing(first, NotFound("x", "y"))
    source = FirstThatHas("auto", [one_place(lambda: first), one_place(lambda: far)])
    assert (source.remarks(), source.at_once) == ([], 0)
    with pytest.raises(NotFound):
        source.identify("zzz")
    assert (source.remarks(), source.at_once) == ([Finding("far", "away")], 3)


def test_corruption_is_not_passed_over(tmp_path: Path) -> None:
    first, second = store(tmp_path / "a", ("app:1", A)), store(tmp_path / "b", ("app:1", B))
    (tmp_path / "a/index.json").write_text("{")
    with pytest.raises(CorruptContent):
        FirstThatHas("auto", [one_place(lambda: first), one_place(lambda: second)]).identify("app:1")


def test_a_layer_comes_from_where_its_image_comes(both: FirstThatHas) -> None:
    (key,) = both.layer_keys("b:1")
    assert content(both, both.layer(key)) == TWO
    (layer,) = both.image("app:1").layers
    assert content(both, layer) == ONE


def test_a_layer_is_found_without_its_image(tmp_path: Path) -> None:
    second = store(tmp_path / "b", ("b:1", C))
    source = FirstThatHas("auto", [absent, one_place(lambda: second)])
    (key,) = second.layer_keys("b:1")
    assert content(source, source.layer(key)) == TWO
    with pytest.raises(NotFound):
        source.layer("sha256:" + "f" * 64)


class Refusing(Through):
    """A far place that has nothing."""

    at_once = 3

    def __init__(self, source: Source, error: ToolkitError) -> None:
        super().__init__(source)
        self.place, self.at_once, self._error = "docker://h/zzz", 3, error

    def identify(self, name: str) -> str:
        del name
        raise self._error

    def remarks(self) -> list[Finding]:
        return [Finding("far", "away")]


class Gathering(Through):
    """A source that remembers what was gathered."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.gathered: list[str] = []
        self.is_closed = False

    def gather(self, names: Sequence[str], land: Callable[[int], Landing] | None = None) -> None:
        assert land is None
        self.gathered += names

    def close(self) -> None:
        self.is_closed = True


def test_each_place_gathers_and_closes_its_own(tmp_path: Path) -> None:
    first = Gathering(store(tmp_path / "a", ("app:1", A)))
    bundle = open_bundle(written(tmp_path / "b.tar", layout(("b:1", C), ("c:1", C))))
    second = Gathering(bundle)
    source = FirstThatHas("auto", [one_place(lambda: first), one_place(lambda: second)])
    source.gather(["app:1", "b:1", "c:1"])
    assert (first.gathered, second.gathered) == (["app:1"], ["b:1", "c:1"])
    source.close()
    assert first.is_closed
    assert second.is_closed
