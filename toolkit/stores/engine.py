"""A running Docker engine, or what speaks its API as `podman system service` does, asked over HTTP.

    GET  /version  /info                   what it is
    GET  /images/json                      what it has; /images/<id>/json and /history tell of one
    GET  /images/get?names=a&names=b       what docker save writes, as a stream
    POST /images/load                      what docker load takes; answers lines of JSON

(Docker Engine API, docs.docker.com/reference/api/engine.) No version stands in a path: each engine answers
as its newest one, and what we read is the same in all of them. Nobody is believed to be an engine because he
listens where one should: answers are bounded in bytes, values and time, and lead to no other host.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from urllib.parse import quote, urlencode

from toolkit.digest import Digest
from toolkit.errors import NotFound, StoreError, ToolkitError
from toolkit.plumbing.certificates import as_engines_trust, no_password
from toolkit.plumbing.endpoint import Endpoint, Reply, Waits
from toolkit.ports import Block
from toolkit.stores.engine_answer import (
    STEP,
    STRANGE,
    Told,
    complaint,
    complaint_in_lines,
    listed,
    refusal,
    whole,
)
from toolkit.stores.engine_host import Host

ANSWERING = 60.0  # seconds
# A save may be put together before its first byte is sent, and a load is silent while it is unpacked: a
# terabyte, our own limit of a bundle, at 50 MB/s takes less than six hours. What flows may pause for less.
PATIENCE = 6 * 3600.0  # seconds
SHORT, SAVING, LOADING = Waits(ANSWERING, ANSWERING, 300.0), Waits(PATIENCE, 600.0), Waits(PATIENCE, PATIENCE)
TAIL = 4096  # bytes of a stream's end that may be an error
RUNNING = "is it running? DOCKER_HOST or a docker context names another one"
BROKEN = "the connection broke off"
VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})")
UNTOLD = (9999, 0)  # the release of an engine that tells none
OK, REDIRECTING, REFUSING, NOT_FOUND = 200, 300, 400, 404


class Engine:
    """A connection to one engine; nothing is asked before a method is called. `close` it."""

    def __init__(self, host: Host) -> None:
        self.host, self.subject = host, f"the Docker engine at {host}"
        self._endpoint: Endpoint | None = None

    @property
    def version(self) -> str:
        """Return the engine's version as it tells it: 20.10.24+dfsg1."""
        return self._facts.optional("Version", str) or "unknown"

    @property
    def release(self) -> tuple[int, int]:
        """Return the first two numbers of the version; those of the newest where none are told."""
        found = VERSION.match(self.version)
        return (int(found[1]), int(found[2])) if found else UNTOLD

    @property
    def is_podman(self) -> bool:
        """Tell whether podman answers."""
        parts = self._facts.children("Components")
        return any("podman" in (part.optional("Name", str) or "").lower() for part in parts)

    @cached_property
    def keeps_manifests(self) -> bool:
        """Tell whether containerd keeps the images: with their manifests and all platforms."""
        pairs = self._object("/info").optional("DriverStatus", list) or []
        return any("io.containerd.snapshotter.v1" in pair for pair in pairs if isinstance(pair, list))

    def images(self) -> list[Told]:
        """List what `docker images` lists: Id, RepoTags, RepoDigests of each."""
        with self._asked("GET", "/images/json", SHORT) as reply:
            return listed(reply, self._of("/images/json"))

    def inspect(self, id_: str) -> Told:
        """Return what `docker image inspect` tells of an image ID or name; raises NotFound."""
        return self._object(f"/images/{quote(id_, safe='/:@')}/json")

    def history(self, id_: str) -> list[Told]:
        """Return what `docker history` tells of an image, the newest first; raises NotFound."""
        path = f"/images/{quote(id_, safe='/:@')}/history"
        with self._asked("GET", path, SHORT) as reply:
            return list(Told({"": whole(reply, self._of(path))}, self._of(path)).children(""))

    def save(self, names: Sequence[str]) -> Iterator[Block]:
        """Yield the tar that `docker save` writes of these names, or of one ID.

        An older engine assembles all of it before the first byte: there is no limit on its time. Raises
        NotFound, or StoreError where the engine fails or goes away before the end.
        """
        tail = b""
        path = f"/images/get?{urlencode({'names': names}, doseq=True)}"
        with self._asked("GET", path, SAVING) as reply:
            for block in reply.blocks(STEP):
                tail = (tail + block[-TAIL:])[-TAIL:]
                yield block
        self._refuse_failure(tail)

    def load(self, blocks: Iterator[Block]) -> None:
        """Send a bundle as `docker load` does; raises StoreError with what the engine said against it.

        Where the blocks end in an exception the connection breaks off, and the engine loads nothing.
        """
        with self._asked("POST", "/images/load?quiet=1", LOADING, blocks) as reply:
            said = complaint_in_lines(reply, self._of("/images/load"))
        if said:
            raise StoreError(self.subject, f"says: {said}")

    def close(self) -> None:
        """Let the connection go."""
        if self._endpoint is not None:
            self._endpoint.close()

    @cached_property
    def _facts(self) -> Told:
        return self._object("/version")

    def _of(self, path: str) -> str:
        return f"{path} of {self.subject}"

    def _object(self, path: str) -> Told:
        with self._asked("GET", path, SHORT) as reply:
            answer = whole(reply, self._of(path))
        if not isinstance(answer, dict):
            raise StoreError(self._of(path), "is no JSON object", STRANGE)
        return Told(answer, self._of(path))

    @contextmanager
    def _asked(
        self, method: str, path: str, waits: Waits, body: Iterator[Block] | None = None
    ) -> Iterator[Reply]:
        """Yield a reply that was no refusal, its body unread; what fails while it is read is told too."""
        headers = {"Content-Type": "application/x-tar"} if body is not None else {}
        try:
            with self._connected().ask(method, path, waits, body, headers) as reply:
                self._refuse_status(reply, path.partition("?")[0])
                yield reply
        except OSError as error:
            raise self._failure(error, waits) from error

    def _connected(self) -> Endpoint:
        if (socket := self.host.socket) and not os.path.exists(socket):
            raise StoreError(self.subject, "is not there: no such socket", RUNNING)
        if self._endpoint is None:
            self._endpoint = _endpoint(self.host)
        return self._endpoint

    def _refuse_status(self, reply: Reply, path: str) -> None:
        status = reply.status
        if OK <= status < REDIRECTING:
            return
        if status == NOT_FOUND:
            raise NotFound(self.subject, f"has no such image: {refusal(reply)}")
        if REDIRECTING <= status < REFUSING:
            raise StoreError(self.subject, f"answers {path} with {status}: it leads elsewhere", STRANGE)
        raise StoreError(self.subject, f"answers {path} with {status}: {refusal(reply)}")

    def _refuse_failure(self, tail: bytes) -> None:
        """Raise where a tar ends in an error: its status was sent before the engine knew (FormatError)."""
        start = tail.rfind(b'{"errorDetail"')
        if start >= 0 and tail.rstrip().endswith(b"}") and (said := complaint(tail[start:])):
            raise StoreError(self.subject, f"says: {said}")

    def _failure(self, reason: OSError, waits: Waits) -> StoreError:
        """Return the one sentence for a connection that failed."""
        if isinstance(reason, PermissionError):
            advice = "join the group of its socket (docker), or run as root"
            return StoreError(self.subject, "lets us not in: permission denied", advice)
        if isinstance(reason, FileNotFoundError | ConnectionRefusedError):
            return StoreError(self.subject, f"is not there: {(reason.strerror or '').lower()}", RUNNING)
        if isinstance(reason, TimeoutError):
            problem = f"does not answer within {waits.first:.0f} seconds, or stopped in the middle"
            return StoreError(self.subject, problem, RUNNING)
        if isinstance(reason, ssl.SSLError):
            advice = "the certificates are those of DOCKER_CERT_PATH, or of the docker context"
            return StoreError(self.subject, f"is not trusted: {reason.reason or reason}", advice)
        words = (reason.strerror or BROKEN).lower()
        return StoreError(self.subject, f"failed us: {words}", "see its log, and run again")


def _endpoint(host: Host) -> Endpoint:
    """Return the connection to a host; raises StoreError."""
    try:
        return Endpoint(host.address, host.socket, _context(host))
    except (OSError, ValueError) as error:
        subject = f"the Docker engine at {host}"
        raise StoreError(
            subject, f"cannot be reached: its address or certificates cannot be used ({error})"
        ) from error


def _context(host: Host) -> ssl.SSLContext | None:
    """Return the TLS context of a host; raises OSError or ValueError for certificates that are none."""
    if host.tls is None:
        return None
    context = as_engines_trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    if not host.tls.verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    elif host.tls.ca:
        context.load_verify_locations(host.tls.ca)
    else:
        context.load_default_certs()
    if host.tls.cert:
        context.load_cert_chain(host.tls.cert, host.tls.key, no_password)
    return context


def image_id(text: str) -> str:
    """Return an ID as engines tell it, where it is one: `sha256:` and 64 digits, also without `sha256:`."""
    digits = text.removeprefix("sha256:")
    try:
        return str(Digest.parse(f"sha256:{digits}"))
    except ToolkitError:
        return ""
