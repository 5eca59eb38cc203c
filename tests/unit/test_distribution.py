"""What a pull left behind (formats B.1), by hand: told as a hint, and only what agrees is said to agree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from toolkit.digest import Digest
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.stores.docker_root.distribution import Distribution

DIFF, BLOB, IMAGE, MANIFEST = (Digest.of(text) for text in (b"diff", b"blob", b"image", b"manifest"))
NAME = f"ubuntu@{MANIFEST}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "image/overlay2/distribution"
    for name in ("v2metadata-by-diffid/sha256", "diffid-by-digest/sha256"):
        (folder / name).mkdir(parents=True)
    entry = {"Digest": str(BLOB), "SourceRepository": "docker.io/library/ubuntu", "HMAC": ""}
    (folder / "v2metadata-by-diffid/sha256" / DIFF.hex).write_text(json.dumps([entry]))
    (folder / "diffid-by-digest/sha256" / BLOB.hex).write_text(str(DIFF))
    return folder


def told(tmp_path: Path, names: list[str]) -> list[str]:
    found = Distribution(FolderFiles(tmp_path), "overlay2").findings(IMAGE, names, [DIFF])
    assert {finding.severity for finding in found} <= {"note"}
    return [finding.problem for finding in found]


@pytest.mark.usefixtures("folder")
def test_the_digest_of_a_pull_is_told(tmp_path: Path) -> None:
    (problem,) = told(tmp_path, ["ubuntu:14.04", NAME])
    assert problem == (
        f"was pulled as {NAME}, and the records of its layers agree; the manifest itself is not kept"
    )


@pytest.mark.usefixtures("folder")
def test_a_loaded_image_has_no_hint(tmp_path: Path) -> None:
    assert told(tmp_path, ["ubuntu:14.04"]) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("v2metadata-by-diffid", "[]"),
        ("v2metadata-by-diffid", "{"),
        ("v2metadata-by-diffid", '[{"Digest":5}]'),
        ("v2metadata-by-diffid", f'[{{"Digest":"{BLOB}","SourceRepository":"docker.io/library/other"}}]'),
        ("v2metadata-by-diffid", '[{"Digest":"../../etc","SourceRepository":"docker.io/library/ubuntu"}]'),
        ("diffid-by-digest", str(BLOB)),
        ("diffid-by-digest", ""),
    ],
)
def test_records_that_do_not_agree_are_not_said_to(
    tmp_path: Path, folder: Path, name: str, text: str
) -> None:
    (path,) = (folder / name / "sha256").iterdir()
    path.write_text(text)
    (problem,) = told(tmp_path, [NAME])
    assert "the records of its layers do not tell" in problem


def test_no_records_at_all_tell_nothing(tmp_path: Path) -> None:
    (problem,) = told(tmp_path, [NAME])
    assert "do not tell" in problem
