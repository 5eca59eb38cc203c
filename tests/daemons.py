"""An engine of the tests' own: HTTP on a Unix socket, with canned answers, and what it was asked."""

from __future__ import annotations

import json
import os
import shutil
import socketserver
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

DOCKER = {"Version": "20.10.24", "ApiVersion": "1.41", "Components": [{"Name": "Engine"}]}


@dataclass
class Answer:
    """A status and a body; `cut` leaves the stream before its end."""

    body: bytes = b"{}"
    status: int = 200
    cut: bool = False


@dataclass
class FakeEngine:
    """What it answers by path, without the question; and the requests, in order."""

    host: str
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    taken: list[bytes] = field(default_factory=list)

    def says(self, path: str, document: object, status: int = 200) -> None:
        self.answers[path] = Answer(json.dumps(document).encode(), status)

    def has(self, *images: Mapping[str, Any], history: Any = ()) -> None:
        """Hold images, each told by its inspect document."""
        listed = [{key: image.get(key) for key in ("Id", "RepoTags", "RepoDigests")} for image in images]
        self.says("/images/json", listed)
        for image in images:
            for name in (image["Id"], *(image.get("RepoTags") or ())):
                self.says(f"/images/{name}/json", image)
                self.says(f"/images/{name}/history", list(history))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: FakeEngine

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        if (body := self._body()) is not None:
            self.engine.taken.append(body)
            self._answer()

    def _body(self) -> bytes | None:
        """Read a body in chunks; None of one that breaks off."""
        assert self.headers["Transfer-Encoding"] == "chunked"
        body = b""
        while size := int(self.rfile.readline() or b"-1", 16):
            if size < 0 or len(chunk := self.rfile.read(size + 2)) < size + 2:
                self.close_connection = True
                return None
            body += chunk[:-2]
        self.rfile.readline()
        return body

    def _answer(self) -> None:
        self.engine.asked.append(f"{self.command} {unquote(self.path)}")
        missing = Answer(b'{"message":"no such image"}', 404)
        answer = self.engine.answers.get(unquote(self.path.partition("?")[0]), missing)
        self.send_response(answer.status)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(answer.body), answer.body) if answer.body else b"")
        if answer.cut:
            self.close_connection = True
            return
        self.wfile.write(b"0\r\n\r\n")

    def address_string(self) -> str:
        return "socket"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's word
        """Say nothing."""


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of who hung up."""


class _TcpServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of who was not let in."""


def certificates(folder: Path) -> None:
    """Make an authority and one certificate of it, for 127.0.0.1 and for who asks: ca, cert, key."""
    folder.mkdir(parents=True)
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
    here = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    for name, holder in (("ca", authority), ("cert", key)):
        subject = issuer if name == "ca" else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "engine")])
        made = (
            x509.CertificateBuilder(issuer, subject, holder.public_key(), x509.random_serial_number())
            .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
            .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
            .add_extension(x509.BasicConstraints(ca=name == "ca", path_length=None), critical=True)
            .add_extension(here, critical=False)
            .sign(authority, SHA256())
        )
        (folder / f"{name}.pem").write_bytes(made.public_bytes(Encoding.PEM))
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(plain)


@contextmanager
def tls_engine(folder: Path) -> Iterator[FakeEngine]:
    """Run one on TCP that shows a certificate of `certificates`, and wants one of the same authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    context.load_verify_locations(folder / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    engine = FakeEngine("")
    engine.says("/version", DOCKER)
    with _TcpServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"engine": engine})) as server:
        engine.host = f"tcp://127.0.0.1:{server.server_address[1]}"
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield engine
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def fake_engine() -> Iterator[FakeEngine]:
    """Run one until the block ends; its socket's path is short, as it must be."""
    folder = Path(tempfile.mkdtemp(prefix="engine-", dir="/tmp"))
    engine = FakeEngine(f"unix://{folder}/s")
    engine.says("/version", DOCKER)
    engine.says("/info", {"DriverStatus": None})
    handler = type("Handler", (_Handler,), {"engine": engine})
    with _Server(os.fspath(folder / "s"), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield engine
        finally:
            server.shutdown()
            thread.join()
            shutil.rmtree(folder)
