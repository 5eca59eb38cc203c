"""A message is handed over, in TLS where there is any, and a bad server costs a bounded time."""

from __future__ import annotations

import itertools
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.postoffices import DROP, HANG, PostOffice
from tests.proxies import certified
from toolkit.errors import InvalidSetting, StoreError
from toolkit.plumbing.smtp import MOST, Bounds, MailLogin, MailServer, hand_over

LOGIN = MailLogin("lading", "s3cret")
PATIENT = Bounds(10, 30)
HASTY = Bounds(0.05, 1)
Open = Callable[..., PostOffice]


@pytest.fixture
def open_office() -> Iterator[Open]:
    with ExitStack() as stack:
        yield lambda *words, **more: stack.enter_context(PostOffice(*words, **more))


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    folder = tmp_path_factory.mktemp("certs")
    return folder, certified(folder / "made", "IP:127.0.0.1,DNS:mail.example")


def trusting(trusted: tuple[Path, ssl.SSLContext], host: str) -> Path:
    """Return a folder in which the authority is one for this host."""
    (folder := trusted[0] / host / host).mkdir(parents=True, exist_ok=True)
    (folder / "ca.crt").write_bytes((trusted[0] / "made/ca.crt").read_bytes())
    return trusted[0] / host


def letter(*to: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = "lading@site.example", ", ".join(to or ("ops@site.example",))
    message.set_content("one\n.two\n")
    return message


def server(office: PostOffice, scheme: str = "smtp") -> MailServer:
    return MailServer("127.0.0.1", office.port, scheme)


def elsewhere(office: PostOffice, monkeypatch: pytest.MonkeyPatch, scheme: str = "smtp") -> MailServer:
    """Let `mail.example` be where the office is: a server that is not this machine by its name."""
    there = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", office.port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_words, **_more: there)
    return MailServer("mail.example", office.port, scheme)


def test_a_message_arrives_as_it_was_sent(open_office: Open) -> None:
    office = open_office()
    assert hand_over(server(office), letter("a@x.example", "b@x.example"), bounds=PATIENT) == {}
    [got] = office.letters
    assert (got.sender, got.recipients) == ("lading@site.example", ["a@x.example", "b@x.example"])
    assert got.message.get_content() == "one\n.two\n"
    assert office.heard[-1].upper() == "QUIT"


def test_a_bad_farewell_takes_nothing_back(open_office: Open) -> None:
    for farewell in (DROP, b"500 no\r\n", b"hello\r\n"):
        office = open_office({"QUIT": farewell})
        assert hand_over(server(office), letter(), bounds=PATIENT) == {}
        assert len(office.letters) == 1


def test_starttls_is_used_where_it_is_offered(
    open_office: Open, trusted: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    office = open_office(context=trusted[1])
    there = elsewhere(office, monkeypatch)
    folder = trusting(trusted, f"mail.example:{office.port}")
    assert hand_over(there, letter(), LOGIN, PATIENT, [folder]) == {}
    assert office.letters[0].was_private
    assert office.heard.index("STARTTLS") < next(i for i, line in enumerate(office.heard) if "AUTH" in line)


def test_a_server_that_nobody_vouches_for_gets_nothing(
    open_office: Open, trusted: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    for at_once, scheme in ((False, "smtp"), (True, "smtps")):
        office = open_office(context=trusted[1], at_once=at_once)
        there = elsewhere(office, monkeypatch, scheme)
        with pytest.raises(StoreError, match=r"cannot be trusted: self.signed certificate"):
            hand_over(there, letter(), LOGIN, PATIENT, [])
        assert office.letters == []
        assert not any("AUTH" in line for line in office.heard)


def test_implicit_tls_is_spoken_from_the_first_byte_on(
    open_office: Open, trusted: tuple[Path, ssl.SSLContext]
) -> None:
    office = open_office(context=trusted[1], at_once=True)
    folder = trusting(trusted, f"127.0.0.1:{office.port}")
    assert hand_over(server(office, "smtps"), letter(), LOGIN, PATIENT, [folder]) == {}
    assert office.letters[0].was_private


def test_a_login_is_told_to_nobody_in_clear_but_this_machine(
    open_office: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = open_office()
    assert hand_over(server(office), letter(), LOGIN, PATIENT) == {}
    assert "AUTH PLAIN AGxhZGluZwBzM2NyZXQ=" in office.heard  # printf '\0lading\0s3cret' | base64
    office = open_office()
    with pytest.raises(StoreError, match="offers no TLS, and a login is told to nobody in clear"):
        hand_over(elsewhere(office, monkeypatch), letter(), LOGIN, PATIENT, [])
    assert not any("AUTH" in line for line in office.heard)
    assert hand_over(elsewhere(office, monkeypatch), letter(), None, PATIENT, []) == {}


@pytest.mark.parametrize(
    ("answers", "offers", "problem"),
    [
        ({"AUTH": b"535 AGxhZGluZwBzM2NyZXQ= s3cret\r\n"}, ("AUTH PLAIN",), r"refuses our login \(535\)"),
        ({}, (), "takes no login that we can give"),
        ({}, ("AUTH GSSAPI",), "the connection broke off|takes no login"),
    ],
)
def test_a_refused_login_is_told_without_it(
    open_office: Open, answers: Mapping[str, bytes], offers: tuple[str, ...], problem: str
) -> None:
    office = open_office(answers, offers=offers)
    with pytest.raises(StoreError, match=problem) as caught:
        hand_over(server(office), letter(), LOGIN, PATIENT)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert "s3cret" not in repr(LOGIN)


def test_a_login_beyond_ascii_is_refused_before_it_is_sent(open_office: Open) -> None:
    office = open_office()
    with pytest.raises(StoreError, match="takes logins in ASCII only"):
        hand_over(server(office), letter(), MailLogin("ä", "x"), PATIENT)


def test_who_is_refused_is_named_and_the_others_get_it(open_office: Open) -> None:
    office = open_office({"RCPT gone@x.example": b"550 no\x1b[2J such\r\n"})
    refused = hand_over(server(office), letter("gone@x.example", "b@x.example"), bounds=PATIENT)
    assert refused == {"gone@x.example": r"550 no\x1b[2J such"}
    assert office.letters[0].recipients == ["gone@x.example", "b@x.example"]
    office = open_office({"RCPT": b"550 no\r\n"})
    assert hand_over(server(office), letter(), bounds=PATIENT) == {"ops@site.example": "550 no"}
    assert office.letters == []


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ({"": b"554 go away\r\n"}, "refuses the message: 554 go away"),
        ({"MAIL": b"550 who?\r\n"}, "refuses the sender lading@site.example: 550 who?"),
        ({"RCPT": b"421 closing\r\n"}, "refuses the message: 421 closing"),
        ({"DATA": b"451 later\r\n"}, "refuses the message: 451 later"),
        ({".": b"552 too large\r\n"}, "refuses the message: 552 too large"),
        ({"": DROP}, "the connection broke off"),
        ({"DATA": DROP}, "the connection broke off"),
        ({"": b"HTTP/1.1 400 Bad Request\r\n"}, "refuses the message: -1"),
        ({"": b"220 \xff\r\n", "MAIL": b"550 \xff\xfe\x07\r\n"}, r"550 ��\x07"),
    ],
)
def test_a_refusal_is_one_sentence(open_office: Open, answers: Mapping[str, bytes], problem: str) -> None:
    office = open_office(answers)
    with pytest.raises(StoreError, match=re.escape(problem)) as caught:
        hand_over(server(office), letter(), bounds=PATIENT)
    assert str(caught.value).startswith(f"smtp://{office.host}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("verb", ["", "EHLO", "MAIL", "DATA", "."])
def test_a_server_that_hangs_is_left(open_office: Open, verb: str) -> None:
    office = open_office({verb: HANG})
    with pytest.raises(StoreError, match="no answer came in time"):
        hand_over(server(office), letter(), bounds=HASTY)


def test_a_server_that_hangs_after_the_message_has_it(open_office: Open) -> None:
    office = open_office({"QUIT": HANG})
    assert hand_over(server(office), letter(), bounds=Bounds(1, 30)) == {}


def test_all_waits_together_are_bounded(open_office: Open) -> None:
    clock = itertools.count(0.0, 10.0)  # each look at it finds ten seconds gone
    office = open_office()
    with pytest.raises(StoreError, match="no answer came in time"):
        hand_over(server(office), letter(), bounds=Bounds(10, 25, lambda: next(clock)))
    assert "DATA" not in office.heard


def test_an_answer_without_end_is_left(open_office: Open) -> None:
    line = b"250-" + b"x" * 500 + b"\r\n"
    office = open_office({"EHLO": line * (2 * MOST // len(line))})
    with pytest.raises(StoreError, match="an answer has no end"):
        hand_over(server(office), letter(), bounds=PATIENT)


def test_a_server_that_is_not_there_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(StoreError, match="no connection can be made: connection refused"):
            hand_over(MailServer("127.0.0.1", port), letter(), bounds=PATIENT)
    with pytest.raises(
        StoreError, match=r"^smtp://nowhere\.example:25: no connection can be made: no such host$"
    ):
        hand_over(MailServer("nowhere.example", 25), letter(), bounds=PATIENT)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("mail.example", ("mail.example", 25, "smtp")),
        ("mail.example:2525", ("mail.example", 2525, "smtp")),
        ("smtp://mail.example", ("mail.example", 25, "smtp")),
        ("smtps://mail.example", ("mail.example", 465, "smtps")),
        ("smtps://[::1]:4650/", ("::1", 4650, "smtps")),
    ],
)
def test_a_server_is_written_as_a_host_or_a_url(text: str, means: tuple[Any, ...]) -> None:
    parsed = MailServer.parse(text)
    assert (parsed.host, parsed.port, parsed.scheme) == means
    assert MailServer.parse(str(parsed)) == parsed


@pytest.mark.parametrize(
    "text", ["", "smtp://", "mail.example:x", "http://mail.example", "http://mail.example:25", "smtp://mail.example/x", "a:0", "a\nb", "smtp://u:s3cret@mail.example", "u:s3cret@mail.example"]
)  # fmt: skip
def test_what_is_no_server_is_refused_and_no_login_repeated(text: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        MailServer.parse(text)
    assert "s3cret" not in str(caught.value)
