"""CamelCase: the v1 json as Docker 0.12 to 1.0.1 saved it (formats A.3.1).

Their `docker save` wrote what `docker inspect` prints: other keys, and a text that happens to be JSON as
the value it looks like, a comment of `2014` as a number. Docker's reader matches keys in any case, so it
finds all but `ContainerConfig` and `DockerVersion`, whose own names have an underscore: those it loses,
and over a number in place of a text it stumbles. Here everything is read; `as_docker_reads` is for those
who want the image that Docker has.
"""

from __future__ import annotations

import json
from types import MappingProxyType

from toolkit.document import Node
from toolkit.errors import InvalidDocument

NAMES = MappingProxyType(
    {
        "Architecture": "architecture",
        "Author": "author",
        "Comment": "comment",
        "Config": "config",
        "Container": "container",
        "ContainerConfig": "container_config",
        "Created": "created",
        "DockerVersion": "docker_version",
        "Id": "id",
        "Os": "os",
        "Parent": "parent",
        "Size": "Size",
    }
)
LOST = frozenset({"ContainerConfig", "DockerVersion"})
VALUES = frozenset({"Config", "ContainerConfig", "Size"})  # what is no text
ADVICE = "leave out --docker-compatible, and it is read as the text it was"


def is_camelcase(node: Node) -> bool:
    """Tell whether every key is spelt as these versions spelt it; one that is not makes it ambiguous."""
    return "Id" in node.value and node.value.keys() <= NAMES.keys()


def respelt(node: Node) -> Node:
    """Return the json as every other Docker spells it, texts being texts again."""
    wrong = mistaken(node)
    value = {NAMES[key]: _as_text(item) if key in wrong else item for key, item in node.value.items()}
    return Node(value, node.subject, node.path)


def mistaken(node: Node) -> list[str]:
    """Return the keys whose text was taken for JSON."""
    texts = node.value.keys() - VALUES
    return sorted(key for key in texts if not isinstance(node.value[key], str | None))


def as_docker_reads(node: Node) -> Node:
    """Return what Docker finds in it, under the usual names; raises InvalidDocument where it gives up."""
    for key in mistaken(node):
        found = json.dumps(node.value[key])[:100]
        raise InvalidDocument(node.subject, f"{key} is {found}, no text, so Docker cannot read it", ADVICE)
    value = {NAMES[key]: item for key, item in node.value.items() if key not in LOST}
    return Node(value, node.subject, node.path)


def _as_text(item: object) -> str:
    return json.dumps(item, ensure_ascii=False, separators=(",", ":"))
