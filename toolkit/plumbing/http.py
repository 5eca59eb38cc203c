"""Transport: requests over HTTP, made again where that may help; bounded in bytes, time and redirects.

Nothing that may be secret gets into an error (toolkit.plumbing.failures).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from toolkit.errors import RegistryError
from toolkit.limits import limits, more_than
from toolkit.plumbing.allowance import told_wait
from toolkit.plumbing.certificates import FOLDERS, has_certificates, is_loopback
from toolkit.plumbing.connections import Connections
from toolkit.plumbing.failures import BROKEN, NOBODY, failure, led, told
from toolkit.plumbing.pace import Pace
from toolkit.plumbing.patience import Patience
from toolkit.plumbing.proxies import Proxies, Proxy
from toolkit.plumbing.urls import origin, shown
from toolkit.ports import Block

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse

USER_AGENT = "lading/0.1"
BLOCK = 1 << 20  # bytes
SHORT = 64 << 10  # bytes of a body that are read to keep its connection
REDIRECTS = 10
REDIRECTING = frozenset({301, 302, 303, 307, 308})
SAME_METHOD = frozenset({307, 308})
REFUSED = 400  # and above
BUSY = frozenset({429, 500, 502, 503, 504})
CONNECTING, READING = 15.0, 60.0  # seconds until we give up on a connection, or on its next bytes

Body = bytes | bytearray | memoryview


class Secret(bytes):
    """A body that no redirect may take to another host."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    headers: Mapping[str, str] = field(repr=False)  # by any case; several of one name are joined by commas
    body: bytes = field(repr=False)
    url: str = field(repr=False)  # that answered, after redirects


class Flow:
    """An answer whose body is still to come."""

    def __init__(self, response: BaseHTTPResponse, url: str, method: str, pace: Pace | None = None) -> None:
        self.status, self.headers, self.url = response.status, response.headers, url
        self._response, self._method, self._pace = response, method, pace

    def blocks(self) -> Iterator[bytes]:
        """Yield the body as it was sent; raises RegistryError where the connection breaks."""
        pace = self._pace
        with told(self._method, self.url):
            while block := self._response.read(pace.piece if pace else BLOCK, decode_content=False):
                if pace:
                    pace.wait(len(block))
                yield block


class Transport:
    """Connections to any hosts, for several threads.

    Plain HTTP is spoken to this machine, and to `insecure` hosts, but where `folders` hold certificates for
    a host. It is not tried out which of the two a host speaks: who answers first is nobody we know.
    Bodies pass at a `pace`, if there is one, in both directions together.
    """

    def __init__(
        self,
        insecure: Sequence[str] = (),
        patience: Patience | None = None,
        folders: Sequence[Path] = FOLDERS,
        timeouts: tuple[float, float] = (CONNECTING, READING),
        *,
        proxies: Proxies | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.patience = patience or Patience()
        self._insecure, self._folders, self._pace = frozenset(insecure), folders, pace
        self._connections = Connections(folders, timeouts, proxies or Proxies())
        self._answered: set[str] = set()

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
        limit: int | None = None,
        repeat: bool = True,
        follow: bool = True,
    ) -> Answer:
        """Make a request and read its answer, of whatever status; with `repeat` made again where it fails.

        Without `follow` a redirect is such an answer.

        A body that is yielded can be sent once only, to where `url` leads: it needs its Content-Length.

        Raises RegistryError without an answer, UnsafeArchive for one of more than `limit` bytes: those of a
        document, unless given.
        """
        series = self.patience.series()
        limit = limits().document if limit is None else limit
        while True:
            try:
                with self._asked(method, url, headers, body, follow=follow) as flow:
                    answer = Answer(flow.status, flow.headers, _bounded(flow, limit, shown(url)), flow.url)
            except RegistryError as error:
                if not (repeat and self._may_pass(error) and series.again()):
                    raise
                continue
            wait = told_wait(answer.status, answer.headers)
            if not (repeat and answer.status in BUSY and series.again(wait)):
                return answer

    @contextmanager
    def flow(self, method: str, url: str, headers: Mapping[str, str] | None = None) -> Iterator[Flow]:
        """Make a request and yield its answer, the body unread; made again only until it is answered."""
        series, answered = self.patience.series(), False
        while not answered:
            try:
                with self._asked(method, url, headers, None) as flow:
                    wait = told_wait(flow.status, flow.headers)
                    if answered := flow.status not in BUSY or not series.again(wait):
                        yield flow
            except RegistryError as error:
                # What breaks off in the middle of a body is for the caller, who knows how far it got.
                if answered or not (self._may_pass(error) and series.again()):
                    raise

    def between(self, url: str) -> Proxy | None:
        """Return the proxy that may have answered in place of a host; in a tunnel none can."""
        return self._connections.between(url)

    def close(self) -> None:
        """Close every connection."""
        self._connections.close()

    @contextmanager
    def _asked(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        body: Body | Iterator[bytes] | None,
        *,
        follow: bool = True,
    ) -> Iterator[Flow]:
        """Make one request, following redirects by hand: a library would carry a login along."""
        sent = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **(headers or {})}
        for _ in range(REDIRECTS + 1):
            response = self._once(method, url, sent, body)
            try:
                place = response.headers.get("Location")
                if not (place and follow and _follows(method, response.status)) or isinstance(body, Iterator):
                    yield Flow(response, url, method, self._pace)
                    return
            finally:
                _let_go(response)
            url, sent = _redirected(method, url, place, sent, is_secret=isinstance(body, Secret))
        raise failure(method, url, f"led through more than {REDIRECTS} redirects")

    def _once(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | Iterator[bytes] | None
    ) -> BaseHTTPResponse:
        parts = urlsplit(url)
        if parts.scheme == "http" and self.scheme(host := parts.netloc.rpartition("@")[2]) != "http":
            advice = f"if it is to be, list it: insecure = {host} under [lading]"
            raise failure(method, url, "is plain HTTP, and not on this machine", advice)
        headers, sent = self._paced(headers, body)
        response = self._connections.request(method, url, headers, sent)
        self._answered.add(parts.netloc)
        return response

    def _paced(
        self, headers: Mapping[str, str], body: Body | Iterator[bytes] | None
    ) -> tuple[Mapping[str, str], Body | Iterator[Block] | None]:
        if self._pace is None or body is None:
            return headers, body
        if isinstance(body, Iterator):
            return headers, self._pace.paced(body)
        return {**headers, "Content-Length": str(len(body))}, self._pace.paced([body])

    def _may_pass(self, error: RegistryError) -> bool:
        """Tell whether a request without an answer may get one: not where nobody was ever there."""
        return error.code == BROKEN or (error.code == NOBODY and urlsplit(error.url).netloc in self._answered)


def _follows(method: str, status: int) -> bool:
    return status in REDIRECTING if method in {"GET", "HEAD"} else status in SAME_METHOD


def _redirected(
    method: str, url: str, place: str, headers: Mapping[str, str], *, is_secret: bool
) -> tuple[str, dict[str, str]]:
    """Return where a redirect leads, and what is sent there; a login only to where it belongs."""
    there = led(method, url, place)
    same = origin(there) == origin(url)
    if is_secret and not same:
        raise failure(method, url, f"redirects a login to another host, {shown(there)}")
    return there, {name: text for name, text in headers.items() if same or name != "Authorization"}


def _bounded(flow: Flow, limit: int, subject: str) -> bytes:
    """Read a body of at most `limit` bytes; of a refusal no more than its beginning is of use."""
    body = bytearray()
    for block in flow.blocks():
        body += block
        if flow.status >= REFUSED and len(body) >= SHORT:
            return bytes(body[:SHORT])
        if flow.status < REFUSED and len(body) > limit:
            raise more_than(subject, "answers with more than {} bytes", limit)
    return bytes(body)


def _let_go(response: BaseHTTPResponse) -> None:
    """Keep the connection where the body was read, or little of it is to come; else close it."""
    left = getattr(response, "length_remaining", None)
    if left is not None and left <= SHORT:
        response.drain_conn()
        response.release_conn()
    else:
        response.close()
