"""The shares of several hosts: each image is in one of them, always the same."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest

from toolkit.errors import UsageError
from toolkit.mirror.jobs.shard import Shard

NAMES = [f"registry.example/team/app{number}:1.{number}" for number in range(1000)]


def test_each_image_is_in_one_share_and_shares_are_about_equal() -> None:
    takers = [[number for number in range(1, 6) if Shard(number, 5).takes(name)] for name in NAMES]
    assert all(len(each) == 1 for each in takers)
    assert all(140 < count < 260 for count in Counter(each[0] for each in takers).values())


def test_a_share_is_the_sha256_of_the_name_modulo_their_number() -> None:
    for name in NAMES[:50]:
        expected = int(hashlib.sha256(name.encode()).hexdigest(), 16) % 7 + 1
        assert Shard(expected, 7).takes(name)


def test_one_share_of_one_is_everything() -> None:
    assert all(Shard().takes(name) for name in NAMES)


def test_a_host_begins_with_its_own_share_and_goes_round() -> None:
    assert [str(shard) for shard in Shard.parse("3/4").in_turn()] == ["3/4", "4/4", "1/4", "2/4"]


@pytest.mark.parametrize("text", ["", "1", "0/5", "6/5", "1/0", "2/5/1", "1/10000", "-1/5", "1 / 5", "٣/5"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is none; write 2/5"):
        Shard.parse(text)
