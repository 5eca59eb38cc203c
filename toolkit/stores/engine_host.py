"""Which Docker engine is meant, as the docker command decides it (docs.docker.com: docker, docker context).

    DOCKER_HOST                         first; DOCKER_TLS_VERIFY, DOCKER_TLS and DOCKER_CERT_PATH go with it
    DOCKER_CONTEXT, `currentContext`    a context: contexts/meta/<sha256 of its name>/meta.json
    unix:///var/run/docker.sock         where nothing is said

Both folders lie in DOCKER_CONFIG, ~/.docker unless it is set. Nothing is asked of the engine here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from toolkit.digest import Digest
from toolkit.document import Node, load
from toolkit.errors import NotFound, Unsupported, UsageError
from toolkit.plumbing.files import read_bounded

DEFAULT_HOST = "unix:///var/run/docker.sock"
DEFAULT_CONTEXT = "default"
LIMIT = 4 << 20  # bytes of a configuration file
PEM = ("ca.pem", "cert.pem", "key.pem")  # what the docker command calls them
UNIX, TCP = "unix://", "tcp://"
PORT, TLS_PORT = 2375, 2376
SPOKEN = (UNIX, TCP, "http://", "https://")
SECRET = re.compile(r"(?<=://)([^/@:]*):[^/@]*@")  # a user and password, as some write them into a URL


@dataclass(frozen=True, slots=True)
class Certificates:
    """The files of a TLS connection, as paths; empty where there is none."""

    ca: str = ""
    cert: str = ""
    key: str = ""
    verify: bool = True  # whether the engine must prove who it is


@dataclass(frozen=True, slots=True)
class Host:
    """Where an engine listens, and who says so."""

    url: str
    said_by: str  # for people: "DOCKER_HOST", "context 'far'", "the default"
    tls: Certificates | None = None

    def __str__(self) -> str:
        return SECRET.sub(r"\1@", self.url)

    @property
    def address(self) -> str:
        """Return where it is as a URL of HTTP; of tcp:// with the ports that the docker command means."""
        if not self.url.startswith(TCP):
            return self.url
        usual, scheme = (TLS_PORT, "https") if self.tls else (PORT, "http")
        host, slash, rest = self.url.removeprefix(TCP).partition("/")
        host = host.rpartition("@")[2]
        named = re.search(r":[0-9]+$", host)
        return f"{scheme}://{host if named else f'{host}:{usual}'}{slash}{rest}"

    @property
    def socket(self) -> Path | None:
        """Return the path of its Unix socket; None where it has none."""
        return Path(self.url.removeprefix(UNIX)) if self.url.startswith(UNIX) else None


def find_host(environ: Mapping[str, str] = os.environ) -> Host:
    """Return the engine that the docker command would talk to.

    Raises NotFound for a context that is not there, InvalidDocument for a broken one, Unsupported for a
    way of talking that we do not know.
    """
    if url := environ.get("DOCKER_HOST"):
        return _spoken(Host(_with_scheme(url), "DOCKER_HOST", _told_tls(environ)))
    context = environ.get("DOCKER_CONTEXT") or _current_context(environ)
    if context and context != DEFAULT_CONTEXT:
        return _spoken(_of_context(context, environ))
    return Host(DEFAULT_HOST, "the default")


def _spoken(host: Host) -> Host:
    if not host.url.startswith(SPOKEN):
        problem = f"is the engine that {host.said_by} names, and is reached by unix:// or tcp:// only"
        advice = f"forward its socket: ssh -L /tmp/docker.sock:/var/run/docker.sock {_ssh_host(host)}"
        advice += ", and set DOCKER_HOST=unix:///tmp/docker.sock"
        raise Unsupported(str(host), problem, advice if host.url.startswith("ssh://") else "")
    return host


def _ssh_host(host: Host) -> str:
    return str(host).removeprefix("ssh://").partition("/")[0]


def _with_scheme(url: str) -> str:
    """Return a URL: the docker command takes `host:port` for tcp."""
    return url if "://" in url else f"tcp://{url}"


def _folder(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("DOCKER_CONFIG") or os.path.expanduser(f"{environ.get('HOME') or '~'}/.docker"))


def _told_tls(environ: Mapping[str, str]) -> Certificates | None:
    """Return the certificates that the environment asks for; raises UsageError where one is missing."""
    verify = bool(environ.get("DOCKER_TLS_VERIFY"))
    if not verify and not environ.get("DOCKER_TLS"):
        return None
    folder = Path(environ.get("DOCKER_CERT_PATH") or _folder(environ))
    found = _certificates(folder, verify=verify)
    if verify and not found.ca:
        raise UsageError(str(folder / "ca.pem"), "is not there, and DOCKER_TLS_VERIFY needs it")
    return found


def _certificates(folder: Path, *, verify: bool) -> Certificates:
    ca, cert, key = (str(path) if path.is_file() else "" for path in map(folder.joinpath, PEM))
    return Certificates(ca, cert, key, verify) if cert and key else Certificates(ca, verify=verify)


def _current_context(environ: Mapping[str, str]) -> str:
    path = _folder(environ) / "config.json"
    if not path.is_file():
        return ""
    context = load(read_bounded(path, LIMIT), str(path)).value.get("currentContext")
    return context if isinstance(context, str) else ""


def _of_context(name: str, environ: Mapping[str, str]) -> Host:
    folder, hashed = _folder(environ) / "contexts", Digest.of(name.encode()).hex
    path = folder / "meta" / hashed / "meta.json"
    if not path.is_file():
        raise NotFound(f"docker context {name!r}", f"is not in {folder}", "run: docker context ls")
    endpoint = _endpoint(load(read_bounded(path, LIMIT), str(path)))
    certificates = _certificates(
        folder / "tls" / hashed / "docker", verify=endpoint.value.get("SkipTLSVerify") is not True
    )
    has_tls = bool(certificates.ca or certificates.cert or not certificates.verify)
    is_socket = endpoint.get("Host", str).startswith(UNIX)
    return Host(
        endpoint.get("Host", str),
        f"context {name!r}",
        certificates if has_tls and not is_socket else None,
    )


def _endpoint(meta: Node) -> Node:
    return meta.child("Endpoints").child("docker")
