from __future__ import annotations

import getpass
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from tests.archives import ONE, TWO, image
from tests.crossings import Crossing
from tests.signers import PUBLIC, signing_key
from tests.webregistry import MemoryRegistry, sink_of
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, UsageError
from toolkit.mirror.closed import handing
from toolkit.mirror.closed.acknowledging import acknowledge, carry_back, operator_name, standing_receipt
from toolkit.mirror.closed.arrival import Arrival, Refusal, arrive, glance
from toolkit.mirror.closed.handing import as_called_there, hand_on, handed_names
from toolkit.mirror.closed.inventory import Inventory
from toolkit.mirror.closed.lack import Brought, Lack, lacking, refusal
from toolkit.mirror.closed.prefixes import Prefixes
from toolkit.mirror.closed.receiving import sets_in
from toolkit.mirror.closed.takenlog import take_logs
from toolkit.mirror.closed.unloading import in_batches, is_named, unload
from toolkit.mirror.connected.carriedlog import carry_log
from toolkit.mirror.connected.site import Site
from toolkit.mirror.media.setimages import SetImages
from toolkit.mirror.records.increment import Carried, Increment
from toolkit.mirror.records.receiptfile import read_receipt
from toolkit.mirror.records.trail import log_name
from toolkit.mirror.status import Status, sites_in
from toolkit.secretkey import SigningKey
from toolkit.stores.layout import LayoutStore

BASE, APP = image(ONE), image(ONE, TWO)


@pytest.fixture
def gap(tmp_path: Path) -> Crossing:
    return Crossing(tmp_path)


def arrived(medium: Path) -> Arrival:
    [volumes] = sets_in([medium])
    found = arrive(volumes, [medium], ())
    assert isinstance(found, Arrival)
    assert glance(volumes) == found.increment
    return found


# ── the receipt ──


def test_the_receipt_stays_the_same_until_something_changes(gap: Crossing) -> None:
    gap.receive(gap.send({"app:1": BASE}))
    inventory = Inventory(gap.store)
    first = acknowledge(gap.side, inventory, gap.now, "j.doe", signing_key())
    again = acknowledge(gap.side, inventory, gap.now + timedelta(days=1), "x.doe", signing_key())
    assert again == first
    assert standing_receipt(gap.side) == first
    gap.receive(gap.send({"app:1": APP}))
    later = acknowledge(gap.side, Inventory(gap.store), gap.now, "x.doe", signing_key())
    assert (later.sets, later.operator) == ((1, 2), "x.doe")
    assert later.trail == gap.side.trail.tip()


def test_a_set_that_comes_again_late_leaves_no_older_receipt_beside(gap: Crossing) -> None:
    media = [gap.send({"app:1": BASE}), gap.send({"app:1": APP})]
    gap.receive(*media)
    acknowledge(gap.side, Inventory(gap.store), gap.now, "j.doe")
    gap.store.folder.path(Digest.parse(BASE.layers[0])).unlink()
    gap.receive(media[0])
    late = acknowledge(gap.side, Inventory(gap.store), gap.now, "j.doe")
    assert late.sets == (2, 1)
    [path] = gap.side.folder.glob("*.receipt.json")
    assert read_receipt(path) == standing_receipt(gap.side) == late


def test_what_is_carried_back_is_what_is_kept(gap: Crossing, tmp_path: Path) -> None:
    gap.receive(gap.send({"app:1": BASE}))
    made = acknowledge(gap.side, Inventory(gap.store), gap.now, "j.doe", signing_key())
    path = carry_back(made, tmp_path / "back", signing_key())
    assert read_receipt(path, [PUBLIC]) == made
    for kept in gap.side.folder.glob("*.receipt.json*"):
        assert (path.parent / kept.name).read_bytes() == kept.read_bytes()


def test_an_image_that_is_not_whole_any_more_is_not_acknowledged(gap: Crossing) -> None:
    gap.receive(gap.send({"app:1": APP, "base:1": BASE}))
    acknowledge(gap.side, Inventory(gap.store), gap.now, "j.doe")
    gap.store.folder.path(Digest.parse(APP.layers[1])).unlink()
    assert list(acknowledge(gap.side, Inventory(gap.store), gap.now, "j.doe").images) == ["base:1"]


def test_who_receives_is_who_is_logged_in() -> None:
    assert operator_name() == getpass.getuser()


# ── an arrival, what it lacks, and its images ──


def test_an_arrival_that_is_not_whole_is_a_refusal(gap: Crossing) -> None:
    medium = gap.send({"app:1": APP})
    (medium / "plant-7_0001.sha256").unlink()
    [volumes] = sets_in([medium])
    found = arrive(volumes, [medium], ())
    assert isinstance(found, Refusal)
    assert found.error.exit_code == 75


def test_a_set_offers_what_is_new_in_it_by_its_digest(gap: Crossing) -> None:
    gap.receive(gap.send({"app:1": BASE}))
    arrival = arrived(gap.send({"app:1": APP, "app:2": APP, "base:1": BASE}))
    images = SetImages(arrival.increment, arrival.blobs, gap.store.folder)
    assert {str(digest): names for digest, names in images.names.items()} == {APP.digest: ("app:1", "app:2")}
    [found] = images.checked()
    assert [str(layer.digest) for layer in found.layers] == APP.layers
    assert images.image(APP.digest) == found
    assert [str(layer) for layer in images.layer_keys(APP.digest)] == APP.layers


def test_what_is_lacking_is_told_with_its_size(gap: Crossing) -> None:
    gap.send({"app:1": BASE})
    arrival = arrived(gap.send({"app:1": APP, "base:1": BASE}))
    inventory = Inventory(gap.store)
    lack = lacking(
        arrival.increment, SetImages(arrival.increment, arrival.blobs, gap.store.folder), inventory
    )
    assert lack
    assert {str(digest) for digest in lack.digests} == {BASE.digest, BASE.layers[0]}
    assert str(lack).startswith("1 image (base:1) and 1 blob of ")
    assert not Lack()


def test_of_many_sets_that_have_not_come_the_last_are_named(gap: Crossing) -> None:
    lost = Carried("base:1", Digest.parse(BASE.digest), is_new=False)
    increment = Increment(gap.site, 10**8, gap.now.date(), "assumed", (lost,), (), ())
    told = str(refusal(Lack((lost,)), increment, Brought({}), {10**8 - 2, 10**8 + 1}, "the store"))
    assert "plant-7_99999999, plant-7_99999997, plant-7_99999996 and 99999995 more; else" in told


def test_a_set_is_unloaded_and_its_names_come_last(gap: Crossing) -> None:
    arrival = arrived(gap.send({"app:1": APP}))
    images, inventory = SetImages(arrival.increment, arrival.blobs, gap.store.folder), Inventory(gap.store)
    done = unload(arrival, images, gap.side, inventory, gap.now)
    assert done.stored == sum(map(len, APP.blobs.values()))
    assert is_named("app:1", Digest.parse(APP.digest), inventory)
    assert unload(arrival, images, gap.side, inventory, gap.now).stored == 0


def test_one_that_was_touched_since_is_not_the_one_that_was_checked(gap: Crossing) -> None:
    medium = gap.send({"app:1": APP})
    arrival = arrived(medium)
    arrival.must_be_unchanged()
    next(medium.glob("*.tar")).touch()
    with pytest.raises(CorruptContent, match="was changed while the set was received"):
        arrival.must_be_unchanged()


def test_batches_are_of_one_size_but_the_last() -> None:
    assert list(in_batches(range(5), 2)) == [[0, 1], [2, 3], [4]]


# ── on, and around ──


def test_names_of_a_set_are_handed_on_that_still_mean_the_same(gap: Crossing, tmp_path: Path) -> None:
    told = gap.receive(gap.send({"app:1": BASE, "old:1": BASE}))
    later = gap.receive(gap.send({"app:1": APP}))
    inventory = Inventory(gap.store)
    assert handed_names(told, gap.side.names(), inventory) == ["old:1"]
    names = handed_names([*told, *later], gap.side.names(), inventory)
    assert names == ["app:1", "old:1"]
    other = LayoutStore(tmp_path / "other")
    done = hand_on(names, inventory, other, Prefixes.parse(["docker.io/library/=x.example/"]))
    assert [image.names for image in done] == [("x.example/app:1",), ("x.example/old:1",)]
    assert other.identify("x.example/app:1") == APP.digest


@pytest.mark.parametrize("at_once", [1, 100])  # a sink is given so many images at a time
def test_names_that_clash_in_a_registry_are_put_apart_as_the_error_says(
    gap: Crossing, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(handing, "AT_ONCE", at_once)
    told = gap.receive(gap.send({"team/app:7": BASE, "quay.io/team/app:7": APP}))
    inventory = Inventory(gap.store)
    names = handed_names(told, gap.side.names(), inventory)
    with MemoryRegistry() as web, closing(sink_of(web)) as sink:
        with pytest.raises(
            UsageError,
            match=r"would be called 127.0.0.1:\d+/team/app:7, as quay.io/team/app:7 is; give one of them",
        ) as error:
            hand_on(names, inventory, sink, Prefixes.parse([]))
        advised = str(error.value).rpartition("--rename ")[2]
        hand_on(names, inventory, sink, Prefixes.parse([advised]))
        assert {repository for repository, _ in web.manifests} == {"team/app", "quay/team/app"}


def test_images_are_told_as_the_registry_calls_them(gap: Crossing) -> None:
    by_digest = f"old@{BASE.digest}"
    told = gap.receive(gap.send({"team/app:7": APP, by_digest: BASE}))
    inventory = Inventory(gap.store)
    names = handed_names(told, gap.side.names(), inventory)
    with MemoryRegistry() as web, closing(sink_of(web)) as sink:
        done = hand_on(names, inventory, sink, Prefixes.parse([]))
        assert {str(image.top.digest): as_called_there(image, sink).names for image in done} == {
            APP.digest: (f"{web.host}/team/app:7",),
            BASE.digest: (f"{web.host}/{by_digest}",),
        }


def test_a_log_that_travelled_is_taken_and_one_that_was_changed_is_told(gap: Crossing) -> None:
    medium = gap.send({"app:1": BASE})
    path = medium / log_name(gap.site)
    path.write_bytes(gap.sender.trail.raw())
    assert list(take_logs(gap.side, [gap.medium("empty"), medium], gap.now)) == []
    assert gap.side.carried.raw() == gap.sender.trail.raw()
    path.write_bytes(path.read_bytes().replace(b"plant-7_0001", b"plant-7_0003"))
    assert [each.severity for each in take_logs(gap.side, [medium], gap.now)] == ["warning"]


def test_a_log_has_to_be_signed_where_a_set_has_to_be(gap: Crossing) -> None:
    medium, key = gap.medium("lengthened"), SigningKey.generate()
    gap.send({"app:1": BASE})
    carry_log(gap.sender, medium, key, gap.now)
    path, signature = medium / log_name(gap.site), medium / f"{log_name(gap.site)}.minisig"
    kept = signature.read_bytes()
    gap.sender.trail.append("sent", gap.now, {"set": "plant-7_0009"})  # by somebody without the key
    path.write_bytes(gap.sender.trail.raw())
    for left in (kept, None):
        signature.write_bytes(left) if left else signature.unlink()
        [told] = take_logs(gap.side, [medium], gap.now, [key.public])
        assert (told.severity, told.check) == ("warning", "signature")
        assert gap.side.carried.raw() == b""
    carry_log(gap.sender, medium, SigningKey.generate(), gap.now)
    [told] = take_logs(gap.side, [medium], gap.now, [key.public])
    assert "somebody else signed it" in told.advice
    carry_log(gap.sender, medium, key, gap.now)
    assert list(take_logs(gap.side, [medium], gap.now, [key.public])) == []
    assert gap.side.carried.raw() == path.read_bytes()


def test_a_log_that_was_signed_for_another_site_is_not_taken_as_this_ones(gap: Crossing) -> None:
    medium, key = gap.medium("swapped"), SigningKey.generate()
    other = Site(gap.folder / "another", "plant-8")
    other.trail.append("sent", gap.now, {"set": "plant-8_0001"})
    carry_log(other, medium, key, gap.now)
    for path in list(medium.iterdir()):
        path.rename(medium / path.name.replace("plant-8", "plant-7"))
    [told] = take_logs(gap.side, [medium], gap.now, [key.public])
    assert "under another name: timestamp:" in told.problem
    assert "file:plant-8.trail.jsonl" in told.problem
    assert gap.side.carried.raw() == b""


def test_a_log_of_a_side_that_was_set_up_anew_is_taken_when_that_is_said(gap: Crossing) -> None:
    gap.send({"app:1": BASE})
    medium = gap.medium("before")
    carry_log(gap.sender, medium, None, gap.now)
    assert list(take_logs(gap.side, [medium], gap.now)) == []
    before = gap.side.carried.raw()
    new = Site(gap.folder / "new", gap.site)
    new.trail.append("sent", gap.now + timedelta(days=1), {"set": "plant-7_0001"})
    carry_log(new, medium, None, gap.now)
    [told] = take_logs(gap.side, [medium], gap.now)
    assert told.advice.endswith("if that was set up anew, take its new log: --anew")
    assert gap.side.carried.raw() == before
    assert list(take_logs(gap.side, [medium], gap.now, anew=True)) == []
    assert gap.side.carried.raw() == new.trail.raw()
    assert [path.read_bytes() for path in gap.side.folder.glob("carried-*.jsonl")] == [before]
    assert gap.side.trail.lines()[-1].event == "another log"
    (medium / log_name(gap.site)).write_bytes(b"no log\n")
    assert [each.severity for each in take_logs(gap.side, [medium], gap.now, anew=True)] == ["warning"]


def test_a_log_is_never_beside_the_signature_of_another(gap: Crossing) -> None:
    medium = gap.medium("in turn")
    carry_log(gap.sender, medium, SigningKey.generate(), gap.now)
    assert sorted(each.name for each in medium.iterdir()) == [
        "plant-7.trail.jsonl",
        "plant-7.trail.jsonl.minisig",
    ]
    carry_log(gap.sender, medium, None, gap.now)
    assert [each.name for each in medium.iterdir()] == ["plant-7.trail.jsonl"]


def test_status_knows_both_sides_apart(gap: Crossing) -> None:
    gap.receive(gap.send({"app:1": BASE}))
    assert sites_in(gap.home) == sites_in(gap.folder / "connected") == ["plant-7"]
    there, here = (Status.of(home, "plant-7", gap.now) for home in (gap.home, gap.folder / "connected"))
    assert (there.connected, here.closed) == (None, None)
    assert there.closed
    assert [(each.name, each.number) for each in there.closed.images()] == [("app:1", 1)]
    assert not there.why_stale(timedelta(days=0))
    assert not here.why_stale(timedelta(days=0))  # on the first day no receipt is late


def test_each_side_says_what_is_late(gap: Crossing) -> None:
    gap.receive(gap.send({"app:1": BASE}))
    later = gap.now + timedelta(days=4)
    there, here = (Status.of(home, "plant-7", later) for home in (gap.home, gap.folder / "connected"))
    assert not there.why_stale(timedelta(days=4))
    assert there.why_stale(timedelta(days=3)) == "the last set is of 4 days ago"
    assert not here.why_stale(timedelta(days=4))
    why = "nothing was heard of set plant-7_0001 for 4 days, nor of any since"
    assert here.why_stale(timedelta(days=3)) == why
