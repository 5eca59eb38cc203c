from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from datetime import date

import pytest

from toolkit.digest import Digest
from toolkit.errors import InvalidDocument, ToolkitError, Unsupported, UsageError
from toolkit.mirror.records.baseline import ASSUMED, CONFIRMED, Baseline
from toolkit.mirror.records.blob import Blob, ImageBlobs, total
from toolkit.mirror.records.increment import Carried, Increment, Share, shares

NIGHT = date(2026, 11, 27)
A, B, C, D, E, F = (Digest.of(letter.encode()) for letter in "ABCDEF")
APP = ImageBlobs("app:1", A, (Blob(A, 1), Blob(B, 20), Blob(C, 300)))
TOOL = ImageBlobs("tool:1", D, (Blob(D, 4), Blob(C, 300), Blob(E, 5_000)))
BOTH = (APP, TOOL)


def known(*images: ImageBlobs) -> Baseline:
    blobs = frozenset(blob.digest for image in images for blob in image.blobs)
    return Baseline(CONFIRMED, frozenset(image.top for image in images), blobs)


def reckoned(images: Sequence[ImageBlobs], baseline: Baseline) -> Increment:
    return Increment.of("plant-7", 7, NIGHT, images, baseline)


def digests(blobs: Sequence[Blob]) -> set[Digest]:
    return {blob.digest for blob in blobs}


def test_against_nothing_all_is_contained_and_nothing_required() -> None:
    increment = reckoned(BOTH, Baseline.full())
    assert digests(increment.contains) == {A, B, C, D, E}
    assert increment.is_whole
    assert increment.images == (Carried("app:1", A, is_new=True), Carried("tool:1", D, is_new=True))


def test_a_new_image_requires_what_it_shares_with_one_that_is_there() -> None:
    increment = reckoned(BOTH, known(APP))
    assert digests(increment.contains) == {D, E}
    assert digests(increment.requires) == {C}
    assert increment.requires_images == {A}
    assert increment.new == (Carried("tool:1", D, is_new=True),)
    assert not increment.is_whole


def test_a_tag_that_moved_to_an_image_that_is_there_carries_its_name_alone() -> None:
    increment = reckoned([ImageBlobs("app:2", A, APP.blobs)], known(APP))
    assert increment.images == (Carried("app:2", A, is_new=False),)
    assert increment.contains == increment.requires == ()


def test_an_image_that_got_a_signature_is_new_although_its_top_is_not() -> None:
    signed = ImageBlobs("app:1", A, (*APP.blobs, Blob(F, 6)))
    increment = reckoned([signed], known(APP))
    assert digests(increment.contains) == {F}
    assert digests(increment.requires) == {A, B, C}


def test_an_image_all_of_whose_blobs_are_there_for_others_is_new_and_requires_them() -> None:
    increment = reckoned([ImageBlobs("part:1", B, (Blob(B, 20), Blob(C, 300)))], known(APP))
    assert increment.contains == ()
    assert digests(increment.requires) == {B, C}
    assert [image.is_new for image in increment.images] == [True]


def test_the_order_of_the_images_changes_no_byte() -> None:
    images = (*BOTH, ImageBlobs("zoo:1", F, (Blob(F, 6), Blob(B, 20))))
    assert len({bytes(reckoned(order, known(TOOL))) for order in itertools.permutations(images)}) == 1


def test_one_name_for_two_images_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^image app:1: would be sha256:.* and sha256:.*; rename one"):
        reckoned([APP, ImageBlobs("app:1", D, TOOL.blobs)], Baseline.full())


def test_what_is_written_is_what_is_read() -> None:
    increment = reckoned(BOTH, known(APP))
    assert Increment.parse(bytes(increment), "increment.json") == increment
    assert json.loads(bytes(increment)) == {
        "lading": "increment",
        "version": 1,
        "site": "plant-7",
        "number": 7,
        "date": "2026-11-27",
        "baseline": "confirmed",
        "new": {"tool:1": str(D)},
        "unchanged": {"app:1": str(A)},
        "contains": sorted([[str(D), 4], [str(E), 5000]]),
        "requires": [[str(C), 300]],
        "held": B.hex[:8],
    }


def test_what_could_not_be_had_is_told_by_name() -> None:
    increment = Increment.of("plant-7", 7, NIGHT, BOTH, known(APP), gaps=["zoo:1", "app:1", "ape:2", "zoo:1"])
    assert increment.gaps == ("ape:2", "zoo:1")
    assert json.loads(bytes(increment))["gaps"] == ["ape:2", "zoo:1"]
    assert Increment.parse(bytes(increment), "increment.json") == increment


def test_a_thousand_unchanged_images_take_at_most_120_bytes_each() -> None:
    names = [f"registry.example/team-{n % 40:02}/service-{n:04}:v1.{n % 7}" for n in range(1_000)]
    images = [ImageBlobs(name, top := Digest.of(name.encode()), (Blob(top, 1), *APP.blobs)) for name in names]
    raw = bytes(reckoned(images, known(*images)))
    assert max(map(len, names)) == 42
    assert len(raw) <= 1_000 * 120 + 250
    assert len(raw) <= 1 << 20


def test_a_thousand_unchanged_images_that_share_nothing_keep_the_promise_of_a_megabyte() -> None:
    def alone(number: int) -> ImageBlobs:
        blobs = [Blob(Digest.of(f"{number} {part}".encode()), part) for part in range(40)]
        return ImageBlobs(
            f"registry.example/team-{number % 40:02}/service-{number:04}:v1", blobs[0].digest, tuple(blobs)
        )

    images = [alone(number) for number in range(1_000)]
    assert len(bytes(reckoned(images, known(*images)))) <= 1 << 20


def test_an_image_costs_what_no_other_brings_and_nobody_has() -> None:
    assert shares(BOTH, Baseline.full()) == (
        Share(Carried("app:1", A, is_new=True), new=321, shared=0, there=0),
        Share(Carried("tool:1", D, is_new=True), new=5004, shared=300, there=0),
    )
    assert shares(BOTH, known(APP)) == (
        Share(Carried("app:1", A, is_new=False), new=0, shared=0, there=321),
        Share(Carried("tool:1", D, is_new=True), new=5004, shared=0, there=300),
    )


def test_the_costs_together_are_what_the_set_contains() -> None:
    for baseline in (Baseline.full(), known(APP), known(TOOL), known(*BOTH)):
        costs = sum(share.new for share in shares(BOTH, baseline))
        assert costs == total(reckoned(BOTH, baseline).contains)


def test_a_run_that_is_taken_up_has_the_same_content_under_any_number() -> None:
    one, other = reckoned(BOTH, known(APP)), Increment.of("plant-7", 8, NIGHT, BOTH, known(APP))
    assert one.is_same_content(other)
    assert not one.is_same_content(reckoned(BOTH, Baseline(ASSUMED, known(APP).tops, known(APP).blobs)))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"site": "../up"}, "site: site '../up': is not a name for a site"),
        ({"number": -1}, "number: is -1, expected 0 to 100000000"),
        ({"number": True}, "number: int required, found bool"),
        ({"date": "20261127"}, "date: is '20261127', expected a date as 2026-11-27"),
        ({"baseline": "guessed"}, "baseline: is 'guessed', expected one of full, assumed, confirmed"),
        ({"new": {"app:1": "sha256:12"}}, "is not a digest"),
        ({"new": {"a b": str(A)}}, "new: 'a b' is not a name for an image"),
        ({"new": {"app:1": str(D)}}, "unchanged: app:1 is among the new ones too"),
        ({"contains": [[str(A)]]}, r"contains\[0\]: \[digest, size\] required"),
        ({"contains": [[str(A), -1]]}, r"contains\[0\]: size is -1, expected 0 or more"),
        ({"contains": [[str(A), True]]}, r"contains\[0\]: \[digest, size\] required"),
        ({"contains": [[str(A), 1], [str(A), 1]]}, "contains: holds a digest twice"),
        ({"contains": [[str(C), 300]]}, "requires: names a blob that the set contains"),
        ({"gaps": ["app:1"]}, "gaps: app:1 is among the images too"),
        ({"gaps": ["zoo:2", "zoo:1"]}, "gaps: is not sorted, or holds a name twice"),
        ({"gaps": ["zoo:1", "zoo:1"]}, "gaps: is not sorted, or holds a name twice"),
        ({"gaps": ["a b"]}, r"gaps\[0\]: 'a b' is not a name for an image"),
        ({"gaps": [7]}, r"gaps\[0\]: str required, found int"),
        ({"gaps": {"zoo:1": 1}}, "gaps"),
        ({"held": "0123abc"}, "held: is no text of 8 hex digits for each blob"),
        ({"held": "0123ABCD"}, "held: is no text of 8 hex digits for each blob"),
        ({"held": "0123abcd0123abcd"}, "held: is not sorted, or holds a blob twice"),
        ({"held": ["0123abcd"]}, "held"),
        ({"lading": "receipt"}, "lading: is 'receipt', expected 'increment'"),
    ],
)
def test_a_document_that_contradicts_itself_is_refused(change: dict[str, object], problem: str) -> None:
    body = json.loads(bytes(reckoned(BOTH, known(APP)))) | change
    with pytest.raises(InvalidDocument, match=problem):
        Increment.parse(json.dumps(body).encode(), "increment.json")


def test_a_later_version_is_not_guessed_at() -> None:
    body = json.loads(bytes(reckoned(BOTH, known(APP)))) | {"version": 2}
    with pytest.raises(Unsupported, match="is of version 2, expected 1; use a newer lading"):
        Increment.parse(json.dumps(body).encode(), "increment.json")


def test_a_damaged_document_is_refused_with_a_sentence_of_ours() -> None:
    raw = bytes(reckoned(BOTH, known(APP)))
    for cut in range(0, len(raw) - 1, 7):
        with pytest.raises(ToolkitError):
            Increment.parse(raw[:cut], "increment.json")
