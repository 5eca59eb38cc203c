"""The objects that Go decodes into structs, and the keys that it knows there (formats A.3, B.4).

Go takes a key in any spelling for the field it means, and of two the last: `{"Cmd": …, "cmd": …}` starts the
second. An object whose keys are data, such as Labels, is a map, and is not among them. In a v1 json a key of
another spelling is read as Docker does, and two are refused (toolkit.v1image).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Union

from toolkit.document import Node

Struct = Mapping[str, Union["Struct", None]]  # key → the struct of its object, or of each in its list


def _plain(*keys: str) -> dict[str, Struct | None]:
    return dict.fromkeys(keys)


HEALTHCHECK: Struct = _plain("Test", "Interval", "Timeout", "StartPeriod", "StartInterval", "Retries")
CONTAINER_CONFIG: Struct = {
    **_plain("Hostname", "Domainname", "User", "AttachStdin", "AttachStdout", "AttachStderr"),
    **_plain("ExposedPorts", "Tty", "OpenStdin", "StdinOnce", "Env", "Cmd", "ArgsEscaped", "Image"),
    **_plain("Volumes", "WorkingDir", "Entrypoint", "NetworkDisabled", "MacAddress", "OnBuild", "Labels"),
    **_plain("StopSignal", "StopTimeout", "Shell"),
    # up to 1.9:
    **_plain("Memory", "MemorySwap", "CpuShares", "Cpuset", "PortSpecs", "PublishService", "Dns"),
    **_plain("VolumesFrom", "VolumeDriver", "Privileged", "SecurityOpt"),
    "Healthcheck": HEALTHCHECK,
}
HISTORY: Struct = _plain("created", "created_by", "author", "comment", "empty_layer")
ROOTFS: Struct = _plain("type", "diff_ids", "base_layer")
CONFIG: Struct = {
    **_plain("id", "parent", "comment", "created", "container", "docker_version", "author"),
    **_plain("architecture", "variant", "os", "os.version", "os.features"),
    "container_config": CONTAINER_CONFIG,
    "config": CONTAINER_CONFIG,
    "history": HISTORY,
    "rootfs": ROOTFS,
}
V1_JSON: Struct = {"container_config": CONTAINER_CONFIG, "config": CONTAINER_CONFIG}  # beside its own keys
PLATFORM: Struct = _plain("architecture", "os", "os.version", "os.features", "variant", "features")
DESCRIPTOR: Struct = {
    **_plain("mediaType", "digest", "size", "urls", "annotations", "data", "artifactType"),
    "platform": PLATFORM,
}
MANIFEST: Struct = _plain(  # and an index: neither may pass for the other, or for one of schema 1
    "schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "subject", "annotations",
    "fsLayers", "history",
)  # fmt: skip


def refuse_respelt(node: Node, struct: Struct) -> None:
    """Raise UnsafeArchive for a key that Go takes for a known one although it is spelt otherwise."""
    node.only_as_written(struct)
    refuse_respelt_within(node, struct)


def refuse_respelt_within(node: Node, struct: Struct) -> None:
    """Look into the members of an object alone: what its own keys are is another's affair."""
    for key, inner in struct.items():
        if inner is not None:
            for child in _objects(node, key, node.value.get(key)):
                refuse_respelt(child, inner)


def _objects(node: Node, key: str, value: Any) -> Iterator[Node]:  # noqa: ANN401 - JSON is anything
    """Yield the object under a key, or those of the list there; what else it is its reader tells."""
    if isinstance(value, dict):
        yield Node(value, node.subject, f"{node.path}{key}.")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            if isinstance(item, dict):
                yield Node(item, node.subject, f"{node.path}{key}[{number}].")
