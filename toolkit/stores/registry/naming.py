"""Where images go to in a registry, by what they are called.

docker://HOST                 each into the repository of its own name: ubuntu:14.04 is HOST/ubuntu:14.04
docker://HOST/REPO            each under its own tag
docker://HOST/REPO:TAG        one image, under this tag
docker://HOST/REPO@DIGEST     one image, without a tag, if it is this one
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from toolkit.errors import InvalidReference, Unsupported, UsageError
from toolkit.image import SourceImage
from toolkit.reference import DEFAULT_REGISTRY, OFFICIAL, Reference
from toolkit.stores.registry.address import Address


class Destination(NamedTuple):
    """A tag of a repository; without a tag, a manifest there that only its digest leads to."""

    repository: str
    tag: str


def destinations(address: Address, names: Iterable[str], place: str) -> list[Destination]:
    """Return where an image of these names goes to; raises Unsupported where that cannot be told."""
    names = list(names)
    if address.tag or address.digest:
        return [Destination(address.repository, "" if address.digest else address.tag)]
    if not names and not address.repository:
        advice = f"write {place}/REPOSITORY:TAG; what refers to another image goes along by --referrers"
        raise Unsupported(place, "cannot hold an image without a name", advice)
    found = [_destination(address, name, place) for name in names]
    return list(dict.fromkeys(found)) or [Destination(address.repository, "")]


def refuse_collisions(address: Address, images: Sequence[SourceImage], place: str) -> None:
    """Raise UsageError where two images that differ would get one tag, so that one would be lost."""
    held: dict[Destination, SourceImage] = {}
    for image in images:
        for one in destinations(address, image.names, place):
            other = held.setdefault(one, image)
            if one.tag and [layer.key for layer in other.layers] != [layer.key for layer in image.layers]:
                both = " and ".join(
                    ", ".join(each.names) or "an image without a name" for each in (other, image)
                )
                raise UsageError(
                    place, f"would have {both} both as {one.repository}:{one.tag}", "push one at a time"
                )


def origins(address: Address, names: Iterable[str]) -> list[str]:
    """Return the repositories of this registry that an image comes from, by its names."""
    parsed = (_parsed(name) for name in names)
    return [reference.repository for reference in parsed if reference and reference.registry == address.host]


def _destination(address: Address, name: str, place: str) -> Destination:
    reference = _parsed(name)
    if reference is None:
        raise Unsupported(place, f"cannot hold {name!r}, which is no reference", "give it one: --tag NEW")
    repository = reference.repository
    if reference.registry == DEFAULT_REGISTRY != address.host:
        short = repository.removeprefix(OFFICIAL)
        repository = repository if "/" in short else short
    return Destination(address.repository or repository, "" if reference.digest else reference.tag)


def _parsed(name: str) -> Reference | None:
    try:
        return Reference.parse(name)
    except InvalidReference:
        return None
