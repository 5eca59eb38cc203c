"""`lading doctor`: what is on a disk, what of it is damaged, and how the rest is saved."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.archives import ONE, TWO, blob, image, index, layout, sha256, unpacked
from tests.cli.conftest import Lading
from toolkit.stores.trees import overlay

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the tree has files of many owners")
BASE = "f888a183f32383130dd9f9cafc9b2e17c5395c95109c9395009901c8dec62d66"


@pytest.fixture
def root(engine_stores: Path, tmp_path: Path) -> Path:
    subprocess.run(["cp", "-a", str(engine_stores / "docker-20.10-vfs"), str(tmp_path / "root")], check=True)
    return tmp_path / "root"


def services(root: Path) -> Path:
    cache_id = (root / "image/vfs/layerdb/sha256" / BASE / "cache-id").read_text()
    return root / "vfs/dir" / cache_id / "etc/services"


def test_a_bare_path_is_told_what_it_is(lading: Lading, root: Path) -> None:
    told = lading("doctor", str(root), "--quiet")
    assert told.code == 0
    place, kind, driver, images, _, head, *lines, _, advice = told.out.splitlines()
    assert place.split() == ["Place", f"docker-root:{root}"]
    assert kind == "Kind     data root of Docker 1.10 or later"
    assert driver.split() == ["Driver", "vfs"]
    assert images.split() == ["Images", "1:", "1", "whole"]
    assert head.split()[0] == "NAME"
    assert [line.split()[-1] for line in lines] == ["whole", "whole"]
    assert advice == f"saves what is whole: lading export --from docker-root:{root} -o FILE"


@AS_ROOT
def test_what_is_damaged_is_told_with_the_way_to_save_it(lading: Lading, root: Path) -> None:
    services(root).write_bytes(b"changed")
    told = lading("doctor", str(root), "--quiet")
    assert told.code == 5
    assert f"lading export --from docker-root:{root} --allow-rebuilt -o FILE" in told.out
    assert "etc/services: size is 7, expected 12813" in told.err
    refused = lading("export", "ubuntu:14.04", "--from", f"docker-root:{root}", "-o", "x.tar", "--quiet")
    assert refused.code == 5
    saved = lading(
        "export", "ubuntu:14.04", "--from", f"docker-root:{root}", "--allow-rebuilt", "-o", "x.tar", "--quiet"
    )
    assert saved.code == 0
    assert "it has layers that were made anew" in saved.err
    verified = lading("verify", "x.tar", "--quiet")
    assert verified.code == 0
    assert f"was made anew of its files where it was exported; there it was sha256:{BASE}" in verified.err
    assert lading("verify", "x.tar", "--strict", "--quiet").code == 5


def test_what_only_root_could_save_is_told_so_and_not_called_lost(
    lading: Lading, engine_stores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the export that is then tried: deleted files are marked by what others may not see."""
    together(tmp_path / "root", engine_stores / "docker-20.10-overlay2")
    for record in (tmp_path / "root").rglob("tar-split.json.gz"):
        record.unlink()
    monkeypatch.setattr(overlay, "ROOT", -1)
    told = lading("doctor", str(tmp_path / "root"), "--quiet")
    assert told.code == 7
    assert "unreadable" in told.out
    assert "has marks of deleted files that only root can read; run as root" in told.last
    place = f"docker-root:{tmp_path / 'root'}"
    refused = lading("export", "ubuntu:14.04", "--from", place, "--allow-rebuilt", "-o", "x.tar", "--quiet")
    assert (refused.code, refused.last.endswith("; run as root")) == (7, True)


def test_a_quick_look_reads_no_layer(lading: Lading, root: Path) -> None:
    services(root).write_bytes(b"changed")
    assert lading("doctor", str(root), "--fast", "--quiet").code == 0


def test_machines_are_told_the_same(lading: Lading, root: Path) -> None:
    (services(root).parents[1]).rename(root / "gone")
    told = lading("doctor", f"docker-root:{root}", "--json")
    assert told.code == 5
    document = json.loads(told.out)
    assert document["ok"] is False
    (place,) = document["places"]
    (image,) = place["images"]
    assert (place["kind"], image["state"], image["names"][0]) == (
        "data root of Docker 1.10 or later",
        "lost",
        "ubuntu:14.04",
    )
    assert image["findings"][0]["severity"] == "error"


def test_nothing_is_said_of_loading_archives_where_records_are_lost(lading: Lading, root: Path) -> None:
    (root / "image/vfs/repositories.json").unlink()
    for config in (root / "image/vfs/imagedb/content/sha256").iterdir():
        config.write_bytes(b"")
    told = lading("doctor", str(root), "--quiet")
    assert told.code == 5
    assert "has lost the names of its images" in told.err
    assert "docker load" not in told.err
    assert "docker load" not in lading("doctor", str(root), "--json").out
    assert "docker load" not in lading("ls", f"docker-root:{root}", "--json").out


def test_a_folder_that_is_no_store_is_told_so(lading: Lading, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    told = lading("doctor", str(tmp_path / "empty"))
    assert told.code == 3
    assert "holds no store that we know, nor do the usual folders below it; " in told.err


def test_a_store_given_as_a_bundle_is_told_its_kind(lading: Lading, root: Path) -> None:
    told = lading("ls", str(root))
    assert told.code == 4
    assert f"is a store, not a bundle; write docker-root:{root}" in told.err


def test_the_way_to_save_it_repeats_the_options_and_can_be_pasted(
    lading: Lading, root: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "my disk" / "docker"
    moved.parent.mkdir()
    root.rename(moved)
    told = lading("doctor", str(moved.parent), "--live", "--quiet")
    assert told.code == 0
    assert f"lading export --from 'docker-root:{moved}' --live -o FILE" in told.out


@AS_ROOT
def test_a_name_in_the_advice_does_nothing_to_a_terminal_or_a_shell(lading: Lading, root: Path) -> None:
    listed = root / "image/vfs/repositories.json"
    names = json.loads(listed.read_text())
    (image_id,) = set(names["Repositories"]["ubuntu"].values())
    names["Repositories"]["\x1b[2J$(reboot)"] = {"\x1b[2J$(reboot):1": image_id}
    listed.write_text(json.dumps(names))
    services(root).write_bytes(b"changed")
    told = lading("doctor", str(root), "--quiet")
    assert told.code == 5
    assert r"\x1b[2J$(reboot):1" in told.out  # as a row; all is exported by naming nothing
    assert "\x1b" not in told.out + told.err


@AS_ROOT
@pytest.mark.parametrize("name", ["-o:1", "--live:1", "-$x y:1"])
def test_a_name_that_begins_as_an_option_does_is_saved_by_the_command_as_it_stands(
    lading: Lading, root: Path, name: str
) -> None:
    listed = root / "image/vfs/repositories.json"
    names = json.loads(listed.read_text())
    (image_id,) = set(names["Repositories"]["ubuntu"].values())
    names["Repositories"] = {name[:-2]: {name: image_id}, "gone": {"gone:1": f"sha256:{'0' * 64}"}}
    listed.write_text(json.dumps(names))
    told = lading("doctor", str(root), "--quiet")
    (advice,) = (line for line in told.out.splitlines() if line.startswith("saves what is whole: "))
    program, *words = shlex.split(advice.partition(": ")[2].replace("FILE", "saved.tar"))
    assert program == "lading"
    saved = lading("--quiet", *words)
    assert saved.code == 0, saved.err
    assert name in lading("ls", "saved.tar").out


@pytest.mark.parametrize("place", ["b" * 300, "registry-root:" + "b" * 300])
def test_a_path_that_the_system_refuses_is_told_in_one_sentence(lading: Lading, place: str) -> None:
    told = lading("doctor", place)
    assert (told.code, told.last.endswith("file name too long")) == (7, True)


@pytest.mark.parametrize("name", [b"image/\xff", b"\xff-images", b"\xff-layers", b"buildkit/\xff.db"])
def test_a_folder_whose_name_is_no_utf_8_stops_nothing(lading: Lading, root: Path, name: bytes) -> None:
    os.makedirs(os.fsencode(root) + b"/" + name)
    assert lading("doctor", str(root), "--fast", "--quiet").code == 0
    assert lading("ls", f"docker-root:{root}").code == 0


def together(root: Path, *origins: Path) -> None:
    """Make one root of several; overlay2 has folders that its owner alone may copy, empty ones."""
    for origin in origins:
        subprocess.run(["cp", "-aT", str(origin), str(root)], check=os.geteuid() == 0, capture_output=True)


def test_each_driver_of_a_root_is_looked_at_by_itself(
    lading: Lading, engine_stores: Path, tmp_path: Path
) -> None:
    """A root that was used with two has each image twice; one of them may be whole where the other is not."""
    root = tmp_path / "two"
    together(root, engine_stores / "docker-20.10-overlay2", engine_stores / "docker-20.10-vfs")
    shutil.rmtree(root / "image/vfs/layerdb/sha256" / BASE)
    assert len(lading("ls", f"docker-root:{root}").out.splitlines()) == 3  # a head, and one for each name
    told = lading("doctor", str(root), "--json")
    assert told.code == 5
    facts = [(place["driver"], [each["state"] for each in place["images"]]) for place in told.json["places"]]
    assert facts == [("overlay2", ["whole"]), ("vfs", ["lost"])]
    (saves,) = told.json["places"][0]["saves"]
    command = f"lading export --from docker-root+overlay2:{root} -o FILE"
    assert saves == {"state": "whole", "command": command}
    assert command in lading("doctor", str(root)).out
    (tmp_path / "x").mkdir()
    assert lading(*command.replace("FILE", "x/y.tar").split()[1:]).code == 0


def test_a_legacy_root_of_two_drivers_tells_of_each_only_its_own(
    lading: Lading, engine_stores: Path, tmp_path: Path
) -> None:
    root = tmp_path / "two"
    together(root, engine_stores / "docker-1.9.1-aufs", engine_stores / "docker-1.9.1-vfs")
    (root / "repositories-vfs").unlink()
    shutil.rmtree(root / "vfs/dir")
    (root / "vfs/dir").mkdir()
    aufs, vfs = lading("doctor", str(root), "--json").json["places"]
    assert [each["names"] for each in aufs["images"]] == [["ubuntu:14.04", "ubuntu:trusty"]]
    assert (vfs["driver"], vfs["images"]) == ("vfs", [])


def test_a_legacy_layer_that_lost_its_record_and_files_is_not_called_whole(
    lading: Lading, engine_stores: Path, tmp_path: Path
) -> None:
    """Docker itself would tar what is left; the recorded size alone knows that there was more."""
    root = tmp_path / "root"
    together(root, engine_stores / "docker-1.9.1-aufs")
    (record,) = root.glob("graph/39945792*/tar-data.json.gz")
    record.unlink()
    (programs,) = root.glob("aufs/diff/39945792*/bin")
    shutil.rmtree(programs)
    told = lading("doctor", str(root), "--quiet")
    assert (told.code, "Images   1: 1 rebuildable" in told.out) == (0, True)
    problem = "layersize is 2303448, which no rule of the aufs driver gives: its files make 321192"
    assert f"{problem}, and some may be missing" in told.err
    command = f"lading export --from graph:{root} --allow-rebuilt -o FILE"
    assert f"saves what is rebuildable: {command}\n" in told.out
    assert lading(*command.replace("FILE", "x.tar").split()[1:]).code == 0
    assert lading("export", "--from", f"graph:{root}", "-o", "y.tar").code == 0
    assert lading("export", "--from", f"graph:{root}", "-o", "z.tar", "--strict").code == 5


def test_an_image_that_lost_a_platform_is_told_with_the_way_to_save_the_others(
    lading: Lading, tmp_path: Path
) -> None:
    both = index(image(ONE), image(ONE, TWO, architecture="arm64"))
    root = unpacked(tmp_path / "layout", layout(("app:1", both)))
    (root / blob(sha256(TWO))).write_bytes(TWO.replace(b"22", b"23"))
    told = lading("doctor", f"oci:{root}", "--quiet")
    assert (told.code, told.last) == (5, "error: image app:1: has lost linux/arm64; and 1 more found")
    assert "linux/amd64   1        10.2kB   partial" in told.out
    command = f"lading export app:1 --from oci:{root} --platform linux/amd64 -o FILE"
    assert f"saves what is partial: {command}" in told.out
    assert lading(*command.replace("FILE", "x.tar").split()[1:]).code == 0


def test_a_store_that_lost_its_records_is_told_and_costs_the_others_of_its_disk_nothing(
    lading: Lading, root: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    (disk / "var/lib").mkdir(parents=True)
    root.rename(disk / "var/lib/docker")
    unpacked(disk / "var/lib/containers/storage", {"vfs-layers/layers.json": b"[]"})
    told = lading("doctor", str(disk), "--quiet")
    assert told.code == 5
    assert f"lading export --from docker-root:{disk}/var/lib/docker -o FILE" in told.out
    lost = f"containers-storage:{disk}/var/lib/containers/storage: has no DRIVER-images, though vfs-layers is"
    assert f"{lost} there: of which images that was is lost" in told.err
    shutil.rmtree(disk / "var/lib/docker/image")
    told = lading("doctor", f"{disk}/var/lib/docker", "--quiet")
    assert told.code == 5
    assert "has neither image/DRIVER/imagedb nor, of a Docker before 1.10, graph, though vfs/dir" in told.err


def test_the_empty_containerd_of_a_docker_with_a_graph_driver_is_no_damage(
    lading: Lading, root: Path
) -> None:
    (root / "containerd/daemon/io.containerd.content.v1.content").mkdir(parents=True)
    told = lading("doctor", str(root), "--quiet")
    assert (told.code, told.err) == (0, "")
    assert f"lading export --from docker-root:{root} -o FILE" in told.out
    assert "docker-root+containerd" not in told.out


def test_a_link_that_leads_to_nothing_on_the_disk_is_named(lading: Lading, tmp_path: Path) -> None:
    (tmp_path / "disk/var/lib").mkdir(parents=True)
    (tmp_path / "disk/var/lib/docker").symlink_to("/data/docker")
    told = lading("doctor", str(tmp_path / "disk"), "--quiet")
    assert told.code == 3
    assert "disk/var/lib/docker leads to" in told.err
    assert "disk/data/docker, which is not there" in told.err


def test_the_short_ids_that_are_listed_serve_where_the_names_are_lost(lading: Lading, root: Path) -> None:
    (root / "image/vfs/repositories.json").write_text("{")
    assert "5b329b596366" in lading("ls", f"docker-root:{root}").out
    told = lading("inspect", f"docker-root:{root}", "5b329b596366", "--json")
    assert told.code == 0
    assert "sha256:5b329b596366519f28fc2233ef2199e77f495064e5012315649e9b5fbf5efc00" in told.out
