from __future__ import annotations

from pathlib import Path

import pytest

from tests.archives import ONE, TWO, Picture, blob, image, index, layout, unpacked
from toolkit.bundles.modern import ModernImage, listed
from toolkit.digest import Digest
from toolkit.errors import NotFound
from toolkit.mirror.connected.narrowing import chosen, narrowed
from toolkit.platform import Platform
from toolkit.stores.layout import LayoutStore

AMD, ARM = Platform("linux", "amd64"), Platform("linux", "arm64")
S390 = Platform("linux", "s390x")
ON_AMD, ON_ARM = image(ONE, TWO), image(ONE, b"arm" * 100, architecture="arm64")
BOTH = index(ON_AMD, ON_ARM)


def read(folder: Path, picture: Picture, *, without: str = "") -> ModernImage:
    files = layout(("app:1", picture))
    files.pop(blob(without), None)
    return LayoutStore(unpacked(folder, files)).image("app:1")


def test_an_index_keeps_its_digest_and_the_platforms_that_are_wanted(tmp_path: Path) -> None:
    whole = read(tmp_path / "layout", BOTH)
    found = narrowed(whole, [ARM])
    assert str(found.top.digest) == BOTH.digest
    kept = {*map(str, found.documents), *(str(layer.digest) for layer in found.layers)}
    assert kept == {BOTH.digest, *ON_ARM.blobs}
    assert narrowed(whole, [AMD, ARM, S390]).layers == whole.layers
    assert narrowed(whole, []) is whole


def test_a_platform_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    for number, picture in enumerate((BOTH, ON_AMD)):
        with pytest.raises(NotFound, match=r"platform linux/s390x: is not in the image; it has linux/amd64"):
            narrowed(read(tmp_path / str(number), picture), [S390])
    with pytest.raises(
        NotFound, match="platform linux/s390x: is not in the image; it has linux/amd64, linux/arm64"
    ):
        chosen(
            {
                Digest.parse(each.digest): Platform("linux", arch)
                for each, arch in zip((ON_AMD, ON_ARM), ("amd64", "arm64"), strict=True)
            },
            S390,
        )


def test_one_manifest_is_the_first_that_serves(tmp_path: Path) -> None:
    image_ = read(tmp_path / "layout", BOTH)
    top = image_.documents[image_.top.digest]
    assert str(chosen(listed(top.raw, top.descriptor), ARM)) == ON_ARM.digest


def test_what_is_lost_of_a_wanted_platform_is_told_and_of_another_one_not(tmp_path: Path) -> None:
    damaged = read(tmp_path / "layout", BOTH, without=ON_ARM.layers[1])
    assert [finding.severity for finding in damaged.lacking] == ["error"]
    assert narrowed(damaged, [AMD]).lacking == ()
    assert narrowed(damaged, [AMD, ARM]).lacking == damaged.lacking
