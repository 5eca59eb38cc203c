"""`repositories-<driver>`: the names of a legacy store, as Docker 1.9 writes them (formats A.8)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from toolkit import gojson
from toolkit.bundles.names import split_tag
from toolkit.document import Node, load
from toolkit.errors import InvalidReference
from toolkit.limits import limits
from toolkit.reference import Reference


def with_names(raw: bytes | None, names: Mapping[str, str], subject: str) -> bytes:
    """Return the file with `names` (name → layer ID) in it; all that `raw` names stays.

    A name takes the place of the same name. Raises InvalidDocument where `raw` is damaged.
    """
    top = Node({}, subject) if raw is None else load(raw, subject, limits().names)
    there = Node({}, subject) if top.value.get("Repositories") is None else top.child("Repositories")
    repositories: dict[str, dict[str, Any]] = {name: there.text_map(name) for name in there.value}
    for name, layer_id in names.items():
        for repository, key in keys(name):
            repositories.setdefault(repository, {})[key] = layer_id
    return gojson.encode({**top.value, "Repositories": repositories}, sort_keys=True)


def keys(name: str) -> list[tuple[str, str]]:
    """Return where a name stands: (repository, tag), and (repository, digest) where it has one.

    Docker Hub's own prefixes are left away, as Docker does since 1.6; what is no reference is a name
    that a legacy store held, and goes as it stands.
    """
    with suppress(InvalidReference):
        name = Reference.parse(name).familiar
    tagged, _, digest = name.partition("@")
    repository, tag = split_tag(tagged)
    if not digest:
        return [(repository, tag)]
    return [(repository, digest), *([(repository, tag)] if tagged != repository else [])]
