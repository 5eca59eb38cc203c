"""What the closed side makes of sets on media: whole, in any order, twice, damaged, hostile."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.archives import ONE, TWO, Picture, image, index, sha256
from tests.crossings import Crossing, big
from tests.sets import flip
from tests.signers import KEY_ID, OTHER, PUBLIC, signing_key
from toolkit.digest import Digest
from toolkit.errors import (
    CorruptContent,
    Mismatch,
    NotFound,
    ToolkitError,
    TryAgain,
    UnsafeArchive,
    Unsupported,
    UsageError,
)
from toolkit.limits import MIB
from toolkit.mirror.closed.acknowledging import acknowledge
from toolkit.mirror.closed.arrival import Arrival
from toolkit.mirror.closed.closedside import ClosedSide
from toolkit.mirror.closed.inventory import Inventory
from toolkit.mirror.closed.receiving import sets_in, site_of
from toolkit.mirror.connected.building import Plan
from toolkit.mirror.connected.site import Site
from toolkit.mirror.records.baseline import Baseline
from toolkit.mirror.records.blob import Blob
from toolkit.mirror.records.increment import Carried, Increment
from toolkit.mirror.records.receiptfile import read_receipt, write_receipt
from toolkit.mirror.records.reception import INCOMPLETE, RECEIVED, REFUSED, THERE, Reception, verdict
from toolkit.platform import Platform

BASE, APP, TOOL = image(ONE), image(ONE, TWO), image(TWO)
MULTI = index(APP, TOOL)
ALL = {"base:1": BASE, "app:1": APP, "multi:1": MULTI}
A, B, C = (image(big(letter)) for letter in "abc")
AB = image(big("a"), big("b"))


@pytest.fixture
def gap(tmp_path: Path) -> Crossing:
    return Crossing(tmp_path)


def digests(**pictures: Picture) -> dict[str, str]:
    return {f"{name}:1": picture.digest for name, picture in pictures.items()}


def states(told: list[Reception]) -> list[str]:
    return [each.state for each in told]


def refused(told: list[Reception]) -> ToolkitError:
    [error] = [each.error for each in told if each.error]
    return error


def stored(gap: Crossing) -> dict[str, bytes]:
    """Every file of the closed side's store but what is about this run."""
    store = gap.home / "store"
    paths = (path for path in store.rglob("*") if path.is_file() and ".lading" not in path.parts)
    return {str(path.relative_to(store)): path.read_bytes() for path in sorted(paths)}


# ── whole sets ──


@pytest.mark.parametrize("format_name", ["universal", "docker", "oci"])
def test_a_first_set_is_all_there_afterwards(gap: Crossing, format_name: str) -> None:
    [told] = gap.receive(gap.send(ALL, format_name=format_name))
    assert (told.name, told.state, told.error) == ("plant-7_0001", RECEIVED, None)
    assert gap.names() == {name: picture.digest for name, picture in ALL.items()}
    assert all(gap.is_whole(picture) for picture in ALL.values())
    assert [each.number for each in gap.side.received()] == [1]


def test_a_later_set_brings_what_is_new_and_moves_names(gap: Crossing) -> None:
    gap.receive(gap.send({"app:1": A, "tool:1": B}))
    [told] = gap.receive(gap.send({"app:1": AB, "tool:1": B, "more:1": B}))
    assert told.increment
    assert {image.name for image in told.increment.new} == {"app:1"}
    assert gap.names() == {"app:1": AB.digest, "tool:1": B.digest, "more:1": B.digest}
    assert gap.is_whole(AB)
    assert told.stored == sum(len(raw) for digest, raw in AB.blobs.items() if digest not in A.blobs | B.blobs)


def test_a_name_that_goes_back_to_an_image_that_nothing_named_any_more(gap: Crossing) -> None:
    for picture in (A, B, A):
        [told] = gap.receive(gap.send({"app:1": picture}))
        assert told.state == RECEIVED
        assert gap.names() == {"app:1": picture.digest}
    assert told.increment
    assert not told.increment.contains


def test_volumes_lie_on_several_media_in_any_order_and_some_twice(gap: Crossing) -> None:
    medium = gap.send({"app:1": AB, "tool:1": C}, volume=MIB)
    files = sorted(medium.iterdir())
    assert len(files) > 4
    other = gap.medium("other")
    for path in files[::2]:
        shutil.move(path, other / path.name)
    shutil.copy(other / files[0].name, medium)
    (medium / "notes.txt").write_text("beside")
    [told] = gap.receive(other, medium)
    assert told.state == RECEIVED
    assert gap.names() == {"app:1": AB.digest, "tool:1": C.digest}


def test_nothing_is_written_to_a_medium(gap: Crossing) -> None:
    medium = gap.send(ALL, volume=MIB, parity=True)
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in medium.iterdir()}
    os.chmod(medium, 0o555)
    try:
        assert states(gap.receive(medium)) == [RECEIVED]
    finally:
        os.chmod(medium, 0o755)
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in medium.iterdir()} == before


def test_a_set_that_comes_again_changes_nothing_and_is_not_read(gap: Crossing) -> None:
    medium = gap.send(ALL)
    gap.receive(medium)
    before, trail = stored(gap), gap.side.trail.raw()
    flip(medium / "plant-7_0001.1of1.tar", -2000)  # behind the documents
    assert states(gap.receive(medium)) == [THERE]
    assert (stored(gap), gap.side.trail.raw()) == (before, trail)


def test_a_set_that_comes_again_puts_back_what_was_lost_or_renamed(gap: Crossing) -> None:
    medium = gap.send({"app:1": A, "tool:1": B})
    gap.receive(medium)
    before = stored(gap)
    (gap.home / "store/blobs/sha256" / A.layers[0].partition(":")[2]).unlink()
    [told] = gap.receive(medium)
    assert (told.state, told.findings) == (RECEIVED, ())
    (gap.home / "store/index.json").write_bytes(b'{"schemaVersion":2,"manifests":[]}')
    assert states(gap.receive(medium)) == [RECEIVED]
    assert gap.names() == {"app:1": A.digest, "tool:1": B.digest}
    assert {name for name in before if name != "index.json"} == set(stored(gap)) - {"index.json"}


def test_a_set_that_comes_again_without_its_first_volume_is_there_all_the_same(gap: Crossing) -> None:
    medium = gap.send(ALL, parity=True)
    gap.receive(medium)
    before, trail = stored(gap), gap.side.trail.raw()
    (medium / "plant-7_0001.1of1.tar").unlink()  # which says what the set holds
    [told] = gap.receive(medium)
    assert told.state == THERE
    assert [finding.severity for finding in told.findings] == ["warning", "note"]
    assert (stored(gap), gap.side.trail.raw()) == (before, trail)


def test_a_set_that_comes_again_without_a_volume_is_told_to_have_come(gap: Crossing) -> None:
    medium = gap.send({"app:1": AB}, volume=MIB)
    gap.receive(medium)
    min(medium.glob("*.1of*.tar")).unlink()
    [told] = gap.receive(medium)
    assert told.state == INCOMPLETE
    assert told.findings[-1].problem.startswith("was received under this name on ")


@pytest.mark.parametrize("digest", [A.layers[0], A.digest], ids=["layer", "manifest"])
def test_a_set_that_comes_again_mends_what_has_rotted_and_says_so(gap: Crossing, digest: str) -> None:
    medium = gap.send({"app:1": A})
    gap.receive(medium)
    flip(gap.store.folder.path(Digest.parse(digest)), 40)
    [told] = gap.receive(medium)
    assert [(each.severity, each.problem) for each in told.findings] == [
        ("warning", f"has put back what was damaged in the store: {digest}")
    ]
    assert gap.is_whole(A)
    assert states(gap.receive(medium)) == [THERE]


def test_a_set_without_anything_new_only_names(gap: Crossing) -> None:
    gap.receive(gap.send({"app:1": A}))
    [told] = gap.receive(gap.send({"app:1": A, "app:2": A}))
    assert (told.state, told.stored) == (RECEIVED, 0)
    assert gap.names() == {"app:1": A.digest, "app:2": A.digest}


# ── several sets, in any order ──


def test_sets_are_received_in_the_order_of_their_numbers(gap: Crossing) -> None:
    media = [gap.send(pictures) for pictures in ({"app:1": A}, {"app:1": AB}, {"app:1": AB, "tool:1": C})]
    told = gap.receive(*media[::-1])
    assert states(told) == [RECEIVED] * 3
    assert [each.name[-1] for each in told] == ["1", "2", "3"]
    assert gap.names() == {"app:1": AB.digest, "tool:1": C.digest}


def test_an_older_set_after_a_newer_puts_no_name_back_and_keeps_its_blobs(gap: Crossing) -> None:
    first = gap.send({"app:1": A, "old:1": C})
    second = gap.send({"app:1": B}, baseline="full")
    gap.receive(second)
    [told] = gap.receive(first)
    assert (told.state, told.behind) == (RECEIVED, ("app:1",))
    assert gap.names() == {"app:1": B.digest, "old:1": C.digest}
    assert gap.is_whole(A)
    assert "is older than what was received: app:1 stays" in told.findings[-1].problem


def test_the_end_is_the_same_whatever_the_order(tmp_path: Path) -> None:
    ends = []
    for order in ((0, 1), (1, 0)):
        gap = Crossing(tmp_path / str(order))
        media = [gap.send({"app:1": A, "old:1": C}), gap.send({"app:1": B, "new:1": A}, baseline="full")]
        for number in order:
            gap.receive(media[number])
        ends.append((gap.names(), {name for name in stored(gap) if name != "index.json"}))
    assert ends[0] == ends[1]


def test_one_that_cannot_be_received_does_not_stop_the_others(gap: Crossing) -> None:
    first = gap.send({"app:1": A})
    second = gap.send({"app:1": AB})
    third = gap.send({"tool:1": C}, baseline="full")
    flip(first / "plant-7_0001.1of1.tar", -2_000)
    told = gap.receive(first, second, third)
    assert states(told) == [REFUSED, REFUSED, RECEIVED]
    assert isinstance(told[0].error, CorruptContent)
    assert isinstance(told[1].error, NotFound)
    assert "receive plant-7_0001 first, which is here" in str(told[1].error)
    assert gap.names() == {"tool:1": C.digest}
    end = verdict(told)
    assert end
    assert end.exit_code == 8


# ── what is required, and is not there ──


def test_what_is_required_and_not_here_is_named_with_what_to_do(gap: Crossing) -> None:
    gap.send({"app:1": A, "base:1": C})
    error = refused(gap.receive(gap.send({"app:1": AB, "base:1": C})))
    assert error.exit_code == 3
    assert str(error).startswith("set plant-7_0002: requires 1 image (base:1) and 1 blob of ")
    assert f"({A.layers[0]}), which are not in oci:{gap.home}/store; " in str(error)
    assert "receive what was sent before and has not come: plant-7_0001; else carry the receipt back" in str(
        error
    )
    assert "lading mirror run JOB --since receipt, which sends at least 1.05MB once more" in str(error)
    assert not (gap.home / "store").exists()


def test_of_several_sets_that_have_not_come_one_may_do(gap: Crossing) -> None:
    gap.send({"app:1": A})
    gap.send({"app:1": A, "tool:1": C})
    error = refused(gap.receive(gap.send({"app:1": AB, "tool:1": C})))
    assert "has not come, of which one may do: plant-7_0002, plant-7_0001; else" in str(error)


def test_a_required_blob_that_is_damaged_here_counts_as_missing(gap: Crossing) -> None:
    gap.receive(gap.send({"app:1": A}))
    path = gap.home / "store/blobs/sha256" / A.layers[0].partition(":")[2]
    flip(path, 700)
    error = refused(gap.receive(gap.send({"app:1": AB})))
    assert A.layers[0] in str(error)
    assert gap.names() == {"app:1": A.digest}


def test_a_required_document_that_is_damaged_here_counts_as_missing(gap: Crossing) -> None:
    gap.receive(gap.send({"one:1": APP}))
    flip(gap.home / "store/blobs/sha256" / APP.digest.partition(":")[2], 40)
    error = refused(gap.receive(gap.send({"multi:1": MULTI})))
    assert error.exit_code == 3
    assert APP.digest in str(error)


def test_a_platform_that_was_lost_with_its_set_is_missed_although_its_index_did_not_change(
    gap: Crossing,
) -> None:
    """Its top is the same, and was received: only what it consists of tells."""
    both = index(image(ONE), image(TWO, architecture="arm64"))
    amd64 = (Platform("linux", "amd64"),)
    tool = image(big("T"))
    first = gap.send({"app:1": both}, platforms=amd64)
    lost = gap.send({"app:1": both})
    third = gap.send({"app:1": both, "tool:1": tool})
    told = gap.receive(first, third)
    assert [each.error and each.error.exit_code for each in told] == [None, 3]
    assert "of images that did not change" in str(told[1].error)
    assert str(told[1].error).endswith(
        "receive what was sent before and has not come: plant-7_0002; else carry the receipt back, and there: "
        "lading mirror run JOB --since receipt"
    )
    assert "tool:1" not in gap.names()
    carry_back = write_receipt(
        gap.folder / "back", acknowledge(gap.side, Inventory(gap.store), gap.now, "j.doe")
    )
    gap.sender.take(read_receipt(carry_back), str(carry_back), gap.now)
    cure = gap.send({"app:1": both, "tool:1": tool}, baseline="confirmed")
    assert [each.error for each in gap.receive(cure)] == [None]
    assert gap.is_whole(both)
    assert [each.error for each in gap.receive(third)] == [None]
    assert [each.error for each in gap.receive(lost)] == [None]


def test_fewer_platforms_than_are_there_are_no_lack(gap: Crossing) -> None:
    both = index(image(ONE), image(TWO, architecture="arm64"))
    sent = [gap.send({"app:1": both}), gap.send({"app:1": both}, platforms=(Platform("linux", "amd64"),))]
    assert [each.error for each in gap.receive(*sent)] == [None, None]
    assert gap.is_whole(both)


def test_an_unchanged_image_of_which_a_blob_was_lost_here_counts_as_missing(gap: Crossing) -> None:
    gap.receive(gap.send({"app:1": A, "tool:1": B}))
    (gap.home / "store/blobs/sha256" / B.layers[0].partition(":")[2]).unlink()
    error = refused(gap.receive(gap.send({"app:1": AB, "tool:1": B})))
    assert "requires 1 image (tool:1)" in str(error)


def test_the_receipt_then_says_what_is_really_there_and_the_next_set_cures_it(gap: Crossing) -> None:
    gap.receive(gap.send({"app:1": A, "tool:1": B}))
    (gap.home / "store/blobs/sha256" / B.layers[0].partition(":")[2]).unlink()
    refused(gap.receive(gap.send({"app:1": AB, "tool:1": B})))
    receipt = acknowledge(gap.side, Inventory(gap.store), gap.now, "j.doe")
    assert list(receipt.images) == ["app:1"]
    gap.sender.take(receipt, "receipt", gap.now)
    assert states(gap.receive(gap.send({"app:1": AB, "tool:1": B}, baseline="confirmed"))) == [RECEIVED]
    assert gap.names() == {"app:1": AB.digest, "tool:1": B.digest}
    assert gap.is_whole(B)


# ── volumes that are missing, damaged, healed, changed ──


def test_volumes_that_have_yet_to_come_are_all_told_and_the_set_waits(gap: Crossing) -> None:
    medium = gap.send({"app:1": AB, "tool:1": C}, volume=MIB)
    of = len(list(medium.glob("*.tar")))
    for number in (2, 3):
        (medium / f"plant-7_0001.{number}of{of}.tar").unlink()
    [told] = gap.receive(medium)
    assert isinstance(told.error, TryAgain)
    assert told.state == INCOMPLETE
    assert f"of its {of} volumes numbers 2, 3 are missing; bring them" in str(told.error)
    assert [finding.problem for finding in told.findings if "lacks" in finding.problem] == [
        f"lacks volume {number} of {of}, plant-7_0001.{number}of{of}.tar" for number in (2, 3)
    ]
    assert not (gap.home / "store").exists()


def test_a_missing_list_is_waited_for_too(gap: Crossing) -> None:
    medium = gap.send(ALL)
    (medium / "plant-7_0001.sha256").unlink()
    [told] = gap.receive(medium)
    assert isinstance(told.error, TryAgain)
    assert "plant-7_0001.sha256 is missing" in str(told.error)


def test_every_damaged_and_missing_volume_is_told_at_once(gap: Crossing) -> None:
    medium = gap.send({"app:1": AB, "tool:1": C}, volume=MIB)
    of = len(list(medium.glob("*.tar")))
    (medium / f"plant-7_0001.3of{of}.tar").unlink()
    for number in (1, 2):
        flip(medium / f"plant-7_0001.{number}of{of}.tar", 500_000)
    [told] = gap.receive(medium)
    assert told.error
    assert told.error.exit_code == 5
    for number in (1, 2, 3):
        assert any(
            f"plant-7_0001.{number}of{of}.tar" in f"{each.subject} {each.problem}" for each in told.findings
        )
    assert not (gap.home / "store").exists()


@pytest.mark.parametrize("is_lost", [True, False])
def test_parity_heals_and_says_so(gap: Crossing, *, is_lost: bool) -> None:
    medium = gap.send({"app:1": AB, "tool:1": C}, volume=MIB, parity=True)
    path = min(medium.glob("*.2of*.tar"))
    path.unlink() if is_lost else flip(path, 300_000)
    [told] = gap.receive(medium)
    assert told.state == RECEIVED
    assert [finding.severity for finding in told.findings] == ["warning"]
    assert gap.is_whole(AB)
    assert gap.is_whole(C)


def test_a_file_that_is_changed_after_it_was_checked_names_nothing(
    gap: Crossing, monkeypatch: pytest.MonkeyPatch
) -> None:
    medium = gap.send({"app:1": A})
    [path] = medium.glob("*.tar")
    from toolkit.mirror.closed import receiving, unloading

    def unload(*args: object, **words: object) -> object:
        path.touch()
        return unloading.unload(*args, **words)  # type: ignore[arg-type]

    monkeypatch.setattr(receiving, "unload", unload)
    [told] = gap.receive(medium)
    assert "was changed while the set was received" in str(told.error)
    assert gap.names() == {}
    assert gap.side.received() == []


def test_a_medium_that_is_pulled_out_is_told_and_the_other_sets_are_received(
    gap: Crossing, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = gap.send({"app:1": A}), gap.send({"tool:1": C}, baseline="full")
    from toolkit.mirror.closed import receiving, unloading

    def unload(arrival: Arrival, *args: Any, **words: Any) -> unloading.Unloaded:
        if arrival.increment.number == 1:
            shutil.rmtree(first)
        return unloading.unload(arrival, *args, **words)

    monkeypatch.setattr(receiving, "unload", unload)
    told = gap.receive(first, second)
    assert states(told) == [REFUSED, RECEIVED]
    assert str(told[0].error).startswith(str(first))
    assert gap.names() == {"tool:1": C.digest}


# ── signatures ──


def test_a_set_by_the_key_is_taken_and_the_signer_told(gap: Crossing) -> None:
    medium = gap.send(ALL, key=signing_key())
    [told] = gap.receive(medium, keys=(OTHER, PUBLIC))
    assert told.state == RECEIVED
    said = (
        rf"is signed by key {KEY_ID}: timestamp:[0-9]+  file:plant-7_0001.sha256  hashed"  # tabs are blanks
    )
    assert re.fullmatch(said, told.findings[0].problem)


def test_the_signature_may_lie_on_another_medium_than_the_volumes(gap: Crossing) -> None:
    medium, other = gap.send(ALL, key=signing_key()), gap.medium("other")
    for path in medium.glob("*.sha256*"):
        shutil.copy(path, other)
    (medium / "plant-7_0001.sha256.minisig").unlink()
    assert states(gap.receive(medium, other, keys=(PUBLIC,))) == [RECEIVED]


@pytest.mark.parametrize(
    ("spoil", "key", "told"),
    [
        (
            lambda path: path.with_name(path.name + ".minisig").unlink(),
            PUBLIC,
            "has no plant-7_0001.sha256.minisig",
        ),
        (lambda path: path.exists(), OTHER, "key ID is"),
        (
            lambda path: path.write_bytes(path.read_bytes().replace(b"0", b"1", 1)),
            PUBLIC,
            "is not what was signed",
        ),
    ],
    ids=["no signature", "another key", "another list"],
)
def test_what_the_key_did_not_sign_is_refused(
    gap: Crossing, spoil: Callable[[Path], object], key: object, told: str
) -> None:
    medium = gap.send(ALL, key=signing_key())
    spoil(medium / "plant-7_0001.sha256")
    error = refused(gap.receive(medium, keys=(key,)))  # type: ignore[arg-type]
    assert told in str(error)
    assert error.exit_code == 5
    assert not (gap.home / "store").exists()


@pytest.mark.parametrize(("key", "state"), [(PUBLIC, THERE), (OTHER, REFUSED)])
def test_a_set_that_was_received_before_has_to_be_signed_too(gap: Crossing, key: object, state: str) -> None:
    medium = gap.send(ALL, key=signing_key())
    gap.receive(medium)
    assert states(gap.receive(medium, keys=(key,))) == [state]  # type: ignore[arg-type]
    (medium / "plant-7_0001.sha256.minisig").unlink()
    assert states(gap.receive(medium, keys=(key,))) == [REFUSED]  # type: ignore[arg-type]
    (medium / "plant-7_0001.sha256").unlink()
    assert isinstance(refused(gap.receive(medium, keys=(key,))), TryAgain)  # type: ignore[arg-type]
    assert states(gap.receive(medium)) == [THERE]


def test_a_list_that_was_changed_is_refused_without_a_key_too(gap: Crossing) -> None:
    medium = gap.send(ALL)
    path = medium / "plant-7_0001.sha256"
    path.write_bytes((b"0" if path.read_bytes()[:1] != b"0" else b"1") + path.read_bytes()[1:])
    error = refused(gap.receive(medium))
    assert error.exit_code == 5
    assert error.advice == (
        "bring other copies of the volumes that are named; "
        "or plant-7_0001.sha256 is damaged: bring another copy of it"
    )


def test_one_volume_that_is_missing_is_told_by_its_number(gap: Crossing) -> None:
    medium = gap.send({"app:1": AB, "tool:1": C}, volume=MIB)
    [path] = medium.glob("*.4of*.tar")
    of = len(list(medium.glob("*.tar")))
    path.unlink()
    assert f"is not here whole: of its {of} volumes number 4 is missing; " in str(
        refused(gap.receive(medium))
    )


def test_an_empty_file_that_is_called_as_a_volume_is_told_as_one(gap: Crossing) -> None:
    medium = gap.send({"app:1": AB, "tool:1": C}, volume=MIB)
    path = min(medium.glob("*.2of*.tar"))
    path.write_bytes(b"")
    [told] = gap.receive(medium)
    assert f"{path.name}: is empty" in " ".join(each.problem for each in told.findings)


# ── other sites ──


def test_a_set_for_another_site_is_refused(gap: Crossing, tmp_path: Path) -> None:
    gap.receive(gap.send(ALL))
    other = Crossing(tmp_path / "other", "plant-8")
    medium = other.send(ALL)
    error = refused(gap.receive(medium))
    assert isinstance(error, Mismatch)
    assert "site is plant-8, expected plant-7" in str(error)


def test_the_site_is_the_one_that_it_was(gap: Crossing, tmp_path: Path) -> None:
    other = Crossing(tmp_path / "other", "plant-8")
    media = [gap.send(ALL), other.send(ALL)]
    with pytest.raises(ToolkitError, match="are for 2 sites, plant-7, plant-8; say which: --site NAME"):
        site_of(gap.home, sets_in(media))
    assert site_of(gap.home, sets_in(media), "plant-8") == "plant-8"
    gap.receive(media[0])
    assert site_of(gap.home, sets_in(media)) == "plant-7"


def test_a_site_that_is_no_name_makes_no_folder(gap: Crossing) -> None:
    images = gap.fetched(ALL)
    true = Increment.of(gap.site, 1, gap.now.date(), [each.blobs for each in images], Baseline.full())
    plan, medium = Plan.of(true, [each.image for each in images]), gap.medium("odd")
    from toolkit.mirror.media.cut import Cargo
    from toolkit.mirror.media.volume import BlobRange
    from toolkit.mirror.media.volumes import write_set

    blobs = [BlobRange(*each) for each in plan.blobs]
    cargo = Cargo.of("../../x", "x_0001", plan.total, blobs, plan.files)
    write_set(medium, cargo, plan.pieces(gap.source.blobs))
    with pytest.raises(UnsafeArchive, match=r"name a site '../../x', which is no name for one"):
        site_of(gap.home, sets_in([medium]))


def test_one_home_is_one_side_of_the_gap(gap: Crossing) -> None:
    """Else a set would be taken to have arrived that nobody ever carried."""
    medium = gap.send({"app:1": A})
    at_home = ClosedSide(gap.folder / "connected", gap.site)
    with (
        pytest.raises(
            UsageError, match=r"kept here for the other side of the gap, as .*/sets shows; use a home"
        ),
        at_home.held("a receive", gap.now),
    ):
        pytest.fail("it is the connected side")
    gap.receive(medium)
    with (
        pytest.raises(UsageError, match=r"kept here for the other side of the gap, as .*/received shows"),
        Site(gap.home, gap.site).held("a run", gap.now),
    ):
        pytest.fail("it is the closed side")


def test_two_at_once_are_refused(gap: Crossing) -> None:
    medium = gap.send(ALL)
    with gap.side.held("lading mirror receive", gap.now), pytest.raises(TryAgain, match="is held by"):
        gap.receive(medium)


# ── hostile sets: well-formed, and not true ──


def forged(
    gap: Crossing, change: Callable[[Increment], Increment], pictures: dict[str, Picture] | None = None
) -> Path:
    """A set whose increment says something else than it is."""
    images = gap.fetched(pictures or ALL)
    true = Increment.of(gap.site, 1, gap.now.date(), [each.blobs for each in images], Baseline.full())
    plan, said = Plan.of(true, [each.image for each in images]), change(true)
    members = plan.layout.members
    from toolkit.bundles.members import Layout, file

    swapped = [
        file("increment.json", bytes(said)) if each.name == "increment.json" else each for each in members
    ]
    medium = gap.medium("forged")
    gap.write(true, Plan(Layout.of(swapped)), medium)
    return medium


NOWHERE = Digest.of(b"nowhere")
LIES: dict[str, tuple[Callable[[Increment], Increment], str]] = {
    "contains what the set has not": (
        lambda it: replace(it, contains=(*it.contains, Blob(NOWHERE, 7))),
        f"blob {NOWHERE} has 7 bytes, and its volumes have none of it",
    ),
    "does not say what the set contains": (
        lambda it: replace(it, contains=it.contains[1:]),
        "has none of it, and its volumes have",
    ),
    "another size": (
        lambda it: replace(it, contains=(Blob(it.contains[0].digest, 1), *it.contains[1:])),
        "has 1 bytes, and its volumes have",
    ),
    "another number": (lambda it: replace(it, number=5), "set is plant-7_0005, expected plant-7_0001"),
    "a name in another form": (
        lambda it: replace(
            it, images=(*it.images, Carried("docker.io/library/app:1", it.images[1].digest, is_new=True))
        ),
        "names an image docker.io/library/app:1, expected app:1",
    ),
    "a path for a name": (
        lambda it: replace(it, images=(Carried("../../x:1", it.images[0].digest, is_new=True),)),
        "names an image '../../x:1', which is no name for one",
    ),
    "an option for a name": (
        lambda it: replace(it, images=(Carried("-rf", it.images[0].digest, is_new=False),)),
        "names an image '-rf', which is no name for one",
    ),
    "a name with another digest": (
        lambda it: replace(
            it, images=(*it.images, Carried(f"x@{NOWHERE}", it.images[0].digest, is_new=True))
        ),
        f"calls {Digest.parse(APP.digest)} x@{NOWHERE}",
    ),
    "a layer as an image": (
        lambda it: replace(it, images=(*it.images, Carried("l:1", Digest.parse(sha256(ONE)), is_new=True))),
        f"has l:1, {sha256(ONE)}, which its index.json does not list",
    ),
    "an image that it has not": (
        lambda it: replace(it, images=(*it.images, Carried("n:1", NOWHERE, is_new=True))),
        f"has n:1, {NOWHERE}, which its index.json does not list",
    ),
    "blobs of no image": (
        lambda it: replace(it, images=it.images[:1]),
        "of which none of its images consists",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_set_that_is_not_what_it_says_is_refused_and_nothing_stored(gap: Crossing, lie: str) -> None:
    change, sentence = LIES[lie]
    error = refused(gap.receive(forged(gap, change)))
    assert error.exit_code == 5
    assert sentence in str(error)
    assert not (gap.home / "store").exists()
    assert gap.side.received() == []


def test_a_layer_that_is_said_to_be_an_image_that_is_here_counts_as_missing(gap: Crossing) -> None:
    gap.receive(gap.send(ALL, "first"))
    gap.nights += 1
    layer = Carried("l:1", Digest.parse(sha256(ONE)), is_new=False)
    medium = forged(gap, lambda it: replace(it, images=(*it.images, layer)))
    error = refused(gap.receive(medium))
    assert "requires 1 image (l:1)" in str(error)
    assert "l:1" not in gap.names()


def test_a_bundle_without_an_increment_is_none_of_ours(gap: Crossing) -> None:
    images = gap.fetched(ALL)
    true = Increment.of(gap.site, 1, gap.now.date(), [each.blobs for each in images], Baseline.full())
    from toolkit.bundles.members import Layout

    members = Plan.of(true, [each.image for each in images]).layout.members
    plan = Plan(Layout.of([each for each in members if each.name != "increment.json"]))
    gap.write(true, plan, gap.medium("plain"))
    error = refused(gap.receive(gap.medium("plain")))
    assert isinstance(error, Unsupported)
    assert "has no increment.json; import it as any bundle" in str(error)


def test_a_folder_without_volumes_is_told(gap: Crossing) -> None:
    with pytest.raises(NotFound, match=r"empty: has no volume of a set in it; name the folder"):
        gap.receive(gap.medium("empty"))
