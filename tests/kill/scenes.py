"""Scenes: work that may be killed, what may be there afterwards, and what must be there in the end."""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import json
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import luigi
from luigi.task_register import Register

import pipelines
import pipelines.bootstrap
import pipelines.exporting
import pipelines.verifying
from tests.kill.faults import Ended, Fault, in_child
from tests.treecompare import Facts, facts
from toolkit.bundles import create_bundle, open_bundle
from toolkit.errors import UsageError
from toolkit.mirror.media.cut import Cargo
from toolkit.mirror.media.searching import find_sets
from toolkit.mirror.media.setcheck import verify_set
from toolkit.mirror.media.volumes import write_set
from toolkit.operations.copy import copy
from toolkit.operations.extract import extract
from toolkit.operations.recompress import recompressed
from toolkit.operations.verify import verify
from toolkit.plumbing.streams import opened
from toolkit.ports import Source
from toolkit.stores.graph.store import GraphStore
from toolkit.stores.layout import LayoutStore
from toolkit.stores.sample import sample_store

TAG = "ubuntu:14.04"
PATHS_OF_SAMPLE = 41  # without its fifo
TELLS_TIMES = ("*receipts/*.json", "*.tar.json", "*.lading/stamps/*")  # stamps of files are in these
OLD_TIMES = ("./root/aufs/diff/*/*", "./root/vfs/dir/*/*")  # a layer's own; all others are the clock's
IN_THE_MAKING = (
    "*.part", "*.part/*", "*.part.lock", "*.part.old", "*.part.old/*", "*/layers", "*/layers/*", "*.lading",
    "*.lading/*",
)  # fmt: skip

Look = Callable[[Path], None]
State = Mapping[str, Facts]


@dataclass
class Scene:
    """Work that changes nothing outside `folder`; `look` judges what a killed one left there."""

    name: str
    folder: Path
    work: Callable[[], int | None]
    look: Look = field(default=lambda _: None)
    before: Look = field(default=lambda _: None)  # puts there what the work is to find
    older: State = field(default_factory=dict)  # what that was

    def __str__(self) -> str:
        return self.name

    def clear(self) -> None:
        """Begin with an empty folder, or with what the work is to find in it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.before(self.folder)
        self.older = state(self.folder)

    def undisturbed(self) -> tuple[Ended, State]:
        """What the work calls and leaves when nothing happens."""
        self.clear()
        ended = in_child(self.work, Fault())
        assert ended.code == 0, ended.said
        return ended, state(self.folder)

    def survives(self, fault: Fault, expected: State) -> None:
        """Raise AssertionError unless a run killed there leaves nothing wrong, and the next one all."""
        self.clear()
        ended = in_child(self.work, fault)
        assert ended.was_killed, f"{self} was not killed {fault}: {ended}"
        self.recovers(expected, f"{self} killed {fault}")

    def recovers(self, expected: State, after: str) -> None:
        """Raise AssertionError unless nothing is wrong now, and another run makes everything right."""
        assert not (wrong := half_made(self.folder, expected, self.older)), f"{after}: {wrong} looks finished"
        self.look(self.folder)
        again = in_child(self.work)
        assert again.code == 0, f"{after}, run again: {again.said}"
        assert not (lines := unlike(expected, state(self.folder))), f"{after}, run again: {lines}"


def state(folder: Path) -> State:
    """Every path below the folder with all that is to be compared."""
    found = dict(facts(folder))
    for name, facts_ in found.items():
        if matches(name, TELLS_TIMES):
            facts_["size"] = facts_["content"] = None
        if not matches(name, OLD_TIMES):
            facts_["mtime"] = None
    return found


def unlike(expected: State, found: State) -> list[str]:
    """What is too much, missing or different, in words."""
    stray = [f"{name} is stray" for name in sorted(found.keys() - expected.keys())]
    missing = [f"{name} is missing" for name in sorted(expected.keys() - found.keys())]
    both = sorted(found.keys() & expected.keys())
    return stray + missing + [f"{name} differs" for name in both if found[name] != expected[name]]


def half_made(folder: Path, expected: State, older: State) -> list[str]:
    """Files under a name that counts which are not what they were or will be, and layers that lack some."""
    found = state(folder)
    layers = {name.split("/")[2] for name in found if matches(name, ("./root/graph/*",))} - {"_tmp"}
    wrong = [name for name in expected if layers & set(name.split("/")[:4]) and name not in found]
    for name, facts_ in found.items():
        if matches(name, IN_THE_MAKING) or facts_["content"] is None:
            continue
        if matches(name, ("./root/aufs/layers/*",)) and name.split("/")[-1] not in layers:
            continue  # an engine knows only layers that are in `graph`
        if facts_["content"] not in [known.get(name, {}).get("content") for known in (expected, older)]:
            wrong.append(name)
    return wrong


def strays(folder: Path) -> list[str]:
    """What no run that could end itself leaves: its temporary names."""
    return [str(path) for path in folder.rglob("*") if ".part" in path.name]


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(f"./{name}", pattern) for pattern in patterns)


# ── what a person or an engine would take for finished ──


def bundle_is_whole(folder: Path) -> None:
    for report in folder.rglob("*.tar.json"):
        told = json.loads(report.read_text())
        bundle = report.with_suffix("")
        assert told["sha256"] == hashlib.sha256(bundle.read_bytes()).hexdigest()
        assert bundle.with_name(f"{bundle.name}.sha256").is_file()


def layout_is_whole(folder: Path) -> None:
    for blob in folder.glob("store/blobs/sha256/*"):
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
    if (folder / "store/index.json").exists():
        all_verify(LayoutStore(folder / "store"))


def root_is_whole(folder: Path) -> None:
    root = folder / "root"
    if list(root.glob("repositories-*")):
        all_verify(GraphStore(root))


def dir_is_whole(folder: Path) -> None:
    """A dir is all there, and nothing of another one with it."""
    place = folder / "d"
    if place.exists():
        all_verify(open_bundle(place))
        manifest = json.loads((place / "manifest.json").read_bytes())
        digests = [each["digest"] for each in (manifest["config"], *manifest["layers"])]
        names = {"version", "manifest.json", *(digest.partition(":")[2] for digest in digests)}
        assert {path.name for path in place.iterdir()} == names


def dir_or_the_older_one_is_whole(folder: Path) -> None:
    """The older one is there until the newer one is, if only under a name that the next run knows."""
    dir_is_whole(folder)
    if not (folder / "d").exists():
        manifests = {path: json.loads(path.read_bytes()) for path in folder.glob(".d*/manifest.json")}
        (kept,) = (path.parent for path, manifest in manifests.items() if len(manifest["layers"]) == 1)
        all_verify(open_bundle(kept))


def set_is_whole(folder: Path) -> None:
    """What has a list is all there, and right."""
    for volumes in find_sets([folder]):
        if volumes.checksums is not None:
            assert verify_set(volumes).findings == []


def a_tree_is_whole(folder: Path) -> None:
    """A folder of that name holds all that one made undisturbed holds."""
    tree = folder / "tree"
    if tree.exists():
        assert len(list(tree.rglob("*"))) == PATHS_OF_SAMPLE


def all_verify(source: Source) -> None:
    report = verify(source)
    assert report.ok, report.errors


# ── the work ──


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the scenes read: made once, never changed."""

    folder: Path

    @property
    def store(self) -> GraphStore:
        """The sample as a legacy root."""
        return GraphStore(self.folder / "sample")

    @property
    def bundle(self) -> Path:
        """The bundle of its image."""
        return self.folder / "in.tar"

    @property
    def layout(self) -> Path:
        """The same image in an `oci:` store."""
        return self.folder / "layout"

    def make(self) -> Inputs:
        """Make them, which also imports here all that the children need."""
        sample_store(self.folder)
        copy(self.store, create_bundle(self.bundle), [TAG])
        copy(self.store, LayoutStore(self.layout), [TAG])
        multiprocessing.Queue().close()
        return self


def scenes(inputs: Inputs, folder: Path) -> list[Scene]:
    """Every scene that this user can play."""
    found = [
        Scene("unpack the sample", folder, lambda: unpack(folder)),
        Scene("copy to a bundle", folder, lambda: to_bundle(inputs, folder), bundle_is_whole),
        Scene("copy to a packed bundle", folder, lambda: to_bundle(inputs, folder, "out.tar.gz")),
        Scene("copy to a dir", folder, lambda: to_dir(inputs, folder), dir_is_whole),
        Scene(
            "copy over a dir",
            folder,
            lambda: to_dir(inputs, folder),
            dir_or_the_older_one_is_whole,
            lambda folder: to_dir(inputs, folder, inputs.store.image(TAG).layers[0].key),
        ),
        Scene("copy recompressed", folder, lambda: recompress(inputs, folder), bundle_is_whole),
        Scene("export", folder, lambda: export(f"graph:{inputs.folder / 'sample'}", folder), bundle_is_whole),
        Scene("export from oci:", folder, lambda: export(f"oci:{inputs.layout}", folder), bundle_is_whole),
        Scene(
            "import into oci:",
            folder,
            lambda: import_(inputs.bundle, f"oci:{folder / 'store'}", folder),
            layout_is_whole,
        ),
        Scene("extract", folder, lambda: extract_image(inputs, folder), a_tree_is_whole),
        Scene("write a set", folder, lambda: to_set(inputs, folder), set_is_whole),
        Scene(
            "write a set over another",
            folder,
            lambda: to_set(inputs, folder),
            set_is_whole,
            lambda folder: to_set(inputs, folder, 30_000),
        ),
    ]
    if os.geteuid() == 0:
        found += [
            Scene(f"import into graph+{driver}:", folder, into_graph(inputs, driver, folder), root_is_whole)
            for driver in ("aufs", "vfs")
        ]
    return found


def into_graph(inputs: Inputs, driver: str, folder: Path) -> Callable[[], int]:
    return lambda: import_(inputs.bundle, f"graph+{driver}:{folder / 'root'}", folder)


def unpack(folder: Path) -> None:
    sample_store(folder / "home")


def to_bundle(inputs: Inputs, folder: Path, name: str = "out.tar") -> None:
    copy(inputs.store, create_bundle(folder / name), [TAG])


def to_dir(inputs: Inputs, folder: Path, name: str = TAG) -> None:
    copy(inputs.store, create_bundle(folder / "d", "dir"), [name])


def to_set(inputs: Inputs, folder: Path, volume: int = 20_000) -> None:
    with opened(str(inputs.bundle), "the bundle") as content:
        write_set(
            folder, Cargo.of("site", "set", content.size, [], {}), content.blocks(), volume, parity=True
        )


def extract_image(inputs: Inputs, folder: Path) -> None:
    """Make a tree; one that is there already is a usage error, and stays."""
    was_there = (folder / "tree").exists()
    try:
        extract(inputs.store, TAG, folder / "tree")
    except UsageError:
        assert was_there


def recompress(inputs: Inputs, folder: Path) -> None:
    tempfile.tempdir = str(folder)
    with recompressed(inputs.store, "zstd") as source:
        copy(source, create_bundle(folder / "out.tar"), [TAG])


def export(source: str, folder: Path) -> int:
    with pipeline(folder):
        return build(pipelines.ExportImage(tag=TAG, source=source))


def import_(bundle: Path, store: str, folder: Path) -> int:
    with pipeline(folder):
        return build(pipelines.ImportBundle(bundle=str(bundle), store=store))


def build(task: luigi.Task) -> int:
    return 0 if luigi.build([task], local_scheduler=True, workers=1, log_level="WARNING") else 30


@contextlib.contextmanager
def pipeline(folder: Path) -> Iterator[None]:
    """As a new `luigi` process would begin: nothing remembered, `<home>` in the folder."""
    os.chdir(folder)
    os.environ["LADING_HOME"] = str(folder / "var")
    os.environ.pop("LUIGI_CONFIG_PATH", None)
    Register.clear_instance_cache()
    pipelines.exporting.STAGINGS.clear()
    pipelines.bootstrap.LAST_WORDS = pipelines.bootstrap.LastWords()
    pipelines.bootstrap.install()
    pipelines.verifying.STARTED = time.time_ns()  # type: ignore[attr-defined]
    try:
        yield
    finally:
        pipelines.bootstrap.LAST_WORDS.tell()  # as when a process exits
