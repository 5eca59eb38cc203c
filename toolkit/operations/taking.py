"""Taking a layer's content out of a source, and telling how far it has got."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from toolkit.errors import Spoiled
from toolkit.event import Tell
from toolkit.image import Layer
from toolkit.plumbing.followed import followed
from toolkit.ports import Content, Source

T = TypeVar("T")
Take = Callable[[Content, Content], T]  # the content as it is, and as it is read: followed


def taken(source: Source, layer: Layer, take: Take[T], tell: Tell, called: Layer | None = None) -> T:
    """Return what `take` makes of a layer; once more where what an earlier run had kept of it was wrong.

    `called` is the layer as it is told of, where that is another.
    """
    try:
        return _taken(source, layer, take, tell, called or layer)
    except Spoiled:  # it is removed: now every byte comes from the source
        return _taken(source, layer, take, tell, called or layer)


def _taken(source: Source, layer: Layer, take: Take[T], tell: Tell, called: Layer) -> T:
    with source.open(layer) as content, followed(content, called, tell) as seen:
        return take(content, seen)
