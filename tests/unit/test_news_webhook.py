"""An outcome is posted, signed, to where it was told, and nowhere else."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.unit.test_records_outcome import FULL, GAPPY
from tests.webs import DROP, Reply, Web, in_turn
from toolkit.errors import InvalidSetting, StoreError, ToolkitError
from toolkit.mirror.news.webhook import place, post, signed
from toolkit.plumbing.http import Transport
from toolkit.plumbing.patience import Patience

Serve = Callable[..., Web]
SECRET_PATH = "/services/T0/s3cret?token=s3cret"


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(Web(answer))


@pytest.fixture
def transport() -> Iterator[Transport]:
    made = Transport(patience=Patience(4, sleep=lambda _: None), timeouts=(10.0, 10.0))
    yield made
    made.close()


def test_the_body_is_the_outcome(serve: Serve, transport: Transport) -> None:
    web = serve(lambda _: Reply(204))
    post(GAPPY, web.url + SECRET_PATH, "", transport)
    [asked] = web.asked
    assert (asked.method, asked.target, asked.headers["content-type"]) == (
        "POST",
        SECRET_PATH,
        "application/json",
    )
    assert json.loads(asked.body) == GAPPY.to_json()
    assert "x-lading-signature-256" not in asked.headers


def test_the_body_is_signed_as_openssl_would(serve: Serve, transport: Transport, tmp_path: Path) -> None:
    web, secret = serve(lambda _: Reply()), tmp_path / "secret"
    secret.write_text("It's a Secret to Everybody\n")
    post(FULL, web.url, str(secret), transport)
    [asked] = web.asked
    words = ["openssl", "dgst", "-sha256", "-hmac", "It's a Secret to Everybody", "-r"]
    told = subprocess.run(words, input=asked.body, capture_output=True, check=True).stdout.decode()
    assert asked.headers["x-lading-signature-256"] == f"sha256={told.split()[0]}"


def test_a_signature_is_that_of_github(tmp_path: Path) -> None:
    """Their own example: docs.github.com, "Validating webhook deliveries", testing the payload validation."""
    (tmp_path / "secret").write_text("It's a Secret to Everybody")
    (tmp_path / "link").symlink_to("secret")
    known = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    for name in ("secret", "link"):
        assert signed(b"Hello, World!", str(tmp_path / name)) == {"X-Lading-Signature-256": known}


def test_nothing_is_sent_unsigned_for_want_of_a_secret(
    serve: Serve, transport: Transport, tmp_path: Path
) -> None:
    web = serve(lambda _: Reply())
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "large").write_text("x" * 5000)
    for name in ("empty", "large", "none", "a\0b"):
        with pytest.raises(ToolkitError):
            post(FULL, web.url, str(tmp_path / name), transport)
    assert web.asked == []


def test_a_busy_receiver_is_asked_again_with_the_same_bytes(serve: Serve, transport: Transport) -> None:
    web = serve(in_turn(Reply(500), DROP, Reply(200)))
    post(FULL, web.url, "", transport)
    assert [asked.body for asked in web.asked] == [FULL.raw()] * 3


@pytest.mark.parametrize(
    ("answer", "problem", "times"),
    [
        (Reply(500), "answers 500", 4),
        (Reply(404, b"s3cret"), "answers 404", 1),
        (DROP, "the connection broke off", 4),
        (Reply(200, b"x" * (2 << 20)), "answers with more than 1048576 bytes, expected at most that", 1),
        (Reply(raw=b"220 mail\r\n"), "the answer is no HTTP; look what listens there: another service, or one that speaks TLS", 1),
    ],
)  # fmt: skip
def test_a_receiver_that_fails_is_told_by_its_host_alone(
    serve: Serve, transport: Transport, answer: Reply, problem: str, times: int
) -> None:
    web = serve(lambda _: answer)
    with pytest.raises(StoreError) as caught:
        post(FULL, web.url + SECRET_PATH, "", transport)
    assert str(caught.value) == f"webhook {web.url}: {problem}"
    assert caught.value.__cause__ is None
    assert len(web.asked) == times


def test_a_receiver_that_hangs_is_left(serve: Serve) -> None:
    web = serve(lambda _: Reply())
    web.deaf = lambda _: True
    hasty = Transport(patience=Patience(2, sleep=lambda _: None), timeouts=(2.0, 0.1))
    with pytest.raises(StoreError, match=r"^webhook http://127\.0\.0\.1:\d+: no answer came in time$"):
        post(FULL, web.url + SECRET_PATH, "", hasty)
    hasty.close()


def test_a_receiver_that_is_not_there_is_told(transport: Transport) -> None:
    with Web(lambda _: Reply()) as web:
        url = web.url
    with pytest.raises(StoreError, match="no connection can be made: connection refused"):
        post(FULL, url + SECRET_PATH, "", transport)
    with pytest.raises(
        StoreError, match=r"^webhook http://hook\.example: is plain HTTP, and not on this machine"
    ):
        post(FULL, "http://hook.example" + SECRET_PATH, "", transport)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(serve: Serve, transport: Transport, status: int) -> None:
    other = serve(lambda _: Reply())
    web = serve(lambda _: Reply(status, headers={"Location": other.url}))
    with pytest.raises(StoreError, match=f"answers {status}, a redirect, which is not followed"):
        post(FULL, web.url, "", transport)
    assert (len(web.asked), other.asked) == (1, [])


def test_no_address_can_add_a_header(serve: Serve, transport: Transport) -> None:
    web = serve(lambda _: Reply())
    post(FULL, f"{web.url}/a\r\nX-Bad: 1", "", transport)
    post(FULL, f"{web.url}/b HTTP/1.1\x0b", "", transport)
    assert web.targets() == ["/aX-Bad:%201", "/b%20HTTP/1.1%0B"]
    assert not any("x-bad" in asked.headers for asked in web.asked)


@pytest.mark.parametrize(
    "url", ["", "hook.example/x", "ftp://hook.example", "https://", "https://x:y/", "https://u:s3cret@hook.example/", "https://[::1/"]
)  # fmt: skip
def test_what_is_no_address_is_refused_and_no_login_repeated(url: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        place(url)
    assert "s3cret" not in str(caught.value)


def test_an_address_is_told_without_its_path() -> None:
    told: Any = place("https://hook.example:8443" + SECRET_PATH)
    assert told == "webhook https://hook.example:8443"
