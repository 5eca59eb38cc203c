"""Openers: how each kind of place is opened. The one room that knows every store and bundle by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import NotFound, ToolkitError, Unsupported
from toolkit.place import AUTO, BUNDLES, STANDARD_STREAM, Place
from toolkit.ports import HoldsReferrers, Sink, Source
from toolkit.reading import Reading
from toolkit.settings import Settings

if TYPE_CHECKING:
    from toolkit.operations.choosing import FirstThatHas, Way
    from toolkit.plumbing.http import Transport
    from toolkit.stores.registry.address import Address
    from toolkit.stores.registry.client import Client
ADVICE = "name a source (--from graph:PATH, or [lading] source), or import a bundle first"


@dataclass(frozen=True, slots=True)
class Kind:
    """How one scheme is opened."""

    source: Callable[[Place, Settings, Reading], Source]
    sink: Callable[[Place, Settings], Sink]


def _bundle(place: Place, settings: Settings, reading: Reading) -> Source:  # noqa: ARG001 - one shape for all
    from toolkit.bundles import open_bundle

    if place.scheme in {"", "dir"} and str(place) != STANDARD_STREAM and os.path.isdir(place.path):
        _must_be_dir(place)
    try:
        return open_bundle(None if str(place) == STANDARD_STREAM else Path(place.path), reading.prefer)
    except Unsupported as error:
        raise _told_of_volume(place.path, error) from error


def _told_of_volume(path: str, error: Unsupported) -> Unsupported:
    """Return what is said of one volume of a set, which is no bundle by itself; else the error."""
    from toolkit.mirror.media.volumefile import is_volume, read_header

    with suppress(ToolkitError):
        if is_volume(path):
            header = read_header(path)
            number = "the parity volume" if header.is_parity else f"volume {header.number} of {header.of}"
            advice = f"receive the set: lading mirror receive {os.path.dirname(path) or '.'}"
            return Unsupported(path, f"is {number} of set {header.set}, not an image bundle", advice)
    return error


def _must_be_dir(place: Place) -> None:
    """Raise Unsupported where a folder is a store, NotFound where it is no bundle either."""
    from toolkit.bundles.dir_reader import is_dir_folder
    from toolkit.stores.kinds import known_at

    path = Path(place.path)
    if kinds := known_at(path):  # which one is meant, its kind has to say
        raise Unsupported(place.path, "is a store, not a bundle", f"write {kinds[0]}:{place.path}")
    if not is_dir_folder(path):
        problem = "holds no image: it is neither a store nor skopeo's folder of one"
        raise NotFound(str(place), problem, f"see what lies below it: lading doctor {place.path}")


def _graph(place: Place, settings: Settings, reading: Reading) -> Source:  # noqa: ARG001
    from toolkit.stores.graph.store import GraphStore

    rebuilt = reading.allow_rebuilt
    return GraphStore(Path(place.path), place.option, str(place), allow_rebuilt=rebuilt)


def _docker_root(place: Place, settings: Settings, reading: Reading) -> Source:  # noqa: ARG001
    from toolkit.stores.docker_root.store import open_docker_root

    return open_docker_root(Path(place.path), place.option, reading)


def _containers_storage(place: Place, settings: Settings, reading: Reading) -> Source:  # noqa: ARG001
    from toolkit.stores.containers_storage.store import ContainersStorage

    return ContainersStorage(Path(place.path), place.option, reading)


def _graph_sink(place: Place, settings: Settings) -> Sink:  # noqa: ARG001
    from toolkit.stores.graph.writer import GraphSink

    return GraphSink(Path(place.path), place.option)


def _layout(place: Place, settings: Settings, reading: Reading) -> Source:  # noqa: ARG001
    from toolkit.stores.layout import LayoutStore

    return LayoutStore(Path(place.path))


def _layout_sink(place: Place, settings: Settings) -> Sink:  # noqa: ARG001
    from toolkit.stores.layout import LayoutStore

    return LayoutStore(Path(place.path))


def _containerd(place: Place, settings: Settings, reading: Reading) -> Source:  # noqa: ARG001
    from toolkit.stores.containerd.store import open_containerd

    return open_containerd(Path(place.path), reading.namespace)


def _sample(place: Place, settings: Settings, reading: Reading) -> Source:  # noqa: ARG001
    from toolkit.stores.sample import sample_store

    return sample_store(settings.home)


def _registry_root(place: Place, settings: Settings, reading: Reading) -> Source:  # noqa: ARG001
    from toolkit.stores.registry_root.store import RegistryRoot

    return RegistryRoot(Path(place.path))


def _transport(settings: Settings, **more: Any) -> Transport:  # noqa: ANN401 - what Transport takes
    from toolkit.plumbing.http import Transport
    from toolkit.plumbing.pace import shared_pace

    return Transport(settings.insecure, pace=shared_pace(settings.limit_rate), **more)


def _registry(place: Place, settings: Settings, reading: Reading) -> Source:  # noqa: ARG001
    from toolkit.plumbing.partials import Partials
    from toolkit.stores.registry.address import Address
    from toolkit.stores.registry.store import RegistryStore

    address, partials = Address.parse(place.path), Partials(settings.home / "partial")
    return RegistryStore(address, _client(address, settings), str(place), partials)


def _client(address: Address, settings: Settings) -> Client:
    """Return a registry to read from, behind its mirrors."""
    from toolkit.stores.registry.client import Client
    from toolkit.stores.registry.mirrored import HASTE, TIMEOUTS, MirroredClient

    transport = _transport(settings)
    if not settings.mirrors:
        return Client(address, transport)
    hasty = _transport(settings, patience=HASTE, timeouts=TIMEOUTS)
    return MirroredClient(address, transport, settings.mirrors, lambda mirror: Client(mirror, hasty))


def _registry_sink(place: Place, settings: Settings) -> Sink:
    from toolkit.stores.registry.address import Address
    from toolkit.stores.registry.client import Client
    from toolkit.stores.registry.sink import RegistrySink

    address = Address.parse(place.path)
    return RegistrySink(address, Client(address, _transport(settings)), str(place))


def _embedded(settings: Settings) -> Source:
    from toolkit.stores.layout import LayoutStore

    if not (settings.home / "store").is_dir():
        raise NotFound(f"the embedded store oci:{settings.home / 'store'}", "is not there yet", ADVICE)
    return LayoutStore(settings.home / "store")


def as_read(source: Source, reading: Reading) -> Source:
    """Tell a source what is wanted of it besides the images."""
    if reading.referrers and isinstance(source, HoldsReferrers):
        source.referrers = True
    return source


def first_that_has(place: Place, settings: Settings, reading: Reading) -> FirstThatHas:  # noqa: ARG001
    """Return what `auto` means; a further place is a further way to open one."""
    from toolkit.operations.choosing import FirstThatHas, one_place

    engine = Place("docker-daemon", "")
    ways = (
        one_place(lambda: as_read(_embedded(settings), reading)),
        one_place(lambda: _daemon(engine, settings, reading)),
        _repository(settings, reading),
    )
    return FirstThatHas(f"oci:{settings.home / 'store'}", ways, ADVICE)


def _repository(settings: Settings, reading: Reading) -> Way:
    """Return the way to the repository that a name says."""
    from toolkit.stores.registry.address import Address

    @cache
    def opened(place: str) -> Source:
        return as_read(_registry(Place.parse(place), settings, reading), reading)

    return lambda name: opened(Address.of(name).place)


def _embedded_sink(place: Place, settings: Settings) -> Sink:  # noqa: ARG001
    from toolkit.stores.layout import LayoutStore

    return LayoutStore(settings.home / "store")


def _not_written(place: Place, settings: Settings) -> Sink:  # noqa: ARG001
    raise Unsupported(
        str(place),
        "cannot be imported into",
        "name oci:PATH, graph:PATH, docker://HOST/REPO or docker-daemon:; lading export writes bundles",
    )


def _daemon(place: Place, settings: Settings, reading: Reading) -> Source:  # noqa: ARG001
    from toolkit.stores.engine import Engine
    from toolkit.stores.engine_host import find_host
    from toolkit.stores.engine_source import EngineSource

    return EngineSource(Engine(find_host()), str(place), place.path)


def _daemon_sink(place: Place, settings: Settings) -> Sink:  # noqa: ARG001
    from toolkit.stores.engine import Engine
    from toolkit.stores.engine_host import find_host
    from toolkit.stores.engine_sink import EngineSink

    return EngineSink(Engine(find_host()), str(place), place.path)


KINDS = {
    "oci": Kind(_layout, _layout_sink),
    "graph": Kind(_graph, _graph_sink),
    "docker-root": Kind(_docker_root, _not_written),
    "containers-storage": Kind(_containers_storage, _not_written),
    "registry-root": Kind(_registry_root, _not_written),
    "containerd-root": Kind(_containerd, _not_written),
    "docker": Kind(_registry, _registry_sink),
    "sample": Kind(_sample, _not_written),
    "docker-daemon": Kind(_daemon, _daemon_sink),
    AUTO: Kind(first_that_has, _embedded_sink),
    **{scheme: Kind(_bundle, _not_written) for scheme in BUNDLES},
}
