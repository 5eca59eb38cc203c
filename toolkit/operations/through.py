"""A source seen through another: everything as it has it, but for what a subclass changes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from toolkit.image import Layer, SourceImage
from toolkit.platform import Platform
from toolkit.ports import Content, Distant, Source
from toolkit.voucher import vouchers_of

if TYPE_CHECKING:
    from toolkit.outline import Listing, Outline


class Through:
    """A Source that asks another one."""

    def __init__(self, source: Source) -> None:
        self.source, self.place = source, source.place
        self.at_once = source.at_once if isinstance(source, Distant) else 0
        self.vouchers = vouchers_of(source)

    def listings(self) -> list[Listing]:
        """List what the source lists."""
        return self.source.listings()

    def identify(self, name: str) -> str:
        """Identify as the source does."""
        return self.source.identify(name)

    def outline(self, name: str, platform: Platform | None = None) -> Outline:
        """Outline as the source does."""
        return self.source.outline(name, platform)

    def image(self, name: str, platform: Platform | None = None) -> SourceImage:
        """Return the source's image."""
        return self.source.image(name, platform)

    def layer_keys(self, name: str, platform: Platform | None = None) -> tuple[str, ...]:
        """Return the source's keys."""
        return self.source.layer_keys(name, platform)

    def layer(self, key: str) -> Layer:
        """Return the source's layer."""
        return self.source.layer(key)

    def open(self, layer: Layer) -> AbstractContextManager[Content]:
        """Open as the source does."""
        return self.source.open(layer)
