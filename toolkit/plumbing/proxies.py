"""Which proxy the way to a host leads through: HTTPS_PROXY, HTTP_PROXY and NO_PROXY, in capitals or not.

They are read as docker, podman and skopeo read them (golang.org/x/net/http/httpproxy): capitals first, no
proxy to this machine; in NO_PROXY `*` is every host, `a.example` that host and all below it, `.a.example`
those below it only, `10.0.0.0/8` a network, and what ends in `:PORT` is of that port alone.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import unquote, urlsplit

from toolkit.errors import InvalidSetting
from toolkit.plumbing.certificates import is_loopback
from toolkit.plumbing.urls import PORTS

HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
WITH_PORT = re.compile(r"\[?([^\[\]]*?)\]?:([0-9]*)")
ADVICE = "write http://[USER:PASSWORD@]HOST:PORT, what is special in a password as %XX"


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy, and the variable that names it; `str` leaves its login out."""

    scheme: str
    host: str
    port: int
    variable: str
    login: str = field(default="", repr=False)  # the value of Proxy-Authorization

    @classmethod
    def parse(cls, text: str, variable: str) -> Proxy:
        """Read a URL, or HOST:PORT; raises InvalidSetting, which never holds the text."""
        try:
            parts = urlsplit(text if "://" in text else f"http://{text}")
            host, port = parts.hostname or "", parts.port
            word = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}".encode()
        except ValueError:  # its sentence may quote the password
            raise InvalidSetting(variable, "names no proxy", ADVICE) from None
        if parts.scheme not in PORTS or not HOST.fullmatch(host):
            raise InvalidSetting(variable, "names no proxy of http or https", ADVICE)
        login = "" if parts.username is None else "Basic " + base64.b64encode(word).decode()
        return cls(parts.scheme, host, port or PORTS[parts.scheme], variable, login)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Proxies:
    """What the environment says of proxies, read when a way is asked for."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    def to(self, scheme: str, host: str, port: int) -> Proxy | None:
        """Return the proxy on the way to a host; raises InvalidSetting where it is none."""
        variable, text = self._found(f"{scheme}_proxy")
        if not text or is_loopback(host) or self._is_exempt(host.lower(), port):
            return None
        return Proxy.parse(text, variable)

    def _is_exempt(self, host: str, port: int) -> bool:
        entries = self._found("no_proxy")[1].lower().replace(",", " ").split()
        return any(_covers(entry, host, port) for entry in entries)

    def _found(self, name: str) -> tuple[str, str]:
        """Return the name and value of a variable, in capitals or not."""
        for variable in (name.upper(), name):
            if text := self.environ.get(variable, "").strip():
                return variable, text
        return name, ""


def _covers(entry: str, host: str, port: int) -> bool:
    """Tell whether an entry of NO_PROXY means a host; one that cannot be understood means none."""
    if entry == "*":
        return True
    if "/" in entry:
        return _is_within(host, entry)
    name, wanted = found.groups() if (found := _parted(entry)) else (entry.strip("[]"), "")
    if not name or wanted not in {"", str(port)}:
        return False
    if (address := _address(name)) is not None:
        return address == _address(host)
    domain = name.removeprefix("*") if name.startswith("*.") else name
    return host.endswith(domain if domain.startswith(".") else f".{domain}") or host == domain


def _parted(entry: str) -> re.Match[str] | None:
    """Part an entry that has a port from it; an address of IPv6 has one only behind brackets."""
    return None if _address(entry) else WITH_PORT.fullmatch(entry)


def _is_within(host: str, network: str) -> bool:
    address = _address(host)
    try:
        return address is not None and address in ip_network(network, strict=False)
    except ValueError:
        return False


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
