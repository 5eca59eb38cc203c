"""Settings: section `[lading]` of luigi's own configuration files, read without luigi.

The same files in the same order, merged, the later one winning, with the same interpolation, so that
the command and the pipeline agree (luigi.configuration; LUIGI_CONFIG_PATH names the last file).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import InvalidSetting
from toolkit.limits import LEAST, MOST, Limits, hold
from toolkit.reading import Reading

if TYPE_CHECKING:
    from toolkit.registry_mirrors import Rows

SECTION = "lading"
FILES = ("/etc/luigi/client.cfg", "/etc/luigi/luigi.cfg", "client.cfg", "luigi.cfg")
SIZE = re.compile(r"([0-9]{1,15})([KMGT]?)")
MOST_JOBS = 64
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@dataclass(frozen=True, slots=True)
class Settings:
    """What `[lading]` says. Sizes are in bytes; in a file `64G` is 64 · 2^30."""

    home: Path = Path("var")
    source: str = "auto"
    strict: bool = False  # warnings are errors
    require_signature: tuple[str, ...] = ()  # public keys: a bundle that none of them signed is refused
    jobs: int = 0  # blobs at once, 1 to 64; 0 where nothing is said: as many as suits each place
    limits: Limits = field(default_factory=Limits)  # of what is read, each as <name>_limit
    namespace: str = ""  # of containerd stores
    allow_rebuilt: bool = False  # layers whose tar nobody can prove are made anew from their files
    live: bool = False  # a store is read although an engine is running on it
    referrers: bool = False  # signatures, SBOMs and attestations travel with their images
    sign_key: str = ""  # the file of a secret key: what is exported is signed with it
    limit_rate: int = 0  # bytes a second from and to registries, together; 0 is as many as there can be
    insecure: tuple[str, ...] = ()  # registries, as host or host:port, that are spoken to in plain HTTP
    mirrors: Rows = ()  # of registries, from [lading.mirrors]: who is asked before them

    @property
    def reading(self) -> Reading:
        """Return how places are read."""
        return Reading(namespace=self.namespace, allow_rebuilt=self.allow_rebuilt, live=self.live)


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings that hold in this folder, and let their limits hold; LADING_HOME overrides `home`.

    Raises InvalidSetting for a file that cannot be parsed, a setting that we do not know, or a
    value of the wrong kind.
    """
    settings = _read(files, environ) if (files := _files(environ)) else Settings()
    hold(settings.limits)
    return replace(settings, home=_home(home)) if (home := environ.get("LADING_HOME")) else settings


def _read(files: Sequence[str], environ: Mapping[str, str]) -> Settings:
    from toolkit.luigi_files import LuigiParser
    from toolkit.registry_mirrors import read_mirrors

    parser = LuigiParser(SECTION, READERS, environ)
    for path in files:
        parser.merge(path)
    parser.refuse_unknown()
    found = {name: parser.value(name) for name in READERS if parser.spelling(name)}
    said = {name: found.pop(setting) for setting, name in LIMITS.items() if setting in found}
    return Settings(**found, limits=Limits(**said), mirrors=read_mirrors(parser))


def _files(environ: Mapping[str, str]) -> list[str]:
    last = environ.get("LUIGI_CONFIG_PATH", "")
    # Luigi gives a .toml to its other parser and goes on without it.
    paths = [*FILES, *([last] if last and not last.endswith(".toml") else [])]
    return [path for path in paths if os.path.isfile(path)]


def _text(text: str) -> str:
    if not text:
        raise ValueError("some text")
    return text


def _path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError("a folder")
    return Path(expanded(text))


def _home(text: str) -> Path:
    """Read LADING_HOME; raises InvalidSetting."""
    try:
        return _path(text)
    except ValueError as error:
        raise InvalidSetting("LADING_HOME", f"is {text[:200]!r}, expected {error}") from error


def expanded(text: str) -> str:
    """Return a path with the folder of a user in place of ~ or ~USER; raises ValueError for nobody's.

    As it stands, `~nobody/x` would be a folder of that name in the working folder.
    """
    path = os.path.expanduser(text)
    if text.startswith("~") and path == text:
        raise ValueError(f"a path: there is no user {text.partition('/')[0]}, and ./{text[:100]} is a file")
    return path


def _hosts(text: str) -> tuple[str, ...]:
    """Read hosts with blanks or commas between them; a URL is none."""
    hosts = tuple(text.replace(",", " ").lower().split())
    if any("/" in host for host in hosts):
        raise ValueError("hosts, as registry.example:5000, with blanks between them")
    return hosts


def _keys(text: str) -> tuple[str, ...]:
    """Read public keys, or paths of theirs, with commas or line ends between them; nothing is none."""
    words = tuple(filter(None, map(str.strip, text.replace(",", "\n").split("\n"))))
    if text and not words:  # it must not be taken for none
        raise ValueError("public keys, or files that hold one, with commas between them")
    return tuple(map(_file, words))


def _file(text: str) -> str:
    if "\0" in text:
        raise ValueError("a file")
    return expanded(text)


def _boolean(text: str) -> bool:
    from configparser import ConfigParser

    state = ConfigParser.BOOLEAN_STATES.get(text.lower())
    if state is None:
        raise ValueError("yes or no")
    return state


def _jobs(text: str) -> int:
    match = SIZE.fullmatch(text)
    if not match or match[2] or not 1 <= int(match[1]) <= MOST_JOBS:
        raise ValueError(f"a number from 1 to {MOST_JOBS}")
    return int(match[1])


def _count(text: str) -> int:
    match = SIZE.fullmatch(text.upper())
    if not match:
        raise ValueError("a whole number, with K, M, G or T after it where it is large")
    return int(match[1]) * UNITS[match[2]]


def _limit(name: str) -> Callable[[str], int]:
    """Return how a limit is read: a count between its bounds."""
    least, most = LEAST.get(name, 1), MOST.get(name)

    def read(text: str) -> int:
        count = _count(text)
        if count < least or (most and count > most):
            raise ValueError(f"{_short(least)} to {_short(most)}" if most else f"{_short(least)} or more")
        return count

    return read


def _short(count: int) -> str:
    """Return a count as it may be written, with the largest suffix that it is a multiple of."""
    sizes = reversed(UNITS.items())
    return next(f"{count // size}{unit}" for unit, size in sizes if count % size == 0)


def read_rate(text: str) -> int:
    """Read bytes a second, as curl and wget write them: 500k, 10M, 1G; raises ValueError."""
    if not SIZE.fullmatch(rate := text.upper()):
        raise ValueError("bytes a second, as 500k, 10M or 1G; 0 is no limit")
    return _count(rate)


LIMITS = {f"{each.name}_limit": each.name for each in fields(Limits)}
READERS: Mapping[str, Callable[[str], Any]] = {
    "home": _path,
    "source": _text,
    "strict": _boolean,
    "namespace": str,
    "allow_rebuilt": _boolean,
    "live": _boolean,
    "referrers": _boolean,
    "limit_rate": read_rate,
    "insecure": _hosts,
    "require_signature": _keys,
    "sign_key": _file,
    "jobs": _jobs,
    **{setting: _limit(name) for setting, name in LIMITS.items()},
}
