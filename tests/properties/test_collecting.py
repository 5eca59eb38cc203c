"""The law of the collector: whatever is named stays whole, whatever is not is gone, however it was put there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.archives import Picture, artifact, blob, encode, image, index, layout, sha256, unpacked
from tests.properties.strategies import pictures, scaled
from tests.properties.test_laws import work
from toolkit.digest import Digest
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.stores.layout import LayoutStore
from toolkit.stores.layout_collect import collect, collectable
from toolkit.stores.layout_unname import unname

pytestmark = pytest.mark.property

MOST = 5


@st.composite
def stores(draw: st.DrawFn) -> list[Picture]:
    """Images that share layers, indexes of them, indexes of those, and what refers to some."""
    found = draw(st.lists(pictures(), min_size=1, max_size=MOST))
    shared = [raw for raw in found[0].blobs.values() if sha256(raw) in found[0].layers]
    found.append(image(*shared, diff_ids=json.loads(found[0].config)["rootfs"]["diff_ids"], author="other",
                       media_types=[each["mediaType"] for each in json.loads(found[0].raw)["layers"]])
                 if len(shared) == len(found[0].layers) else found[0])  # fmt: skip
    for _ in range(draw(st.integers(0, 3))):
        inside = draw(st.lists(st.sampled_from(found), min_size=1, max_size=3))
        found.append(index(*inside))
    for _ in range(draw(st.integers(0, 2))):
        found.append(artifact(draw(st.sampled_from(found)), draw(st.binary(max_size=20))))
    return found


def needed(picture: Picture, blobs: dict[str, bytes]) -> set[str]:
    """What a picture is made of, by its own account: `artifact` does not count what it refers to."""
    return {digest for digest in picture.blobs if digest in blobs}


@settings(max_examples=scaled(15))
@given(data=st.data())
def test_what_is_named_stays_and_verifies_and_nothing_else_is_left(data: st.DataObject) -> None:
    found = data.draw(stores())
    names = [f"app:{number}" for number in range(len(found))]
    going = data.draw(st.sets(st.sampled_from(names), max_size=len(names)))
    strays = data.draw(st.lists(st.binary(min_size=1, max_size=50), max_size=3))
    everything = {digest: raw for each in found for digest, raw in each.blobs.items()}
    with work() as place:
        folder = place / "store"
        unpacked(folder, layout(*zip(names, found, strict=True)))
        unpacked(folder, {blob(sha256(raw)): raw for raw in strays})
        store = LayoutStore(folder)
        unname(
            store,
            {
                name: Digest.parse(each.digest)
                for name, each in zip(names, found, strict=True)
                if name in going
            },
        )
        stay = [each for name, each in zip(names, found, strict=True) if name not in going]
        expected = {blob(digest) for each in stay for digest in needed(each, everything)}
        told = collectable(store)
        assert collect(store) == told
        left = {str(path.relative_to(folder)) for path in (folder / "blobs").rglob("*") if path.is_file()}
        assert left == expected
        assert told.kept == len(expected)
        for digest in (digest for each in stay for digest in each.blobs):
            assert (folder / blob(digest)).read_bytes() == everything[digest]
        assert verify(LayoutStore(folder)).ok
        again(place, folder, stay, names, going)


def again(place: Path, folder: Path, stay: list[Picture], names: list[str], going: set[str]) -> None:
    """All that stays can be copied out of the store, as before."""
    if stay:
        copy(LayoutStore(folder), LayoutStore(place / "out"), [name for name in names if name not in going])
        assert verify(LayoutStore(place / "out")).ok


@settings(max_examples=scaled(15))
@given(data=st.data())
def test_a_collection_removes_nothing_from_a_store_that_it_cannot_read(data: st.DataObject) -> None:
    found = data.draw(stores())
    files = layout(*((f"app:{number}", each) for number, each in enumerate(found)))
    documents = sorted({each.digest for each in found if each.media_type})
    victim = data.draw(st.sampled_from(documents))
    raw = bytearray(next(each.raw for each in found if each.digest == victim))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    stray = encode({"stray": 1})
    with work() as folder:
        unpacked(folder, {**files, blob(victim): bytes(raw), blob(sha256(stray)): stray})
        before = {path.name: path.read_bytes() for path in (folder / "blobs/sha256").iterdir()}
        with pytest.raises(Exception, match=victim):
            collect(LayoutStore(folder))
        assert {path.name: path.read_bytes() for path in (folder / "blobs/sha256").iterdir()} == before
