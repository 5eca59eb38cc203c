from __future__ import annotations

import pytest

from toolkit.plumbing.allowance import Allowance, told_wait


def headers(limit: str, remaining: str, **more: str) -> dict[str, str]:
    return {"RateLimit-Limit": limit, "RateLimit-Remaining": remaining, **more}


# The first is what docs.docker.com shows of Docker Hub.
@pytest.mark.parametrize(
    ("limit", "remaining", "sentence"),
    [
        ("100;w=21600", "76;w=21600", "76 of 100 requests in 6 hours are left"),
        ("200; w=21600", " 0 ; w=21600 ", "0 of 200 requests in 6 hours are left"),
        ("100;w=3600", "76", "76 of 100 requests in 1 hour are left"),
        ("60", "7", "7 of 60 requests are left"),
        ("60;w=90", "7;w=90", "7 of 60 requests in 90 seconds are left"),
        ("60;w=86400", "7;w=86400", "7 of 60 requests in 1 day are left"),
    ],
)
def test_what_is_left_is_told(limit: str, remaining: str, sentence: str) -> None:
    assert str(Allowance.told(headers(limit, remaining))) == sentence


@pytest.mark.parametrize(
    ("limit", "remaining"),
    [
        ("", ""), ("100", ""), ("", "3"), ("many", "few"), ("100", "-1"), ("-100", "-100"), ("100", "1.5"),
        ("9" * 5000, "1"), ("100", "9" * 5000), ("100", "101"), ("100;w=-1", "3"), ("100;w=" + "9" * 99, "3"),
        ("100, 100;w=60", "3"), ("٣", "٣"), ("100;burst=1", "3"), ("0x10", "1"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_as_if_not_told(limit: str, remaining: str) -> None:
    assert Allowance.told(headers(limit, remaining)) is None
    assert told_wait(429, headers(limit, remaining)) is None


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("192.0.2.1", ", as counted for 192.0.2.1"), ("2001:db8::1", ", as counted for 2001:db8::1"),
        ("f1b1c0d2-77aa-4c5e-9b7e-0123456789ab", ", as counted for f1b1c0d2-77aa-4c5e-9b7e-0123456789ab"),
        ("\x1b[31mred", ""), ("a" * 65, ""), ("two words", ""), ("", ""),
    ],
)  # fmt: skip
def test_for_whom_they_are_counted_is_told(source: str, told: str) -> None:
    found = Allowance.told(headers("100", "3", **{"Docker-RateLimit-Source": source}))
    assert str(found) == f"3 of 100 requests are left{told}"


@pytest.mark.parametrize(("remaining", "low"), [(0, True), (10, True), (11, False), (100, False)])
def test_a_tenth_is_little(remaining: int, low: bool) -> None:  # noqa: FBT001
    assert Allowance(remaining, 100).is_low is low


@pytest.mark.parametrize(
    ("status", "told", "seconds"),
    [
        (429, {"Retry-After": "17"}, 17),
        (503, {"Retry-After": "17"}, 17),
        (429, headers("100;w=21600", "0;w=21600"), 21600),
        (429, headers("100;w=21600", "0;w=21600", **{"Retry-After": "17"}), 17),
        (429, headers("100;w=21600", "0;w=21600", **{"Retry-After": "soon"}), 21600),
        (429, headers("100;w=21600", "1;w=21600"), None),
        (429, headers("100", "0"), None),
        (503, headers("100;w=21600", "0;w=21600"), None),
        (429, {}, None),
    ],
)
def test_who_has_nothing_left_is_told_how_long_to_wait(
    status: int, told: dict[str, str], seconds: float | None
) -> None:
    assert told_wait(status, told) == seconds
