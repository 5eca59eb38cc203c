"""Which certificates a host is believed by, and which we show it (Docker's certs.d, containers-certs.d(5)).

A folder of certificates holds:

    <folder>/<host[:port]>/*.crt             authorities beside the system's own
    <folder>/<host[:port]>/X.cert X.key      our certificate, and its key
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.errors import InvalidSetting

if TYPE_CHECKING:
    import ssl

FOLDERS = (
    Path("~/.config/containers/certs.d"),
    Path("/etc/containers/certs.d"),
    Path("/etc/docker/certs.d"),
)
BELOW = f"in one of {', '.join(str(folder.parent) for folder in FOLDERS)}"  # as people are told of them
LOOPBACK = re.compile(r"localhost|127(?:\.[0-9]{1,3}){3}|\[?::1\]?")
HOST = re.compile(r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]")


def is_loopback(host: str) -> bool:
    """Tell whether a host, without its port, is this machine by its very name."""
    return LOOPBACK.fullmatch(host) is not None


def has_certificates(host: str, port: int | None, folders: Sequence[Path] = FOLDERS) -> bool:
    """Tell whether there is a folder of certificates for a host: it speaks TLS then."""
    return next(_folders(host, port, folders), None) is not None


def context_for(host: str, port: int | None, folders: Sequence[Path] = FOLDERS) -> ssl.SSLContext:
    """Return the TLS context for a host: the system's authorities and the host's own.

    Raises InvalidSetting, which names the file, where one of them cannot be used.
    """
    import ssl

    context = as_engines_trust(ssl.create_default_context())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for folder in _folders(host, port, folders):
        for path in sorted(folder.glob("*.crt")):
            try:
                context.load_verify_locations(path)
            except (ssl.SSLError, OSError) as error:
                raise InvalidSetting(str(path), "cannot be used as a certificate authority") from error
        for path in sorted(folder.glob("*.cert")):
            try:
                context.load_cert_chain(path, path.with_suffix(".key"), password=no_password)
            except (ssl.SSLError, OSError, ValueError) as error:
                problem = f"and {path.with_suffix('.key').name} cannot be used as a client certificate"
                raise InvalidSetting(str(path), problem) from error
    return context


def as_engines_trust(context: ssl.SSLContext) -> ssl.SSLContext:
    """Return a context that trusts what Go's engines trust, the same under every Python.

    From 3.13 on Python refuses certificates without key identifiers, as many a site's own authority makes
    them; docker and skopeo do not, and take any certificate of the folder as a root.
    """
    import ssl

    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _folders(host: str, port: int | None, folders: Sequence[Path]) -> Iterator[Path]:
    if not HOST.fullmatch(host) or host.strip(".") == "":
        return  # it becomes a path
    names = [f"{host}:{port}"] if port else [f"{host}:443", host]
    for folder in folders:
        for name in names:
            path = Path(os.path.expanduser(folder)) / name  # which knows what to do without a home
            if os.path.isdir(path):
                yield path


def no_password() -> str:
    """Answer for a key that is encrypted: OpenSSL would ask on the terminal."""
    raise ValueError("the key is encrypted")
