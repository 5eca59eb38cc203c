"""A running Docker engine, or what speaks its API as `podman system service` does, asked over HTTP.

    GET  /version  /info                   what it is
    GET  /images/json                      what it has; /images/<id>/json and /history tell of one
    GET  /images/get?names=a&names=b       what docker save writes, as a stream
    POST /images/load                      what docker load takes; answers lines of JSON

(Docker Engine API, docs.docker.com/reference/api/engine.) No version stands in a path: each engine answers
as its newest one, and what we read is the same in all of them. The `docker` package makes the connection.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cached_property
from typing import Any
from urllib.parse import quote

from toolkit.digest import Digest
from toolkit.document import Node, load, load_any
from toolkit.errors import CorruptContent, NotFound, StoreError, ToolkitError
from toolkit.plumbing.certificates import as_engines_trust
from toolkit.ports import Block
from toolkit.stores.engine_host import Host

API = "1.24"  # what the package is told so that it does not ask; it goes into no path of ours
ANSWER_LIMIT = 64 << 20  # bytes of an answer; a listing of 10,000 images has about 10 MB
ANSWER_VALUES = 4_000_000  # values in one
CONNECTING, ANSWERING = 10.0, 60.0  # seconds
STEP = 1 << 20  # bytes
TAIL = 4096  # bytes of a stream's end that may be an error
RUNNING = "is it running? DOCKER_HOST or a docker context names another one"
STRANGE = "is it a Docker engine?"
BROKEN = "the connection broke off"
VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})")
UNTOLD = (9999, 0)  # the release of an engine that tells none
SAID_LIMIT = 500  # characters of what an engine says


class Engine:
    """A connection to one engine; nothing is asked before a method is called. `close` it."""

    def __init__(self, host: Host) -> None:
        """Prepare the connection; raises StoreError where the package cannot make one of the host."""
        self.host, self.subject = host, f"the Docker engine at {host}"
        self._client: Any = None

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

    def images(self) -> list[Node]:
        """List what `docker images` lists: Id, RepoTags, RepoDigests, Created, Size of each."""
        return list(Node({"": self._answer("/images/json")}, f"images of {self.subject}").children(""))

    def inspect(self, id_: str) -> Node:
        """Return what `docker image inspect` tells of an image ID or name; raises NotFound."""
        return self._object(f"/images/{quote(id_, safe='/:@')}/json")

    def history(self, id_: str) -> list[Node]:
        """Return what `docker history` tells of an image, the newest first; raises NotFound."""
        path = f"/images/{quote(id_, safe='/:@')}/history"
        return list(Node({"": self._answer(path)}, f"history of {id_}").children(""))

    def save(self, names: Sequence[str]) -> Iterator[Block]:
        """Yield the tar that `docker save` writes of these names, or of one ID.

        An older engine assembles all of it before the first byte: there is no limit on its time. Raises
        NotFound, or StoreError where the engine fails or goes away before the end.
        """
        tail = b""
        path, wait = "/images/get", (CONNECTING, None)
        with self._asked("GET", path, params={"names": list(names)}, timeout=wait) as response:
            for block in response.iter_content(STEP):
                tail = (tail + block[-TAIL:])[-TAIL:]
                yield block
        self._refuse_failure(tail)

    def load(self, blocks: Iterator[Block]) -> None:
        """Send a bundle as `docker load` does; raises StoreError with what the engine said against it.

        Where the blocks end in an exception the connection breaks off, and the engine loads nothing.
        """
        words = {"params": {"quiet": "1"}, "headers": {"Content-Type": "application/x-tar"}}
        wait = (CONNECTING, None)
        with self._asked("POST", "/images/load", data=blocks, timeout=wait, **words) as response:
            answer = _bounded(response, self.subject)
        for line in answer.splitlines():
            self._refuse_error(line)

    def close(self) -> None:
        """Let the connection go."""
        if self._client is not None:
            self._client.close()

    @cached_property
    def _facts(self) -> Node:
        return self._object("/version")

    def _object(self, path: str) -> Node:
        answer = self._answer(path)
        if not isinstance(answer, dict):
            raise StoreError(self.subject, f"answers {path} with no JSON object", STRANGE)
        return Node(answer, f"{path} of {self.subject}")

    def _answer(self, path: str) -> Any:  # noqa: ANN401 - JSON is anything
        with self._asked("GET", path, timeout=(CONNECTING, ANSWERING)) as response:
            raw = _bounded(response, self.subject)
        try:
            return load_any(raw, f"{path} of {self.subject}", ANSWER_LIMIT, ANSWER_VALUES)
        except CorruptContent as error:
            raise StoreError(self.subject, f"answers {path} with no JSON", STRANGE) from error

    @contextmanager
    def _asked(self, method: str, path: str, **words: Any) -> Iterator[Any]:  # noqa: ANN401 - the package's
        """Yield a response that was no refusal, its body unread; what fails while it is read is told too."""
        try:
            client = self._connected()
            url, verify = f"{client.base_url}{path}", client.verify
            with closing(client.request(method, url, stream=True, verify=verify, **words)) as response:
                self._refuse_status(response, path)
                yield response
        except ToolkitError:
            raise
        except OSError as error:  # all failures of the connection are of this class
            raise self._failure(error) from error

    def _connected(self) -> Any:  # noqa: ANN401 - the package has no types
        if self._client is None:
            if (socket := self.host.socket) and not os.path.exists(socket):
                raise StoreError(self.subject, "is not there: no such socket", RUNNING)
            self._client = _client(self.host)
        return self._client

    def _refuse_status(self, response: Any, path: str) -> None:  # noqa: ANN401
        status = response.status_code
        if status < 300:  # noqa: PLR2004 - HTTP's successes
            return
        said = _said(_bounded(response, self.subject)) or str(response.reason or "")
        if status == 404:  # noqa: PLR2004 - not found
            raise NotFound(self.subject, f"has no such image: {said}")
        raise StoreError(self.subject, f"answers {path} with {status}: {said}")

    def _refuse_failure(self, tail: bytes) -> None:
        """Raise where a tar ends in an error: its status was sent before the engine knew (FormatError)."""
        start = tail.rfind(b'{"errorDetail"')
        if start >= 0 and tail.rstrip().endswith(b"}"):
            self._refuse_error(tail[start:])

    def _refuse_error(self, line: bytes) -> None:
        if said := _said(line):
            raise StoreError(self.subject, f"says: {said}")

    def _failure(self, error: OSError) -> StoreError:
        """Return the one sentence for a connection that failed."""
        reason = _cause(error)
        if isinstance(reason, PermissionError):
            advice = "join the group of its socket (docker), or run as root"
            return StoreError(self.subject, "lets us not in: permission denied", advice)
        if isinstance(reason, FileNotFoundError | ConnectionRefusedError):
            return StoreError(self.subject, f"is not there: {(reason.strerror or '').lower()}", RUNNING)
        if isinstance(reason, TimeoutError):
            return StoreError(self.subject, f"does not answer for {ANSWERING:.0f} seconds", RUNNING)
        if isinstance(reason, ssl.SSLError):
            advice = "the certificates are those of DOCKER_CERT_PATH, or of the docker context"
            return StoreError(self.subject, f"is not trusted: {reason.reason or reason}", advice)
        words = (reason.strerror or BROKEN).lower()
        return StoreError(self.subject, f"failed us: {words}", "see its log, and run again")


def _client(host: Host) -> Any:  # noqa: ANN401 - the package has no types
    """Return the package's connection; raises StoreError."""
    from docker import APIClient
    from docker.errors import DockerException
    from docker.tls import TLSConfig

    try:
        tls = None
        if host.tls:
            pair = (host.tls.cert, host.tls.key) if host.tls.cert else None
            tls = TLSConfig(client_cert=pair, ca_cert=host.tls.ca or None, verify=host.tls.verify)
        client = APIClient(base_url=host.url, version=API, tls=tls or False)
    except (DockerException, ValueError) as error:
        said = str(error).replace(host.url, str(host))[:SAID_LIMIT]
        raise StoreError(f"the Docker engine at {host}", f"cannot be reached: {said}") from error
    if host.tls and host.tls.verify:
        context = as_engines_trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        client.get_adapter(client.base_url).init_poolmanager(1, 1, ssl_context=context)
    return client


def _bounded(response: Any, subject: str) -> bytes:  # noqa: ANN401
    """Read an answer whole; raises StoreError for one that is absurdly long."""
    raw = bytearray()
    for block in response.iter_content(STEP):
        raw += block
        if len(raw) > ANSWER_LIMIT:
            raise StoreError(subject, f"answers with more than {ANSWER_LIMIT} bytes", STRANGE)
    return bytes(raw)


def _said(line: bytes) -> str:
    """Return the complaint in a line of JSON; empty where there is none."""
    try:
        facts: Mapping[str, Any] = load(line, "answer").value
    except CorruptContent:
        return ""
    detail = facts.get("errorDetail")
    said = detail.get("message") if isinstance(detail, dict) else None
    said = said or facts.get("error") or facts.get("message") or facts.get("cause")
    return str(said).strip()[:SAID_LIMIT] if said else ""


def _cause(error: BaseException) -> OSError:
    """Return the failure of the system below those of the packages, which wrap it in arguments and causes."""
    seen: list[BaseException] = [error]
    found = OSError()
    for each in seen:  # grows while it is walked
        inner = (each.__cause__, each.__context__, getattr(each, "reason", None), *each.args)
        seen += [one for one in inner if isinstance(one, BaseException) and one not in seen]
        if isinstance(each, OSError) and (each.errno or isinstance(each, TimeoutError)):
            found = each
    return found


def image_id(text: str) -> str:
    """Return an ID as engines tell it, where it is one: `sha256:` and 64 digits, also without `sha256:`."""
    digits = text.removeprefix("sha256:")
    try:
        return str(Digest.parse(f"sha256:{digits}"))
    except ToolkitError:
        return ""
