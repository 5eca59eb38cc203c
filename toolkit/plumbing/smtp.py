"""SMTP: a message handed to a mail server (RFC 5321), in TLS where there is any; bounded in bytes and time.

What a server answers to a login is never told: it may repeat what it was sent.
"""

from __future__ import annotations

import io
import os
import smtplib
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from toolkit.errors import InvalidSetting, StoreError
from toolkit.plumbing.certificates import FOLDERS, context_for, has_certificates, is_loopback
from toolkit.plumbing.failures import AUTHORITY
from toolkit.printable import printable

PORTS = {"smtp": 25, "smtps": 465}
WAIT, TOTAL = 15.0, 60.0  # seconds for a single answer, and for a message from beginning to end
MOST = 1 << 20  # bytes of all answers
SAID = 200  # characters of an answer that are told
ADVICE = "write it as mail.example:25, or smtps://mail.example:465"


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed over: `smtps` speaks TLS from the first byte on, `smtp` from STARTTLS on."""

    host: str
    port: int
    scheme: str = "smtp"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `[smtp://|smtps://]HOST[:PORT]`; raises InvalidSetting, which never repeats a login."""
        refusal = InvalidSetting("the mail server", "is no address of a mail server", ADVICE)
        try:
            parts = urlsplit(text if "://" in text else f"smtp://{text}")
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise refusal from None
        if "@" in parts.netloc:
            advice = "it belongs into a netrc file or the environment"
            raise InvalidSetting("the mail server", "has a login in its address", advice)
        if (
            parts.scheme not in PORTS
            or not host
            or port == 0
            or parts.path.strip("/")
            or not text.isprintable()
        ):
            raise refusal
        return cls(host, PORTS[parts.scheme] if port is None else port, parts.scheme)

    def __str__(self) -> str:
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class MailLogin:
    """Who we are to a mail server."""

    username: str = field(repr=False)
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long a mail server may take, in seconds."""

    wait: float = WAIT
    total: float = TOTAL
    clock: Callable[[], float] = time.monotonic


def hand_over(
    server: MailServer,
    message: EmailMessage,
    login: MailLogin | None = None,
    bounds: Bounds | None = None,
    folders: Sequence[Path] = FOLDERS,
) -> dict[str, str]:
    """Give a message to a server; return whom of its recipients the server refused, and with what words.

    STARTTLS is used where it is offered; a server on this machine is spoken to plainly, but where `folders`
    hold certificates for it. Raises StoreError where it took the message for nobody.
    """
    with _told(server), closing(_session(server, bounds or Bounds(), folders)) as session:
        is_private = _privately(session, server, folders)
        if login:
            _log_in(session, server, login, is_private=is_private or is_loopback(server.host))
        try:
            refused = session.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            refused = error.recipients
            if any(code == 421 for code, _ in refused.values()):  # noqa: PLR2004 - it closes (RFC 5321 4.2.2)
                raise
        with suppress(smtplib.SMTPException, OSError):
            session.quit()  # it has the message, whatever it says to that
        return {whom: _answer(*words) for whom, words in refused.items()}


class _Endless(OSError):
    """Answers of more than MOST bytes."""


class _Answers(io.RawIOBase):
    """What a server says: so many bytes, up to a time, and no more."""

    def __init__(self, raw: io.RawIOBase, session: _Session) -> None:
        self._raw, self._session = raw, session

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: Any, /) -> int | None:  # noqa: ANN401 - io's
        """Read what there is; raises TimeoutError, _Endless."""
        if self._session.left <= 0:
            raise _Endless
        if self._session.bounds.clock() > self._session.deadline:
            raise TimeoutError
        count = self._raw.readinto(buffer)
        self._session.left -= count or 0
        return count

    def close(self) -> None:
        """Let go of the connection."""
        if not self.closed:
            self._raw.close()
        super().close()


class _Session(smtplib.SMTP):
    """A session that is bounded as a whole; smtplib bounds each wait alone, and no answer's length."""

    def __init__(self, server: MailServer, bounds: Bounds, **more: Any) -> None:  # noqa: ANN401 - smtplib's
        self.bounds, self.left, self.deadline = bounds, MOST, bounds.clock() + bounds.total
        us = os.uname().nodename  # smtplib would ask the network what we are called
        super().__init__(server.host, server.port, local_hostname=us, timeout=bounds.wait, **more)

    def getreply(self) -> tuple[int, bytes]:
        """Read an answer, of however many lines."""
        if self.file is None and self.sock is not None:
            self.file = io.BufferedReader(_Answers(self.sock.makefile("rb", buffering=0), self))
        return super().getreply()


class _PrivateSession(_Session, smtplib.SMTP_SSL):
    """The same, in TLS from its first byte on."""


def _session(server: MailServer, bounds: Bounds, folders: Sequence[Path]) -> _Session:
    if server.scheme == "smtps":
        return _PrivateSession(server, bounds, context=context_for(server.host, server.port, folders))
    return _Session(server, bounds)


def _privately(session: _Session, server: MailServer, folders: Sequence[Path]) -> bool:
    """Go over to TLS where that is offered; tell whether it is spoken now."""
    session.ehlo_or_helo_if_needed()
    is_ours = is_loopback(server.host) and not has_certificates(server.host, server.port, folders)
    if server.scheme == "smtps" or is_ours or not session.has_extn("starttls"):
        return server.scheme == "smtps"
    session.starttls(context=context_for(server.host, server.port, folders))
    session.ehlo_or_helo_if_needed()
    return True


def _log_in(session: _Session, server: MailServer, login: MailLogin, *, is_private: bool) -> None:
    if not is_private:
        raise StoreError(str(server), "offers no TLS, and a login is told to nobody in clear")
    if not (login.username.isascii() and login.password.isascii()):
        raise StoreError(str(server), "takes logins in ASCII only, and ours is not")
    try:
        session.login(login.username, login.password)
    except smtplib.SMTPAuthenticationError as error:
        raise StoreError(str(server), f"refuses our login ({error.smtp_code})") from None
    except smtplib.SMTPNotSupportedError:
        raise StoreError(str(server), "takes no login that we can give") from None


@contextmanager
def _told(server: MailServer) -> Iterator[None]:
    """Turn what smtplib raises into one sentence; the causes are not kept, as they may hold a login."""
    try:
        yield
    except smtplib.SMTPSenderRefused as error:
        answer = _answer(error.smtp_code, error.smtp_error)
        raise StoreError(str(server), f"refuses the sender {error.sender}: {answer}") from None
    except smtplib.SMTPRecipientsRefused as error:
        answer = _answer(*next(iter(error.recipients.values())))
        raise StoreError(str(server), f"refuses the message: {answer}") from None
    except smtplib.SMTPResponseException as error:
        answer = _answer(error.smtp_code, error.smtp_error)
        raise StoreError(str(server), f"refuses the message: {answer}") from None
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", "") or "TLS failed"
        raise StoreError(str(server), f"cannot be trusted: {reason}", AUTHORITY) from None
    except (smtplib.SMTPException, OSError) as error:
        raise StoreError(str(server), _broken(error)) from None


def _broken(error: Exception) -> str:
    """Say how the connection ended; smtplib hides the reason behind an error of its own."""
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        return "no answer came in time"
    if isinstance(error.__context__, _Endless):
        return "an answer has no end"
    if isinstance(error, smtplib.SMTPException):
        return "the connection broke off"
    number = error.errno if isinstance(error, OSError) else None
    reason = os.strerror(number) if number and number > 0 else "no such host"
    return f"no connection can be made: {reason.lower()}"


def _answer(code: int, text: bytes | str) -> str:
    words = text if isinstance(text, str) else text.decode(errors="replace")
    return printable(f"{code} {' '.join(words.split())}", SAID)
