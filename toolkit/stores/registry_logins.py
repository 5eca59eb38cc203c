"""Logins: what people have told docker, podman and skopeo about registries, in files and credential helpers.

    $REGISTRY_AUTH_FILE                                    if it is set, this file alone
    $XDG_RUNTIME_DIR/containers/auth.json                  else /run/containers/UID/auth.json
    $XDG_CONFIG_HOME/containers/auth.json                  else ~/.config/containers/auth.json
    $DOCKER_CONFIG/config.json                             else ~/.docker/config.json

The first file with a login for the repository counts, in it the most specific key: quay.io/team/app, then
quay.io/team, then quay.io. Sources: containers-auth.json(5), containers/image pkg/docker/config; docker's
config.json, whose entries and credential helpers the docker package reads.
"""

from __future__ import annotations

import base64
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.document import load
from toolkit.errors import InvalidSetting, ToolkitError
from toolkit.plumbing.files import read_bounded
from toolkit.reference import DEFAULT_REGISTRY, HUB, lineage

FILE_LIMIT = 1 << 20  # bytes of a file of logins
HUB_KEY = "https://index.docker.io/v1/"  # what docker login calls Docker Hub
HELPERS = ("credsStore", "credHelpers")


@dataclass(frozen=True, slots=True)
class Login:
    """What a person has told us about a registry; `where` names the file, for messages."""

    where: str
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """Return the value of an Authorization header."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


def find_login(host: str, environ: Mapping[str, str] = os.environ, repository: str = "") -> Login | None:
    """Return the login for a repository of a registry; None where nobody has logged in there.

    Raises InvalidSetting, which never holds what is in the file.
    """
    for file in _files(environ):
        try:
            raw = read_bounded(Path(os.path.realpath(file)), FILE_LIMIT)
            config = load(raw, str(file), FILE_LIMIT).value
        except ToolkitError as error:
            raise InvalidSetting(str(file), f"holds no logins that can be read: {error.problem}") from None
        if login := _resolved(config, host, repository, str(file), environ):
            return login
    return None


def _files(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the files that may hold logins; one that was named must be there, the others need not be."""
    if named := environ.get("REGISTRY_AUTH_FILE"):
        yield Path(named)
        return
    home = environ.get("HOME") or os.path.expanduser("~")
    runtime = environ.get("XDG_RUNTIME_DIR")
    config = environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    docker = environ.get("DOCKER_CONFIG") or os.path.join(home, ".docker")
    for path in (
        f"{runtime}/containers/auth.json" if runtime else f"/run/containers/{os.getuid()}/auth.json",
        os.path.join(config, "containers/auth.json"),
        os.path.join(os.path.expanduser(docker), "config.json"),
    ):
        if os.path.isfile(path):
            yield Path(path)


def _resolved(
    config: Mapping[str, Any], host: str, repository: str, where: str, environ: Mapping[str, str]
) -> Login | None:
    host = DEFAULT_REGISTRY if host in HUB else host
    wanted = HUB_KEY if host == DEFAULT_REGISTRY else host
    try:
        entry = _entry(config.get("auths") or {}, host, repository)
        told = {name: config[name] for name in HELPERS if config.get(name)}
        if entry is not None:
            told["auths"] = {wanted: entry}
        found = _decoded(told, wanted, environ) if told else {}
    except (ValueError, TypeError, AttributeError, KeyError, OSError):
        # The cause is not kept: it may quote what is secret.
        advice = _about_helper(config, wanted)
        raise InvalidSetting(where, f"holds no login for {host} that can be read", advice) from None
    login = Login(where, found.get("username", ""), found.get("password", ""), found.get("identitytoken", ""))
    return login if login.username or login.identity_token else None


def _about_helper(config: Mapping[str, Any], wanted: str) -> str:
    """Name the credential helper that is asked for a registry, and say so where there is no such program."""
    helpers = config.get("credHelpers")
    name = (helpers.get(wanted) if isinstance(helpers, dict) else None) or config.get("credsStore")
    if not isinstance(name, str):
        return ""
    program = f"docker-credential-{name}"
    missing = "" if shutil.which(program) else ", which is not in PATH"
    return f"look after the credential helper that it names: {program}{missing}"


def _entry(auths: Mapping[str, Any], host: str, repository: str) -> Any:  # noqa: ANN401 - any JSON
    """Return what stands under the most specific key, None for nothing; in old files hosts are URLs."""
    for key in lineage(f"{host}/{repository}" if repository else host):
        if key in auths:
            return auths[key]
    return next((entry for key, entry in auths.items() if _host(key) == host), None)


def _host(key: str) -> str:
    """Return the registry that a key means; a URL's path means nothing, another path a repository."""
    bare = key.removeprefix("https://").removeprefix("http://")
    host = bare if bare == key else bare.partition("/")[0]
    return DEFAULT_REGISTRY if host in HUB else host


def _decoded(config: Mapping[str, Any], wanted: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return a login as the docker package reads it, the names in lower case; raises ValueError."""
    import docker.auth
    import docker.errors

    try:
        # A helper that is not there is warned of, and then fails: once is enough.
        with warnings.catch_warnings(action="ignore"):
            logins = docker.auth.load_config(config_dict=dict(config), credstore_env=dict(environ))
            found = logins.resolve_authconfig(wanted) or {}
    except docker.errors.DockerException:
        raise ValueError from None
    told = {name.lower(): text for name, text in found.items() if isinstance(text, str)}
    "".join(told.values()).encode()  # half a surrogate pair is a ValueError here, not where it is sent
    return told
