from __future__ import annotations

import json
from typing import Any

import pytest

from tests.archives import IMAGE_NAME, ONE, REF_NAME, TWO, described, encode, image
from toolkit.digest import Digest
from toolkit.errors import InvalidDocument
from toolkit.image import ProvenImage
from toolkit.model import Descriptor
from toolkit.stores.layout_index import EMPTY, named_in

APP, OTHER = image(ONE), image(TWO)


def proven(digest: str, *names: str) -> ProvenImage:
    return ProvenImage(names, Descriptor(APP.media_type, Digest.parse(digest), 7), {}, ())


def entries(raw: bytes) -> list[dict[str, Any]]:
    return list(json.loads(raw)["manifests"])


def names(raw: bytes) -> dict[str, str]:
    return {entry.get("annotations", {}).get(REF_NAME, ""): entry["digest"] for entry in entries(raw)}


def foreign(annotations: dict[str, str]) -> bytes:
    entry = described(OTHER.raw, OTHER.media_type, annotations=annotations, urls=["x"], artifactType="y")
    return encode({"schemaVersion": 2, "manifests": [entry], "annotations": {"a": "b"}, "subject": None})


def test_each_name_is_an_entry_that_both_kinds_of_readers_know() -> None:
    (first, second) = entries(named_in(EMPTY, [proven(APP.digest, "app:1", "h:5000/app")], "x"))
    assert first["annotations"] == {REF_NAME: "app:1", IMAGE_NAME: "docker.io/library/app:1"}
    assert second["annotations"] == {REF_NAME: "h:5000/app:latest", IMAGE_NAME: "h:5000/app:latest"}


def test_entries_of_others_keep_all_their_members() -> None:
    before = foreign({REF_NAME: "theirs", "org.example": "kept"})
    after = named_in(before, [proven(APP.digest, "app:1")], "x")
    assert entries(after)[0] == entries(before)[0]
    assert json.loads(after)["annotations"] == {"a": "b"}


@pytest.mark.parametrize(
    "annotations",
    [
        {REF_NAME: "app:1"},
        {REF_NAME: "docker.io/library/app:1"},
        {IMAGE_NAME: "docker.io/library/app:1"},
        {REF_NAME: "1", IMAGE_NAME: "docker.io/library/app:1"},
    ],
)
def test_a_name_moves_however_it_was_written(annotations: dict[str, str]) -> None:
    assert names(named_in(foreign(annotations), [proven(APP.digest, "app:1")], "x")) == {"app:1": APP.digest}


def test_an_entry_keeps_the_other_name_it_had() -> None:
    before = foreign({REF_NAME: "stable", IMAGE_NAME: "docker.io/library/app:1", "org.example": "kept"})
    after = named_in(before, [proven(APP.digest, "app:1")], "x")
    assert names(after) == {"stable:latest": OTHER.digest, "app:1": APP.digest}
    assert entries(after)[0]["annotations"]["org.example"] == "kept"


def test_an_image_without_a_name_is_listed_once() -> None:
    once = named_in(EMPTY, [proven(APP.digest)], "x")
    assert names(once) == {"": APP.digest}
    assert named_in(once, [proven(APP.digest), proven(APP.digest, "app@" + APP.digest)], "x") == once


def test_the_last_of_two_images_asked_for_by_one_name_has_it() -> None:
    both = [proven(APP.digest, "app:1"), proven(OTHER.digest, "docker.io/app:1")]
    assert names(named_in(EMPTY, both, "x")) == {"app:1": OTHER.digest}


def test_a_name_of_a_legacy_store_stays_as_it_stands() -> None:
    assert names(named_in(EMPTY, [proven(APP.digest, "App Name:1")], "x")) == {"App Name:1": APP.digest}


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"schemaVersion":2,"manifests":[1]}'])
def test_a_broken_index_is_not_written_over(raw: bytes) -> None:
    with pytest.raises(InvalidDocument):
        named_in(raw, [proven(APP.digest, "app:1")], "x")
