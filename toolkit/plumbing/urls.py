"""URLs: what a login belongs to, and what of one may be told."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

LONGEST = 400  # characters of an address that are told
PORTS = {"http": 80, "https": 443}


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
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"[:LONGEST]


def address(url: str, place: str) -> str:
    """Return what a place that an answer from `url` names means; raises ValueError for no address of HTTP."""
    there = urljoin(url, place)
    scheme, host, _ = origin(there)
    if scheme not in PORTS or not host:
        raise ValueError("no address of HTTP")
    return there
