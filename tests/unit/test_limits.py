"""What holds where nothing is said is what formats G.6 says; whoever is refused learns which setting it was."""

from __future__ import annotations

import threading
from dataclasses import fields, replace

import pytest

from toolkit.errors import UnsafeArchive
from toolkit.limits import LEAST, MOST, Limit, Limits, above, hold, limits, more_than, says

KIB, MIB, GIB = 1024, 1024**2, 1024**3
USUAL = {  # formats G.6, and G.5 for streams; where they say nothing, what the README says
    "document": 4 * MIB,
    "v1_json": MIB,
    "names": 16 * MIB,
    "text": 4 * KIB,
    "tar_split_line": 8 * MIB,
    "history": 10_000,
    "layers": 1024,
    "json_depth": 64,
    "index_depth": 8,
    "extension": MIB,
    "path": 4096,
    "link": 4096,
    "xattr": 64 * KIB,
    "xattrs": 128,
    "member": 100_000,
    "entry": 2_000_000,
    "layer": 256 * GIB,
    "bundle": 1024 * GIB,
    "ratio": 1000,
    "stream": 100_000,
    "window": 128 * MIB,
}


def test_the_usual_limits_are_those_of_the_reference() -> None:
    assert {field.name: getattr(Limits(), field.name) for field in fields(Limits)} == USUAL
    assert limits() == Limits()


@pytest.mark.parametrize("name", USUAL)
def test_a_limit_knows_its_setting_and_lies_within_its_bounds(name: str) -> None:
    limit = getattr(Limits(**{name: 300}), name)
    assert (limit, limit.setting, type(limit)) == (300, f"{name}_limit", Limit)
    assert LEAST.get(name, 1) <= USUAL[name] <= MOST.get(name, USUAL[name])


def test_every_bound_is_one_of_a_limit() -> None:
    assert LEAST.keys() | MOST.keys() <= USUAL.keys()


def test_what_is_held_holds_for_every_thread() -> None:
    lower, seen = Limits(layer=5), list[Limits]()
    hold(lower)
    thread = threading.Thread(target=lambda: seen.append(limits()))
    thread.start()
    thread.join()
    assert seen == [lower]
    assert limits() is lower
    assert limits() != replace(lower, layer=6)


def test_a_refusal_tells_what_was_found_what_was_expected_and_which_setting_says_so() -> None:
    held = Limits()
    told = above("config x", "is 5000000 bytes", held.document)
    assert isinstance(told, UnsafeArchive)
    assert str(told) == (
        "config x: is 5000000 bytes, expected at most 4194304; [lading] document_limit says so"
    )
    assert str(more_than("layer x", "unpacks to more than {} bytes", held.layer)) == (
        "layer x: unpacks to more than 274877906944 bytes, expected at most that; "
        "[lading] layer_limit says so"
    )


def test_a_number_that_is_no_setting_names_none() -> None:
    assert says(100) == ""
    assert str(above("x", "is 5 bytes", 4)) == "x: is 5 bytes, expected at most 4"
    assert (
        str(more_than("x", "has more than {} entries", 4))
        == "x: has more than 4 entries, expected at most that"
    )
