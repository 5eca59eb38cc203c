"""Connections: kept by the host they lead to, and made directly or through a proxy.

Through a proxy https is a tunnel (CONNECT): the certificates that count are the target's, and the proxy sees
none of our headers. Plain HTTP is asked of it by absolute URL (RFC 9112 3.2.2), so it reads all of them.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from toolkit.plumbing.certificates import context_for
from toolkit.plumbing.failures import LOGIN_NEEDED, failure, refused_by, told
from toolkit.plumbing.liveness import bound_waits
from toolkit.plumbing.proxies import Proxies, Proxy
from toolkit.plumbing.urls import PORTS

if TYPE_CHECKING:
    import urllib3
    from urllib3.response import BaseHTTPResponse

AT_ONCE = 16  # connections that are kept to one host


@dataclass(frozen=True, slots=True)
class Way:
    """How a host is reached."""

    pool: urllib3.HTTPConnectionPool
    proxy: Proxy | None
    base: str  # what its paths are asked behind: nothing, but where a proxy has to know the host

    def target(self, url: str) -> str:
        """Return what a request says that it wants."""
        parts = urlsplit(url)
        path = self.base + (parts.path or "/")
        return f"{path}?{parts.query}" if parts.query else path


class Connections:
    """Connections to any hosts, for several threads; `timeouts` are to connect, and between two bytes."""

    def __init__(self, folders: Sequence[Path], timeouts: tuple[float, float], proxies: Proxies) -> None:
        self._folders, self._timeouts, self._proxies = folders, timeouts, proxies
        self._ways: dict[tuple[str, str, int], Way] = {}
        self._lock = threading.Lock()

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Any = None,  # noqa: ANN401 - urllib3's
    ) -> BaseHTTPResponse:
        """Make one request; its answer is of whatever status, and its body unread.

        Raises RegistryError without an answer, or where that is a proxy's own.
        """
        way = self._way(method, url)
        with told(method, url, way.proxy, began=False):
            response = way.pool.urlopen(
                method,
                way.target(url),
                body=body,
                headers=headers,
                retries=False,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
            )
        if way.proxy and way.base and response.status == LOGIN_NEEDED:
            response.close()
            raise refused_by(way.proxy, response.status, method, url)
        return response

    def between(self, url: str) -> Proxy | None:
        """Return the proxy that may have answered in place of a host; in a tunnel none can."""
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or PORTS["http"]
        return self._proxies.to("http", host, port) if parts.scheme == "http" else None

    def close(self) -> None:
        """Close every connection."""
        for way in self._ways.values():
            way.pool.close()

    def _way(self, method: str, url: str) -> Way:
        parts = urlsplit(url)
        try:
            usual = PORTS[parts.scheme]
            key = parts.scheme, parts.hostname or "", parts.port or usual
        except (KeyError, ValueError) as error:
            raise failure(method, url, "is no address of HTTP") from error
        with self._lock:
            if (way := self._ways.get(key)) is None:
                way = self._ways[key] = self._made(*key, named=parts.port, netloc=parts.netloc)
        return way

    def _made(self, scheme: str, host: str, port: int, *, named: int | None, netloc: str) -> Way:
        import urllib3

        connecting, reading = self._timeouts
        timeout = urllib3.Timeout(connect=connecting, read=reading)
        kept: dict[str, Any] = {"timeout": timeout, "maxsize": AT_ONCE}
        if scheme == "https":
            kept["ssl_context"] = context_for(host, named, self._folders)
        if (proxy := self._proxies.to(scheme, host, port)) is None:
            manager, base = urllib3.PoolManager(**kept), ""
        else:
            manager = self._through(proxy, kept)
            base = "" if scheme == "https" else f"http://{netloc.rpartition('@')[2]}"
        pool = manager.connection_from_host(host, port, scheme)
        bound_waits(pool, self._timeouts[1])
        return Way(pool, proxy, base)

    def _through(self, proxy: Proxy, kept: dict[str, Any]) -> urllib3.ProxyManager:
        import urllib3

        context = context_for(proxy.host, proxy.port, self._folders) if proxy.scheme == "https" else None
        headers = {"Proxy-Authorization": proxy.login} if proxy.login else {}
        kept = {"ssl_context": context, **kept} if context else kept
        return urllib3.ProxyManager(str(proxy), proxy_headers=headers, proxy_ssl_context=context, **kept)
