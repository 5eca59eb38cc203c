from __future__ import annotations

import re

import pytest

from toolkit.mirror.jobs.amount import Reserve, read_size, read_volume


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("512", 512),
        ("512B", 512),
        ("4GiB", 4_294_967_296),
        ("4G", 4_294_967_296),
        ("4 gib", 4_294_967_296),
        ("4GB", 4_000_000_000),
        ("4.7GB", 4_700_000_000),
        ("0.5k", 512),
        ("1.001kB", 1001),
        ("2TiB", 2_199_023_255_552),
    ],
)
def test_sizes_are_binary_or_decimal_as_they_are_written(text: str, size: int) -> None:
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["", "-1", "4 GiBs", "G", "4,7GB", "1e3", "4PB", "\u0664", ".5k", "9" * 13])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a size, as 500MB or 4GiB"):
        read_size(text)


def test_a_medium_has_a_name() -> None:
    assert read_volume("fat32") == 4_294_967_295  # the largest file: its length is 32 bits
    assert read_volume("dvd") < 4_700_372_992  # DVD+R: 2,295,104 sectors of 2,048
    assert read_volume("bd25") < 24_220_008_448  # BD-R formatted with its spare area: 11,826,176 sectors
    assert read_volume("700MB") == 700_000_000
    with pytest.raises(ValueError, match="or one of fat32, dvd, bd25"):
        read_volume("usb")


def test_a_reserve_is_a_share_or_a_size() -> None:
    assert Reserve.parse("10%").of(2_000) == 200
    assert Reserve.parse("0 %").of(2_000) == 0
    assert Reserve.parse("1k").of(2_000) == 1024
    for text in ("100%", "-1%", "ten"):
        with pytest.raises(ValueError, match=re.escape("or a share, as 10%")):
            Reserve.parse(text)
