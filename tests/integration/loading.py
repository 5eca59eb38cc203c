"""A bundle in each engine: given to it as its users do, and what the engine then has, by its own word.

`held(engine, bundle, names)` raises `EngineRefused` where the engine takes no such bundle, or has not all
the images afterwards. Used by the tests here and by the scripts in `tests/acceptance`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import singledispatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .engines import Containerd, Dockerd, Podman, Skopeo, Umoci
from .workplace import EngineRefused, Workplace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from toolkit.bundles.engines import Engines

NAMELESS = ""  # in the place of a name: the one image that has none
TRANSPORTS = {True: ["dir"], False: ["docker-archive", "oci-archive"]}  # of skopeo, for a folder or a file
DEFAULT_DOMAINS = ("docker.io/library/", "localhost/")  # what containerd and podman put before a short name


@dataclass(frozen=True)
class Held:
    """An image that an engine has: the digest of its config, and what its layers unpack to."""

    image_id: str
    diff_ids: tuple[str, ...]

    @classmethod
    def of_config(cls, config: bytes) -> Held:
        diff_ids: list[str] = json.loads(config)["rootfs"]["diff_ids"] or []
        return cls(f"sha256:{hashlib.sha256(config).hexdigest()}", tuple(diff_ids))

    @classmethod
    def of_inspect(cls, told: dict[str, Any]) -> Held:
        """Take what docker and podman tell; podman leaves the algorithm out of the ID."""
        layers: list[str] = told["RootFS"].get("Layers") or []
        return cls("sha256:" + told["Id"].removeprefix("sha256:"), tuple(layers))


@singledispatch
def held(engine: Workplace, bundle: Path, names: Sequence[str]) -> dict[str, Held]:
    """Return the images of these names, as the engine has them once it was given the bundle."""
    # What only an engine that has a function of its own below can do.
    raise NotImplementedError(f"{engine} of {bundle}: {names}")


@held.register(Dockerd)
def _docker(engine: Dockerd, bundle: Path, names: Sequence[str]) -> dict[str, Held]:
    engine.forget()
    with as_one_file(bundle, engine.home) as file:
        engine.load(file)
    ids = engine.docker("images", "--quiet", "--no-trunc").split()  # but for those that others are built upon
    return chosen(by_name(engine.inspect_all(ids)), names, engine)


@held.register(Podman)
def _podman(engine: Podman, bundle: Path, names: Sequence[str]) -> dict[str, Held]:
    engine.load(bundle)
    ids = engine.podman("images", "--quiet", "--no-trunc").split()
    return chosen(by_name(engine.inspect_all(ids)), names, engine)


def by_name(told: Sequence[dict[str, Any]]) -> dict[str, Held]:
    """Sort what docker and podman tell of their images by name."""
    return {
        short(name): Held.of_inspect(image) for image in told for name in image.get("RepoTags") or [NAMELESS]
    }


@held.register(Containerd)
def _containerd(engine: Containerd, bundle: Path, names: Sequence[str]) -> dict[str, Held]:
    engine.forget()
    with as_one_file(bundle, engine.home) as file:
        engine.load(file, "--digests", "--skip-digest-for-named")  # without it, no name is no image
    states = engine.check().splitlines()[1:]
    if not all("complete" in line for line in states):
        raise EngineRefused(f"ctr has not unpacked all: {states}")
    found = {
        NAMELESS if name.startswith("import-") else short(name): Held.of_config(_config(engine, digest))
        for name, digest in engine.images().items()
    }
    return chosen(found, names, engine)


def _config(engine: Containerd, digest: str) -> bytes:
    """Return the config of the platform that was unpacked."""
    document = json.loads(engine.content(digest))
    if listed := document.get("manifests"):
        here = [each for each in listed if each["platform"]["architecture"] == "amd64"]
        return _config(engine, (here or listed)[0]["digest"])
    return engine.content(document["config"]["digest"])


@held.register(Skopeo)
def _skopeo(engine: Skopeo, bundle: Path, names: Sequence[str]) -> dict[str, Held]:
    """Read it through every transport that takes it; they must agree."""
    found, refused = {}, []
    for transport in TRANSPORTS[bundle.is_dir()]:
        try:
            found[transport] = {
                name: _copied(engine, transport, bundle, references(transport, name, only=len(names) == 1))
                for name in names
            }
        except EngineRefused as refusal:
            refused.append(str(refusal))
    if not found:
        raise EngineRefused("\n".join(refused))
    first = next(iter(found.values()))
    if any(other != first for other in found.values()):
        raise EngineRefused(f"skopeo sees different images: {found}")
    return first


def _copied(engine: Skopeo, transport: str, bundle: Path, references: Sequence[str]) -> Held:
    """Copy an image into a folder, which proves its layers, and look there which config it has."""
    refusals = []
    for reference in references:
        copy = engine.home / "copy"
        try:
            engine.copy(f"{transport}:{bundle}{reference}", f"dir:{copy}")
            digest = json.loads((copy / "manifest.json").read_bytes())["config"]["digest"]
            return Held.of_config((copy / digest.partition(":")[2]).read_bytes())
        except EngineRefused as refusal:
            refusals.append(str(refusal))
        finally:
            shutil.rmtree(copy, ignore_errors=True)
    raise EngineRefused("\n".join(refusals))


def references(transport: str, name: str, *, only: bool) -> list[str]:
    """Return how skopeo may ask for an image: Docker gives it the bare tag in a layout; one has no need of it."""
    if transport == "dir" or not name:
        return [""]
    tag = name.rpartition(":")[2]
    return [f":{name}", *([f":{tag}"] if transport == "oci-archive" else []), *([""] if only else [])]


@held.register(Umoci)
def _umoci(engine: Umoci, bundle: Path, names: Sequence[str]) -> dict[str, Held]:
    """Unpack each image of the layout in the bundle, which proves every diffID."""
    layout = Path(tempfile.mkdtemp(dir=engine.home))
    with as_one_file(bundle, engine.home) as file:
        subprocess.run(["tar", "-xf", file, "-C", layout], check=True)
    tags = engine.tags(layout)
    found = {}
    for name in names:
        reference = name if name in tags else name.rpartition(":")[2]
        digest = engine.unpack(layout, reference)
        manifest = json.loads((layout / "blobs" / digest.replace(":", "/")).read_bytes())
        config = (layout / "blobs" / manifest["config"]["digest"].replace(":", "/")).read_bytes()
        found[name] = Held.of_config(config)
    return chosen(found, names, engine)


def says(engines: Engines, engine: Workplace) -> bool:
    """Tell whether an engine is among those that are said to load a bundle."""
    if isinstance(engine, Dockerd):
        first, last = engines.docker or ((0, 0), (0, 0))
        return engines.docker is not None and first <= engine.version() <= last
    return type(engine).__name__.lower() in engines.others


def chosen(found: dict[str, Held], names: Sequence[str], engine: Workplace) -> dict[str, Held]:
    """Return the images that were asked for; raises where there is none of a name, as after any refusal."""
    if missing := [name for name in names if name not in found]:
        raise EngineRefused(f"{type(engine).__name__} took it, and has no {missing}: it has {sorted(found)}")
    return {name: found[name] for name in names}


def short(name: str) -> str:
    """Return an engine's name of an image as it is usually written."""
    for domain in DEFAULT_DOMAINS:
        name = name.removeprefix(domain)
    return name


@contextlib.contextmanager
def as_one_file(bundle: Path, folder: Path) -> Iterator[Path]:
    """A bundle as the one file that an engine without folders takes: a `dir` is put into a tar."""
    if not bundle.is_dir():
        yield bundle.resolve()
        return
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".tar") as file:
        subprocess.run(
            ["tar", "-C", bundle, "-cf", file.name, *sorted(p.name for p in bundle.iterdir())], check=True
        )
        yield Path(file.name)
