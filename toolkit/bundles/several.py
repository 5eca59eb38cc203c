"""Several images of one index for one platform: which of them somebody gets depends on their order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from toolkit.digest import Digest
from toolkit.image import Finding, Image
from toolkit.model import Descriptor
from toolkit.platform import Platform


def several_for_one(top: Descriptor, images: Iterable[tuple[Descriptor, Image]]) -> Iterator[Finding]:
    """Yield each platform that several images are for; an image in two compressions is one.

    Windows tells its images apart by `os.version`.
    """
    found: dict[tuple[Platform, str, str], dict[Digest, None]] = {}
    for descriptor, image in images:
        said, value = descriptor.platform or image.config.platform, image.config.value
        kind = said, str(value.get("os.version")), str(value.get("os.features"))
        found.setdefault(kind, {})[image.manifest.config.digest] = None
    for (platform, _, _), ids in found.items():
        if len(ids) > 1:
            problem = f"has {len(ids):,} images for {platform}; podman, skopeo and containerd take the first"
            yield Finding(f"index {top.digest}", f"{problem}, {next(iter(ids))}", "note", check="platform")
