"""Transport: requests over HTTP, made again where that may help; bounded in bytes, time and redirects.

The one door to urllib3. Nothing that may be secret gets into an error: of a URL only its scheme, host and
path are told, of headers and bodies nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import SplitResult, urljoin, urlsplit

from toolkit.errors import RegistryError, UnsafeArchive
from toolkit.plumbing.certificates import FOLDERS, context_for, has_certificates, is_loopback
from toolkit.plumbing.patience import Patience, retry_after

if TYPE_CHECKING:
    import urllib3
    from urllib3.response import BaseHTTPResponse

USER_AGENT = "lading/0.1"
LIMIT = 4 << 20  # bytes of a document
BLOCK = 1 << 20  # bytes
SHORT = 64 << 10  # bytes of a body that are read to keep its connection
REDIRECTS = 10
REDIRECTING = frozenset({301, 302, 303, 307, 308})
SAME_METHOD = frozenset({307, 308})
REFUSED = 400  # and above
BUSY = frozenset({429, 500, 502, 503, 504})
PORTS = {"http": 80, "https": 443}
CONNECTING, READING = 15.0, 60.0  # seconds until we give up on a connection, or on its next bytes
AT_ONCE = 16  # connections that are kept to one host

Body = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    headers: Mapping[str, str] = field(repr=False)  # by any case; several of one name are joined by commas
    body: bytes = field(repr=False)
    url: str = field(repr=False)  # that answered, after redirects


class Flow:
    """An answer whose body is still to come."""

    def __init__(self, response: BaseHTTPResponse, url: str, method: str) -> None:
        self.status, self.headers, self.url = response.status, response.headers, url
        self._response, self._method = response, method

    def blocks(self) -> Iterator[bytes]:
        """Yield the body as it was sent; raises RegistryError where the connection breaks."""
        with _told(self._method, self.url):
            while block := self._response.read(BLOCK, decode_content=False):
                yield block


class Transport:
    """Connections to any hosts, for several threads.

    Plain HTTP is spoken to this machine, and to `insecure` hosts, but where `folders` hold certificates for
    a host. It is not tried out which of the two a host speaks: who answers first is nobody we know.
    """

    def __init__(
        self,
        insecure: Sequence[str] = (),
        patience: Patience | None = None,
        folders: Sequence[Path] = FOLDERS,
        timeouts: tuple[float, float] = (CONNECTING, READING),
    ) -> None:
        self.patience = patience or Patience()
        self._insecure, self._folders, self._timeouts = frozenset(insecure), folders, timeouts
        self._pools: dict[tuple[str, str, int], urllib3.HTTPConnectionPool] = {}
        self._answered: set[str] = set()
        self._lock = threading.Lock()

    def scheme(self, host: str) -> str:
        """Return how a host, perhaps with a port, is spoken to."""
        parts = urlsplit(f"//{host}")
        bare = parts.hostname or ""
        plain = is_loopback(bare) or {host.lower(), bare} & self._insecure
        return "http" if plain and not has_certificates(bare, parts.port, self._folders) else "https"

    def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: Body | Iterator[bytes] | None = None,
        *,
        limit: int = LIMIT,
        repeat: bool = True,
    ) -> Answer:
        """Make a request and read its answer, of whatever status; with `repeat` made again where it fails.

        A body that is yielded can be sent once only, to where `url` leads: it needs its Content-Length.

        Raises RegistryError without an answer, UnsafeArchive for one of more than `limit` bytes.
        """
        series = self.patience.series()
        while True:
            try:
                with self._asked(method, url, headers, body) as flow:
                    answer = Answer(flow.status, flow.headers, _bounded(flow, limit, shown(url)), flow.url)
            except RegistryError as error:
                if not (repeat and self._may_pass(error) and series.again()):
                    raise
                continue
            wait = retry_after(answer.headers.get("Retry-After"))
            if not (repeat and answer.status in BUSY and series.again(wait)):
                return answer

    @contextmanager
    def flow(self, method: str, url: str, headers: Mapping[str, str] | None = None) -> Iterator[Flow]:
        """Make a request and yield its answer, the body unread; made again only until it is answered."""
        series, answered = self.patience.series(), False
        while not answered:
            try:
                with self._asked(method, url, headers, None) as flow:
                    wait = retry_after(flow.headers.get("Retry-After"))
                    if answered := flow.status not in BUSY or not series.again(wait):
                        yield flow
            except RegistryError as error:
                # What breaks off in the middle of a body is for the caller, who knows how far it got.
                if answered or not (self._may_pass(error) and series.again()):
                    raise

    def close(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            pool.close()

    @contextmanager
    def _asked(
        self, method: str, url: str, headers: Mapping[str, str] | None, body: Body | Iterator[bytes] | None
    ) -> Iterator[Flow]:
        """Make one request, following redirects by hand: a library would carry a login along."""
        sent = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **(headers or {})}
        for _ in range(REDIRECTS + 1):
            response = self._once(method, url, sent, body)
            try:
                place = response.headers.get("Location")
                if not place or not _follows(method, response.status) or isinstance(body, Iterator):
                    yield Flow(response, url, method)
                    return
            finally:
                _let_go(response)
            url, sent = _redirected(method, url, place, sent)
        raise _error(method, url, f"led through more than {REDIRECTS} redirects")

    def _once(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | Iterator[bytes] | None
    ) -> BaseHTTPResponse:
        parts = urlsplit(url)
        pool = self._pool(method, parts)
        target = parts.path or "/"
        with _told(method, url, began=False):
            response = pool.urlopen(
                method,
                f"{target}?{parts.query}" if parts.query else target,
                body=cast("bytes", body),
                headers=headers,
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
        self._answered.add(parts.netloc)
        return response

    def _pool(self, method: str, parts: SplitResult) -> urllib3.HTTPConnectionPool:
        import urllib3

        host, scheme = parts.hostname or "", parts.scheme
        try:
            port = parts.port or PORTS[scheme]
        except (KeyError, ValueError) as error:
            raise _error(method, parts.geturl(), "is no address of HTTP") from error
        if scheme == "http" and self.scheme(parts.netloc.rpartition("@")[2]) != "http":
            advice = f"if it is to be, list it: insecure = {parts.netloc.rpartition('@')[2]} under [lading]"
            raise _error(method, parts.geturl(), "is plain HTTP, and not on this machine", advice)
        with self._lock:
            if (pool := self._pools.get((scheme, host, port))) is None:
                timeout = urllib3.Timeout(*self._timeouts)
                if scheme == "http":
                    pool = urllib3.HTTPConnectionPool(host, port, timeout=timeout, maxsize=AT_ONCE)
                else:
                    context = context_for(host, parts.port, self._folders)
                    pool = urllib3.HTTPSConnectionPool(
                        host, port, timeout=timeout, maxsize=AT_ONCE, ssl_context=context
                    )
                self._pools[scheme, host, port] = pool
        return pool

    def _may_pass(self, error: RegistryError) -> bool:
        """Tell whether a request without an answer may get one: not where nobody was ever there."""
        return error.code == BROKEN or (error.code == NOBODY and urlsplit(error.url).netloc in self._answered)


BROKEN, NOBODY = "BROKEN", "NOBODY"  # codes of ours: a connection that broke, and one that never was


def origin(url: str) -> tuple[str, str, int | None]:
    """Return what a login belongs to: scheme, host and port (RFC 6454)."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or PORTS.get(parts.scheme)


def shown(url: str) -> str:
    """Return a URL without what may be secret in it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(an address that is none)"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _follows(method: str, status: int) -> bool:
    return status in REDIRECTING if method in {"GET", "HEAD"} else status in SAME_METHOD


def _redirected(method: str, url: str, place: str, headers: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return where a redirect leads, and what is sent there; a login only to where it belongs."""
    try:
        there = urljoin(url, place)
        same = origin(there) == origin(url)
    except ValueError as error:
        raise _error(method, url, "redirects to what is no address") from error
    if urlsplit(url).scheme == "https" and urlsplit(there).scheme != "https":
        raise _error(method, url, f"redirects from https to {shown(there)}")
    return there, {name: text for name, text in headers.items() if same or name != "Authorization"}


def _bounded(flow: Flow, limit: int, subject: str) -> bytes:
    """Read a body of at most `limit` bytes; of a refusal no more than its beginning is of use."""
    body = bytearray()
    for block in flow.blocks():
        body += block
        if flow.status >= REFUSED and len(body) >= SHORT:
            return bytes(body[:SHORT])
        if flow.status < REFUSED and len(body) > limit:
            raise UnsafeArchive(subject, f"answers with more than {limit} bytes")
    return bytes(body)


def _let_go(response: BaseHTTPResponse) -> None:
    """Keep the connection where the body was read, or little of it is to come; else close it."""
    left = getattr(response, "length_remaining", None)
    if left is not None and left <= SHORT:
        response.drain_conn()
        response.release_conn()
    else:
        response.close()


def _error(method: str, url: str, problem: str, advice: str = "", code: str = "") -> RegistryError:
    told = shown(url)
    return RegistryError(f"{method} {told}", problem, advice, method, told, 0, code)


@contextmanager
def _told(method: str, url: str, *, began: bool = True) -> Iterator[None]:
    """Turn what urllib3 raises into one sentence; the cause is not kept, its text may hold the query."""
    from urllib3 import exceptions

    try:
        yield
    except exceptions.SSLError as error:
        reason = getattr(error.args[0] if error.args else None, "verify_message", "") or "TLS failed"
        advice = "its certificate authority belongs into certs.d/HOST[:PORT]/ca.crt"
        raise _error(method, url, f"cannot be trusted: {reason}", advice) from None
    except (exceptions.NewConnectionError, exceptions.ConnectTimeoutError) as error:
        unknown = isinstance(error, exceptions.NameResolutionError)
        reason = "no such host" if unknown else "no connection can be made"
        raise _error(method, url, reason, "", NOBODY) from None
    except exceptions.TimeoutError:
        problem = "no more bytes came in time" if began else "no answer came in time"
        raise _error(method, url, problem, "", BROKEN) from None
    except (exceptions.HTTPError, HTTPException, OSError):
        problem = "the connection broke off"
        raise _error(method, url, problem, "", BROKEN) from None
    except ValueError:
        raise _error(method, url, "cannot be asked: its address or headers are no HTTP") from None
