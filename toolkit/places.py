"""Places: a URI becomes a store or a bundle. The one room that knows every one of them by name."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import InvalidPlace, NotFound, Unsupported
from toolkit.gotime import EPOCH
from toolkit.platform import Platform
from toolkit.ports import Sink, Source
from toolkit.reading import AS_IT_IS, Reading
from toolkit.settings import Settings

SCHEME = re.compile(
    r"(?P<scheme>[a-z][a-z0-9-]{1,31})(?:\+(?P<option>[a-z0-9]{1,31}))?:(?P<rest>.*)", re.DOTALL
)
AUTO = "auto"
# Stores of engines, read while those do not run.
AT_REST = frozenset({"graph", "docker-root", "containers-storage", "containerd-root"})
WITH_DRIVER = ("graph", "docker-root", "containers-storage")  # the schemes that take +DRIVER
STANDARD_STREAM = "-"  # a bundle that comes in by standard input; a file of this name is ./-


@dataclass(frozen=True, slots=True)
class Place:
    """A parsed place: `scheme` is empty for a bundle given by its path."""

    scheme: str
    path: str
    option: str = ""  # the driver, as in graph+vfs:

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read a URI or a path; raises InvalidPlace."""
        if not text or "\0" in text:
            raise InvalidPlace(repr(text), "is no path", "give a store's URI or a bundle's path")
        if text == AUTO:
            return cls(AUTO, "")
        found = SCHEME.fullmatch(text)
        if not found or found["scheme"] not in KINDS or found["scheme"] == AUTO:
            if found and not os.path.exists(text) and "/" not in text.partition(":")[0]:
                known = ", ".join(f"{scheme}:" for scheme in sorted(KINDS.keys() - {"", AUTO, *LATER}))
                raise InvalidPlace(repr(text), "names no kind of place", f"give a path, or one of {known}")
            return cls("", text)
        place = cls(found["scheme"], found["rest"], found["option"] or "")
        if place.option and place.scheme not in WITH_DRIVER:
            takers = f"{':, '.join(WITH_DRIVER[:-1])}: and {WITH_DRIVER[-1]}:"
            raise InvalidPlace(repr(text), f"has the option +{place.option}, which only {takers} take")
        if place.path and place.scheme == "sample":
            raise InvalidPlace(repr(text), "has a path, and there is one sample only", "write sample:")
        if not place.path and place.scheme not in {"sample", "docker-daemon"}:
            raise InvalidPlace(repr(text), "has no path", f"write {place.scheme}:PATH")
        return place

    def __str__(self) -> str:
        if self.scheme in {"", AUTO}:
            return self.path or self.scheme
        return f"{self.scheme}{'+' + self.option if self.option else ''}:{self.path}"


def open_source(text: str, settings: Settings, reading: Reading = AS_IT_IS) -> Source:
    """Open a place to read from.

    Raises InvalidPlace, NotFound or Unsupported; TryAgain where an engine is running on the store.
    """
    place = Place.parse(text)
    if place.scheme in AT_REST:
        from toolkit.stores.running import refuse_running

        refuse_running(Path(place.path), reading.live)
    return KINDS[place.scheme].source(place, settings, reading)


def open_rootfs(
    file: str, names: Sequence[str] = (), platform: Platform | None = None, created: str = EPOCH
) -> Source:
    """Open the tar of a root file system as an image of one layer; raises as `Rootfs`."""
    from toolkit.bundles.rootfs import Rootfs

    return Rootfs(None if file == STANDARD_STREAM else Path(file), names, platform, created)


def open_sink(text: str, settings: Settings) -> Sink:
    """Open a store to write to; bundles are made by `toolkit.bundles.create_bundle`."""
    place = Place.parse(text)
    return KINDS[place.scheme].sink(place, settings)


def canonical(text: str, settings: Settings) -> str:
    """Return the place with its path absolute: the same place always gives the same text."""
    place = Place.parse(text)
    if place.scheme == AUTO:
        return f"oci:{settings.home.absolute() / 'store'}"
    if place.scheme in {"docker", "docker-daemon", "sample"} or str(place) == STANDARD_STREAM:
        return str(place)
    return str(Place(place.scheme, str(Path(place.path).absolute()), place.option))


def is_bundle(text: str) -> bool:
    """Tell whether a place is a file to carry rather than a store."""
    return Place.parse(text).scheme in BUNDLES


@dataclass(frozen=True, slots=True)
class Kind:
    """How one scheme is opened."""

    source: Callable[[Place, Settings, Reading], Source]
    sink: Callable[[Place, Settings], Sink]


def _bundle(place: Place, settings: Settings, reading: Reading) -> Source:  # noqa: ARG001 - one shape for all
    from toolkit.bundles import open_bundle

    if not place.scheme and str(place) != STANDARD_STREAM and os.path.isdir(place.path):
        _refuse_store(place)
    return open_bundle(None if str(place) == STANDARD_STREAM else Path(place.path), reading.prefer)


def _refuse_store(place: Place) -> None:
    """Raise Unsupported where a bare path is a store: which one is meant, its kind has to say."""
    from toolkit.stores.kinds import kinds_at

    if kinds := kinds_at(Path(place.path)):
        raise Unsupported(place.path, "is a store, not a bundle", f"write {kinds[0]}:{place.path}")


def _graph(place: Place, settings: Settings, reading: Reading) -> Source:  # noqa: ARG001
    from toolkit.stores.graph.store import GraphStore

    return GraphStore(Path(place.path), place.option, str(place))


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


def _registry(place: Place, settings: Settings, reading: Reading) -> Source:  # noqa: ARG001
    from toolkit.plumbing.http import Transport
    from toolkit.stores.registry.address import Address
    from toolkit.stores.registry.client import Client
    from toolkit.stores.registry.store import RegistryStore

    address = Address.parse(place.path)
    return RegistryStore(address, Client(address, Transport(settings.insecure)), str(place))


def _registry_sink(place: Place, settings: Settings) -> Sink:
    from toolkit.plumbing.http import Transport
    from toolkit.stores.registry.address import Address
    from toolkit.stores.registry.client import Client
    from toolkit.stores.registry.sink import RegistrySink

    address = Address.parse(place.path)
    return RegistrySink(address, Client(address, Transport(settings.insecure)), str(place))


def _embedded(place: Place, settings: Settings, reading: Reading) -> Source:  # noqa: ARG001
    from toolkit.stores.layout import LayoutStore

    if not (settings.home / "store").is_dir():
        advice = "name a source (--from graph:PATH, or [lading] source), or import a bundle first"
        raise NotFound(f"the embedded store oci:{settings.home / 'store'}", "is not there yet", advice)
    return LayoutStore(settings.home / "store")


def _embedded_sink(place: Place, settings: Settings) -> Sink:  # noqa: ARG001
    from toolkit.stores.layout import LayoutStore

    return LayoutStore(settings.home / "store")


def _not_written(place: Place, settings: Settings) -> Sink:  # noqa: ARG001
    raise Unsupported(
        str(place),
        "cannot be imported into",
        "name a store, oci:PATH or graph:PATH; lading export writes bundles",
    )


def _not_read(place: Place, settings: Settings, reading: Reading) -> Source:  # noqa: ARG001
    raise Unsupported(str(place), f"is a {place.scheme}: place, which this version does not read yet")


BUNDLES = frozenset({"", "docker-archive", "oci-archive", "dir"})
LATER = ("docker-daemon",)
KINDS = {
    "oci": Kind(_layout, _layout_sink),
    "graph": Kind(_graph, _graph_sink),
    "docker-root": Kind(_docker_root, _not_written),
    "containers-storage": Kind(_containers_storage, _not_written),
    "registry-root": Kind(_registry_root, _not_written),
    "containerd-root": Kind(_containerd, _not_written),
    "docker": Kind(_registry, _registry_sink),
    "sample": Kind(_sample, _not_written),
    AUTO: Kind(_embedded, _embedded_sink),
    **{scheme: Kind(_bundle, _not_written) for scheme in BUNDLES},
    **{scheme: Kind(_not_read, _not_written) for scheme in LATER},
}
