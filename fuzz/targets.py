"""What is fuzzed: one function a target, which must come to an end with an error of ours or with none.

Beside that each holds what has to be true whatever the input is: how a stream is cut changes nothing, what
was read is written back as it was, a limit is kept. What is not true is an AssertionError, which is a crash.
"""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fuzz import seeds
from fuzz.files import handle_of, path_of
from fuzz.repair import repaired_addresses, repaired_headers
from toolkit.ancestry import V1Layer
from toolkit.bundles import open_bundle
from toolkit.bundles.entries import Entries as Listed
from toolkit.digest import Digest
from toolkit.document import load_any
from toolkit.errors import ToolkitError
from toolkit.jws import fits
from toolkit.migration import migrated_config
from toolkit.model import Config, Index, Manifest
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.plumbing.archive import TarIndex
from toolkit.plumbing.assembly import assemble
from toolkit.plumbing.bolt import Bolt
from toolkit.plumbing.compression import COMPRESSIONS, decompressed, sniff
from toolkit.plumbing.streams import Extent
from toolkit.plumbing.tarball import Entries, FileReader, StreamReader
from toolkit.plumbing.tarsplit import TarSplit
from toolkit.plumbing.tree import Tree
from toolkit.plumbing.watch import Watch
from toolkit.ports import Block, Closes, Source
from toolkit.reference import Reference, meaning
from toolkit.report import Report
from toolkit.schema1 import Schema1
from toolkit.stores.layout import LayoutStore

OUTPUT = 8 << 20  # bytes that a stream of the fuzzer's may unpack to
PIECES = (1, 7, 511, 512, 513, 4096)

Test = Callable[[bytes], object]
Repair = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Target:
    """What is given the inputs, what these begin as, and what makes a damaged one worth reading again."""

    test: Test
    seeds: Callable[[], Iterable[bytes]]
    repair: Repair | None = None
    longest: int = 64 << 10  # bytes of an input


def cut(data: bytes, size: int) -> Iterator[Block]:
    """Yield bytes in pieces, each in the same room as the one before."""
    room = bytearray(size)
    for at in range(0, len(data), size):
        piece = data[at : at + size]
        room[: len(piece)] = piece
        yield memoryview(room)[: len(piece)]


def outcome(test: Callable[[], object]) -> object:
    """Return what a test returns, or the error of ours that it raises, in words."""
    try:
        return test()
    except ToolkitError as error:
        return type(error), str(error)


# ── tars ──


def tar(data: bytes) -> None:
    """The tar iterator, over a file and over streams that are cut in any way."""

    def walked(entries: Entries) -> object:
        found = [(entry, b"".join(map(bytes, entries.body()))) for entry in entries]
        return found, entries.end, entries.trailing, entries.trailing_nonzero

    for allow_sparse in (False, True):
        with handle_of(data) as handle:
            whole = Entries(FileReader(handle, 0, len(data), "it"), "it", allow_sparse=allow_sparse)
            first = outcome(lambda: walked(whole))  # noqa: B023 - called at once
        size = PIECES[len(data) % len(PIECES)]
        pieces = Entries(StreamReader(cut(data, size)), "it", allow_sparse=allow_sparse)
        second = outcome(lambda: walked(pieces))  # noqa: B023
        assert first == second, (size, first, second)


def watch(data: bytes) -> None:
    """What looks at a layer while it passes: it finds the same however the layer is cut."""

    def watched(size: int) -> object:
        found = Watch("it")
        for piece in cut(data, size):
            found(piece)
        return found.notes

    first = outcome(lambda: watched(max(1, len(data))))
    size = PIECES[len(data) % len(PIECES)]
    second = outcome(lambda: watched(size))
    assert first == second, (size, first, second)


def archive(data: bytes) -> None:
    """The index of an outer archive, and every name in it looked up."""
    with handle_of(data) as handle:
        index = TarIndex.scan(handle, "it")
        for name in [*index.names(), *index.directories()]:
            assert name in index or index.entry(name) is None
            outcome(lambda: index.read(name, 1 << 20))  # noqa: B023
            outcome(lambda: index.resolve(name + "/../x"))  # noqa: B023


# ── bundles ──


def bundle(data: bytes) -> None:
    """A bundle of any format: opened, listed, each image looked at and read, and all of them carried."""
    with path_of(data) as path:
        source = open_bundle(path)
        assert isinstance(source, Closes)
        try:
            names = [name for line in source.listings() for name in line.names or (line.id,)]
            for name in names[:20]:
                outcome(lambda: source.identify(name))  # noqa: B023
                outcome(lambda: source.outline(name))  # noqa: B023
                outcome(lambda: source.layer_keys(name))  # noqa: B023
            report = verify(source, jobs=1)
            if names and (report.ok or len(data) % 4 == 0):
                _carried(source, names, report)
        finally:
            source.close()


def _carried(source: Source, names: list[str], report: Report) -> None:
    """What is verified is carried too, and is the same there; and what is not is not."""
    with tempfile.TemporaryDirectory() as folder:
        images = outcome(lambda: copy(source, LayoutStore(Path(folder)), names, jobs=1))
        assert isinstance(images, list) == report.ok, (report.errors, images)
        if isinstance(images, list):
            again = verify(LayoutStore(Path(folder)), jobs=1)
            assert again.ok, again.errors
            assert {image.top.digest for image in again.images} == {image.top.digest for image in images}
        else:
            assert not Path(folder, "index.json").exists()


# ── records and documents ──


@cache
def _tree() -> Tree:
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    for name, content in seeds.TREE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return Tree(folder)


def tar_split(data: bytes) -> None:
    """The lines of a tar-split, measured and put together with a tree; also as the gzip that it is."""
    packed = data if data.startswith(b"\x1f\x8b") else gzip.compress(data, 1)
    with handle_of(packed) as handle:
        split = TarSplit(lambda: Extent(handle, 0, len(packed), "it"), "it")
        measured = outcome(lambda: split.measure().size)
        made = outcome(lambda: sum(map(len, assemble(split, _tree()))))
        assert isinstance(made, tuple) or made == measured, (made, measured)


def v1_json(data: bytes) -> None:
    """A chain of v1 jsons, one a line: read, made a config of, and read as Docker reads it."""
    raws = data.split(b"\n")[:8]
    layers = [V1Layer.from_bytes(raw) for raw in raws]
    ids = [Digest.of(raw) for raw in raws]
    for reading in (layers, [layer.as_docker_reads() for layer in layers]):
        config = Config.from_bytes(migrated_config(reading, ids))
        assert list(config.diff_ids) == ids
    for layer in layers:
        again = V1Layer.from_annotations(layer.annotations(), layer.parent)
        assert again is None or again.raw == layer.raw


def documents(data: bytes) -> None:
    """JSON as whatever document it may be: manifest, index, config, index.json, schema 1."""
    kinds: tuple[Callable[[], object], ...] = (
        lambda: load_any(data, "it"),
        lambda: Manifest.from_bytes(data),
        lambda: Index.from_bytes(data),
        lambda: Config.from_bytes(data),
        lambda: Listed.of(data).names(),
        lambda: Schema1.from_bytes(data, Digest.of(data)),
    )
    found = [outcome(kind) for kind in kinds]
    manifest, index = found[1:3]
    assert not (isinstance(manifest, Manifest) and isinstance(index, Index)), "two readers, two images"
    for each in found[1:4]:
        assert isinstance(each, tuple) or each.raw == data  # type: ignore[attr-defined]


def signed(data: bytes) -> None:
    """A signed manifest of schema 1, under the digest that its own signatures lead to."""
    from toolkit.schema1 import _payload

    top = load_any(data, "it")
    with suppress(ToolkitError):
        from toolkit.document import load

        payload = _payload(data, load(data, "it"))
        Schema1.from_bytes(data, Digest.of(payload))
    signatures = top.get("signatures") if isinstance(top, dict) else None
    for signature in signatures if isinstance(signatures, list) else []:
        if isinstance(signature, dict):
            fits(signature, b"{}")


def names(data: bytes) -> None:
    """References, one a line: what is read is printed so that it is read again as the same."""
    for text in data.decode(errors="surrogateescape").splitlines()[:50]:
        meaning(text)
        reference = outcome(lambda: Reference.parse(text))  # noqa: B023
        if isinstance(reference, Reference):
            assert Reference.parse(str(reference)) == reference
            assert meaning(reference.familiar) == meaning(text)


# ── the rest ──


def streams(data: bytes) -> None:
    """Compressed data: within its limits, and the same however it is cut."""
    kind = sniff(data[:32]) or COMPRESSIONS[len(data) % len(COMPRESSIONS)]

    def unpacked(size: int) -> bytes:
        return b"".join(decompressed(cut(data, size), kind, "it", limit=OUTPUT))

    first = outcome(lambda: unpacked(max(1, len(data))))
    assert not isinstance(first, bytes) or len(first) <= OUTPUT
    second = outcome(lambda: unpacked(PIECES[len(data) % len(PIECES)]))
    same = first == second or (isinstance(first, tuple) and isinstance(second, tuple))
    assert same, (kind, str(first)[:200], str(second)[:200])


def bolt(data: bytes) -> None:
    """A database of containerd's."""
    with handle_of(data) as handle:
        seeds.read_bolt(Bolt(handle, "it"))


TARGETS: dict[str, Target] = {
    "tar": Target(tar, seeds.tars, repaired_headers),
    "watch": Target(watch, seeds.tars, repaired_headers),
    "archive": Target(archive, seeds.archives, repaired_headers),
    "universal": Target(bundle, lambda: seeds.bundles("universal"), repaired_addresses),
    "docker": Target(bundle, lambda: seeds.bundles("docker"), repaired_addresses),
    "docker-v1.2": Target(bundle, lambda: seeds.bundles("docker-v1.2"), repaired_headers),
    "docker-v1": Target(bundle, lambda: seeds.bundles("docker-v1"), repaired_headers),
    "oci": Target(bundle, lambda: seeds.bundles("oci"), repaired_addresses),
    "dir": Target(bundle, lambda: seeds.bundles("dir"), repaired_headers),
    "tar-split": Target(tar_split, seeds.tar_splits),
    "v1-json": Target(v1_json, seeds.v1_jsons),
    "documents": Target(documents, seeds.documents),
    "schema1": Target(signed, seeds.signed_manifests),
    "names": Target(names, seeds.names, longest=4096),
    "streams": Target(streams, seeds.streams),
    "bolt": Target(bolt, seeds.bolts),
}


def run(target: Target, data: bytes) -> None:
    """Give one input to a target; raises what is a crash."""
    with suppress(ToolkitError):
        target.test(data)
