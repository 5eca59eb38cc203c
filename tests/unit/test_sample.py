from __future__ import annotations

import gzip
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from toolkit.errors import StoreError
from toolkit.image import Layer, Proof
from toolkit.plumbing.streams import nowhere, transfer
from toolkit.stores.graph.store import GraphStore
from toolkit.stores.sample import STAMP, Sample, sample_store

ROOT = Path(__file__).parents[2]
PACKED = ROOT / "toolkit" / "sample" / "aufs.tar.gz"
MAKE = ("-m", "tests.golden.make_sample")  # run at the root of the checkout


class Facts(NamedTuple):
    """What make_sample printed; docker 20.10.24 found the same diffIDs."""

    id: str
    diff_id: str
    size: int
    layersize: int


BASE = Facts(
    "cdaca06bc41fbf67f1671836838c5a2de1979ad458130fe6d294a6aa7de3713e",
    "sha256:8ba9cdafb4db3ae74881444e6681c58f65848bdd2bc4515c57c8f87dcbbf46f4",
    170496,
    139896,
)
CHANGES = Facts(
    "56849a4fc21db2382027112b089bf3989a9a271ad9359febb90233a17646e627",
    "sha256:fb0210f155696242a39e70151d074834a3bd958994b6e17298282f049c348775",
    41984,
    33506,
)
SED = Facts(
    "93e0768237b23333f1021e68736f75878ab79be5447b074e74a11f8ec6be2d0b",
    "sha256:bf5f90b2b05decaaeb67d053b3812e8bb36b01f57b5c07c7a7824369e2a223a7",
    5120,
    233,
)
EMPTY = Facts(
    "bfdf47abe467bbf67e46842388dbb27d7cc8b07cb87249dabd73e98abbd0bd71",
    "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
    1024,
    0,
)
CHAIN = (BASE, CHANGES, SED, EMPTY)
IMAGE_ID = "sha256:192ecff0be21839de44a855480f6306150b7fb833f9071f6653900c8d5e415f0"  # docker 20.10.24's


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    sample_store(folder)
    return folder


@pytest.fixture
def store(home: Path) -> GraphStore:
    return sample_store(home)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user may enter and write to."""
    folder = Path(tempfile.mkdtemp(prefix="sample-")).resolve()
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def content(store: GraphStore, layer: Layer) -> bytes:
    with store.open(layer) as opened:
        return b"".join(map(bytes, opened.blocks()))


def gnu_tar(*words: str, archive: bytes) -> str:
    done = subprocess.run(
        ["tar", *words],
        input=archive,
        capture_output=True,
        check=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    return done.stdout.decode()


def tree_of(folder: Path) -> dict[str, bytes | str | None]:
    """Path → a file's content, where a link points, or None for a folder."""
    found: dict[str, bytes | str | None] = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif not path.is_fifo():
            found[name] = path.read_bytes() if path.is_file() else None
    return found


def tree_size(folder: Path) -> int:
    """Rule S3 as `find` would count it: what is no folder, each inode once."""
    facts = [path.lstat() for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
    return sum({fact.st_ino: fact.st_size for fact in facts}.values())


# ── the store ─────────────────────────────────────────────────────────────────────────────────────


def test_the_store_has_the_shape_of_a_engine_stores_with_aufs(home: Path) -> None:
    root, ids = home / "sample", {layer.id for layer in CHAIN}
    assert {path.name for path in root.iterdir()} == {"aufs", "graph", "repositories-aufs", STAMP}
    assert set(os.listdir(root / "graph")) == {*ids, "_tmp"}
    for kind in ("diff", "layers", "mnt"):
        assert set(os.listdir(root / "aufs" / kind)) == ids
    for layer_id in ids:
        assert set(os.listdir(root / "graph" / layer_id)) == {"json", "layersize", "tar-data.json.gz"}


def test_the_layers_file_names_the_nearest_ancestor_first(home: Path) -> None:
    folder = home / "sample" / "aufs" / "layers"
    assert (folder / BASE.id).read_text() == ""
    assert (folder / EMPTY.id).read_text() == f"{SED.id}\n{CHANGES.id}\n{BASE.id}\n"


def test_two_names_stand_for_one_image(store: GraphStore) -> None:
    (listing,) = store.listings()
    assert (listing.names, listing.id) == (("ubuntu:14.04", "ubuntu:trusty"), EMPTY.id)
    assert listing.problem == ""
    assert store.place == "sample:"


def test_the_json_says_that_docker_1_6_2_built_it(home: Path) -> None:
    raw = (home / "sample" / "graph" / EMPTY.id / "json").read_bytes()
    top = json.loads(raw)
    assert not raw.endswith(b"\n")
    assert (top["id"], top["parent"], top["docker_version"]) == (EMPTY.id, SED.id, "1.6.2")
    assert top["config"]["Cmd"] == ["/bin/hello"]


@pytest.mark.parametrize("facts", CHAIN, ids=["base", "changes", "sed", "empty"])
def test_a_layer_comes_out_as_the_tar_it_was_made_from(store: GraphStore, facts: Facts) -> None:
    layer = next(layer for layer in store.image("ubuntu:14.04").layers if layer.key == facts.id)
    assert layer.v1 is not None
    assert layer.v1.proof == "tar-split"
    with store.open(layer) as opened:
        assert transfer(opened, layer, nowhere).diff_id.hex == facts.diff_id.removeprefix("sha256:")
    assert layer.size == facts.size


@pytest.mark.parametrize("facts", CHAIN, ids=["base", "changes", "sed", "empty"])
def test_the_layersize_follows_the_rule_of_the_aufs_driver(
    home: Path, store: GraphStore, facts: Facts
) -> None:
    layer = next(layer for layer in store.image("ubuntu:14.04").layers if layer.key == facts.id)
    assert layer.v1 is not None
    assert (layer.v1.layersize.value, layer.v1.layersize.rule) == (facts.layersize, "S3")
    assert tree_size(home / "sample" / "aufs" / "diff" / facts.id) == facts.layersize


def test_nothing_about_the_image_is_odd(store: GraphStore) -> None:
    assert store.image("ubuntu:14.04").findings == ()


def test_the_image_id_is_the_one_docker_gives_it(store: GraphStore) -> None:
    image = store.image("ubuntu:14.04")
    proofs: dict[str, Proof] = {}
    for layer in image.layers:
        with store.open(layer) as opened:
            proofs[layer.key] = transfer(opened, layer, nowhere)
    (proven,) = image.proven(proofs).images()
    assert str(proven.config.image_id) == IMAGE_ID


def test_gnu_tar_finds_in_each_layer_what_is_on_disk(home: Path, store: GraphStore, tmp_path: Path) -> None:
    for layer in store.image("ubuntu:14.04").layers:
        target = tmp_path / layer.key
        target.mkdir()
        gnu_tar("-x", "--no-same-owner", "-C", str(target), archive=content(store, layer))
        assert tree_of(target) == tree_of(home / "sample" / "aufs" / "diff" / layer.key)


def test_gnu_tar_lists_what_a_plain_user_cannot_have_on_disk(store: GraphStore) -> None:
    base = store.image("ubuntu:14.04").layers[0]
    words = ("-t", "-v", "--numeric-owner", "--utc", "--quoting-style=literal")
    rows = [row.split(maxsplit=5) for row in gnu_tar(*words, archive=content(store, base)).splitlines()]
    found = {row[5]: (row[0], row[1], row[3]) for row in rows}
    spring = "2014-04-17"
    assert found["tmp/"] == ("drwxrwxrwt", "0/0", spring)
    assert found["usr/bin/borrow"] == ("-rwsr-xr-x", "0/0", spring)
    assert found["var/mail/"] == ("drwxrwsr-x", "0/8", spring)
    assert found["run/events"] == ("prw-------", "0/0", spring)
    assert found["home/zoë/grüße.txt"] == ("-rw-r--r--", "2000000/2000001", spring)
    assert found["usr/share/sample/primes"] == ("-rw-r--r--", "0/0", "1970-01-01")
    assert found["bin/hi link to bin/hello"][0].startswith("h")
    assert any(len(name) > 100 for name in found)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the program is for x86-64")
def test_the_program_in_the_image_runs(home: Path) -> None:
    program = home / "sample" / "aufs" / "diff" / BASE.id / "bin" / "hi"
    said = subprocess.run([program], capture_output=True, check=True).stdout
    assert said.startswith(b"Hello from the Lading sample")


# ── unpacking ─────────────────────────────────────────────────────────────────────────────────────


def test_what_is_whole_is_not_unpacked_again(home: Path) -> None:
    before = (home / "sample").stat().st_ino
    sample_store(home)
    assert (home / "sample").stat().st_ino == before


@pytest.mark.parametrize(
    "damage",
    [
        lambda root: (root / "graph" / EMPTY.id / "layersize").write_text("1"),
        lambda root: (root / "repositories-aufs").unlink(),
        lambda root: (root / "aufs" / "mnt" / BASE.id).rmdir(),
        lambda root: (root / "aufs" / "diff" / BASE.id / "usr" / "lib" / "libsample.so").unlink(),
        lambda root: (root / STAMP).write_text(f"sha256:{'0' * 64}\n"),
    ],
    ids=["changed file", "missing file", "missing folder", "missing link", "other version"],
)
def test_what_is_damaged_is_unpacked_again(tmp_path: Path, damage: object) -> None:
    sample_store(tmp_path)
    assert callable(damage)
    damage(tmp_path / "sample")
    assert not Sample.packed().is_whole(tmp_path / "sample")
    sample_store(tmp_path)
    assert Sample.packed().is_whole(tmp_path / "sample")
    assert os.listdir(tmp_path) == ["sample"]


def test_a_file_turned_into_a_link_is_damage(tmp_path: Path) -> None:
    sample_store(tmp_path)
    size = tmp_path / "sample" / "graph" / EMPTY.id / "layersize"
    elsewhere = tmp_path / "elsewhere"
    size.rename(elsewhere)
    size.symlink_to(elsewhere)
    sample_store(tmp_path)
    assert not size.is_symlink()
    assert elsewhere.read_text() == "0"


def test_hard_links_are_one_file(home: Path) -> None:
    folder = home / "sample" / "aufs" / "diff" / BASE.id / "bin"
    assert (folder / "hello").stat().st_ino == (folder / "hi").stat().st_ino


def test_a_strict_umask_makes_no_difference(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        Sample.packed().unpack(tmp_path / "sample")
    finally:
        os.umask(before)
    assert (tmp_path / "sample" / "aufs" / "diff" / BASE.id / "bin" / "hello").stat().st_mode & 0o777 == 0o755


def test_a_home_that_cannot_be_made_is_an_error_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(StoreError, match="home"):
        sample_store(tmp_path / "home")


LIST = "import sys, pathlib, toolkit.stores.sample as s; print(s.sample_store(pathlib.Path(sys.argv[1])).listings())"


def test_several_processes_at_once_unpack_it_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LIST, str(tmp_path / "home")]
    running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(4)]
    answers = {process.communicate()[0] for process in running}
    assert [process.returncode for process in running] == [0] * 4
    assert len(answers) == 1
    assert os.listdir(tmp_path / "home") == ["sample"]


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: nobody else can become somebody else")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not installed")
def test_it_works_for_nobody(open_folder: Path) -> None:
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(open_folder)}

    def python(*words: str) -> subprocess.CompletedProcess[str]:
        command = [*nobody, sys.executable, "-c", *words]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    if python("import toolkit").returncode:
        pytest.skip("nobody may not read this checkout")
    for time in ("first", "second"):
        done = python(LIST, str(open_folder / "home"))
        assert done.returncode == 0, f"{time}: {done.stderr}"
        assert "ubuntu:trusty" in done.stdout
    assert (open_folder / "home" / "sample").stat().st_uid == 65534


# ── how it was made ───────────────────────────────────────────────────────────────────────────────


def members(packed: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    """Every member with its content, out of its own gzip where it has one."""
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        found = [(info, archive.extractfile(info) if info.isreg() else None) for info in archive]
        bodies = [(info, body.read() if body else b"") for info, body in found]
    return [(info, gzip.decompress(body) if info.name.endswith(".gz") else body) for info, body in bodies]


def told(info: tarfile.TarInfo) -> tuple[object, ...]:
    size = 0 if info.name.endswith(".gz") else info.size
    return info.name, info.type, info.mode, info.uid, info.gid, info.mtime, info.linkname, size


def test_making_it_again_gives_what_is_committed(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        said = subprocess.run(
            [sys.executable, *MAKE, tmp_path / name], cwd=ROOT, capture_output=True, check=True, text=True
        )
        made.append((tmp_path / name).read_bytes())
    assert made[0] == made[1]
    ours, committed = (members(packed) for packed in (made[0], PACKED.read_bytes()))
    assert [(told(info), body) for info, body in ours] == [(told(info), body) for info, body in committed]
    for facts in CHAIN:
        line = (
            f"layer {facts.id}\n  diffID {facts.diff_id}, {facts.size} bytes\n  layersize {facts.layersize}\n"
        )
        assert line in said.stdout


def test_the_package_carries_little() -> None:
    assert PACKED.stat().st_size < 200_000
