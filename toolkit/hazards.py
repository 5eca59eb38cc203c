"""What in an image's documents an engine has acted on where it should not have (formats G.1, G.2).

Nothing of it is acted on here, and every byte is kept; it is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from toolkit import mediatype
from toolkit.ancestry import V1Layer
from toolkit.document import fold
from toolkit.image import Finding, ProvenImage, subject_of
from toolkit.model import Manifest

USERS = range(1 << 31)  # what every engine takes for the number of a user or group
DIGITS = len(str(USERS.stop))
NUMBER = re.compile(r"[+-]?[0-9]+")
LABELS = ("containerd.io/", "io.containerd.", "io.cri-containerd.")
CHECKPOINT_TYPE = "application/vnd.containerd.container."
CHECKPOINT_NOTE = re.compile(r"(?:.*\.annotations\.checkpoint\.|org\.criu\.checkpoint\.).*", re.DOTALL)


def hazards(proven: ProvenImage) -> Iterator[Finding]:
    """Yield what the configs and manifests of an image hold of it."""
    for picture in proven.images():
        yield from _of_config(subject_of(proven, picture), picture.config.value)
    yield from _of_checkpoints(proven)


def v1_hazards(layer: V1Layer) -> Iterator[Finding]:
    """Yield what the json of a v1 layer holds of it, which the image's config need not have taken over."""
    subject = f"layer {layer.id[:12]}"
    for name in ("config", "container_config"):
        yield from _security(subject, layer.node.value.get(name))


def _of_config(subject: str, value: Mapping[str, Any]) -> Iterator[Finding]:
    for config in _members(value, "config"):
        yield from _security(subject, config)
        for user in _members(config, "User"):
            yield from _users(subject, user)
        for labels in _members(config, "Labels"):
            yield from _labels(subject, labels)


def _users(subject: str, user: object) -> Iterator[Finding]:
    parts = user.split(":") if isinstance(user, str) else []
    for part in filter(NUMBER.fullmatch, parts):
        if len(part) > DIGITS or int(part) not in USERS:
            problem = f"runs as {str(user)[:100]!r}, expected numbers from 0 to {USERS.stop - 1}"
            odd = Finding(subject, problem, check="user")
            yield odd.comparing("User", f"0 to {USERS.stop - 1}", part[:100])
            return


def _labels(subject: str, labels: object) -> Iterator[Finding]:
    names = [name for name in labels if name.startswith(LABELS)] if isinstance(labels, dict) else []
    if names:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield Finding(
            subject, f"has labels that are containerd's own: {names[0][:100]!r}{more}", check="label"
        )


def _security(subject: str, config: object) -> Iterator[Finding]:
    for options in _members(config, "SecurityOpt"):
        if options:
            yield Finding(
                subject, f"asks for the security options {str(options)[:100]}", check="security-opt"
            )


def _of_checkpoints(proven: ProvenImage) -> Iterator[Finding]:
    subject = f"image {proven.names[0] if proven.names else proven.top.digest}"
    types = [blob.media_type for blob in proven.blobs if blob.media_type.startswith(CHECKPOINT_TYPE)]
    if types:
        yield Finding(
            subject, f"is a checkpoint of a container: it holds {types[0][:100]}", check="checkpoint"
        )
        return
    for document in proven.documents.values():
        if document.descriptor.media_type in mediatype.MANIFESTS:
            manifest = Manifest.from_bytes(document.raw, document.descriptor.media_type)
            for name in filter(CHECKPOINT_NOTE.fullmatch, manifest.annotations):
                problem = f"is a checkpoint of a container, by its annotation {name[:100]!r}"
                yield Finding(subject, problem, check="checkpoint")
                return


def _members(value: object, key: str) -> list[Any]:
    """Return the members that Go takes for this one: it reads keys in any case."""
    if not isinstance(value, dict):
        return []
    return [item for name, item in value.items() if fold(name) == fold(key)]
