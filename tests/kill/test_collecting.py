"""The collector among others: a copy that has not named its image yet, many at once, and `kill -9`."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.archives import Picture, blob, encode, image, layout, sha256, tar, unpacked
from tests.kill.faults import Child, Fault, faults, in_child
from tests.kill.scenes import all_verify, state, unlike
from toolkit.digest import Digest
from toolkit.errors import TryAgain
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.stores.layout import LayoutStore
from toolkit.stores.layout_collect import collect
from toolkit.stores.layout_unname import named, unname

pytestmark = pytest.mark.kill

BASE = tar({"base": b"b" * 5000})
NIGHTS = [image(BASE, tar({f"night{number}": b"n" * number})) for number in range(6)]
NAMES = [f"app:{number}" for number in range(len(NIGHTS))]


@pytest.fixture
def source(tmp_path: Path) -> LayoutStore:
    return LayoutStore(unpacked(tmp_path / "source", layout(*zip(NAMES, NIGHTS, strict=True))))


def digest(picture: Picture) -> Digest:
    return Digest.parse(picture.digest)


@pytest.mark.parametrize("way", ["written", "found"])
def test_a_copy_between_its_blobs_and_its_name_loses_nothing(
    source: LayoutStore, folder: Path, way: str
) -> None:
    """Its blobs are new, or lie there since a name was taken away: in the second case it writes none."""
    store, is_there = LayoutStore(folder / "store"), way == "found"
    copy(source, store, NAMES[:2])
    if is_there:
        unname(store, {NAMES[1]: digest(NIGHTS[1])})
    at_barrier, go_on = os.pipe(), os.pipe()
    wanted = NAMES[1] if is_there else NAMES[2]

    def work() -> None:
        def wait() -> None:
            os.write(at_barrier[1], b"x")
            os.read(go_on[0], 1)

        copy(source, LayoutStore(folder / "store"), [wanted], before_names=wait)

    child = Child(work)
    os.read(at_barrier[0], 1)
    before = state(folder / "store/blobs")
    with pytest.raises(TryAgain, match=rf"store: is being written to by process {child.pid}; wait"):
        collect(store)
    assert state(folder / "store/blobs") == before
    os.write(go_on[1], b"x")
    ended = child.end()
    assert ended.code == 0, ended.said
    assert collect(store).blobs == 0
    assert wanted in dict(named(store))
    all_verify(store)


def test_copies_wait_for_a_collection_that_has_begun(source: LayoutStore, folder: Path) -> None:
    store = LayoutStore(folder / "store")
    copy(source, store, NAMES[:1])
    with store.undisturbed():
        child = Child(lambda: void(copy(source, LayoutStore(folder / "store"), [NAMES[1]])))
        while not _waits(child.pid):
            assert os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None, "it ended"
        assert NAMES[1] not in dict(named(store))
    ended = child.end()
    assert ended.code == 0, ended.said
    assert NAMES[1] in dict(named(store))
    all_verify(store)


def test_names_come_and_go_while_it_collects_and_none_is_ever_broken(
    source: LayoutStore, folder: Path
) -> None:
    copy(source, LayoutStore(folder / "store"), NAMES[:1])

    def coming_and_going(number: int) -> None:
        store = LayoutStore(folder / "store")
        for _ in range(8):
            copy(source, store, [NAMES[number]])
            assert verify(store, [NAMES[number], NAMES[0]]).ok
            unname(store, {NAMES[number]: digest(NIGHTS[number])})
        copy(source, store, [NAMES[number]])

    def collecting() -> None:
        done = 0
        while done < 12:
            try:
                collect(LayoutStore(folder / "store"))
            except TryAgain:
                continue
            done += 1

    slowly = Fault(delay=0.0005)
    children = [Child(lambda number=number: coming_and_going(number), slowly) for number in (1, 2, 3)]  # type: ignore[misc]
    children.append(Child(collecting, slowly))
    for ended in [child.end() for child in children]:
        assert ended.code == 0, ended.said
    store = LayoutStore(folder / "store")
    collect(store)
    assert sorted(dict(named(store))) == NAMES[:4]
    all_verify(store)


def test_a_collection_that_was_killed_leaves_a_whole_store_and_the_next_one_ends_it(
    source: LayoutStore, folder: Path
) -> None:
    def begin() -> LayoutStore:
        store = LayoutStore(folder / "store")
        copy(source, store, NAMES)
        unname(store, {name: digest(each) for name, each in zip(NAMES[2:], NIGHTS[2:], strict=True)})
        return store

    def work() -> None:
        collect(LayoutStore(folder / "store"))

    begin()
    ended, expected = in_child(work, Fault()), state(folder)
    kept = {blob(each) for night in NIGHTS[:2] for each in night.blobs}
    for fault in faults(ended.calls):
        store = begin()
        assert in_child(work, fault).was_killed
        assert kept <= {str(path.relative_to(store.path)) for path in store.path.glob("blobs/*/*")}
        all_verify(LayoutStore(folder / "store"))
        again = in_child(work)
        assert again.code == 0, again.said
        assert not (lines := unlike(expected, state(folder))), f"killed {fault}: {lines}"


def test_names_taken_away_by_a_killed_process_are_all_there_or_all_gone(
    source: LayoutStore, folder: Path
) -> None:
    going = {name: digest(each) for name, each in zip(NAMES[2:], NIGHTS[2:], strict=True)}

    def work() -> None:
        unname(LayoutStore(folder / "store"), going)

    store = LayoutStore(folder / "store")
    copy(source, store, NAMES)
    calls = in_child(work, Fault()).calls
    for fault in faults(calls):
        copy(source, store, NAMES)
        assert in_child(work, fault).was_killed
        assert set(dict(named(store))) in ({*NAMES}, {*NAMES[:2]})
        all_verify(LayoutStore(folder / "store"))
        work()
        assert set(dict(named(store))) == {*NAMES[:2]}


def test_a_stray_of_a_killed_copy_goes(source: LayoutStore, folder: Path) -> None:
    def work() -> None:
        copy(source, LayoutStore(folder / "store"), [NAMES[1]], before_names=lambda: os.kill(os.getpid(), 9))

    copy(source, LayoutStore(folder / "store"), NAMES[:1])
    assert in_child(work).was_killed
    stray = encode({"a": 1})
    unpacked(folder / "store", {blob(sha256(stray)): stray})
    done = collect(LayoutStore(folder / "store"))
    assert done.blobs == 2
    assert {path.name for path in (folder / "store/blobs/sha256").iterdir()} == {
        each.removeprefix("sha256:") for each in NIGHTS[0].blobs
    }


def _waits(pid: int) -> bool:
    """Tell whether a process waits for a flock."""
    return bool(re.search(rf"-> FLOCK +ADVISORY +READ +{pid} ", Path("/proc/locks").read_text()))


def void(_: object) -> None:
    """Nothing is what a child's work returns."""
