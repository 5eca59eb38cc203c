"""Mirrors of registries: who is asked before the registry that an image is of.

    [lading.mirrors]
    docker.io = mirror.example:5000/cache, other.example
    registry.example:5000/team = mirror.example/team

Of several rows the one with the longest name that a repository is, or is part of, counts alone; what its name
has more is put behind each mirror's (containers-registries.conf(5), prefix and location). So
docker.io/library/ubuntu is mirror.example:5000/cache/library/ubuntu.
"""

from __future__ import annotations

from toolkit.errors import InvalidSetting
from toolkit.luigi_files import LuigiParser
from toolkit.reference import DEFAULT_REGISTRY, HUB, REGISTRY, REPOSITORY, lineage

SECTION = "lading.mirrors"
LARGEST_PORT = 65_535
FORM = "HOST[:PORT][/REPOSITORY]"

Rows = tuple[tuple[str, tuple[str, ...]], ...]  # a registry, or a part of one, and its mirrors


def read_mirrors(parser: LuigiParser) -> Rows:
    """Return the table of the files that were read; raises InvalidSetting, which names file and row."""
    rows = parser.rows(SECTION, _row)
    names = [name for name, _ in rows]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InvalidSetting(f"[{SECTION}] {twice[0]}", "has two rows, under two names", "make them one")
    return tuple(rows)


def mirrors_of(rows: Rows, repository: str) -> list[str]:
    """Return what a repository, as docker.io/library/ubuntu, is called on its mirrors, in their order."""
    table = dict(rows)
    part = next((part for part in lineage(repository) if part in table), "")
    return [mirror + repository.removeprefix(part) for mirror in table.get(part, ())]


def _row(name: str, text: str) -> tuple[str, tuple[str, ...]]:
    """Read a row; raises ValueError, which tells nothing of the text: somebody's password may be in it."""
    if not (registry := _normalised(name)):
        raise ValueError(f"is no name of a registry, expected {FORM}")
    mirrors = [_normalised(word) for word in text.replace(",", " ").split()]
    if "" in mirrors:
        number = mirrors.index("") + 1
        raise ValueError(f"has as its mirror number {number} what is none, expected {FORM}, commas between")
    return registry, tuple(dict.fromkeys(mirrors))


def _normalised(name: str) -> str:
    """Return a registry, or a part of one, as references have it; empty for what is none."""
    host, slash, repository = name.partition("/")
    port = host.rpartition(":")[2]
    is_port = not port.isdecimal() or ":" not in host or int(port) <= LARGEST_PORT
    if not (REGISTRY.fullmatch(host) and is_port and (not slash or REPOSITORY.fullmatch(repository))):
        return ""
    host = DEFAULT_REGISTRY if host.lower() in HUB else host.lower()
    return host + slash + repository
