"""A registry's disk as a source: names, what is listed, and what is refused."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.archives import ONE, TWO, Picture, encode, image, index, sha256
from tests.conformance import content, proven
from tests.conftest import Told
from tests.registries import BASE, EMPTY, TOP, Registry, schema1, signed, three_layers
from toolkit.errors import MissingMember, NotFound, ToolkitError, UnsafeArchive, Unsupported
from toolkit.operations.verify import verify
from toolkit.platform import Platform
from toolkit.ports import Source
from toolkit.settings import Settings
from toolkit.stores.registry_root.store import RegistryRoot

AMD, ARM = image(ONE, created="2020-01-01T00:00:00Z"), image(ONE, TWO, architecture="arm64")
OTHER = image(TWO)
BOTH = index(AMD, ARM)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    found = Registry(tmp_path / "registry")
    found.push("library/app:1", AMD)
    found.push("team/tool:2", OTHER)
    return found


def opened(registry: Registry) -> RegistryRoot:
    return RegistryRoot(registry.folder)


# ── names ──


@pytest.mark.parametrize("name", ["library/app:1", "app:1", "docker.io/app:1", "docker.io/library/app:1"])
def test_a_name_is_printed_as_stored_and_found_in_any_spelling(registry: Registry, name: str) -> None:
    assert opened(registry).image(name).names == ("library/app:1",)


def test_a_repository_that_is_called_like_a_registry_keeps_its_name(registry: Registry) -> None:
    registry.push("quay.io/org/app:1", OTHER)
    assert opened(registry).image("quay.io/org/app:1").names == ("quay.io/org/app:1",)
    with pytest.raises(NotFound):
        opened(registry).image("docker.io/quay.io/org/app:1")


def test_of_two_repositories_of_one_meaning_the_one_spelt_as_stored_comes_first(registry: Registry) -> None:
    registry.push("app:1", ARM)
    found = opened(registry)
    assert found.identify("app:1") == ARM.digest
    assert found.identify("library/app:1") == AMD.digest
    with pytest.raises(UnsafeArchive, match=r"docker\.io/app:1 twice, as library/app:1 and app:1"):
        found.identify("docker.io/app:1")


def test_latest_is_meant_where_no_tag_is_told(registry: Registry) -> None:
    registry.push("team/tool:latest", AMD)
    assert opened(registry).image("team/tool").names == ("team/tool:latest",)


def test_a_digest_leads_to_a_manifest_of_the_repository_that_was_named(registry: Registry) -> None:
    found = opened(registry)
    name = f"app@{AMD.digest}"
    assert found.image(name).names == (name,)
    with pytest.raises(NotFound):  # it is there, in another repository
        found.image(f"team/tool@{AMD.digest}")


@pytest.mark.parametrize("name", [AMD.digest, sha256(AMD.config)])
def test_an_image_is_found_by_its_digest_and_by_its_image_id(registry: Registry, name: str) -> None:
    assert opened(registry).identify(name) == AMD.digest


def test_near_names_are_told_those_of_the_same_repository_first(registry: Registry) -> None:
    registry.push("library/app:trusty", AMD)
    with pytest.raises(NotFound, match="near it: library/app:trusty"):
        opened(registry).identify("app:trsty")
    for name in ("../../x", "a" * 64, "sha256:" + "0" * 64, "UPPER:1"):
        with pytest.raises(NotFound):
            opened(registry).identify(name)


def test_what_a_tag_points_at_is_told_without_a_look_at_any_document(registry: Registry) -> None:
    shutil.rmtree(registry.v2 / "blobs")
    (registry.v2 / "blobs").mkdir()
    assert opened(registry).identify("app:1") == AMD.digest


# ── listings ──


def test_an_image_is_listed_once_with_its_names_in_all_repositories(registry: Registry) -> None:
    registry.push("library/app:latest", AMD)
    registry.push("copy/app:1", AMD)
    lines = opened(registry).listings()
    assert [line.names for line in lines] == [
        ("copy/app:1", "library/app:1", "library/app:latest"),
        ("team/tool:2",),
    ]
    assert lines[0].id == sha256(AMD.config)
    assert (lines[0].platform, lines[0].created, lines[0].size) == (
        "linux/amd64",
        "2020-01-01T00:00:00Z",
        10240,
    )


def test_a_manifest_that_nothing_leads_to_is_listed_without_a_name(registry: Registry) -> None:
    old, untagged = image(ONE, ONE), index(ARM, annotations={"a": "untagged"})
    registry.push("library/app", old)  # its tag has moved on
    registry.push("library/app", OTHER)  # this one has a name elsewhere
    registry.push("multi:1", BOTH)  # of its two images none stands alone
    registry.push("gone", untagged)
    found = opened(registry)
    lines = found.listings()
    named = {line.names: line.platform for line in lines if line.names}
    assert named == {
        ("library/app:1",): "linux/amd64",
        ("multi:1",): "linux/amd64, linux/arm64",
        ("team/tool:2",): "linux/amd64",
    }
    nameless = {found.identify(line.id) for line in lines[len(named) :]}
    assert nameless == {old.digest, untagged.digest}


def test_a_platform_of_an_index_is_taken_alone(registry: Registry) -> None:
    registry.push("multi:1", BOTH)
    found = opened(registry)
    assert str(found.image("multi:1").top.digest) == BOTH.digest  # type: ignore[union-attr]
    assert str(found.image("multi:1", Platform("linux", "arm64")).top.digest) == ARM.digest  # type: ignore[union-attr]


def test_a_place_is_opened_by_its_uri(registry: Registry) -> None:
    from toolkit.places import open_sink, open_source

    source = open_source(f"registry-root:{registry.folder}", Settings(home=registry.folder / "home"))
    assert source.place == f"registry-root:{registry.folder}"
    assert len(source.listings()) == 2
    with pytest.raises(Unsupported, match="cannot be imported into"):
        open_sink(f"registry-root:{registry.folder}", Settings(home=registry.folder / "home"))


def test_an_image_of_no_media_type_is_known_by_its_members(registry: Registry) -> None:
    raw = AMD.raw.replace(b'"mediaType":"application/vnd.oci.image.manifest.v1+json",', b"")
    bare = Picture(
        raw, AMD.media_type, {sha256(raw): raw, **{d: b for d, b in AMD.blobs.items() if d != AMD.digest}}
    )
    registry.push("bare:1", bare)
    assert proven(opened(registry), "bare:1").images()[0].config.raw == AMD.config


# ── damage: one sentence each, and the other image is listed all the same ──

Damage = Callable[[Registry], object]
LAYER = AMD.layers[0]
CONFIG = sha256(AMD.config)


def swapped(path: Path) -> None:
    """Put a link in place of a folder."""
    path.rename(path.with_name(".aside"))
    path.symlink_to(".aside")


def piped(path: Path) -> None:
    """Put a pipe in place of a file."""
    path.unlink()
    os.mkfifo(path)


DAMAGE: dict[str, tuple[Damage, int, str]] = {
    "manifest missing": (lambda r: r.data(AMD.digest).unlink(), 5, f"{AMD.digest}: is not there"),
    "layer missing": (lambda r: r.data(LAYER).unlink(), 5, f"blob {LAYER}: is not there"),
    "config missing": (lambda r: r.data(CONFIG).unlink(), 5, f"blob {CONFIG}: is not there"),
    "manifest edited": (
        lambda r: r.write(r.data(AMD.digest), AMD.raw.replace(b"amd64", b"arm64") + b" "),
        5, f"manifest {AMD.digest}: digest is",
    ),
    "manifest no JSON": (lambda r: r.write(r.data(AMD.digest), b"\0"), 5, "is not valid JSON"),
    "manifest too large": (
        lambda r: r.write(r.data(AMD.digest), bytes((4 << 20) + 1)), 6, "is 4194305 bytes, expected at most",
    ),
    "layer of another size": (lambda r: r.write(r.data(LAYER), b"short"), 5, f"blob {LAYER}: size is 5"),
    "tag's link truncated": (
        lambda r: r.write(r.tag("library/app", "1"), AMD.digest[:20].encode()), 5, "expected a digest and",
    ),
    "tag's link missing": (
        lambda r: r.tag("library/app", "1").unlink(), 5, "tags/1/current/link is not there; what it named may",
    ),
    "tag's link empty": (lambda r: r.write(r.tag("library/app", "1"), b""), 5, "expected a digest and"),
    "tag's link a path": (lambda r: r.write(r.tag("library/app", "1"), b"../.."), 5, "is '../..', expected"),
    "tag's link of another algorithm": (
        lambda r: r.write(r.tag("library/app", "1"), b"md5:" + b"0" * 32), 5, "expected a digest and",
    ),
    "tag's link oversized": (lambda r: r.write(r.tag("library/app", "1"), b"x" * 5000), 6, "is 5000 bytes"),
    "tag's link is a link": (
        lambda r: swapped(r.tag("library/app", "1")), 6, "is a link, expected a regular file",
    ),
    "tag's folder is a link": (lambda r: swapped(r.tag("library/app", "1").parents[1]), 6, "is a link"),
    "tag points at what is not its own": (
        lambda r: r.link(r.tag("library/app", "1"), OTHER.digest), 5, "is not linked in repository library/app",
    ),
    "tags' folder is a link": (lambda r: swapped(r.tag("library/app", "1").parents[2]), 6, "is a link"),
    "repository is a link": (lambda r: swapped(r.repository("library/app")), 6, "is a link"),
    "upper folder is a link": (lambda r: swapped(r.repository("library")), 6, "is a link"),
    "revision not linked": (
        lambda r: r.revision("library/app", AMD.digest).unlink(),
        5, f"blob {AMD.digest}: is not linked in repository library/app",
    ),
    "revision's link of another": (
        lambda r: r.link(r.revision("library/app", AMD.digest), OTHER.digest), 5, f"digest is {OTHER.digest}",
    ),
    "layer not linked": (
        lambda r: r.layer("library/app", LAYER).unlink(),
        5, f"blob {LAYER}: is not linked in repository library/app",
    ),
    "config not linked": (lambda r: r.layer("library/app", CONFIG).unlink(), 5, "is not linked in repository"),
    "layer linked as a manifest": (
        lambda r: r.layer("library/app", LAYER).parent.rename(
            r.revision("library/app", AMD.digest).parent.with_name(LAYER[7:])
        ),
        5, f"blob {LAYER}: is not linked in repository library/app",
    ),
    "layers' folder is a link": (
        lambda r: swapped(r.repository("library/app") / "_layers"), 6, "is a link, expected a folder",
    ),
    "blob's folder is a link": (lambda r: swapped(r.data(LAYER).parent), 6, "is a link, expected a folder"),
    "blob is a link": (lambda r: swapped(r.data(LAYER)), 6, "is a link, expected a regular file"),
    "blob is a pipe": (
        lambda r: piped(r.data(LAYER)), 6, "is no regular file",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_one_sentence_and_the_other_images_are_listed(
    registry: Registry, name: str, told: Told
) -> None:
    damage, code, sentence = DAMAGE[name]
    damage(registry)
    with pytest.raises(ToolkitError) as caught:
        opened(registry).image("app:1")
    told("registry-root", name, caught.value)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == code
    lines = opened(registry).listings()
    assert [line.names for line in lines if not line.problem and line.names] == [("team/tool:2",)]
    problems = [line.problem for line in lines if line.problem]
    assert any(part in problem for part in (sentence, "is a link") for problem in problems)
    (layer,) = opened(registry).image("team/tool:2").layers
    assert content(opened(registry), layer) == TWO


def test_a_tag_that_was_removed_is_not_found(registry: Registry) -> None:
    shutil.rmtree(registry.tag("library/app", "1").parents[1])
    with pytest.raises(NotFound):
        opened(registry).image("app:1")


def test_an_edited_layer_is_noticed_when_it_is_read(registry: Registry) -> None:
    registry.write(registry.data(LAYER), ONE[:-1] + b"\1")
    report = verify(opened(registry), ["app:1"])
    assert [finding.exit_code for finding in report.errors] == [5]
    assert f"{LAYER}: digest is" in f"{report.errors[0].subject}: {report.errors[0].problem}"


def test_a_blob_that_another_repository_links_is_not_given_out(registry: Registry) -> None:
    """Presence does not authorise: that is what a registry's links are for."""
    registry.push("secret/app:1", OTHER)
    registry.layer("team/tool", OTHER.layers[0]).unlink()
    assert opened(registry).image("secret/app:1").layers
    with pytest.raises(MissingMember, match="is not linked in repository team/tool"):
        opened(registry).image("team/tool:2")
    lines = {line.names: line.problem for line in opened(registry).listings()}
    assert lines[("secret/app:1",)] == ""
    assert "is not linked in repository team/tool" in lines[("team/tool:2",)]


def test_a_manifest_that_registry_2_1_0_linked_as_a_layer_is_read(registry: Registry) -> None:
    link = registry.revision("library/app", AMD.digest)
    registry.link(registry.layer("library/app", AMD.digest), AMD.digest)
    link.unlink()
    assert opened(registry).image("app:1").layers


def test_a_blob_that_nobody_links_is_no_layer(registry: Registry) -> None:
    registry.blob(b"nobody's")
    with pytest.raises(NotFound):
        opened(registry).layer(sha256(b"nobody's"))


def test_an_index_whose_image_was_deleted_is_incomplete_and_the_rest_is_read(registry: Registry) -> None:
    registry.push("multi:1", BOTH)
    shutil.rmtree(registry.revision("multi", ARM.digest).parent)
    image = opened(registry).image("multi:1")
    assert any("is incomplete" in finding.problem for finding in image.findings)
    assert len(proven(opened(registry), "multi:1").images()) == 1


def test_an_artifact_is_listed_and_carried(registry: Registry) -> None:
    config, body = b"{}", b"a signature"
    raw = encode(
        {
            "schemaVersion": 2,
            "mediaType": AMD.media_type,
            "config": {"mediaType": "application/x", "digest": sha256(config), "size": 2},
            "layers": [{"mediaType": "application/y", "digest": sha256(body), "size": len(body)}],
        }
    )
    registry.push("sig:1", Picture(raw, AMD.media_type, {sha256(b): b for b in (raw, config, body)}))
    (line,) = (line for line in opened(registry).listings() if line.names == ("sig:1",))
    assert (line.problem, line.id, line.size) == ("", sha256(raw), len(body) + 2)


# ── schema 1 ──

PAYLOAD = schema1(three_layers(thrown_away=True))


def with_schema1(registry: Registry, raw: bytes = PAYLOAD) -> Source:
    registry.push_schema1("library/old:1", raw, sha256(PAYLOAD), [BASE, TOP])
    return opened(registry)


@pytest.mark.parametrize("raw", [PAYLOAD, signed(PAYLOAD)], ids=["payload", "signed"])
def test_a_manifest_of_schema_1_becomes_an_image(registry: Registry, raw: bytes) -> None:
    found = with_schema1(registry, raw)
    (picture,) = proven(found, "old:1").images()
    assert [str(layer.digest) for layer, _ in picture.layers] == [sha256(BASE), sha256(TOP)]
    assert [item.empty_layer for item in picture.config.history] == [False, True, False]
    assert found.outline("old:1").size == len(BASE) + len(TOP)
    assert not verify(found, ["old:1"]).errors


def test_a_manifest_of_schema_1_is_listed_by_its_digest(registry: Registry) -> None:
    found = with_schema1(registry)
    (line,) = (line for line in found.listings() if line.names == ("library/old:1",))
    assert (line.id, line.platform, line.problem) == (sha256(PAYLOAD), "linux/amd64", "")
    assert found.identify(line.id) == sha256(PAYLOAD)
    assert found.outline("old:1").id == line.id


def test_a_layer_that_is_thrown_away_need_not_be_there(registry: Registry) -> None:
    with_schema1(registry)
    assert not registry.data(sha256(EMPTY)).exists()


def test_the_platform_of_schema_1_is_its_top_entrys(registry: Registry) -> None:
    found = with_schema1(registry)
    assert found.image("old:1", Platform("linux", "amd64")).layers
    with pytest.raises(NotFound, match="it has linux/amd64"):
        found.image("old:1", Platform("linux", "arm64"))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda r: r.data(sha256(TOP)).unlink(), f"blob {sha256(TOP)}: is not there"),
        (lambda r: r.layer("library/old", sha256(TOP)).unlink(), f"blob {sha256(TOP)}: is not linked"),
        (lambda r: r.write(r.data(sha256(PAYLOAD)), PAYLOAD + b"\n"), "digest is"),
    ],
)
def test_damage_to_schema_1_is_one_sentence(registry: Registry, damage: Damage, sentence: str) -> None:
    found = with_schema1(registry)
    damage(registry)
    with pytest.raises(ToolkitError, match=sentence) as caught:
        found.image("old:1")
    assert caught.value.exit_code == 5
    assert len([line for line in found.listings() if not line.problem]) == 2
