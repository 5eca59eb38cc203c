"""ExportImage: complete only when proven, resumable, and made again when it was damaged."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines import AssembleBundle, ExportImage, ExportLayer, ImportBundle, VerifyBundle
from pipelines.parameters import PlaceParameter
from tests.archives import image, layout, tar, written
from tests.layers import file, layer
from tests.pipelines.conftest import build
from toolkit.bundles import FORMATS, NAMES
from toolkit.errors import UsageError
from toolkit.stores.layout import LayoutStore

TAG = "ubuntu:14.04"
TWO_NAMES = Path(__file__).parents[1] / "data/vectors/docker2010-save-duplayer.tar"
SAMPLE_ID = (
    "sha256:192ecff0be21839de44a855480f6306150b7fb833f9071f6653900c8d5e415f0"  # dockerd 20.10 gives it
)


def runs(home: Path) -> dict[str, object]:
    return {
        str(path.relative_to(home)): path.stat().st_mtime_ns for path in home.rglob("*") if path.is_file()
    }


def strays(home: Path) -> list[str]:
    return [str(path) for path in home.rglob("*") if ".part" in path.name or path.parent.name == "claims"]


def test_one_image_becomes_one_verified_bundle(home: Path) -> None:
    assert build(ExportImage(tag=TAG)) == "SUCCESS"
    bundle = home / "bundles" / "ubuntu_14.04.tar"
    line = (home / "bundles" / "ubuntu_14.04.tar.sha256").read_text()
    assert line == f"{hashlib.sha256(bundle.read_bytes()).hexdigest()}  ubuntu_14.04.tar\n"
    report = json.loads((home / "bundles" / "ubuntu_14.04.tar.json").read_text())
    assert report["verdict"] == "verified"
    assert report["images"][0]["platforms"][0]["image_id"] == SAMPLE_ID
    assert [layer["layersize"]["rule"] for layer in report["images"][0]["platforms"][0]["layers"]] == [
        "S3"
    ] * 4


@pytest.mark.parametrize("format_name", [row.name for row in FORMATS if row.members_of])
def test_every_format_that_is_a_file_is_made_and_its_engines_are_told(home: Path, format_name: str) -> None:
    bundle = home / "b.tar"
    assert build(ExportImage(tag=TAG, format=format_name, bundle=str(bundle))) == "SUCCESS"
    report = json.loads((home / "b.tar.json").read_text())
    assert report["images"][0]["platforms"][0]["image_id"] == SAMPLE_ID
    assert ", ".join(report["serves"]) == NAMES[format_name].serves
    assert strays(home) == []


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_a_bundle_whose_name_tells_a_compression_is_verified_and_imported(home: Path, suffix: str) -> None:
    assert build(ExportImage(tag=TAG)) == "SUCCESS"
    bundle = home / f"b.tar.{suffix}"
    assert build(ExportImage(tag=TAG, bundle=str(bundle))) == "SUCCESS"
    report = json.loads((home / f"b.tar.{suffix}.json").read_text())
    assert report["images"][0]["platforms"][0]["image_id"] == SAMPLE_ID
    assert report["sha256"] == hashlib.sha256(bundle.read_bytes()).hexdigest()
    assert bundle.stat().st_size < (home / "bundles" / "ubuntu_14.04.tar").stat().st_size
    assert build(ImportBundle(bundle=str(bundle))) == "SUCCESS"
    assert strays(home) == []


def test_staged_layers_are_gone_when_no_bundle_needs_them(home: Path) -> None:
    build(ExportImage(tag=TAG))
    assert list((home / "layers").iterdir()) == []


def test_a_second_run_does_nothing(home: Path) -> None:
    build(ExportImage(tag=TAG))
    before = runs(home)
    assert build(ExportImage(tag=TAG)) == "SUCCESS"
    assert runs(home) == before


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "append", "replace"])
def test_a_damaged_bundle_is_made_anew(home: Path, damage: str) -> None:
    build(ExportImage(tag=TAG))
    bundle = home / "bundles" / "ubuntu_14.04.tar"
    whole = bundle.read_bytes()
    if damage == "flip":
        bundle.write_bytes(whole[:50_000] + bytes([whole[50_000] ^ 1]) + whole[50_001:])
    elif damage == "truncate":
        os.truncate(bundle, 1000)
    elif damage == "remove":
        bundle.unlink()
    elif damage == "append":
        bundle.write_bytes(whole + b"x")
    else:
        other = bundle.with_name("other")
        other.write_bytes(whole)
        os.utime(other, ns=(bundle.stat().st_atime_ns, bundle.stat().st_mtime_ns))
        other.replace(bundle)
    assert build(ExportImage(tag=TAG)) == "SUCCESS"
    assert bundle.read_bytes() == whole


@pytest.mark.parametrize("name", ["ubuntu_14.04.tar.sha256", "ubuntu_14.04.tar.json"])
def test_a_missing_companion_file_is_made_again(home: Path, name: str) -> None:
    build(ExportImage(tag=TAG))
    path = home / "bundles" / name
    whole = path.read_bytes()
    path.unlink()
    assert build(ExportImage(tag=TAG)) == "SUCCESS"
    assert name.endswith(".json") or path.read_bytes() == whole
    assert path.is_file()


def test_a_moved_tag_gives_a_new_bundle(home: Path, tmp_path: Path) -> None:
    build(ExportImage(tag=TAG))
    moved = tmp_path / "moved"
    shutil.copytree(home / "sample", moved, symlinks=True)
    source = f"graph:{moved}"
    assert build(ExportImage(tag=TAG, source=source)) == "SUCCESS"
    first = (home / "bundles" / "ubuntu_14.04.tar").read_bytes()
    names = json.loads((moved / "repositories-aufs").read_text())
    top = names["Repositories"]["ubuntu"]["14.04"]
    parent = json.loads((moved / "graph" / top / "json").read_text())["parent"]
    names["Repositories"]["ubuntu"]["14.04"] = parent
    (moved / "repositories-aufs").write_text(json.dumps(names))
    assert build(ExportImage(tag=TAG, source=source)) == "SUCCESS"
    report = json.loads((home / "bundles" / "ubuntu_14.04.tar.json").read_text())
    assert report["resolved"] == parent
    assert (home / "bundles" / "ubuntu_14.04.tar").read_bytes() != first


def test_images_that_share_layers_run_each_layer_once(home: Path) -> None:
    tasks = [AssembleBundle(tag=tag) for tag in (TAG, "ubuntu:trusty")]
    layers = {layer for task in tasks for layer in task.requires()}
    assert len(layers) == 4
    assert build(*(ExportImage(tag=tag) for tag in (TAG, "ubuntu:trusty"))) == "SUCCESS"
    assert sorted(path.name for path in (home / "bundles").glob("*.tar")) == [
        "ubuntu_14.04.tar",
        "ubuntu_trusty.tar",
    ]
    assert list((home / "layers").iterdir()) == []


def test_two_workers_make_the_same_bundle(home: Path) -> None:
    build(ExportImage(tag=TAG))
    bundle = home / "bundles" / "ubuntu_14.04.tar"
    one = bundle.read_bytes()
    bundle.unlink()
    assert build(ExportImage(tag=TAG), workers=2) == "SUCCESS"
    assert bundle.read_bytes() == one
    assert strays(home) == []


def test_formats_and_paths_are_chosen_by_parameters(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "here.tar"
    assert build(ExportImage(tag=TAG, format="docker-v1"), ExportImage(tag=TAG, bundle=str(out))) == "SUCCESS"
    assert len(list((home / "bundles").glob("*.tar"))) == 1
    assert "docker-v1" in next((home / "bundles").glob("*.tar")).name
    assert sorted(path.name for path in out.parent.iterdir()) == [
        "here.tar",
        "here.tar.json",
        "here.tar.sha256",
    ]


@pytest.mark.usefixtures("home")
def test_an_exported_layer_is_its_tar_and_its_json() -> None:
    task = AssembleBundle(tag=TAG)
    base = task.requires()[0]
    assert build(base) == "SUCCESS"
    folder = base.output().staging.place_of("sample:", base.layer)
    assert json.loads((folder / "json").read_text())["id"] == base.layer
    facts = json.loads((folder / "receipt.json").read_text())
    assert facts["digest"] == "sha256:" + hashlib.sha256((folder / "layer.tar").read_bytes()).hexdigest()


@pytest.mark.usefixtures("home")
def test_a_touched_staged_layer_is_exported_again() -> None:
    base = AssembleBundle(tag=TAG).requires()[0]
    build(base)
    path = base.output().staging.place_of("sample:", base.layer) / "layer.tar"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"x")
    assert not base.complete()
    assert build(ExportLayer(source="sample:", layer=base.layer)) == "SUCCESS"
    assert path.read_bytes() == whole


def test_import_puts_every_name_into_the_store(home: Path, tmp_path: Path) -> None:
    build(ExportImage(tag=TAG))
    bundle = home / "bundles" / "ubuntu_14.04.tar"
    store = f"oci:{tmp_path / 'store'}"
    task = ImportBundle(bundle=str(bundle), store=store)
    assert build(task) == "SUCCESS"
    assert task.complete()
    first = bundle.read_bytes()
    assert build(ExportImage(tag=TAG, source=store)) == "SUCCESS"
    assert bundle.read_bytes() == first


def test_import_keeps_both_names_of_one_image(home: Path, tmp_path: Path) -> None:
    del home
    task = ImportBundle(bundle=str(TWO_NAMES), store=f"oci:{tmp_path / 'store'}")
    assert build(task) == "SUCCESS"
    (line,) = LayoutStore(tmp_path / "store").listings()
    assert (line.names, task.complete()) == (("v1id:x", "v1id:y"), True)


def test_a_bundle_without_images_is_imported_and_its_report_says_so(home: Path, tmp_path: Path) -> None:
    path = written(tmp_path / "none.tar", {"manifest.json": b"[]"})
    verified = VerifyBundle(bundle=str(path))
    assert build(ImportBundle(bundle=str(path), store=f"oci:{tmp_path / 'store'}")) == "SUCCESS"
    (finding,) = verified.output().read()["findings"]
    assert (finding["severity"], finding["problem"]) == ("warning", "holds no images")
    (tmp_path / "luigi.cfg").write_text("[lading]\nstrict = true\n")
    shutil.rmtree(home)
    assert build(ImportBundle(bundle=str(path), store=f"oci:{tmp_path / 'store'}")) == "FAILED"


def test_import_into_a_store_that_lost_the_name_runs_again(home: Path, tmp_path: Path) -> None:
    build(ExportImage(tag=TAG))
    bundle = str(home / "bundles" / "ubuntu_14.04.tar")
    store = tmp_path / "store"
    build(ImportBundle(bundle=bundle, store=f"oci:{store}"))
    shutil.rmtree(store)
    assert not ImportBundle(bundle=bundle, store=f"oci:{store}").complete()
    assert build(ImportBundle(bundle=bundle, store=f"oci:{store}")) == "SUCCESS"
    assert (store / "index.json").is_file()


def test_a_corrupt_bundle_is_neither_verified_nor_imported(home: Path, tmp_path: Path) -> None:
    build(ExportImage(tag=TAG))
    bundle = home / "bundles" / "ubuntu_14.04.tar"
    raw = bytearray(bundle.read_bytes())
    raw[100_000] ^= 1
    copy = tmp_path / "copy.tar"
    copy.write_bytes(raw)
    assert build(VerifyBundle(bundle=str(copy))) == "FAILED"
    assert build(ImportBundle(bundle=str(copy), store=f"oci:{tmp_path / 'store'}")) == "FAILED"
    assert not (tmp_path / "store").exists()


def test_the_report_on_a_bundle_that_is_not_verified_is_written_too(home: Path, tmp_path: Path) -> None:
    del home
    damaged, cut = tmp_path / "damaged.tar", tmp_path / "cut.tar"
    damaged.write_bytes(TWO_NAMES.read_bytes().replace(b"va1795457507", b"va1795457508"))
    cut.write_bytes(TWO_NAMES.read_bytes()[:5000])
    for path, check in ((damaged, "digest"), (cut, "missing")):
        task = VerifyBundle(bundle=str(path))
        assert build(task) == "FAILED"
        report = task.output().read()
        assert (report["verdict"], report["depth"]) == ("corrupt", "full")
        assert check in [finding["check"] for finding in report["findings"]]
        assert report["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert not task.complete()


def test_a_bundle_is_looked_into_where_that_is_asked_for(home: Path, tmp_path: Path) -> None:
    del home
    path = written(tmp_path / "x.tar", layout(("app:1", image(layer(file("x"), file("./x"))))))
    full, deep = VerifyBundle(bundle=str(path)), VerifyBundle(bundle=str(path), depth="deep")
    assert build(full) == "SUCCESS"
    assert (full.complete(), deep.complete()) == (True, False)
    assert build(deep) == "FAILED"
    assert [finding["check"] for finding in deep.output().read()["findings"]] == ["duplicate"]
    whole = written(tmp_path / "y.tar", layout(("app:1", image(layer(file("x"))))))
    assert build(VerifyBundle(bundle=str(whole), depth="deep")) == "SUCCESS"
    assert VerifyBundle(bundle=str(whole)).complete()


def test_a_bundle_is_verified_without_reading_its_layers_where_that_is_asked_for(
    home: Path, tmp_path: Path
) -> None:
    del home
    damaged = bytearray(tar(layout(("app:1", image(layer(file("x", b"Welcome")))))))
    damaged[damaged.index(b"Welcome")] ^= 1
    (path := tmp_path / "x.tar").write_bytes(damaged)
    fast = VerifyBundle(bundle=str(path), depth="fast")
    assert build(fast) == "SUCCESS"
    report = fast.output().read()
    assert (report["verdict"], report["depth"], "sha256" in report) == ("structure", "fast", False)
    assert not VerifyBundle(bundle=str(path)).complete()
    assert build(VerifyBundle(bundle=str(path))) == "FAILED"
    assert build(ImportBundle(bundle=str(path), store="oci:store")) == "FAILED"


def test_a_bundle_without_digests_is_imported_and_under_strict_is_not(home: Path, tmp_path: Path) -> None:
    assert build(ExportImage(tag=TAG, format="docker-v1", bundle=str(tmp_path / "v1.tar"))) == "SUCCESS"
    report = json.loads((tmp_path / "v1.tar.json").read_bytes())
    assert report["verdict"] == "verified"  # it was made here a moment ago
    path = shutil.copy(tmp_path / "v1.tar", tmp_path / "carried.tar")
    verify = VerifyBundle(bundle=str(path))
    assert build(ImportBundle(bundle=str(path), store="oci:store")) == "SUCCESS"
    assert verify.output().read()["verdict"] == "unproven"
    (tmp_path / "luigi.cfg").write_text("[lading]\nsource = sample:\nstrict = yes\n")
    os.utime(path)
    assert build(ImportBundle(bundle=str(path), store="oci:other")) == "FAILED"
    assert not (tmp_path / "other").exists()
    del home


# ── the command, word for word ──


def luigi_command(cwd: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "luigi", "--module", "pipelines", *words]
    path = str(Path(__file__).parents[2])
    env = {**os.environ, "PYTHONPATH": path, **environ}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def test_the_bare_command_works_without_luigid_flags_or_config(tmp_path: Path) -> None:
    done = luigi_command(tmp_path, "ExportImage", "--tag", TAG, "--source", "sample:")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "var/bundles/ubuntu_14.04.tar").is_file()


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["ExportImage", "--tag", "ubuntu:14.05", "--source", "sample:"], 35, "near it: ubuntu:14.04"),
        (["ExportImage", "--tag", "Not A Name", "--source", "sample:"], 35, "Not A Name"),
        (["ExportImage", "--tag", TAG, "--source", "nowhere:x"], 40, "names no kind of place"),
        (["ExportImage", "--tag", TAG, "--source", "sample:", "--format", "zip"], 40, "is no bundle format"),
        (["ExportImage", "--tag", TAG, "--source", "sample:", "--format", "dir"], 40, "is a folder"),
        (["ExportImage", "--source", "sample:"], 40, "error: ExportImage: --tag is missing; say --tag TAG"),
        (["VerifyBundle"], 40, "error: VerifyBundle: --bundle is missing; say --bundle BUNDLE"),
        (
            ["ExportImages", "--tag", TAG],
            2,
            "error: task ExportImages: is not known; did you mean ExportImage?",
        ),
        (["Bogus"], 2, "error: task Bogus: is not known; there are AssembleBundle, Assist, ExportImage,"),
        (["E\x1b[2J"], 2, "error: task E\\x1b[2J: is not known;"),
        (
            ["RangeDaily", "--of", "MirrorImages2"],
            40,
            "error: task MirrorImages2: is not known; did you mean",
        ),
        (
            ["VerifyBundle", "--bundle", "b.tar", "--depth", "slow"],
            40,
            "error: depth 'slow': is no depth; choose one of fast, full, deep",
        ),
        (["VerifyBundle", "--bundle", "missing.tar", "--depth", "fast"], 30, "missing.tar"),
        (["VerifyBundle", "--bundle", "missing.tar"], 30, "missing.tar"),
        (["ImportBundle", "--bundle", "missing.tar", "--store", "oci:store"], 30, "missing.tar"),
    ],
)
def test_a_failure_has_its_exit_code_and_its_sentence_comes_last(
    tmp_path: Path, words: list[str], code: int, sentence: str
) -> None:
    done = luigi_command(tmp_path, *words)
    last = done.stderr.rstrip().splitlines()[-1]
    assert done.returncode == code, done.stderr
    assert sentence in last
    assert "Traceback" not in done.stderr


def test_the_users_own_settings_win_over_the_packaged_defaults(tmp_path: Path) -> None:
    (tmp_path / "luigi.cfg").write_text(
        "[lading]\nsource = sample:\nhome = here\n[retcode]\nscheduling_error = 77\n"
    )
    assert luigi_command(tmp_path, "ExportImage", "--tag", TAG).returncode == 0
    assert (tmp_path / "here/bundles/ubuntu_14.04.tar").is_file()
    assert luigi_command(tmp_path, "ExportImage", "--tag", "no:such").returncode == 77
    done = luigi_command(
        tmp_path, "ExportImage", "--tag", "ubuntu:trusty", LADING_HOME=str(tmp_path / "there")
    )
    assert done.returncode == 0
    assert (tmp_path / "there/bundles/ubuntu_trusty.tar").is_file()


def test_the_pipeline_reads_nothing_that_can_be_read_only_once(home: Path) -> None:
    with pytest.raises(UsageError, match="'-': can be read only once"):
        PlaceParameter().parse("-")
    home.mkdir()
    os.mkfifo(home / "pipe")
    assert build(VerifyBundle(bundle=str(home / "pipe"))) == "FAILED"
