"""Reading stores that Docker 1.9.1 wrote: the layers, sizes and IDs are those that engines gave."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Told
from tests.stores.conftest import clone
from tests.stores.facts import DIFF_IDS, DRIVERS, IDS, IMAGE_ID, LAYERSIZES, RULES
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, ToolkitError
from toolkit.image import Layer, Proof
from toolkit.operations.shortids import full_name
from toolkit.operations.verify import verify
from toolkit.plumbing.tarball import Entries, Entry
from toolkit.plumbing.tarreader import StreamReader
from toolkit.stores.graph.store import GraphStore

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the files' owners and capabilities count")
TAG = "ubuntu:14.04"


def bytes_of(store: GraphStore, layer: Layer) -> bytes:
    with store.open(layer) as content:
        return b"".join(bytes(block) for block in content.blocks())


@pytest.mark.parametrize("driver", DRIVERS)
def test_each_layers_tar_is_the_one_docker_stored(engine_stores: Path, driver: str) -> None:
    store = GraphStore(engine_stores / f"docker-1.9.1-{driver}")
    image = store.image(TAG)
    assert tuple(layer.key for layer in image.layers) == IDS
    for layer, diff_id in zip(image.layers, DIFF_IDS, strict=True):
        tar = bytes_of(store, layer)
        assert hashlib.sha256(tar).hexdigest() == diff_id
        assert len(tar) == layer.size


@pytest.mark.parametrize("driver", DRIVERS)
def test_each_layersize_follows_the_rule_of_its_driver(engine_stores: Path, driver: str) -> None:
    image = GraphStore(engine_stores / f"docker-1.9.1-{driver}").image(TAG)
    sizes = [layer.v1.layersize for layer in image.layers if layer.v1]
    assert tuple(size.text for size in sizes) == LAYERSIZES[driver]
    assert {size.rule for size in sizes} == {RULES[driver]}
    assert not image.findings


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_image_id_is_the_one_docker_gives(engine_stores: Path, driver: str) -> None:
    image = GraphStore(engine_stores / f"docker-1.9.1-{driver}").image(TAG)
    digests = [Digest("sha256", hex_) for hex_ in DIFF_IDS]
    proofs = {
        layer.key: Proof(digest, layer.size, digest)
        for layer, digest in zip(image.layers, digests, strict=True)
    }
    (picture,) = image.proven(proofs).images()
    assert str(picture.config.image_id) == IMAGE_ID


def test_both_names_of_the_image_are_listed(engine_stores: Path) -> None:
    (line,) = GraphStore(engine_stores / "docker-1.9.1-aufs").listings()
    assert line.names == (TAG, "ubuntu:trusty")
    assert line.id == IDS[-1]
    assert line.size == sum(map(int, LAYERSIZES["aufs"]))


def test_history_tells_what_docker_history_tells(engine_stores: Path) -> None:
    outline = GraphStore(engine_stores / "docker-1.9.1-aufs").outline(TAG)
    assert [layer.history.created for layer in outline.layers] == [
        "2015-07-10T00:13:44.35Z", "2015-07-10T01:13:44.351Z", "2015-07-10T02:13:44.352Z", "2015-07-10T03:13:44.353Z",
    ]  # fmt: skip
    assert outline.layers[-1].history.created_by == '/bin/sh -c #(nop) CMD ["/bin/sh"]'
    assert outline.config["Cmd"] == ["/bin/sh"]


# ── without tar-split: the driver's own differ ──


def strip_tar_split(root: Path) -> Path:
    for path in root.glob("graph/*/tar-data.json.gz"):
        path.unlink()
    return root


def entries(store: GraphStore, layer: Layer) -> dict[bytes, tuple[Entry, bytes]]:
    with store.open(layer) as content:
        walk = Entries(StreamReader(content.blocks()), "layer")
        return {entry.name: (entry, b"".join(map(bytes, walk.body()))) for entry in walk}


def facts(entry: Entry, content: bytes) -> tuple[object, ...]:
    """What must come back. A link's mode means nothing on Linux: Go wrote 0777, the builder 0644."""
    mode = 0 if entry.type == b"2" else entry.mode & 0o7777
    owner = (entry.uid, entry.gid)
    return entry.type, mode, owner, entry.linkname, content, entry.major, entry.minor, dict(entry.xattrs)


@ROOT
@pytest.mark.root
@pytest.mark.parametrize("driver", DRIVERS)
def test_the_drivers_own_differ_finds_the_same_entries_and_contents(
    engine_stores: Path, tmp_path: Path, driver: str
) -> None:
    whole = GraphStore(engine_stores / f"docker-1.9.1-{driver}")
    bare = GraphStore(strip_tar_split(clone(engine_stores / f"docker-1.9.1-{driver}", tmp_path / "bare")))
    for layer, rebuilt in zip(whole.image(TAG).layers, bare.image(TAG).layers, strict=True):
        told, found = entries(whole, layer), entries(bare, rebuilt)
        implied = {name for name in found if name.endswith(b"/") and name not in told}
        assert all(any(other.startswith(name) for other in told) for name in implied)
        expected = {name: facts(*pair) for name, pair in told.items() if not is_mark(name)}
        assert {
            name: facts(*pair) for name, pair in found.items() if name not in implied and not is_mark(name)
        } == expected
        assert hidden(found, whole, layer) == hidden(told, whole, layer)
        assert times(found, implied) == times(told, set())


def is_mark(name: bytes) -> bool:
    return name.rpartition(b"/")[2].startswith(b".wh.")


def times(found: dict[bytes, tuple[Entry, bytes]], left_out: set[bytes]) -> dict[bytes, int]:
    """The times of all but whiteouts; an inode has one time, that of its last name's header."""
    linked = {entry.linkname for entry, _ in found.values() if entry.type == b"1"}
    return {
        name: entry.mtime
        for name, (entry, _) in found.items()
        if name not in left_out and not is_mark(name) and name not in linked and entry.type != b"1"
    }


def hidden(found: dict[bytes, tuple[Entry, bytes]], store: GraphStore, layer: Layer) -> set[bytes]:
    """The names of the layers below that whiteouts and opaque marks of this one hide."""
    below: set[bytes] = set()
    for lower in store.image(TAG).layers:
        if lower.key == layer.key:
            break
        below |= {name.rstrip(b"/") for name in entries(store, lower)}
    gone = set()
    for name in filter(is_mark, found):
        folder, slash, mark = name.rpartition(b"/")
        prefix = folder + slash if mark == b".wh..wh..opq" else folder + slash + mark[4:]
        exact = mark != b".wh..wh..opq"
        own = {other.rstrip(b"/") for other in found}
        gone |= {
            lower
            for lower in below
            if (lower == prefix or lower.startswith(prefix + b"/") if exact else lower.startswith(prefix))
            and lower not in own
        }
    return gone


def test_a_layer_without_tar_split_is_said_to_be_not_verifiable(root: Path) -> None:
    image = GraphStore(strip_tar_split(root)).image(TAG)
    assert {layer.v1.proof for layer in image.layers if layer.v1} == {"rebuilt"}
    assert all("not verifiable" in finding.problem for finding in image.findings)
    assert len(image.findings) == len(IDS)


def test_a_rebuilt_layer_is_the_same_bytes_every_time(root: Path) -> None:
    store = GraphStore(strip_tar_split(root))
    layers = store.image(TAG).layers
    assert [bytes_of(store, layer) for layer in layers] == [bytes_of(store, layer) for layer in layers]


@pytest.mark.parametrize("driver", ["overlay", "vfs"])
def test_files_that_share_an_inode_with_the_parent_are_no_hard_links(
    engine_stores: Path, tmp_path: Path, driver: str
) -> None:
    root = strip_tar_split(clone(engine_stores / f"docker-1.9.1-{driver}", tmp_path / "bare"))
    store = GraphStore(root)
    third = entries(store, store.image(TAG).layers[2])
    assert b"bin/busybox" not in third
    assert not [entry for entry, _ in third.values() if entry.type == b"1"]


# ── damage: one sentence each, and the right exit code ──


def write(root: Path, name: str, text: bytes) -> None:
    (root / name).write_bytes(text)


def names(root: Path, mapping: object) -> None:
    write(root, "repositories-aufs", json.dumps({"Repositories": mapping}).encode())


def edit_json(root: Path, layer_id: str, **members: object) -> None:
    path = root / "graph" / layer_id / "json"
    path.write_text(json.dumps(json.loads(path.read_text()) | members))


def flip(path: Path, offset: int = -20) -> None:
    raw = bytearray(path.read_bytes())
    raw[offset] ^= 1
    path.write_bytes(raw)


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def swap_for_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def swap_for_link(path: Path, target: str) -> None:
    path.rename(path.with_name(path.name + ".was"))
    path.symlink_to(target)


BASE, TOP = IDS[0], IDS[-1]
DAMAGE: dict[str, tuple[Callable[[Path], object], int, str]] = {
    "missing-layer-folder": (lambda r: (r / "aufs/diff" / BASE).rename(r / "gone"), 5, "is not there"),
    "missing-json": (lambda r: (r / "graph" / BASE / "json").unlink(), 5, "is not there"),
    "damaged-tar-data": (lambda r: flip(r / "graph" / BASE / "tar-data.json.gz"), 5, "tar-data.json.gz"),
    "truncated-tar-data": (lambda r: os.truncate(r / "graph" / BASE / "tar-data.json.gz", 900), 5, "tar-data.json.gz"),
    "changed-file": (lambda r: flip(r / "aufs/diff" / BASE / "etc/services"), 5, "etc/services: CRC-64 is"),
    "longer-file": (lambda r: append(r / "aufs/diff" / BASE / "etc/rpc"), 5, "etc/rpc: size is 912, expected 911"),
    "missing-file": (lambda r: (r / "aufs/diff" / BASE / "etc/rpc").unlink(), 5, "is not there"),
    "file-became-a-link": (lambda r: swap_for_link(r / "aufs/diff" / BASE / "etc/rpc", "/etc/passwd"), 5, "is a link where a file was"),
    "folder-became-a-link": (lambda r: swap_for_link(r / "aufs/diff" / BASE / "etc", "/etc"), 5, "is no folder, expected one"),
    "file-became-a-fifo": (lambda r: swap_for_fifo(r / "aufs/diff" / BASE / "etc/rpc"), 5, "is not a regular file"),
    "parent-cycle": (lambda r: edit_json(r, BASE, parent=TOP), 6, "the parents form a cycle"),
    "own-parent": (lambda r: edit_json(r, TOP, parent=TOP), 6, "the parents form a cycle"),
    "id-is-a-path": (lambda r: names(r, {"ubuntu": {"14.04": "../../x"}}), 6, "expected 64 lower-case hex digits"),
    "id-is-not-the-folder": (lambda r: edit_json(r, TOP, id=BASE), 6, "expected the folder's name"),
    "parent-is-a-path": (lambda r: edit_json(r, TOP, parent="../" * 21 + "x"), 6, "expected 64 lower-case hex digits"),
    "json-is-no-json": (lambda r: write(r, f"graph/{TOP}/json", b"{"), 5, "is not valid JSON"),
    "json-with-two-spellings": (lambda r: edit_json(r, TOP, Parent=BASE), 6, "second spelling"),
    "json-is-a-link": (lambda r: swap_for_link(r / "graph" / TOP / "json", "/etc/hostname"), 6, "is a link"),
    "names-are-no-json": (lambda r: write(r, "repositories-aufs", b"[]"), 5, "expected an object"),
    "diff-is-a-link-elsewhere": (lambda r: swap_for_link(r / "aufs/diff" / BASE, "/etc"), 6, "is a link to '/etc'"),
    "unknown-tag": (lambda r: names(r, {"ubuntu": {"14.10": TOP}}), 3, "ubuntu:14.10"),
    "no-graph": (lambda r: (r / "graph").rename(r / "g"), 5, "though aufs/diff is there"),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_refused_in_one_sentence(root: Path, what: str, told: Told) -> None:
    damage, code, sentence = DAMAGE[what]
    damage(root)
    with pytest.raises(ToolkitError) as caught:
        read_all(root)
    told("graph", what, caught.value)
    assert sentence in str(caught.value)
    assert caught.value.exit_code == code
    assert "\n" not in str(caught.value)


def read_all(root: Path) -> None:
    store = GraphStore(root)
    for layer in store.image(TAG).layers:
        bytes_of(store, layer)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "layersize is ''"),
        (b"12\n", "layersize is '12\\n'"),
        (b" 5", "layersize is ' 5'"),
        (b"1e3", "layersize is '1e3'"),
        (b"123", "which no rule of the aufs driver gives"),
    ],
)
def test_a_bad_layersize_is_named_and_stops_nothing(root: Path, text: bytes, problem: str) -> None:
    write(root, f"graph/{TOP}/layersize", text)
    (finding,) = GraphStore(root).image(TAG).findings
    assert problem in finding.problem
    assert finding.severity == "warning"
    read_all(root)


ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "a link": (lambda path: path.symlink_to("/etc/hostname"), "is a link, expected a regular file"),
    "a folder": (Path.mkdir, "is no regular file, expected a regular file"),
    "a pipe": (os.mkfifo, "is no regular file, expected a regular file"),
    "too long": (lambda path: path.write_bytes(b"1" * 5000), "is 5000 bytes, expected at most 4096"),
}


@pytest.mark.parametrize("odd", ODD)
def test_a_layersize_that_cannot_be_read_is_named_and_stops_nothing(root: Path, odd: str) -> None:
    path = root / "graph" / TOP / "layersize"
    path.unlink()
    make, problem = ODD[odd]
    make(path)
    store = GraphStore(root)
    (finding,) = store.image(TAG).findings
    assert f"layersize cannot be read ({path}: {problem}" in finding.problem
    assert finding.severity == "warning"
    assert [line.problem for line in store.listings()] == [""]
    read_all(root)


@pytest.mark.parametrize("text", [b"-1", None])
def test_a_layersize_that_docker_would_compute_again_is_no_fault(root: Path, text: bytes | None) -> None:
    path = root / "graph" / TOP / "layersize"
    path.unlink() if text is None else path.write_bytes(text)
    assert {finding.severity for finding in GraphStore(root).image(TAG).findings} == {"note"}


def test_a_layer_moved_by_the_migration_from_0_6_is_found_inside_the_root(root: Path) -> None:
    """`aufs/diff/<id>` is then an absolute link to a path of another machine (formats A.1, case 26)."""
    (root / "aufs/diff" / BASE).rename(root / "graph" / BASE / "layer")
    (root / "aufs/diff" / BASE).symlink_to(f"/var/lib/docker/graph/{BASE}/layer")
    read_all(root)


def test_digest_keys_are_names_with_an_at_sign(root: Path) -> None:
    digest = "sha256:" + "a" * 64
    names(root, {"ubuntu": {"14.04": TOP, digest: TOP}, "gone": {"1": "f" * 64}})
    store = GraphStore(root)
    good, bad = sorted(store.listings(), key=lambda line: line.problem)
    assert good.names == (TAG, f"ubuntu@{digest}")
    assert store.identify(f"ubuntu@{digest}") == TOP
    assert bad.names == ("gone:1",)
    assert "is not there" in bad.problem


@pytest.mark.parametrize("text", [None, b"", b"{", b'{"Repositories":{"ubuntu":{"14.04'])
def test_without_names_every_image_is_listed_by_its_id(root: Path, text: bytes | None) -> None:
    path = root / "repositories-aufs"
    path.unlink() if text is None else path.write_bytes(text)
    store = GraphStore(root)
    assert [(line.names, line.id) for line in store.listings()] == [((), TOP)]
    (remark,) = store.remarks()
    assert f"has lost the names of its images: {path}: is not " in remark.problem
    assert (remark.severity, remark.check) == ("warning", "names")
    with pytest.raises(CorruptContent, match=r"names are lost with it; .* ask for one by its ID"):
        store.image(TAG)
    assert full_name(store, TOP[:12]) == TOP
    assert verify(store, [TOP]).ok
    assert [layer.key for layer in store.image(IDS[1]).layers] == list(IDS[:2])  # it may have had a name too


def test_a_strong_id_is_the_folders_name_and_the_parent_file_overrides(root: Path) -> None:
    """1.8.3 and later: no `id`, a `parent_id` that no longer names a folder, and a file `parent`."""
    path = root / "graph" / TOP / "json"
    value = json.loads(path.read_text())
    parent = value.pop("parent")
    value.pop("id")
    path.write_text(json.dumps(value | {"parent_id": "sha256:" + "e" * 64, "layer_id": "sha256:" + "d" * 64}))
    (root / "graph" / TOP / "parent").write_text(parent)
    assert GraphStore(root).layer_keys(TAG) == IDS


@pytest.mark.parametrize("lines", [0, 20])
def test_a_tar_split_that_was_cut_at_a_line_is_refused(root: Path, lines: int) -> None:
    path = root / "graph" / BASE / "tar-data.json.gz"
    whole = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    path.write_bytes(gzip.compress(b"".join(whole[:lines])))
    with pytest.raises(CorruptContent, match=r"tar-data\.json\.gz"):
        read_all(root)


def test_a_tar_split_that_lacks_only_the_end_is_told(root: Path) -> None:
    path = root / "graph" / BASE / "tar-data.json.gz"
    whole = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    path.write_bytes(gzip.compress(b"".join(whole[:258])))
    (finding,) = GraphStore(root).image(TAG).findings
    assert "is a tar without its end" in finding.problem


def test_a_tar_split_without_one_of_its_files_is_refused(root: Path) -> None:
    path = root / "graph" / BASE / "tar-data.json.gz"
    lines = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    number = next(i for i, line in enumerate(lines) if line.get("name") == "etc/rpc")
    del lines[number - 1 : number + 1]
    kept = (json.dumps(line | {"position": i}) for i, line in enumerate(lines))
    path.write_bytes(gzip.compress("\n".join(kept).encode()))
    with pytest.raises(CorruptContent, match="sum of its files is 2302537, expected 2303448"):
        read_all(root)


def test_reading_changes_nothing(root: Path) -> None:
    def state() -> list[tuple[str, int, int]]:
        walked = ((folder, files) for folder, _, files in os.walk(root))
        paths = [os.path.join(folder, name) for folder, files in walked for name in files]
        return [(path, os.lstat(path).st_mtime_ns, os.lstat(path).st_size) for path in sorted(paths)]

    before = state()
    read_all(root)
    GraphStore(root).listings()
    assert state() == before


# ── layers made anew ──


@ROOT
@pytest.mark.root
@pytest.mark.parametrize("what", ["changed-file", "longer-file", "missing-file", "damaged-tar-data"])
def test_what_is_not_as_the_tar_split_has_it_is_made_anew_only_when_allowed(root: Path, what: str) -> None:
    DAMAGE[what][0](root)
    store = GraphStore(root, allow_rebuilt=True)
    image = store.image(TAG)
    proofs = [layer.v1.proof for layer in image.layers if layer.v1]
    assert proofs == ["rebuilt", "tar-split", "tar-split", "tar-split"]
    told = [finding.problem for finding in image.findings if "is made anew" in finding.problem]
    assert len(told) == 1
    first, again = (bytes_of(store, image.layers[0]) for _ in range(2))
    assert first == again
    assert len(first) == image.layers[0].size
    assert hashlib.sha256(first).hexdigest() != DIFF_IDS[0]


def test_a_whole_root_is_the_same_when_rebuilding_is_allowed(root: Path) -> None:
    image = GraphStore(root, allow_rebuilt=True).image(TAG)
    assert {layer.v1.proof for layer in image.layers if layer.v1} == {"tar-split"}
    assert not image.findings
