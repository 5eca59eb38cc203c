"""V1Image: the Go struct through which Docker 20.10 passes a v1 json (formats A.3.1, A.3.2).

Reading takes known keys in any case and drops the others; writing has the struct's order, and a
value for every key that is not `omitempty`. The tables below are that order.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from toolkit.document import Node, fold
from toolkit.errors import UnsafeArchive
from toolkit.gotime import ZERO, go_time


def struct(node: Node) -> dict[str, Any]:
    """Return the top level as Docker would write it; raises InvalidDocument where Docker reads none."""
    return _decoded(node, V1_IMAGE)


def _never(_value: object) -> bool:
    return False


def _null(value: object) -> bool:
    return value is None


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    read: Callable[[Node, str], Any]
    omit: Callable[[Any], bool] = _never


def _decoded(node: Node, fields: tuple[_Field, ...]) -> dict[str, Any]:
    node = _as_spelt(node, fields)
    values = ((field, field.read(node, field.name)) for field in fields)
    return {field.name: value for field, value in values if not field.omit(value)}


def _as_spelt(node: Node, fields: tuple[_Field, ...]) -> Node:
    """Return the object with its keys spelt as the struct spells them, as Go matches them."""
    names = {fold(field.name): field.name for field in fields}
    value: dict[str, Any] = {}
    for key, item in node.value.items():
        name = names.get(fold(key), key)
        if name in value:
            raise UnsafeArchive(node.subject, f"{node.path}{name} stands twice, in two spellings")
        value[name] = item
    return Node(value, node.subject, node.path)


def _text(node: Node, key: str) -> str:
    return node.optional(key, str) or ""


def _flag(node: Node, key: str) -> bool:
    return node.optional(key, bool) or False


def _number(node: Node, key: str) -> int:
    return node.optional(key, int) or 0


def _maybe_number(node: Node, key: str) -> int | None:
    return node.optional(key, int)


def _time(node: Node, key: str) -> str:
    return ZERO if node.value.get(key) is None else node.parsed(key, go_time)


def _texts(node: Node, key: str) -> list[str] | None:
    items = node.optional(key, list)
    if items is None:
        return None
    return Node({key: ["" if item is None else item for item in items]}, node.subject, node.path).texts(key)


def _words(node: Node, key: str) -> list[str] | None:
    """Read a command: a list, or since 1.9 a plain string."""
    found = node.value.get(key)
    return [found] if isinstance(found, str) else _texts(node, key)


def _names(node: Node, key: str) -> dict[str, Any] | None:
    """Read a set: an object whose values are empty objects."""
    items = node.optional(key, dict)
    if items is None:
        return None
    inner = Node(items, node.subject, f"{node.path}{key}.")
    for name in items:
        inner.optional(name, dict)
    return {name: {} for name in sorted(items)}


def _labels(node: Node, key: str) -> dict[str, str] | None:
    items = node.optional(key, dict)
    if items is None:
        return None
    inner = Node(items, node.subject, f"{node.path}{key}.")
    return {name: _text(inner, name) for name in sorted(items)}


def _struct(fields: tuple[_Field, ...]) -> Callable[[Node, str], dict[str, Any]]:
    def read(node: Node, key: str) -> dict[str, Any]:
        here = Node(node.optional(key, dict) or {}, node.subject, f"{node.path}{key}.")
        return _decoded(here, fields)

    return read


def _pointer(fields: tuple[_Field, ...]) -> Callable[[Node, str], dict[str, Any] | None]:
    read = _struct(fields)
    return lambda node, key: None if node.value.get(key) is None else read(node, key)


_empty = operator.not_

HEALTHCHECK = (
    _Field("Test", _texts, _empty),
    _Field("Interval", _number, _empty),
    _Field("Timeout", _number, _empty),
    _Field("StartPeriod", _number, _empty),
    _Field("Retries", _number, _empty),
)

CONTAINER_CONFIG = (
    _Field("Hostname", _text),
    _Field("Domainname", _text),
    _Field("User", _text),
    _Field("AttachStdin", _flag),
    _Field("AttachStdout", _flag),
    _Field("AttachStderr", _flag),
    _Field("ExposedPorts", _names, _empty),
    _Field("Tty", _flag),
    _Field("OpenStdin", _flag),
    _Field("StdinOnce", _flag),
    _Field("Env", _texts),
    _Field("Cmd", _words),
    _Field("Healthcheck", _pointer(HEALTHCHECK), _null),
    _Field("ArgsEscaped", _flag, _empty),
    _Field("Image", _text),
    _Field("Volumes", _names),
    _Field("WorkingDir", _text),
    _Field("Entrypoint", _words),
    _Field("NetworkDisabled", _flag, _empty),
    _Field("MacAddress", _text, _empty),
    _Field("OnBuild", _texts),
    _Field("Labels", _labels),
    _Field("StopSignal", _text, _empty),
    _Field("StopTimeout", _maybe_number, _null),
    _Field("Shell", _words, _empty),
)

V1_IMAGE = (
    _Field("id", _text, _empty),
    _Field("parent", _text, _empty),
    _Field("comment", _text, _empty),
    _Field("created", _time),
    _Field("container", _text, _empty),
    _Field("container_config", _struct(CONTAINER_CONFIG)),
    _Field("docker_version", _text, _empty),
    _Field("author", _text, _empty),
    _Field("config", _pointer(CONTAINER_CONFIG), _null),
    _Field("architecture", _text, _empty),
    _Field("variant", _text, _empty),
    _Field("os", _text, _empty),
    _Field("Size", _number, _empty),
)
