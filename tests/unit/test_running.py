from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.archives import A
from tests.graphs import legacy_layer, name
from tests.neighbours import made, neighbour
from toolkit.errors import TryAgain
from toolkit.places import open_source
from toolkit.plumbing.processes import Process
from toolkit.reading import Reading
from toolkit.settings import Settings
from toolkit.stores import running
from toolkit.stores.running import named_roots, refuse_running, running_engine


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "data/docker"
    root.mkdir(parents=True)
    return root


@pytest.mark.parametrize(
    ("engine", "seen"),
    [("dockerd", "dockerd"), ("docker-containerd", "docker-containe"), ("containerd", "containerd"), ("podman", "podman"), ("conmon", "conmon")],
)  # fmt: skip
def test_an_engine_that_has_a_file_open_below_the_root_is_named(root: Path, engine: str, seen: str) -> None:
    file = made(root / "some/file")
    with neighbour(engine, holds=file) as pid, pytest.raises(TryAgain) as caught:
        refuse_running(root, live=False)
    assert str(caught.value) == (
        f"{root}: is in use by {seen} (pid {pid}), which has {file} open; stop it, or read with "
        "--live ([lading] live): what it changes is missed or refused"
    )
    assert caught.value.exit_code == 75
    refuse_running(root, live=False)


def test_live_is_the_persons_own_word(root: Path) -> None:
    with neighbour("dockerd", holds=made(root / "file")):
        refuse_running(root, live=True)


def test_an_engine_on_another_root_is_no_hindrance(root: Path, tmp_path: Path) -> None:
    other = made(tmp_path / "data/docker2/file")
    with neighbour("dockerd", f"--data-root={other.parent}", holds=other):
        assert running_engine(root) is None
        assert running_engine(other.parent)
        assert running_engine(other.parent.parent / "nothing") is None


def test_another_program_with_a_file_open_is_no_engine(root: Path) -> None:
    with neighbour("tar", "--data-root", root, holds=made(root / "file")):
        assert running_engine(root) is None


def test_ourselves_are_no_engine(root: Path) -> None:
    with made(root / "file").open():
        assert running_engine(root) is None


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        ("dockerd", ["--data-root", "{}"]),
        ("dockerd", ["--data-root={}"]),
        ("docker", ["-d", "-g", "{}"]),
        ("docker", ["daemon", "--graph={}"]),
        ("containerd", ["--root", "{}/"]),
        ("conmon", ["--exit-command-arg", "--root", "--exit-command-arg", "{}"]),
    ],
)
def test_an_engine_whose_words_name_the_root_is_noticed(root: Path, engine: str, words: list[str]) -> None:
    with neighbour(engine, *(word.format(root) for word in words)) as pid:
        sign = running_engine(root)
        assert sign
        assert (sign.engine, sign.how) == (f"{engine} (pid {pid})", "whose command line names it")
    with neighbour(engine, *(word.format(f"{root}/elsewhere") for word in words)):
        assert running_engine(root) is None


def test_words_without_a_root_name_none() -> None:
    words = ["dockerd", "--root", "", "--data-root=", "--rootless", "/x", "--exec-root=/y", "-g"]
    assert named_roots(words) == []


def test_a_docker_that_only_asks_an_engine_is_none(root: Path) -> None:
    with neighbour("docker", "ps", "--root", root, holds=made(root / "file")):
        assert running_engine(root) is None


@pytest.mark.parametrize(
    ("file", "lock"),
    [
        ("volumes/metadata.db", "flock"),
        ("buildkit/cache.db", "flock"),
        ("io.containerd.snapshotter.v1.overlayfs/metadata.db", "flock"),
        ("containerd/daemon/io.containerd.metadata.v1.bolt/meta.db", "flock"),
        ("overlay-layers/layers.lock", "write"),
        ("vfs-images/images.lock", "write"),
        ("storage.lock", "write"),
    ],
)
def test_who_holds_an_engines_lock_is_one(root: Path, file: str, lock: str) -> None:
    with neighbour("an engine", holds=made(root / file), lock=lock) as pid:
        sign = running_engine(root)
        assert sign
        assert sign.engine == f"an engine (pid {pid})"
        assert sign.how == f"which holds a lock on {root / file}"
    assert running_engine(root) is None


def test_a_lock_of_nobody_we_see_tells_what_kind_of_engine_it_is(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.plumbing.locks.HOLDERS", "/nothing")
    with neighbour("x", holds=made(root / "volumes/metadata.db"), lock="flock"):
        sign = running_engine(root)
    assert sign
    assert sign.engine == "dockerd"


def test_a_lock_that_readers_share_is_no_hindrance(root: Path) -> None:
    with neighbour("x", holds=made(root / "overlay-layers/layers.lock"), lock="read"):
        assert running_engine(root) is None


def test_a_link_in_the_root_leads_to_no_lock(root: Path, tmp_path: Path) -> None:
    file = made(tmp_path / "elsewhere/metadata.db")
    (root / "volumes").symlink_to(file.parent)
    with neighbour("x", holds=file, lock="flock"):
        assert running_engine(root) is None


@pytest.mark.parametrize("place", ["docker.pid", "../run/containerd.pid"])
def test_a_pid_file_is_believed_of_an_engine_we_may_not_look_into(
    root: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = made(root / place)
    with neighbour("dockerd") as pid:
        file.write_text(f"{pid}\n")
        assert running_engine(root) is None  # looked into: it has nothing of this root, which is a copy
        monkeypatch.setattr(Process, "paths", None)
        sign = running_engine(root)
        assert sign
        assert (sign.engine, sign.how) == (f"dockerd (pid {pid})", f"as {os.path.normpath(file)} says")
    assert running_engine(root) is None


def test_the_pid_file_of_the_default_root_is_where_docker_writes_it(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = made(tmp_path / "docker.pid")
    monkeypatch.setitem(running.DEFAULT_PID_FILES, str(root), str(file))
    monkeypatch.setattr(Process, "paths", None)
    with neighbour("dockerd") as pid:
        file.write_text(str(pid))
        assert running_engine(root)
    with neighbour("dockerd", "--data-root=/elsewhere") as pid:
        file.write_text(str(pid))
        assert running_engine(root) is None


@pytest.mark.parametrize("text", ["", "x", "-5", "0", "1" * 65, "999999999", str(os.getpid())])
def test_a_pid_file_of_nobody_is_stale(root: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Process, "paths", None)
    (root / "docker.pid").write_text(text)
    assert running_engine(root) is None


def test_a_pid_file_of_another_program_is_stale(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Process, "paths", None)
    with neighbour("postgres") as pid:
        (root / "docker.pid").write_text(str(pid))
        assert running_engine(root) is None


def test_what_is_no_root_at_all_is_for_the_store_to_refuse(tmp_path: Path) -> None:
    refuse_running(tmp_path / "nothing", live=False)
    refuse_running(made(tmp_path / "file"), live=False)


def test_a_legacy_root_is_not_opened_while_its_engine_runs(root: Path) -> None:
    legacy_layer(root, "aufs", A, {"f": b"content"})
    name(root, "aufs", latest=A)
    with neighbour("docker", "-d", holds=made(root / "linkgraph.db")):
        with pytest.raises(TryAgain, match="in use by docker"):
            open_source(f"graph:{root}", Settings())
        assert open_source(f"graph:{root}", Settings(), Reading(live=True)).identify("app:latest") == A
    assert open_source(f"graph:{root}", Settings()).identify("app:latest") == A


def test_a_root_that_is_full_of_databases_is_not_looked_through(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(200):
        made(root / f"buildkit/{number}.db")
        (root / f"io.containerd.snapshotter.v1.{number}").mkdir()
        (root / f"{number}-layers").mkdir()
    asked: list[int] = []
    for holder in ("flock_holder", "write_lock_holder"):
        monkeypatch.setattr(running, holder, asked.append)
    refuse_running(root, live=False)
    assert len(asked) == running.FEW
