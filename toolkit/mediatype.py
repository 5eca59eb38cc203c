"""The media types, and what kind of thing each one names (OCI media-types.md; distribution schema2)."""

from __future__ import annotations

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
DOCKER_SIGNED_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"

INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})
MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
SCHEMA1 = frozenset({DOCKER_SCHEMA1, DOCKER_SIGNED_SCHEMA1})
CONFIGS = frozenset({OCI_CONFIG, DOCKER_CONFIG})
OCI_FAMILY = "application/vnd.oci."
LAYER_SUFFIX = {"": "", "gzip": "+gzip", "zstd": "+zstd"}
LAYER_PREFIXES = (
    OCI_LAYER,
    DOCKER_LAYER,
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
)


def is_layer(media_type: str) -> bool:
    """Tell whether this is a file system layer, in any compression."""
    return media_type.startswith(LAYER_PREFIXES) and not media_type.endswith("+encrypted")


def compression_of(media_type: str) -> str | None:
    """Return how a layer of this type is compressed: "", gzip or zstd; None where the type does not tell."""
    if not is_layer(media_type):
        return None
    for suffix, name in (("+gzip", "gzip"), (".gzip", "gzip"), ("+zstd", "zstd"), (".zstd", "zstd")):
        if media_type.endswith(suffix):
            return name
    return "" if media_type.endswith(".tar") else None


def layer_type(compression: str) -> str:
    """Return the OCI layer type for `""`, `gzip` or `zstd`; others have none and go as plain tar."""
    return OCI_LAYER + LAYER_SUFFIX.get(compression, "")


def with_compression(media_type: str, compression: str) -> str:
    """Return the type that a layer of this type has in another compression: `""`, `gzip` or `zstd`.

    Docker's stay Docker's, those not to be distributed stay so (OCI media-types.md; formats D.9).
    """
    prefix = next(prefix for prefix in LAYER_PREFIXES if media_type.startswith(prefix))
    mark = "+" if prefix.startswith(OCI_FAMILY) else "."
    return f"{prefix}{mark}{compression}" if compression else prefix
