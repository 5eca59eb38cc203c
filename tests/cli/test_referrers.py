"""`--referrers`: signatures and SBOMs over the gap and back, and where they cannot go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.archives import ONE, TWO, artifact, blob, image, index, sha256, signature
from tests.webregistry import MemoryRegistry

from .conftest import IMAGE, SAMPLE, Lading

APP = image(ONE)
MULTI = index(APP, image(TWO, architecture="arm64"))
SBOM = artifact(APP, b"sbom")
SIGNED_SBOM = artifact(SBOM, b"signature", "application/vnd.example.signature")
TAG, SIGNED = signature(MULTI)
COMPANIONS = (SBOM, SIGNED_SBOM, SIGNED)


@pytest.fixture
def web() -> Iterator[MemoryRegistry]:
    with MemoryRegistry() as web:
        web.lists_referrers = 1
        web.push("team/app:1", MULTI).push(f"team/app:{TAG}", SIGNED)
        yield web.push("team/app", SBOM).push("team/app", SIGNED_SBOM)


@pytest.fixture
def bundle(lading: Lading, web: MemoryRegistry, tmp_path: Path) -> str:
    path = str(tmp_path / "app.tar")
    done = lading("export", "team/app:1", "--from", f"docker://{web.host}", "-o", path, "--referrers")
    assert done.code == 0
    assert "universal with 3 referrers), for Docker" in done.out
    assert "warning" not in done.err
    return path


@pytest.mark.parametrize("into", ["", "store"])
def test_they_cross_the_gap_unchanged(lading: Lading, web: MemoryRegistry, bundle: str, into: str) -> None:
    place = bundle
    if into:
        done = lading("import", bundle, "--referrers")
        assert "with 3 referrers" in done.out
        place = done.out.split()[-4]
    done = lading("copy", place, f"docker://{web.host}/closed", "--referrers", "--json")
    assert done.code == 0
    [found] = done.json["images"]
    assert found["digest"] == MULTI.digest
    assert {one["digest"] for one in found["referrers"]} == {one.digest for one in COMPANIONS}
    for one in (MULTI, APP, *COMPANIONS):
        assert web.manifests["closed", one.digest] == (one.media_type, one.raw)
        for digest, raw in one.blobs.items():
            assert web.blobs.get(("closed", digest), raw) == raw
    assert web.manifests["closed", TAG][1] == SIGNED.raw


def test_verify_says_the_same_engines_and_reads_the_referrers_too(lading: Lading, bundle: str) -> None:
    done = lading("verify", bundle)
    assert done.code == 0
    assert "for Docker 0.7-29, podman, skopeo, crane" in done.out
    raw = Path(bundle).read_bytes()
    Path(bundle).write_bytes(raw.replace(b"sbom" + bytes(508), b"sbOm" + bytes(508)))
    assert lading("verify", bundle).code == 5


def test_an_import_without_the_flag_takes_what_is_listed(lading: Lading, bundle: str, home: Path) -> None:
    assert lading("import", bundle).code == 0
    entries = json.loads((home / "store/index.json").read_bytes())["manifests"]
    assert {entry["digest"] for entry in entries} == {MULTI.digest, *(one.digest for one in COMPANIONS)}
    assert (home / "store" / blob(sha256(b"sbom"))).read_bytes() == b"sbom"


def test_the_setting_is_the_flag(lading: Lading, web: MemoryRegistry, tmp_path: Path) -> None:
    (tmp_path / "luigi.cfg").write_text("[lading]\nreferrers = yes\n")
    done = lading("copy", f"docker://{web.host}/team/app", "team/app:1", f"docker://{web.host}/b")
    assert "with 3 referrers" in done.out
    before = len(web.asked)
    assert lading("inspect", f"docker://{web.host}/team/app", "team/app:1").code == 0
    assert not [asked for asked in web.asked[before:] if "referrers" in asked.path]


@pytest.mark.parametrize("format_", ["docker-v1", "docker-v1.2", "dir"])
def test_a_format_without_a_place_for_them_says_so(
    lading: Lading, web: MemoryRegistry, tmp_path: Path, format_: str
) -> None:
    path = tmp_path / "out"
    place = f"docker://{web.host}/team/app:1"
    done = lading("copy", place, "team/app:1", str(path), "--format", format_, "--referrers")
    assert done.code == 0
    assert "loses what refers to it in" in done.err
    assert " referrer" not in done.out
    assert lading("verify", str(path)).code == 0
    if path.is_dir():
        assert sha256(b"sbom").removeprefix("sha256:") not in {one.name for one in path.iterdir()}
    strict = lading("copy", place, "team/app:1", str(path), "--format", format_, "--referrers", "--strict")
    assert strict.code == 5


def test_packed_anew_an_image_loses_them_and_says_so(
    lading: Lading, web: MemoryRegistry, tmp_path: Path
) -> None:
    out = str(tmp_path / "z.tar")
    words = ("--from", f"docker://{web.host}", "-o", out, "--referrers", "--compression", "gzip")
    done = lading("export", "team/app:1", *words)
    assert done.code == 0
    assert "loses what refers to it, 3 in number: packed anew, it has other digests" in done.err
    assert lading("verify", out).code == 0
    assert b'"sbom"' not in Path(out).read_bytes()


def test_a_missing_one_is_a_warning_and_under_strict_an_error(
    lading: Lading, web: MemoryRegistry, tmp_path: Path
) -> None:
    del web.blobs["team/app", sha256(b"sbom")]
    words = ("export", "team/app:1", "--from", f"docker://{web.host}", "-o", str(tmp_path / "a.tar"))
    done = lading(*words, "--referrers")
    assert done.code == 0
    assert f"referrer {SBOM.digest}: of {APP.digest} stays behind: blob {sha256(b'sbom')}" in done.err
    assert "with 1 referrer)" in done.out
    assert lading(*words, "--referrers", "--strict").code == 5


def test_a_place_that_does_not_tell_is_named(lading: Lading, tmp_path: Path) -> None:
    done = lading("copy", SAMPLE, IMAGE, str(tmp_path / "a.tar"), "--referrers")
    assert done.code == 0
    assert "sample: does not tell what refers to its images" in done.err
    assert "does not tell" not in lading("copy", SAMPLE, IMAGE, str(tmp_path / "a.tar")).err
    assert "does not tell" not in lading("import", str(tmp_path / "a.tar"), "--referrers").err
