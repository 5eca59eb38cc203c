"""Platform: what an image runs on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Self

from toolkit.document import Node
from toolkit.errors import InvalidPlatform

PART = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True, order=True)
class Platform:
    """An operating system and architecture, written `linux/arm64/v8` (OCI image-index.md)."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `os/architecture[/variant]`; raises InvalidPlatform."""
        parts = text.split("/")
        if len(parts) not in {2, 3} or not all(map(PART.fullmatch, parts)):
            raise InvalidPlatform(
                repr(text[:200]), "is not a platform", "write os/architecture[/variant]: linux/arm64"
            )
        return cls(*parts)

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """Read the platform of a descriptor, or of a config."""
        node.only_as_written(("os", "architecture", "variant", "os.version", "os.features"))
        return cls(
            node.optional("os", str) or "",
            node.optional("architecture", str) or "",
            node.optional("variant", str) or "",
        )

    def to_json(self) -> dict[str, Any]:
        """Return the object a descriptor carries."""
        both = {"architecture": self.architecture, "os": self.os}
        return {**both, "variant": self.variant} if self.variant else both

    def matches(self, wanted: Platform) -> bool:
        """Tell whether an image for this platform serves one who asks for `wanted`."""
        same = (self.os, self.architecture) == (wanted.os, wanted.architecture)
        return same and wanted.variant in {"", self.variant}

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))
