from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.webregistry import client_of, refusal
from tests.webs import DROP, Asked, Reply, Web, in_turn, ranged
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, Mismatch, MissingMember, RegistryError, ToolkitError
from toolkit.image import Layer
from toolkit.plumbing.streams import nowhere, transfer
from toolkit.stores.registry.blob import Blob

CONTENT = bytes(range(251)) * 20_000  # 5 MB
DIGEST = Digest.of(CONTENT)
Serve = Callable[..., tuple[Web, Blob]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:

        def made(answer: Callable[[Asked], Reply], size: int = len(CONTENT)) -> tuple[Web, Blob]:
            web = stack.enter_context(Web(answer))
            client = client_of(web)
            stack.callback(client.close)
            return web, Blob(client, "app", f"/v2/app/blobs/{DIGEST}", DIGEST, size)

        yield made


def read(blob: Blob) -> bytes:
    return b"".join(map(bytes, blob.blocks()))


def test_a_blob_is_read(serve: Serve) -> None:
    web, blob = serve(lambda asked: ranged(asked, CONTENT))
    assert read(blob) == CONTENT
    assert len(web.asked) == 1


@pytest.mark.parametrize("size", [0, 1, 4096])
def test_a_small_blob_is_read(serve: Serve, size: int) -> None:
    _, blob = serve(lambda asked: ranged(asked, CONTENT[:size]), size)
    assert read(blob) == CONTENT[:size]


def test_what_breaks_off_is_gone_on_with_where_it_stopped(serve: Serve) -> None:
    web, blob = serve(lambda asked: ranged(asked, CONTENT, cut=300_000))
    assert read(blob) == CONTENT
    assert len(web.asked) > 10
    assert web.sent <= 1.3 * len(CONTENT)
    assert web.asked[1].headers["range"].startswith("bytes=")


def test_a_server_without_ranges_is_read_past_what_was_there(serve: Serve) -> None:
    cuts = in_turn(Reply(cut=2_000_000), Reply(cut=4_000_000), Reply())

    def answer(asked: Asked) -> Reply:
        return Reply(200, CONTENT, cut=cuts(asked).cut)

    web, blob = serve(answer)
    assert read(blob) == CONTENT
    assert len(web.asked) == 3


def test_more_than_asked_for_is_skipped(serve: Serve) -> None:
    def answer(asked: Asked) -> Reply:
        if "range" not in asked.headers:
            return Reply(200, CONTENT, cut=1_000_000)
        return Reply(206, CONTENT[10:], {"Content-Range": f"bytes 10-{len(CONTENT) - 1}/{len(CONTENT)}"})

    _, blob = serve(answer)
    assert read(blob) == CONTENT


@pytest.mark.parametrize("told", ["bytes 4999999-5019999/5020000", "none", "", "items 1-2/3"])
def test_another_piece_than_asked_for_is_refused(serve: Serve, told: str) -> None:
    def answer(asked: Asked) -> Reply:
        if "range" not in asked.headers:
            return Reply(200, CONTENT, cut=1_000_000)
        return Reply(206, CONTENT[-10:], {"Content-Range": told})

    with pytest.raises(RegistryError, match="from another place"):
        read(serve(answer)[1])


def test_a_connection_that_never_gets_on_is_given_up(serve: Serve) -> None:
    def answer(asked: Asked) -> Reply:
        return ranged(asked, CONTENT, cut=1_000_000 if "range" not in asked.headers else 10)

    web, blob = serve(answer)
    with pytest.raises(RegistryError, match="broke off"):
        read(blob)
    assert len(web.asked) == 6


def test_a_drop_before_the_first_byte_is_tried_again(serve: Serve) -> None:
    web, blob = serve(in_turn(DROP, Reply(503), Reply(200, CONTENT)))
    assert read(blob) == CONTENT
    assert len(web.asked) == 3


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1])
def test_another_size_than_promised_is_told_before_a_byte_is_read(serve: Serve, size: int) -> None:
    _, blob = serve(lambda asked: ranged(asked, CONTENT), size)
    with pytest.raises(Mismatch, match=f"size is {len(CONTENT)}, expected {size}"):
        next(blob.blocks())


def test_a_body_without_end_is_left(serve: Serve) -> None:
    web, blob = serve(lambda _: Reply(200, CONTENT, endless=True))
    with pytest.raises(Mismatch, match="more than"):
        read(blob)
    assert web.sent < 64 << 20


def test_a_body_that_is_cut_short_each_time_is_not_whole(serve: Serve) -> None:
    def answer(asked: Asked) -> Reply:
        return ranged(asked, CONTENT[: 1 << 20], cut=1 << 20)

    def without_length(asked: Asked) -> Reply:
        reply = answer(asked)
        return Reply(reply.status, reply.body, {**reply.headers, "Content-Length": "x"}, cut=1 << 20)

    with pytest.raises(ToolkitError):
        read(serve(without_length)[1])


def test_a_registry_that_has_no_more_says_so(serve: Serve) -> None:
    def answer(asked: Asked) -> Reply:
        return Reply(200, CONTENT, cut=1_000_000) if "range" not in asked.headers else Reply(416)

    with pytest.raises(Mismatch, match="size is"):
        read(serve(answer)[1])


def test_flipped_bytes_are_caught_by_whoever_takes_them(serve: Serve) -> None:
    flipped = CONTENT[:100] + b"\0" + CONTENT[101:]
    _, blob = serve(lambda asked: ranged(asked, flipped))
    with pytest.raises(Mismatch, match="digest"):
        transfer(blob, Layer(str(DIGEST), len(CONTENT), DIGEST), nowhere)
    _, blob = serve(
        lambda asked: ranged(asked, CONTENT if "range" in asked.headers else flipped, cut=1_000_000)
    )
    with pytest.raises(CorruptContent):
        transfer(blob, Layer(str(DIGEST), len(CONTENT), DIGEST), nowhere)


def test_an_absent_blob_is_missing(serve: Serve) -> None:
    with pytest.raises(MissingMember, match=r"is not there, though a manifest names it; GET .*BLOB_UNKNOWN"):
        read(serve(lambda _: refusal(404, "BLOB_UNKNOWN"))[1])
    with pytest.raises(RegistryError, match="answered 403"):
        read(serve(lambda _: refusal(403, "DENIED"))[1])
