from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.archives import ONE, artifact, image, layout, unpacked, written
from toolkit.bundles.modern import ModernImage
from toolkit.errors import InvalidPlace, NotFound, StoreError, Unsupported, UsageError
from toolkit.openers import KINDS
from toolkit.place import SCHEMES, Place
from toolkit.places import canonical, is_bundle, open_sink, open_source, settled
from toolkit.ports import Closes
from toolkit.reading import AS_IT_IS, Reading
from toolkit.settings import Settings
from toolkit.stores.graph.store import GraphStore
from toolkit.stores.graph.writer import GraphSink
from toolkit.stores.layout import LayoutStore
from toolkit.stores.registry.sink import RegistrySink
from toolkit.stores.registry.store import RegistryStore

APP = image(ONE)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("oci:/p/q", Place("oci", "/p/q")),
        ("oci:p", Place("oci", "p")),
        ("graph:/p", Place("graph", "/p")),
        ("graph+vfs:/p", Place("graph", "/p", "vfs")),
        ("docker-root:/p", Place("docker-root", "/p")),
        ("containers-storage:/p", Place("containers-storage", "/p")),
        ("containers-storage+vfs:/p", Place("containers-storage", "/p", "vfs")),
        ("containerd-root:/p", Place("containerd-root", "/p")),
        ("registry-root:/p", Place("registry-root", "/p")),
        ("docker-daemon:", Place("docker-daemon", "")),
        ("docker://host:5000/repo:tag", Place("docker", "//host:5000/repo:tag")),
        ("sample:", Place("sample", "")),
        ("docker-archive:/p.tar", Place("docker-archive", "/p.tar")),
        ("oci-archive:p.tar", Place("oci-archive", "p.tar")),
        ("dir:p", Place("dir", "p")),
        ("p.tar", Place("", "p.tar")),
        ("/p/q.tar", Place("", "/p/q.tar")),
        ("-", Place("", "-")),
        ("auto", Place("auto", "")),
    ],
)
def test_every_uri_of_the_contract_is_read_and_printed_as_it_stands(text: str, place: Place) -> None:
    assert Place.parse(text) == place
    assert str(place) == text
    assert Place.parse(str(place)) == place


@pytest.mark.parametrize("path", ["/a:b", "a:b:c", "//x:1/y", " ", "\n", "ü", "../x"])
def test_what_follows_the_first_colon_is_the_path(path: str) -> None:
    assert Place.parse(f"oci:{path}") == Place("oci", path)
    assert Place.parse(f"graph+aufs:{path}") == Place("graph", path, "aufs")


@pytest.mark.parametrize(
    "path", ["./a:b", "/d/a:b.tar", "d/oci:x", "A:b", "1a:b", "C:\\x", ":x", "a_b:c", "a.tar:1"]
)
def test_a_path_may_have_colons(path: str) -> None:
    assert Place.parse(path) == Place("", path)


def test_a_file_whose_name_looks_like_a_uri_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ubuntu:14.04").write_bytes(b"")
    assert Place.parse("ubuntu:14.04") == Place("", "ubuntu:14.04")
    (tmp_path / "oci:x").write_bytes(b"")
    assert Place.parse("oci:x") == Place("oci", "x")  # a scheme of ours stays one; ./oci:x names the file


@pytest.mark.parametrize("text", ["ubuntu:14.04", "foo:/bar", "auto:/x", "auto:", "x" * 30 + ":" + "y" * 300])
def test_an_unknown_scheme_is_one_sentence_with_the_known_ones(text: str) -> None:
    with pytest.raises(InvalidPlace) as caught:
        Place.parse(text)
    expected = f"{text!r}: names no kind of place; give a path, or one of "
    assert str(caught.value).startswith(expected[:100])
    for scheme in ("oci:", "graph:", "sample:"):
        assert scheme in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "'': is no path; give a store's URI or a bundle's path"),
        ("a\0b", r"'a\x00b': is no path; give a store's URI or a bundle's path"),
        ("oci:a\0b", r"'oci:a\x00b': is no path; give a store's URI or a bundle's path"),
        ("oci:", "'oci:': has no path; write oci:PATH"),
        ("graph:", "'graph:': has no path; write graph:PATH"),
        ("docker-archive:", "'docker-archive:': has no path; write docker-archive:PATH"),
        (
            "oci+vfs:/p",
            "'oci+vfs:/p': has the option +vfs, which only graph:, docker-root: and containers-storage: take",
        ),
        ("sample:x", "'sample:x': has a path, and there is one sample only; write sample:"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(InvalidPlace) as caught:
        Place.parse(text)
    assert str(caught.value) == sentence


def test_every_scheme_is_opened_by_a_row_of_the_table() -> None:
    assert KINDS.keys() == SCHEMES


@pytest.mark.parametrize("scheme", ["docker-root", "containers-storage"])
def test_a_root_that_is_not_there_is_not_found(scheme: str, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="is not there"):
        open_source(f"{scheme}:{tmp_path}/none", settings)
    with pytest.raises(Unsupported, match="cannot be imported into"):
        open_sink(f"{scheme}:{tmp_path}/none", settings)


def test_stores_are_opened_to_read(tmp_path: Path, settings: Settings) -> None:
    unpacked(tmp_path / "store", layout(("app:1", APP)))
    assert isinstance(source := open_source(f"oci:{tmp_path}/store", settings), LayoutStore)
    assert source.identify("app:1") == APP.digest
    assert isinstance(open_source("sample:", settings), GraphStore)
    legacy = open_source(f"graph:{settings.home}/sample", settings)
    assert isinstance(legacy, GraphStore)
    assert legacy.place == f"graph:{settings.home}/sample"
    with pytest.raises(NotFound):
        open_source(f"graph:{tmp_path}/nothing", settings)


@pytest.mark.parametrize("prefix", ["", "docker-archive:", "oci-archive:"])
def test_a_bundle_is_opened_to_read_and_not_to_import_into(
    tmp_path: Path, settings: Settings, prefix: str
) -> None:
    text = prefix + str(written(tmp_path / "a:b.tar", layout(("app:1", APP))))
    source = open_source(text, settings)
    assert source.identify("app:1") == APP.digest
    assert isinstance(source, Closes)
    source.close()
    assert is_bundle(text)
    with pytest.raises(Unsupported, match="cannot be imported into"):
        open_sink(text, settings)


def test_stores_are_opened_to_write(tmp_path: Path, settings: Settings) -> None:
    assert isinstance(open_sink(f"oci:{tmp_path}/store", settings), LayoutStore)
    assert isinstance(open_sink(f"graph+vfs:{tmp_path}/graph", settings), GraphSink)
    every = (
        "sample: cannot be imported into; name oci:PATH, graph:PATH, docker://HOST/REPO or docker-daemon:;"
    )
    with pytest.raises(Unsupported, match=every):
        open_sink("sample:", settings)
    assert os.listdir(tmp_path) == []


def test_an_engine_is_not_asked_before_it_is_needed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    for text in ("docker-daemon:", "docker-daemon:app:1", f"docker-daemon:{APP.digest}"):
        source = open_source(text, settings)
        assert source.place == text
        with pytest.raises(StoreError, match="is not there: no such socket"):
            source.listings()
    assert open_sink("docker-daemon:app:1", settings).place == "docker-daemon:app:1"
    with pytest.raises(UsageError, match="names a digest"):
        open_sink(f"docker-daemon:app@{APP.digest}", settings)


def test_a_registry_is_opened_without_being_asked(settings: Settings) -> None:
    assert isinstance(open_source("docker://h.example/app:1", settings), RegistryStore)
    assert isinstance(open_sink("docker://h.example", settings), RegistrySink)
    for text in ("docker:app", "docker://h.example/App"):
        with pytest.raises(InvalidPlace, match="write docker://HOST"):
            open_source(text, settings)


def test_referrers_are_looked_for_where_they_are_wanted(settings: Settings, tmp_path: Path) -> None:
    files = layout(("app:1", APP), ("", artifact(APP, b"sbom")))
    unpacked(settings.home / "store", files)
    bundle = written(tmp_path / "app.tar", files)
    for text in (f"oci:{settings.home}/store", str(bundle), f"oci-archive:{bundle}", "auto"):
        for reading, known in ((AS_IT_IS, 0), (Reading(referrers=True), 1)):
            image_ = open_source(text, settings, reading).image("app:1")
            assert isinstance(image_, ModernImage)
            assert len(image_.referrers) == known
    registry = open_source("docker://h.example/app:1", settings, Reading(referrers=True))
    assert isinstance(registry, RegistryStore)
    assert registry.referrers
    open_source("sample:", settings, Reading(referrers=True))  # which has none


def test_other_places_are_settled(settings: Settings, tmp_path: Path) -> None:
    assert settled(f"oci:{tmp_path}/nothing", "app:1", settings) == f"oci:{tmp_path}/nothing"


def test_the_same_place_has_one_canonical_name(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here = str(tmp_path)
    assert canonical("auto", Settings(home=Path("var"))) == f"oci:{here}/var/store"
    assert canonical("auto", settings) == f"oci:{here}/home/store"
    for text, absolute in {
        "oci:a:b": f"oci:{here}/a:b",
        "graph+vfs:./a": f"graph+vfs:{here}/a",
        "in.tar": f"{here}/in.tar",
        "docker-archive:in.tar": f"docker-archive:{here}/in.tar",
        "sample:": "sample:",
        "docker-daemon:": "docker-daemon:",
        "docker://host/repo": "docker://host/repo",
    }.items():
        assert canonical(text, settings) == absolute
        assert canonical(absolute, settings) == absolute


@pytest.mark.parametrize(
    "text", ["oci:p", "graph:p", "sample:", "auto", "docker://host/repo", "docker-root:/p"]
)
def test_a_store_is_no_file_to_carry(text: str) -> None:
    assert not is_bundle(text)


def test_standard_input_is_a_bundle_and_stays_what_it_is(settings: Settings) -> None:
    assert Place.parse("-") == Place("", "-")
    assert is_bundle("-")
    assert canonical("-", settings) == "-"
    assert canonical("./-", settings) == str(Path("-").absolute())


@pytest.mark.parametrize("scheme", ["graph", "docker-root", "containers-storage", "containerd-root"])
def test_a_store_of_another_kind_is_told_what_it_is(scheme: str, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "docker/registry/v2/repositories").mkdir(parents=True)
    with pytest.raises(Unsupported, match=rf"is no {scheme}: place; read it as registry-root:{tmp_path}"):
        open_source(f"{scheme}:{tmp_path}", settings)


@pytest.mark.parametrize("scheme", ["graph", "docker-root", "containers-storage", "containerd-root"])
def test_a_file_is_no_store(scheme: str, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unsupported, match="is no folder; give the root of a store"):
        open_source(f"{scheme}:{tmp_path}/file", settings)
