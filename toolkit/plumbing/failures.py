"""Failures: what goes wrong on the way to a server, as one sentence.

Nothing that may be secret gets into one: of a URL only its scheme, host and path are told, of a proxy its
login is left out, of headers and bodies nothing. The causes are not kept, as their texts may hold all that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from toolkit.errors import RegistryError
from toolkit.plumbing.certificates import BELOW
from toolkit.plumbing.proxies import Proxy
from toolkit.plumbing.urls import address, shown

if TYPE_CHECKING:
    from urllib3 import exceptions

BROKEN, NOBODY = "BROKEN", "NOBODY"  # codes of ours: a connection that broke, and one that never was
LOGIN_NEEDED, FORBIDDEN = 407, 403
TUNNEL = re.compile(r"Tunnel connection failed: ([0-9]{3})\b")  # http.client's words
NO_HTTP = "look what listens there: another service, or one that speaks TLS"
AUTHORITY = f"its certificate authority belongs into certs.d/HOST[:PORT]/ca.crt {BELOW}"


def failure(method: str, url: str, problem: str, advice: str = "", code: str = "") -> RegistryError:
    """Return the failure of a request that got no answer."""
    told = shown(url)
    return RegistryError(f"{method} {told}", problem, advice, method, told, 0, code)


def led(method: str, url: str, place: str) -> str:
    """Return where the answer to a request leads, as it says; raises RegistryError.

    That is any host, as whoever stores blobs for a registry is another, but never from https to plain HTTP:
    that could be a service on this machine, which believes whoever asks.
    """
    try:
        there = address(url, place)
    except ValueError:
        raise failure(method, url, "leads to what is no address of HTTP") from None
    if urlsplit(url).scheme == "https" != urlsplit(there).scheme:
        raise failure(method, url, f"leads from https to {shown(there)}")
    return there


def refused_by(proxy: Proxy, status: int, method: str, url: str) -> RegistryError:
    """Return the failure of a request that a proxy has answered in the place of its target."""
    problem = f"the proxy {proxy} refuses the way there ({status})"
    if status == LOGIN_NEEDED:
        problem = f"the proxy {proxy} {'refuses our login' if proxy.login else 'asks for a login'} ({status})"
        advice = f"write it into {proxy.variable}: {proxy.scheme}://USER:PASSWORD@HOST:PORT"
        return failure(method, url, problem, advice)
    if status == FORBIDDEN:
        return failure(method, url, problem, "ask who runs it to allow that host, or list it in NO_PROXY")
    return failure(method, url, problem, code=NOBODY)


@contextmanager
def told(method: str, url: str, proxy: Proxy | None = None, *, began: bool = True) -> Iterator[None]:
    """Turn what urllib3 raises into a RegistryError; `began` says that there was an answer already."""
    from urllib3 import exceptions

    by = f" on the way through the proxy {proxy}" if proxy else ""
    try:
        yield
    except exceptions.ProxyError as error:
        raise _of_proxy(proxy, error, method, url) from None
    except exceptions.SSLError as error:
        raise failure(method, url, f"cannot be trusted: {_reason(error)}", AUTHORITY) from None
    except (exceptions.NewConnectionError, exceptions.ConnectTimeoutError) as error:
        raise failure(method, url, _absence(error), "", NOBODY) from None
    except exceptions.TimeoutError:
        problem = "no more bytes came in time" if began else "no answer came in time"
        raise failure(method, url, problem + by, "", BROKEN) from None
    except (exceptions.HTTPError, HTTPException, OSError) as error:
        if not began and _is_no_http(error):
            raise failure(method, url, f"the answer is no HTTP{by}", NO_HTTP) from None
        raise failure(method, url, f"the connection broke off{by}", "", BROKEN) from None
    except ValueError:
        if began:  # http.client's, of a chunk that says no size
            raise failure(method, url, f"the connection broke off{by}", "", BROKEN) from None
        raise failure(method, url, "cannot be asked: its address or headers are no HTTP") from None


def _of_proxy(proxy: Proxy | None, error: exceptions.ProxyError, method: str, url: str) -> RegistryError:
    """Return the failure of the way to a proxy, or of what it answered to CONNECT."""
    from urllib3 import exceptions

    assert proxy is not None  # noqa: S101 - who has none fails otherwise
    cause = error.original_error
    if answered := TUNNEL.search(str(cause)):
        return refused_by(proxy, int(answered[1]), method, url)
    if isinstance(cause, exceptions.SSLError):
        return failure(method, url, f"the proxy {proxy} cannot be trusted: {_reason(cause)}", AUTHORITY)
    problem = f"the proxy {proxy} cannot be reached: {_absence(cause)}"
    return failure(method, url, problem, f"{proxy.variable} names it, NO_PROXY whom it is not for", NOBODY)


def _is_no_http(error: Exception) -> bool:
    """Tell whether something else came instead of a head; a connection that was closed is an OSError, too."""
    from urllib3.exceptions import InvalidHeader

    cause = error.args[-1] if error.args else error
    return isinstance(error, InvalidHeader) or (
        isinstance(cause, HTTPException) and not isinstance(cause, OSError)
    )


def _reason(error: exceptions.SSLError) -> str:
    return getattr(error.args[0] if error.args else None, "verify_message", "") or "TLS failed"


def _absence(error: Exception) -> str:
    from urllib3 import exceptions

    if isinstance(error, exceptions.NameResolutionError):
        return "no such host"
    cause = error.__cause__
    reason = cause.strerror if isinstance(cause, OSError) else ""  # a timeout has none
    return f"no connection can be made: {(reason or 'no answer came in time').lower()}"
