"""contents: what lies in an image's layers, without unpacking any."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from toolkit.errors import Unsupported
from toolkit.image import Layer
from toolkit.operations.layersizes import layer_entries
from toolkit.platform import Platform
from toolkit.plumbing.parallel import in_parallel
from toolkit.plumbing.tarball import Entries
from toolkit.ports import Source

OS_RELEASE = (b"etc/os-release", b"usr/lib/os-release")
RELEASE_LIMIT = 64 << 10  # bytes


@dataclass(frozen=True, slots=True)
class LayerContents:
    """One layer: what stands at its top, how many files, and their bytes."""

    key: str
    folders: tuple[str, ...]  # top-level names, in order
    files: int
    size: int  # bytes of file content
    release: str = ""  # text of an os-release in it

    @property
    def is_empty(self) -> bool:
        """Tell whether the layer changes nothing."""
        return not self.folders


@dataclass(frozen=True, slots=True)
class Contents:
    """All layers, base first, and the distribution their os-release names."""

    layers: tuple[LayerContents, ...]
    distribution: str


def contents(source: Source, name: str, platform: Platform | None = None) -> Contents:
    """Walk every layer of an image; raises what reading them raises."""
    layers = source.image(name, platform).layers

    def look(layer: Layer) -> LayerContents:
        with source.open(layer) as content:
            return replace(_summary(layer_entries(content)), key=layer.key)

    found = in_parallel(look, layers, size=lambda layer: layer.size)
    releases = [layer.release for layer in found if layer.release]
    return Contents(tuple(found), distribution(releases[-1]) if releases else "")


def distribution(release: str) -> str:
    """Return the name an os-release gives: PRETTY_NAME, else NAME and VERSION_ID (os-release(5))."""
    facts = dict(line.partition("=")[::2] for line in release.splitlines() if "=" in line)
    told = {key.strip(): value.strip().strip("\"'") for key, value in facts.items()}
    return told.get("PRETTY_NAME") or f"{told.get('NAME', '')} {told.get('VERSION_ID', '')}".strip()


def _summary(entries: Entries) -> LayerContents:
    tops: Counter[str] = Counter()
    files = size = 0
    release = ""
    for entry in entries:
        name = entry.name.removeprefix(b"./").strip(b"/")
        if not name or name == b".":
            continue
        tops[name.split(b"/", 1)[0].decode(errors="backslashreplace")] += 1
        if entry.type in b"01":
            files += 1
            size += entry.size
        if name in OS_RELEASE and entry.type == b"0":
            release = _text(entries, entry.size) or release
    return LayerContents("", tuple(sorted(tops)), files, size, release)


def _text(entries: Entries, size: int) -> str:
    if size > RELEASE_LIMIT:
        raise Unsupported("os-release", f"is {size} bytes, expected at most {RELEASE_LIMIT}")
    return b"".join(bytes(block) for block in entries.body()).decode(errors="replace")
