from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.webregistry import MemoryRegistry, client_of, refusal
from tests.webs import DROP, Asked, Reply
from toolkit.digest import Digest
from toolkit.errors import Mismatch, RegistryError
from toolkit.stores.registry.client import Client
from toolkit.stores.registry.upload import WINDOW, Lost, Upload

SMALL = b"small" * 1000
LARGE = bytes(range(251)) * (2 * WINDOW // 251 + 9)


@pytest.fixture
def web() -> Iterator[MemoryRegistry]:
    with MemoryRegistry() as web:
        yield web


@pytest.fixture
def client(web: MemoryRegistry) -> Iterator[Client]:
    with ExitStack() as stack:
        client = client_of(web)
        stack.callback(client.close)
        yield client


def push(client: Client, content: bytes, step: int = 1 << 20) -> None:
    upload = Upload(client, "app", len(content))
    for start in range(0, len(content), step):
        upload(memoryview(content)[start : start + step])
    upload.finish(Digest.of(content))


def arrived(web: MemoryRegistry) -> list[bytes]:
    return list(web.blobs.values())


def once(
    when: Callable[[Asked], bool], then: Callable[[Asked], Reply | None]
) -> Callable[[Asked], Reply | None]:
    """Do something odd the first time."""
    done: list[Asked] = []

    def odd(asked: Asked) -> Reply | None:
        if done or not when(asked):
            return None
        done.append(asked)
        return then(asked)

    return odd


@pytest.mark.parametrize("content", [b"", b"1", SMALL, LARGE[:WINDOW]])
def test_a_small_blob_goes_along_with_its_name(client: Client, web: MemoryRegistry, content: bytes) -> None:
    push(client, content)
    assert arrived(web) == [content]
    assert [asked.method for asked in web.asked] == ["POST", "PUT"]
    assert web.asked[1].headers["content-type"] == "application/octet-stream"


def test_a_large_blob_goes_as_one_stream(client: Client, web: MemoryRegistry) -> None:
    push(client, LARGE)
    assert arrived(web) == [LARGE]
    assert [asked.method for asked in web.asked] == ["POST", "PATCH", "PUT"]
    assert web.asked[1].headers["content-range"] == f"0-{len(LARGE) - 1}"
    assert web.asked[1].headers["content-length"] == str(len(LARGE))


def test_blocks_of_any_size_will_do(client: Client, web: MemoryRegistry) -> None:
    push(client, LARGE, len(LARGE))
    web.blobs.clear()
    push(client, LARGE, 3_333_333)
    assert arrived(web) == [LARGE]


@pytest.mark.parametrize("missing", [0, 1, 5_000_000, WINDOW])
@pytest.mark.parametrize("step", [1 << 20, 3_333_333])
def test_a_stream_that_breaks_off_goes_on_where_the_registry_stopped(
    client: Client, web: MemoryRegistry, missing: int, step: int
) -> None:
    def cut(asked: Asked) -> Reply:
        [session] = web.uploads.values()
        session += asked.body[: len(asked.body) - missing]
        return DROP

    web.odd = once(lambda asked: asked.method == "PATCH", cut)
    push(client, LARGE, step)
    assert arrived(web) == [LARGE]
    assert sum(len(asked.body) for asked in web.asked) == len(LARGE) + missing


def test_a_stream_may_break_off_often(client: Client, web: MemoryRegistry) -> None:
    def cut(asked: Asked) -> Reply | None:
        if asked.method != "PATCH" or len(asked.body) < 100_000:
            return None
        [session] = web.uploads.values()
        session += asked.body[: max(len(asked.body) - WINDOW, 300_000)]
        return DROP

    web.odd = cut
    push(client, LARGE)
    assert arrived(web) == [LARGE]
    assert len(web.asked) > 40


def test_what_is_behind_the_bytes_that_are_held_is_lost(client: Client, web: MemoryRegistry) -> None:
    web.odd = once(lambda asked: asked.method == "PATCH", lambda _: DROP)
    with pytest.raises(Lost, match="the registry has 0 bytes, expected"):
        push(client, LARGE)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_registry_is_asked_again(client: Client, web: MemoryRegistry, status: int) -> None:
    def busy(asked: Asked) -> Reply:
        [session] = web.uploads.values()
        session += asked.body[:-WINDOW]
        return Reply(status, headers={"Retry-After": "1"})

    web.odd = once(lambda asked: asked.method == "PATCH", busy)
    push(client, LARGE)
    web.odd = once(lambda asked: asked.method == "PUT", lambda _: Reply(status))
    push(client, SMALL)
    assert arrived(web) == [LARGE, SMALL]


@pytest.mark.parametrize(("content", "method"), [(LARGE, "PATCH"), (LARGE, "PUT"), (SMALL, "PUT")])
def test_who_sends_too_much_is_told_so_and_does_not_begin_anew(
    client: Client, web: MemoryRegistry, content: bytes, method: str
) -> None:
    web.odd = lambda asked: (
        refusal(429, "TOOMANYREQUESTS", **{"Retry-After": "1000"}) if asked.method == method else None
    )
    with pytest.raises(RegistryError, match=r"answered 429 .*, and none is taken before") as caught:
        push(client, content)
    assert not isinstance(caught.value, Lost)


def test_a_name_whose_answer_is_lost_is_looked_for(client: Client, web: MemoryRegistry) -> None:
    def answered(asked: Asked) -> Reply:
        web.odd = lambda _: None
        web.answer(asked)
        return DROP

    for content in (SMALL, LARGE):
        web.odd = once(lambda asked: asked.method == "PUT", answered)
        push(client, content)
    assert arrived(web) == [SMALL, LARGE]
    assert [asked.method for asked in web.asked].count("HEAD") == 2


def test_a_name_that_never_arrived_is_sent_again(client: Client, web: MemoryRegistry) -> None:
    for content in (SMALL, LARGE):
        web.odd = once(lambda asked: asked.method == "PUT", lambda _: DROP)
        push(client, content)
    assert arrived(web) == [SMALL, LARGE]


def test_an_upload_that_the_registry_forgets_is_lost(client: Client, web: MemoryRegistry) -> None:
    def forget(_: Asked) -> Reply:
        web.uploads.clear()
        return DROP

    web.odd = once(lambda asked: asked.method == "PATCH", forget)
    with pytest.raises(Lost, match="does not know the upload any more"):
        push(client, LARGE)
    web.odd = once(lambda asked: asked.method == "PUT", lambda _: refusal(404, "BLOB_UPLOAD_UNKNOWN"))
    with pytest.raises(Lost, match="BLOB_UPLOAD_UNKNOWN"):
        push(client, SMALL)


def test_a_registry_that_never_takes_it_is_given_up(client: Client, web: MemoryRegistry) -> None:
    web.odd = lambda asked: DROP if asked.method in {"PATCH", "PUT"} else None
    with pytest.raises(RegistryError, match="the connection broke off, each time"):
        push(client, SMALL)
    with pytest.raises(Lost, match="the registry has 0 bytes"):
        push(client, LARGE)
    assert len(web.asked) < 40
    assert not any(thread.name == "upload" for thread in threading.enumerate())


def test_a_refusal_is_told(client: Client, web: MemoryRegistry) -> None:
    web.odd = lambda asked: refusal(413, "SIZE_INVALID", "too large") if asked.method == "PATCH" else None
    with pytest.raises(RegistryError, match=r"answered 413 \(SIZE_INVALID, too large\)"):
        push(client, LARGE)
    web.odd = lambda asked: refusal(400, "DIGEST_INVALID") if asked.method == "PUT" else None
    with pytest.raises(RegistryError, match="DIGEST_INVALID"):
        push(client, SMALL)


def test_another_digest_than_ours_is_refused(client: Client, web: MemoryRegistry) -> None:
    lie = {"Docker-Content-Digest": str(Digest.of(b"lie"))}
    web.odd = lambda asked: Reply(201, headers=lie) if asked.method == "PUT" else None
    with pytest.raises(Mismatch, match="digest that the registry tells"):
        push(client, SMALL)


def test_a_registry_that_says_not_where_is_refused(client: Client, web: MemoryRegistry) -> None:
    web.odd = lambda asked: Reply(202) if asked.method == "POST" else None
    with pytest.raises(RegistryError, match="without saying where"):
        push(client, SMALL)


def test_a_place_out_of_the_stream_is_refused(client: Client, web: MemoryRegistry) -> None:
    def odd(asked: Asked) -> Reply | None:
        if asked.method == "PATCH":
            return DROP
        return Reply(204, headers={"Range": "0-999999999"}) if asked.method == "GET" else None

    web.odd = odd
    with pytest.raises(Lost, match="1000000000 bytes, expected"):
        push(client, LARGE)


def test_an_upload_is_cancelled(client: Client, web: MemoryRegistry) -> None:
    upload = Upload(client, "app", len(LARGE))
    upload(LARGE)
    upload.cancel()
    upload.cancel()  # what is gone is no failure
    assert web.uploads == {}
    assert arrived(web) == []


@pytest.mark.parametrize("place", ["http://[", "https:///x", "http://127.0.0.1:99999/", "ftp://127.0.0.1/"])
def test_a_place_that_is_no_address_is_refused(client: Client, web: MemoryRegistry, place: str) -> None:
    web.odd = lambda asked: Reply(202, headers={"Location": place}) if asked.method == "POST" else None
    with pytest.raises(RegistryError, match="leads to what is no address of HTTP"):
        push(client, SMALL)


def test_a_registry_that_goes_back_again_and_again_is_given_up(client: Client, web: MemoryRegistry) -> None:
    ends = itertools.cycle([4 << 20, 3 << 20])
    told = (Reply(204, headers={"Range": f"0-{end - 1}"}) for end in ends)

    def odd(asked: Asked) -> Reply | None:
        if asked.method == "PATCH":
            return Reply(500)
        return next(told) if asked.method == "GET" else None

    web.odd = odd
    with pytest.raises(RegistryError, match="answered 500"):
        push(client, bytes(8 << 20))
