"""lading import --rootfs: what `docker export` writes becomes an image, as `docker import` makes it."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from tests.archives import ONE
from tests.cli.conftest import Lading
from tests.unit.test_rootfs import CONFIG, DIFF_ID
from tests.unit.test_rootfs_survey import EXPORTED

IMAGE_ID = "sha256:" + hashlib.sha256(CONFIG).hexdigest()


@pytest.fixture(autouse=True)
def _no_time_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)


def created(lading: Lading, *words: str) -> str:
    ran = lading("import", "--rootfs", str(EXPORTED), "--tag", "app:1", *words)
    assert ran.code == 0, ran.err
    found: str = lading("inspect", "auto", "app:1", "--json").json["images"][0]["created"]
    return found


def test_a_root_file_system_becomes_an_image(lading: Lading) -> None:
    ran = lading("import", "--rootfs", str(EXPORTED), "--tag", "app")
    assert ran.code == 0
    assert ran.out.splitlines()[1].split() == ["app:latest", "linux/amd64", IMAGE_ID[7:19], "1", "8.7kB", "-"]
    assert f"note: {EXPORTED}: holds what an engine put into a running container" in ran.err
    (image,) = lading("inspect", "auto", "app", "--json").json["images"]
    assert (image["id"], image["diff_ids"]) == (IMAGE_ID, [DIFF_ID])
    assert lading("verify", "auto").code == 0


def test_machines_are_told_the_same(lading: Lading) -> None:
    facts = lading("import", "--rootfs", str(EXPORTED), "--json").json
    assert facts["bundle"] == str(EXPORTED)
    assert facts["images"][0]["names"] == []
    assert facts["images"][0]["platforms"][0]["image_id"] == IMAGE_ID
    assert [finding["severity"] for finding in facts["findings"]] == ["note"]


def test_the_same_file_has_the_same_image_id_in_another_folder_at_another_time(
    lading: Lading, tmp_path: Path
) -> None:
    shutil.copy(EXPORTED, tmp_path)
    facts = lading("import", "--rootfs", EXPORTED.name, "--tag", "app:1", "--json").json
    assert facts["images"][0]["platforms"][0]["image_id"] == IMAGE_ID


def test_several_names_are_given_at_once(lading: Lading) -> None:
    names = ["--tag", "app:1", "--tag", "registry.example:5000/team/app:2"]
    assert lading("import", "--rootfs", str(EXPORTED), *names).code == 0
    (image,) = lading("ls", "auto", "--json").json["images"]
    assert set(image["names"]) == {"app:1", "registry.example:5000/team/app:2"}


def test_the_time_is_the_one_asked_for_else_that_of_the_environment(
    lading: Lading, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert created(lading) == "1970-01-01T00:00:00Z"
    assert created(lading, "--created", "2024-01-31T12:00:00+00:00") == "2024-01-31T12:00:00Z"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")  # date -u -d @1700000000
    assert created(lading) == "2023-11-14T22:13:20Z"
    assert created(lading, "--created", "2024-01-31T12:00:00.5+01:00") == "2024-01-31T12:00:00.5+01:00"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "")
    assert created(lading) == "1970-01-01T00:00:00Z"


def test_the_platform_is_the_one_asked_for(lading: Lading, tmp_path: Path) -> None:
    (tmp_path / "data.tar").write_bytes(ONE)
    ran = lading("import", "--rootfs", "data.tar")
    assert (ran.code, ran.out) == (2, "")
    assert ran.last == (
        "error: data.tar: holds no program that we know, so it does not tell what it runs on; say it: "
        "--platform linux/amd64"
    )
    assert lading("import", "--rootfs", "data.tar", "--platform", "linux/s390x", "--tag", "data:1").code == 0
    assert lading("inspect", "auto", "data:1", "--json").json["images"][0]["platform"] == "linux/s390x"
    ran = lading("import", "--rootfs", str(EXPORTED), "--platform", "linux/s390x")
    assert (ran.code, "warning: " in ran.err) == (0, True)
    assert lading("import", "--rootfs", str(EXPORTED), "--platform", "linux/s390x", "--strict").code == 5


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--tag", "App:1"], "'App:1': has a repository with capitals"),
        (["--tag", "old=new"], "'old=new': is not an image reference"),
        (["--tag", f"app@{DIFF_ID}"], "has a digest, which only a registry gives; write name:tag"),
        (["--created", "yesterday"], "--created 'yesterday': is not a time as RFC 3339 has it"),
        (["--created", "1700000000"], "write it as 2024-01-31T12:00:00Z"),
        (["--created", ""], "is not a time as RFC 3339 has it"),
        (["app:1"], "--rootfs: takes no names of images, found 'app:1'; name the image with --tag NAME"),
        (["--platform", "amd64"], "is not a platform"),
    ],
)
def test_words_that_mean_nothing_are_refused(lading: Lading, words: list[str], sentence: str) -> None:
    ran = lading("import", "--rootfs", str(EXPORTED), *words)
    assert (ran.code, ran.out) == (2, "")
    assert sentence in ran.last


@pytest.mark.parametrize("text", ["now", "-1", "1.5", "9" * 12, "\u0661"])
def test_a_wrong_time_of_the_environment_is_refused(
    lading: Lading, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
    ran = lading("import", "--rootfs", str(EXPORTED))
    assert (ran.code, "SOURCE_DATE_EPOCH: is" in ran.last) == (2, True)


def test_a_bundle_has_names_and_times_of_its_own(lading: Lading, bundle: Path) -> None:
    ran = lading("import", str(bundle), "--created", "2024-01-31T12:00:00Z")
    assert (ran.code, "goes with --rootfs" in ran.last) == (2, True)
    ran = lading("import", "--rootfs", str(bundle))
    assert (ran.code, ran.last) == (2, f"error: {bundle}: is an image bundle; import it without --rootfs")
    assert lading("ls", "auto").code == 3


def test_a_bundle_is_asked_for_one_platform(lading: Lading, bundle: Path) -> None:
    assert lading("import", str(bundle), "--platform", "linux/amd64").code == 0
    assert lading("import", str(bundle), "--platform", "linux/arm64").code == 3
