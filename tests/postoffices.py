"""A mail server of the tests' own (RFC 5321), whose every answer a test decides."""

from __future__ import annotations

import contextlib
import socketserver
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from types import TracebackType
from typing import BinaryIO, Self, cast

USUAL = {
    "": b"220 post.example ESMTP\r\n",  # what it says to whoever comes
    "MAIL": b"250 ok\r\n",
    "RCPT": b"250 ok\r\n",
    "DATA": b"354 go on\r\n",
    ".": b"250 taken\r\n",  # to a message
    "AUTH": b"235 welcome\r\n",
    "RSET": b"250 ok\r\n",
    "QUIT": b"221 bye\r\n",
}
HANG, DROP = b"(hang)", b"(drop)"  # no answer, and an end of the connection


@dataclass
class Letter:
    """A message as it came in, and for whom."""

    raw: bytes
    recipients: list[str]
    sender: str
    was_private: bool

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.raw.replace(b"\r\n", b"\n"), policy=default)


@dataclass
class _Talk:
    sender: str = ""
    recipients: list[str] = field(default_factory=list)
    is_private: bool = False


class PostOffice:
    """A server on this machine; `answers` are by command, else USUAL.

    With a `context` it offers STARTTLS or, `at_once`, speaks TLS from the first byte on.
    """

    def __init__(
        self,
        answers: Mapping[str, bytes] | None = None,
        *,
        offers: tuple[str, ...] = ("AUTH PLAIN",),
        context: ssl.SSLContext | None = None,
        at_once: bool = False,
    ) -> None:
        self.answers = {**USUAL, **(answers or {})}
        self.offers, self.context, self.at_once = offers, context, at_once
        self.letters: list[Letter] = []
        self.heard: list[str] = []
        self._over = threading.Event()
        office = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    office.serve(self)
                self.connection.close()  # which may be another one by now

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

            def handle_error(self, *words: object) -> None:
                """Say nothing of clients that have gone."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self.host = f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def serve(self, handler: socketserver.StreamRequestHandler) -> None:
        talk = _Talk()
        if self.context and self.at_once:
            self._go_private(handler, talk)
        verb = ""
        while self._answer(handler.wfile, verb, talk) and verb != "QUIT":
            if verb == "STARTTLS":
                self._go_private(handler, talk)
            if verb == "DATA" and not self._take_letter(cast("BinaryIO", handler.rfile), handler.wfile, talk):
                return
            if not (line := handler.rfile.readline(8192)):
                return
            self.heard.append(line.decode("latin-1").rstrip("\r\n"))
            verb = self.heard[-1].partition(" ")[0].upper()
            self._note(verb, self.heard[-1], talk)

    def _note(self, verb: str, line: str, talk: _Talk) -> None:
        address = line.partition("<")[2].partition(">")[0]
        if verb == "MAIL":
            talk.sender, talk.recipients = address, []
        elif verb == "RCPT":
            talk.recipients.append(address)

    def _answer(self, out: BinaryIO | object, verb: str, talk: _Talk) -> bool:
        answer = self.answers.get(f"{verb} {talk.recipients[-1]}" if verb == "RCPT" else verb)
        if answer is None and verb == "EHLO":
            offers = [*self.offers, *(["STARTTLS"] if self.context and not talk.is_private else [])]
            lines = ["post.example", *offers]
            answer = b"".join(b"250-%s\r\n" % line.encode() for line in lines[:-1])
            answer += b"250 %s\r\n" % lines[-1].encode()
        elif answer is None and verb == "STARTTLS" and self.context:
            answer = b"220 go on\r\n"
        answer = answer or self.answers.get(verb, b"502 what?\r\n")
        if answer is HANG:
            self._over.wait()
        if answer in {HANG, DROP}:
            return False
        cast("BinaryIO", out).write(answer)
        return True

    def _go_private(self, handler: socketserver.StreamRequestHandler, talk: _Talk) -> None:
        assert self.context is not None
        handler.request = handler.connection = self.context.wrap_socket(handler.connection, server_side=True)
        handler.rfile = handler.connection.makefile("rb")
        handler.wfile = handler.connection.makefile("wb", buffering=0)
        talk.is_private = True

    def _take_letter(self, lines: BinaryIO, out: object, talk: _Talk) -> bool:
        raw = b""
        while (line := lines.readline()) != b".\r\n":
            if not line:
                return False
            raw += line.removeprefix(b".")
        self.letters.append(Letter(raw, list(talk.recipients), talk.sender, talk.is_private))
        return self._answer(out, ".", talk)
