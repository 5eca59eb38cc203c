"""A few of the changes that tests/acceptance/35_flipped_bytes.py tries 2,000 of."""

from __future__ import annotations

import pytest

from tests.flips import FORMATS, UNSUPPORTED, Bundle, bundles, changes

COUNT = 200


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[Bundle]:
    return bundles(tmp_path_factory.mktemp("flips"))


def test_a_changed_byte_is_noticed_or_it_is_known_why_it_cannot_be(found: list[Bundle]) -> None:
    noticed = 0
    for change in changes(found, COUNT):
        codes = change.codes()
        where = f"{change.bundle.format}: {change.what} at {change.position}"
        assert codes <= {5, 6} or (codes == {4} and change.what in UNSUPPORTED), where
        assert codes or change.reason, where
        noticed += bool(codes)
    assert noticed > COUNT * 3 // 4


def test_every_class_of_places_is_there(found: list[Bundle]) -> None:
    classes = {bundle.format: set(bundle.places()) for bundle in found}
    assert set(classes) == set(FORMATS)
    for names in classes.values():
        assert {"padding", "layer", "end blocks", "behind the end", "header: name", "header: mtime"} <= names
    assert {
        "index.json",
        "manifest.json",
        "repositories",
        "oci-layout",
        "VERSION",
        "v1 json",
        "document",
    } <= (classes["universal"])
    assert "config" in classes["docker-v1.2"]


def test_what_means_the_same_is_told_from_what_does_not(found: list[Bundle]) -> None:
    bundle = found[0]
    first, last = 148, 155  # of the checksum: leading zeros, and a space behind
    assert bundle.raw[first : last + 1].startswith(b"0")
    assert bundle.harmless(first, ord(" "))
    assert bundle.harmless(last, 0)
    assert not bundle.harmless(first, ord("1"))
    assert not bundle.harmless(last, ord("x"))
    assert not bundle.harmless(0, ord(" "))
