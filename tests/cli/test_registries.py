"""The command with a registry at one end."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.archives import LAYER, ONE, TWO, image, index, layout, sha256, written
from tests.webregistry import MemoryRegistry
from tests.webs import Asked, Reply
from toolkit.plumbing.pace import shared_pace

from .conftest import IMAGE, SAMPLE, Lading

APP = image(ONE, TWO)
BOTH = index(APP, image(ONE, architecture="arm64"))


@pytest.fixture
def web() -> Iterator[MemoryRegistry]:
    with MemoryRegistry() as web:
        yield web.push("team/app:1", APP).push("team/app:both", BOTH)


def test_a_repository_is_listed_and_an_image_described(lading: Lading, web: MemoryRegistry) -> None:
    listed = lading("ls", f"docker://{web.host}/team/app", "--json")
    assert listed.code == 0
    assert f"{web.host}/team/app:1" in listed.out
    for place, name in (
        (f"docker://{web.host}", "team/app:1"),
        (f"docker://{web.host}/team/app", "team/app:1"),
    ):
        assert sha256(APP.config) in lading("inspect", place, name).out
        assert lading("history", place, name).code == 0
    assert lading("inspect", f"docker://{web.host}/team/app:1").code == 0
    short = sha256(APP.config).removeprefix("sha256:")[:12]
    assert sha256(APP.config) in lading("inspect", f"docker://{web.host}/team/app", short).out


def test_an_image_is_exported_verified_and_imported_again(
    lading: Lading, web: MemoryRegistry, tmp_path: Path
) -> None:
    bundle = str(tmp_path / "app.tar")
    assert lading("export", "team/app:both", "--from", f"docker://{web.host}", "-o", bundle).code == 0
    assert lading("verify", f"docker://{web.host}/team/app").code == 0
    done = lading("import", bundle, "--into", f"docker://{web.host}/other")
    assert done.code == 0
    assert f"into docker://{web.host}/other" in done.out
    assert web.manifests["other", "both"] == web.manifests["team/app", "both"]
    assert (
        lading("copy", f"docker://{web.host}/other", "other:both", f"docker://{web.host}/third:x").code == 0
    )
    assert web.manifests["third", "x"] == web.manifests["team/app", "both"]


def test_an_image_is_extracted_with_the_layers_of_its_platform_alone(
    lading: Lading, web: MemoryRegistry, tmp_path: Path
) -> None:
    for name in ("team/app:both", f"team/app@{BOTH.digest}"):
        web.asked.clear()
        done = lading("extract", f"docker://{web.host}", name, str(tmp_path / name[-4:]), "--json")
        assert (done.code, done.json["image_id"]) == (0, sha256(APP.config))
        assert sorted(path.name for path in (tmp_path / name[-4:]).iterdir()) == ["one", "two"]
        fetched = [one.path.rpartition("/")[2] for one in web.asked if "/blobs/" in one.path]
        assert set(APP.layers) <= set(fetched)
    arm = lading("extract", f"docker://{web.host}", "team/app:both", "arm", "--platform", "linux/arm64")
    assert (arm.code, [path.name for path in (tmp_path / "arm").iterdir()]) == (0, ["one"])


def test_what_was_pushed_is_told_by_its_name_there(lading: Lading, web: MemoryRegistry) -> None:
    source = f"docker://{web.host}"
    for words, name in (
        ((f"{source}/other",), f"{web.host}/other:1"),
        ((source, "--tag", "new/app:2"), f"{web.host}/new/app:2"),
        ((f"{source}/third:3",), f"{web.host}/third:3"),
    ):
        done = lading("copy", source, "team/app:1", *words)
        assert done.out.splitlines()[-3].split()[0] == name
        repository = name.rpartition(":")[0]
        assert done.out.splitlines()[-1] == f"pull by digest: {repository}@{APP.digest}"
        told = lading("copy", source, "team/app:1", *words, "--json").json["images"]
        assert [(image["names"], image["digest"]) for image in told] == [([name], APP.digest)]


def test_a_place_that_names_an_image_is_asked_for_it(
    lading: Lading, web: MemoryRegistry, tmp_path: Path
) -> None:
    tagged, pinned = (f"docker://{web.host}/team/app{which}" for which in (":1", f"@{APP.digest}"))
    for place in (tagged, pinned):
        assert lading("history", place).out.splitlines()[1].startswith(sha256(APP.config)[7:19])
    assert lading("diff", tagged, pinned, "--json").json["same"] is True
    assert lading("extract", tagged, str(tmp_path / "root")).code == 0
    assert sorted(os.listdir(tmp_path / "root")) == ["one", "two"]
    several = lading("history", f"docker://{web.host}/team/app")
    assert several.code == 2
    assert several.last.endswith(
        f"holds 2 images; name one as REF: {web.host}/team/app:1, {web.host}/team/app:both"
    )


def test_what_was_pushed_without_a_tag_is_told_by_its_digest(
    lading: Lading, web: MemoryRegistry, tmp_path: Path
) -> None:
    bare, place = str(tmp_path / "bare"), f"docker://{web.host}/bare"
    assert (
        lading("export", "team/app:1", "--from", f"docker://{web.host}", "--format", "dir", "-o", bare).code
        == 0
    )
    done = lading("copy", bare, place)
    assert f"pull by digest: {web.host}/bare@{APP.digest}" in done.out.splitlines()
    note = f"note: image {APP.digest}: has no tag there, and some registries remove such an image; "
    assert done.last == f"{note}to give it one: {place}:TAG"
    meant = lading("copy", bare, f"{place}@{APP.digest}")
    assert (meant.code, "has no tag" in meant.err) == (0, False)
    assert lading("copy", bare, f"{place}:1").out.endswith(f"pull by digest: {web.host}/bare@{APP.digest}\n")


def test_of_an_image_that_is_not_there_nothing_is_told_but_that(lading: Lading, web: MemoryRegistry) -> None:
    place = f"docker://{web.host}/team/app:9"
    told = f"error: image {web.host}/team/app:9: is not in {place}; near it: {web.host}/team/app:"
    for command in ("ls", "inspect", "verify", "doctor"):
        done = lading(command, place)
        assert (done.code, done.out) == (3, "")
        assert done.last.startswith(told)


def test_what_could_not_be_read_is_not_called_corrupt(lading: Lading, web: MemoryRegistry) -> None:
    place = f"docker://{web.host}/team/app"
    web.odd = lambda asked: Reply(404) if asked.path.endswith("/manifests/both") else None
    done = lading("verify", place)
    assert (done.code, done.out.splitlines()[-1]) == (3, f"NOT VERIFIED {place}")
    assert lading("verify", place, "--json").json["verdict"] == "unverified"


def test_a_legacy_image_is_pushed(lading: Lading, web: MemoryRegistry) -> None:
    for _ in range(2):
        assert lading("copy", SAMPLE, IMAGE, f"docker://{web.host}").code == 0
    assert ("ubuntu", "14.04") in web.manifests


def test_a_wrong_byte_is_told_and_leaves_nothing(lading: Lading, web: MemoryRegistry, tmp_path: Path) -> None:
    web.blobs["team/app", sha256(TWO)] = bytes(len(TWO))
    done = lading("export", "team/app:1", "--from", f"docker://{web.host}", "-o", str(tmp_path / "app.tar"))
    assert done.code == 5
    assert "digest is" in done.last
    assert not (tmp_path / "app.tar").exists()
    assert lading("verify", f"docker://{web.host}/team/app").code == 5


def test_an_import_into_a_registry_proves_what_layers_unpack_to(
    lading: Lading, web: MemoryRegistry, tmp_path: Path
) -> None:
    wrong = image(gzip.compress(ONE), diff_ids=[sha256(TWO)], media_types=[f"{LAYER}+gzip"])
    bundle = written(tmp_path / "wrong.tar", layout(("app:1", wrong)))
    ran = lading("import", str(bundle), "--into", f"docker://{web.host}")
    assert ran.code == 5
    assert "diffID is" in ran.last
    assert lading("copy", str(bundle), f"docker://{web.host}").code == 0


def test_failures_are_one_sentence_with_their_exit_code(
    lading: Lading, web: MemoryRegistry, tmp_path: Path
) -> None:
    out = ("-o", str(tmp_path / "x.tar"))
    absent = lading("export", "team/app:2", "--from", f"docker://{web.host}", *out)
    assert absent.code == 3
    assert absent.last.startswith(f"error: image team/app:2: is not in docker://{web.host}; near it: ")
    assert lading("ls", f"docker://{web.host}").code == 4
    assert lading("ls", "docker://127.0.0.1:1/app").code == 7
    assert lading("ls", "docker:app").code == 2


def test_a_name_alone_is_pulled_from_the_registry_that_it_says(
    lading: Lading, web: MemoryRegistry, tmp_path: Path
) -> None:
    name = f"{web.host}/team/app:1"
    done = lading("export", name, "-o", str(tmp_path / "app.tar"))
    assert done.code == 0
    assert lading("ls", str(tmp_path / "app.tar"), "--json").json["images"][0]["names"] == [name]
    absent = lading("export", f"{web.host}/team/app:9", "-o", str(tmp_path / "x.tar"))
    assert absent.code == 3
    assert f"it is not in docker://{web.host}/team/app; near it: " in absent.last


def test_where_the_registry_cannot_be_asked_all_that_was_tried_is_told(lading: Lading, home: Path) -> None:
    done = lading("export", "app:1", "-o", "x.tar")
    assert done.code == 7
    assert done.last == (
        f"error: image app:1: the embedded store oci:{home}/store is not there yet, the Docker engine at "
        "unix:///no/engine is not there: no such socket, and docker://docker.io/library/app cannot be asked: "
        "no such host; name a source (--from graph:PATH, or [lading] source), or import a bundle first"
    )
    assert lading("export", "192ecff0be21", "-o", "x.tar").code == 3


def test_the_mirror_that_served_is_told_and_the_one_that_did_not(
    lading: Lading, web: MemoryRegistry, tmp_path: Path
) -> None:
    web.push("cache/library/app:1", APP)
    rows = f"[lading.mirrors]\ndocker.io = {web.host}/none, {web.host}/cache\n"
    (tmp_path / "luigi.cfg").write_text(rows)
    for source in ((), ("--from", "docker://docker.io")):
        done = lading("export", "app:1", *source, "-o", str(tmp_path / "app.tar"))
        assert done.code == 0
        told = [
            f"note: mirror {web.host}: does not have none/library/app:1",
            f"note: image app:1: comes from the mirror {web.host}/cache/library/app",
        ]
        assert [line for line in done.err.splitlines() if "mirror" in line] == told
    (tmp_path / "luigi.cfg").write_text("[lading.mirrors]\ndocker.io = https://mirror.example\n")
    done = lading("export", "app:1", "-o", str(tmp_path / "app.tar"))
    assert done.code == 2
    assert done.last.startswith("error: luigi.cfg: [lading.mirrors] docker.io: has as its mirror number 1 ")


class Limited(MemoryRegistry):
    """A registry that has few requests left for us."""

    def answer(self, asked: Asked) -> Reply:
        reply = super().answer(asked)
        left = {"RateLimit-Limit": "100;w=21600", "RateLimit-Remaining": "3;w=21600"}
        return replace(reply, headers={**reply.headers, **left})


def test_little_that_is_left_of_a_limit_is_told(lading: Lading, tmp_path: Path) -> None:
    with Limited() as web:
        words = ("export", "app:1", "--from", f"docker://{web.push('app:1', APP).host}")
        told = f"3 of 100 requests in 6 hours are left; no login was used, and one may raise the limit: docker login {web.host}"
        done = lading(*words, "-o", str(tmp_path / "a.tar"))
        assert f"note: {web.host}: {told}" in done.err.splitlines()
        [finding] = lading(*words, "-o", str(tmp_path / "b.tar"), "--json", "--strict").json["findings"]
        assert finding == {"severity": "note", "subject": web.host, "problem": told}


RATE = 1_000_000_007  # bytes a second, that nobody else asks for


@pytest.mark.parametrize("is_setting", [True, False])
def test_a_rate_bounds_what_comes_and_goes(
    lading: Lading,
    web: MemoryRegistry,
    tmp_path: Path,
    is_setting: bool,  # noqa: FBT001
) -> None:
    pace = shared_pace(RATE)
    assert pace is not None
    bundle, words = str(tmp_path / "app.tar"), ["--limit-rate", str(RATE)]
    if is_setting:
        (tmp_path / "luigi.cfg").write_text(f"[lading]\nlimit_rate = {RATE}\n")
        words = []
    for command in (
        ("export", "team/app:1", "--from", f"docker://{web.host}", "-o", bundle),
        ("import", bundle, "--into", f"docker://{web.host}/other{is_setting:d}"),
        ("copy", f"docker://{web.host}/team/app:1", f"oci:{tmp_path}/layout"),
        ("verify", f"docker://{web.host}/team/app:1"),
        ("extract", f"docker://{web.host}/team/app:1", str(tmp_path / "root")),
        ("inspect", f"docker://{web.host}/team/app:1", "--contents"),
    ):
        passed = pace.passed
        assert lading(*command, *words).code == 0
        assert pace.passed - passed > len(ONE) + len(TWO)


def test_a_rate_of_the_command_wins_over_the_setting(
    lading: Lading, web: MemoryRegistry, tmp_path: Path
) -> None:
    (tmp_path / "luigi.cfg").write_text("[lading]\nlimit_rate = 1\n")
    words = ("copy", f"docker://{web.host}/team/app:1", f"oci:{tmp_path}/layout")
    assert lading(*words, "--limit-rate", "0").code == 0


def test_a_comparison_of_files_keeps_to_the_rate(lading: Lading, web: MemoryRegistry) -> None:
    web.push("team/app:2", image(TWO))
    pace = shared_pace(RATE)
    assert pace is not None
    passed, place = pace.passed, f"docker://{web.host}/team/app"
    assert lading("diff", f"{place}:1", f"{place}:2", "--files", "--limit-rate", str(RATE)).code == 0
    assert pace.passed - passed > len(ONE)


def test_what_is_no_rate_is_a_usage_error(lading: Lading, web: MemoryRegistry, tmp_path: Path) -> None:
    done = lading("copy", f"docker://{web.host}/team/app:1", f"oci:{tmp_path}/o", "--limit-rate", "fast")
    assert (done.code, done.last) == (
        2,
        "error: --limit-rate fast: is no rate, expected bytes a second, as 500k, 10M or 1G; 0 is no limit",
    )
