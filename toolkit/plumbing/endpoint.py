"""Endpoint: one server of HTTP, behind a Unix socket or at a host and port, and nobody else.

No redirect is followed, no login is looked for, an answer comes as it was sent. Proxies are those that
Go's programs would use (toolkit.plumbing.proxies), and none on the way to a Unix socket.
"""

from __future__ import annotations

import math
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from toolkit.plumbing.http import USER_AGENT
from toolkit.plumbing.liveness import bound_waits
from toolkit.plumbing.proxies import Proxies, Proxy
from toolkit.plumbing.urls import PORTS
from toolkit.ports import Block

if TYPE_CHECKING:
    import ssl

    import urllib3
    from urllib3.response import BaseHTTPResponse

AT_ONCE = 8  # connections that are kept: a mirror asks an engine in several threads
CONNECTING = 10.0  # seconds
SENT = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
ALIVE = (  # whether the other end is still there is asked after a minute of silence, and given up in two
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 20),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
)


@dataclass(frozen=True, slots=True)
class Waits:
    """How long an answer is waited for, in seconds."""

    first: float  # for its first byte
    then: float  # for each 64 KiB after it, and for as many of a body to be taken
    together: float = math.inf  # for all of it


class Reply:
    """An answer whose body is still to come."""

    def __init__(self, response: BaseHTTPResponse) -> None:
        self.status, self.reason = response.status, response.reason or ""
        self._response = response

    def read(self, count: int) -> bytes:
        """Return the next bytes as they were sent; fewer than `count` only at the end."""
        return self._response.read(count, decode_content=False)

    def blocks(self, count: int) -> Iterator[bytes]:
        """Yield all that is still to come, `count` bytes at a time."""
        while block := self.read(count):
            yield block


class Endpoint:
    """Connections to one server; `url` is `http://HOST:PORT/BASE` or with https, where there is no `path`."""

    def __init__(self, url: str, path: Path | None, context: ssl.SSLContext | None = None) -> None:
        """Take an address; raises ValueError for one that is none. Nothing is connected before a request."""
        parts = urlsplit(url)
        if path is None and (parts.scheme not in PORTS or not parts.hostname):
            raise ValueError("it is no address of HTTP")
        self._scheme, self._host = parts.scheme, parts.hostname or ""
        self._port = parts.port or PORTS.get(parts.scheme, 0)
        self._path, self._context, self._folder = path, context, "" if path else parts.path.rstrip("/")
        self._pools: dict[Waits, urllib3.HTTPConnectionPool] = {}

    @contextmanager
    def ask(
        self,
        method: str,
        target: str,
        waits: Waits,
        body: Iterator[Block] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[Reply]:
        """Make one request and yield its answer, of whatever status, its body unread.

        Raises OSError without one, or where it breaks off: the system's own where one lies below it.
        """
        from urllib3.exceptions import HTTPError

        try:
            with closing(self._response(method, self._base() + target, waits, body, headers)) as response:
                yield Reply(response)
        except (OSError, HTTPError, HTTPException) as error:
            raise _cause(error) from error

    def close(self) -> None:
        """Close every connection; another request makes a new one."""
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()

    def _response(
        self,
        method: str,
        target: str,
        waits: Waits,
        body: Any,  # noqa: ANN401 - urllib3's: blocks of any kind, though it says bytes
        headers: Mapping[str, str] | None,
    ) -> BaseHTTPResponse:
        return self._pool(waits).urlopen(
            method,
            target,
            body=body,
            headers={**SENT, **(headers or {})},
            retries=False,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
            chunked=body is not None,
        )

    def _pool(self, waits: Waits) -> urllib3.HTTPConnectionPool:
        if (pool := self._pools.get(waits)) is None:
            pool = self._pools[waits] = self._made(waits)
            bound_waits(pool, waits.then, waits.together)
        return pool

    def _made(self, waits: Waits) -> urllib3.HTTPConnectionPool:
        import urllib3

        timeout = urllib3.Timeout(connect=CONNECTING, read=waits.first)
        kept: dict[str, Any] = {"timeout": timeout, "maxsize": AT_ONCE}
        if self._path:
            pool = urllib3.HTTPConnectionPool("localhost", **kept)
            own = {"path": str(self._path)}
            pool.ConnectionCls = type("Unix", (UnixConnection, pool.ConnectionCls), own)
            return pool
        kept["socket_options"] = ALIVE
        if self._context:
            kept["ssl_context"] = self._context
        manager = urllib3.PoolManager(**kept)
        if proxy := self._proxy:
            headers = {"Proxy-Authorization": proxy.login} if proxy.login else {}
            manager = urllib3.ProxyManager(str(proxy), proxy_headers=headers, **kept)
        return manager.connection_from_host(self._host, self._port, self._scheme)

    @cached_property
    def _proxy(self) -> Proxy | None:
        return None if self._path else Proxies().to(self._scheme, self._host, self._port)

    def _base(self) -> str:
        """Return what stands before each target: a proxy of plain HTTP has to know the host."""
        if self._scheme != "http" or not self._proxy:
            return self._folder
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}{self._folder}"


class UnixConnection(HTTPConnection):
    """A connection to a Unix socket."""

    path: str

    def connect(self) -> None:
        """Connect; raises OSError."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def _cause(error: BaseException) -> OSError:
    """Return the failure of the system below those of the package, which wraps it in arguments and causes."""
    seen: list[BaseException] = [error]
    found = OSError()
    for each in seen:  # grows while it is walked
        inner = (each.__cause__, each.__context__, getattr(each, "reason", None), *each.args)
        seen += [one for one in inner if isinstance(one, BaseException) and one not in seen]
        if isinstance(each, OSError) and (each.errno or isinstance(each, TimeoutError)):
            found = each
    return found
