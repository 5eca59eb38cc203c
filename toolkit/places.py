"""Places: a URI becomes a store or a bundle."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from toolkit.errors import ToolkitError, Unsupported
from toolkit.gotime import EPOCH
from toolkit.openers import KINDS, as_read
from toolkit.operations.shortids import full_name
from toolkit.place import AT_REST, AUTO, BUNDLES, FOLDERS, LIVE, STANDARD_STREAM, Place
from toolkit.platform import Platform
from toolkit.plumbing.files import storing
from toolkit.ports import Closes, Narrows, Sink, Source
from toolkit.reading import AS_IT_IS, Reading
from toolkit.settings import Settings


def open_source(text: str, settings: Settings, reading: Reading = AS_IT_IS) -> Source:
    """Open a place to read from.

    Every bundle that something is to be kept of comes in through here: where `settings` require a signature,
    it is let in before it is opened. Raises InvalidPlace, NotFound or Unsupported; TryAgain where an engine
    is running on the store; CorruptContent for a bundle that none of the keys signed.
    """
    place = Place.parse(text)
    if place.scheme in FOLDERS:
        _must_be(place)
    if place.scheme in AT_REST:
        from toolkit.stores.running import refuse_running

        refuse_running(Path(place.path), reading.live)
    return _let_in(
        text,
        settings,
        reading,
        lambda: as_read(KINDS[place.scheme].source(place, settings, reading), reading),
    )


def open_rootfs(
    file: str,
    settings: Settings,
    names: Sequence[str] = (),
    platform: Platform | None = None,
    created: str = EPOCH,
) -> Source:
    """Open the tar of a root file system as an image of one layer.

    Raises as `Rootfs`; it is let in as a bundle is.
    """
    from toolkit.bundles.rootfs import Rootfs

    path = None if file == STANDARD_STREAM else Path(file)
    return _let_in(file, settings, AS_IT_IS, lambda: Rootfs(path, names, platform, created))


def open_sink(text: str, settings: Settings) -> Sink:
    """Open a store to write to; bundles are made by `toolkit.bundles.create_bundle`."""
    place = Place.parse(text)
    return KINDS[place.scheme].sink(place, settings)


def canonical(text: str, settings: Settings) -> str:
    """Return the place with its path absolute: the same place always gives the same text."""
    place = Place.parse(text)
    if place.scheme == AUTO:
        return f"oci:{settings.home.absolute() / 'store'}"
    if place.scheme in {*LIVE, "sample"} or str(place) == STANDARD_STREAM:
        return str(place)
    return str(Place(place.scheme, str(Path(place.path).absolute()), place.option))


def settled(text: str, name: str, settings: Settings) -> str:
    """Return the canonical place that an image comes from: of several places in one, the one that has it.

    Raises as `identify` where none has it.
    """
    place = Place.parse(text)
    if place.scheme not in {AUTO, "docker"}:
        return canonical(text, settings)
    source = KINDS[place.scheme].source(place, settings, settings.reading)
    try:
        if isinstance(source, Narrows):
            return canonical(source.narrowed(full_name(source, name)), settings)
        return canonical(text, settings)
    finally:
        if isinstance(source, Closes):
            source.close()


def is_bundle(text: str) -> bool:
    """Tell whether a place is a file to carry rather than a store."""
    return Place.parse(text).scheme in BUNDLES


def _let_in(text: str, settings: Settings, reading: Reading, open_: Callable[[], Source]) -> Source:
    """Open a place, which is let in first where it has to be."""
    if not settings.require_signature or reading.only_looks or not is_bundle(text):
        return open_()
    from toolkit.operations.admission import admit, vouched
    from toolkit.operations.keys import read_public_keys

    admission = admit(text, read_public_keys(settings.require_signature))
    return vouched(open_(), admission)


def _must_be(place: Place) -> None:
    """Raise NotFound where a store is not there, Unsupported where it is of another kind."""
    from toolkit.stores.kinds import kinds_at

    path = Path(place.path)
    with storing(str(place)):
        os.stat(path)
    if not os.path.isdir(path):
        raise Unsupported(str(place), "is no folder", "give the root of a store")
    kinds: list[str] = []
    with suppress(ToolkitError):  # what is odd about it is for the store itself to say
        kinds = kinds_at(path)
    meant = {"containerd-root": "docker-root"}.get(place.scheme)  # which may have one in it
    if kinds and not {place.scheme, meant} & {kind.partition("+")[0] for kind in kinds}:
        raise Unsupported(str(place), f"is no {place.scheme}: place", f"read it as {kinds[0]}:{path}")
