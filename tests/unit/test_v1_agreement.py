"""The v1 folders beside a manifest.json: made up by `docker save`, a legacy image's own, or another image."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.archives import (
    EMPTY,
    ONE,
    TWO,
    A,
    B,
    Body,
    Link,
    encode,
    image,
    sha256,
    v1_folder,
    v1_json,
    written,
)
from toolkit.bundles.archive_reader import Archive
from toolkit.bundles.docker_part import Item, items
from toolkit.bundles.v1_agreement import V1Agreement, V1Chain
from toolkit.errors import CorruptContent, MissingMember, UnsafeArchive
from toolkit.model import Config

DATA = Path(__file__).parents[1] / "data"
RULE_R, VECTORS = DATA / "rule_r", DATA / "vectors"
SAVED, KOLKATA, SKOPEO = (
    VECTORS / f"{name}.tar"
    for name in ("docker2010-save-duplayer", "docker2010-save-duplayer-kolkata", "skopeo-docker-archive")
)
BASE, MIDDLE, TOP = (  # the v1 IDs of SAVED, made by docker 20.10.24
    "0241285d6a7f1687f4e1596e058a00a2b2b2670915614ba804b71d1654bc732a",
    "0c580ea4573104bcd84769f7534a414e35f23426d3be26095d644e8539925c6d",
    "015a5d725ee264479e8a4c497063311618ce9339e5ce90e5e2a892bb00041f22",
)
Members = dict[str, Body]
Edit = Callable[[Members], None]


def members_of(path: Path) -> Members:
    """Return what an archive holds."""
    found: Members = {}
    with tarfile.open(path) as archive:
        for each in archive:
            body = archive.extractfile(each) if each.isfile() else None
            if not each.isdir():
                found[each.name] = body.read() if body else Link(each.linkname)
    return found


def judged(path: Path) -> V1Chain:
    """Hold both parts of an archive of one image against each other."""
    archive = Archive(path)
    (item,) = items(archive)
    agreement = V1Agreement(archive)
    agreement.refuse_other_names([item])
    return agreement.chain(item, Config.from_bytes(item.config))


def edited(folder: Path, edit: Edit) -> Path:
    members = members_of(SAVED)
    edit(members)
    return written(folder / "edited.tar", members)


def changed(members: Members, name: str, **values: Any) -> None:
    raw = members[name]
    assert isinstance(raw, bytes)
    members[name] = encode(json.loads(raw) | values)


# ── made up by a tool ──


@pytest.mark.parametrize("path", [SAVED, SKOPEO], ids=lambda path: path.stem)
def test_what_docker_and_skopeo_make_up_is_no_legacy_image_and_nothing_is_said(path: Path) -> None:
    assert judged(path) == V1Chain((None, None, None))


def test_ids_made_up_in_another_zone_are_told() -> None:
    chain = judged(KOLKATA)
    assert chain.layers == (None, None, None)
    (finding,) = chain.findings
    assert finding.severity == "note"
    assert "local-time variant" in finding.problem
    assert "1970-01-01T05:30:00+05:30" in finding.problem


def test_an_archive_without_v1_folders_has_nothing_to_agree(tmp_path: Path) -> None:
    picture = image(ONE)
    listed = [{"Config": "c.json", "RepoTags": ["a:1"], "Layers": ["l.tar"]}]
    members: Members = {"c.json": picture.config, "l.tar": ONE, "manifest.json": encode(listed)}
    assert judged(written(tmp_path / "a.tar", members)) == V1Chain((None,))


# ── a legacy image's own ──


def legacy(name: str, **more: Body) -> Members:
    """Return an archive with a v1 json and the config that docker 20.10.24 made of it."""
    v1_id = "ab" * 32
    listed = [{"Config": "c.json", "RepoTags": ["a:1"], "Layers": [f"{v1_id}/layer.tar"]}]
    return {
        **v1_folder(v1_id, layer=EMPTY, json_=(RULE_R / f"{name}.v1.json").read_bytes()),
        "c.json": (RULE_R / f"{name}.config.json").read_bytes(),
        "manifest.json": encode(listed),
        "repositories": encode({"a": {"1": v1_id}}),
        **more,
    }


@pytest.mark.parametrize("name", ["variant-1.9", "cmd-with-quotes", "0.7.6-custom", "checksum-1.4"])
def test_jsons_that_migrate_to_the_config_are_the_legacy_image(tmp_path: Path, name: str) -> None:
    chain = judged(written(tmp_path / "a.tar", legacy(name)))
    (layer,) = chain.layers
    assert layer is not None
    assert (layer.id, layer.parent) == ("ab" * 32, "")
    assert layer.raw == (RULE_R / f"{name}.v1.json").read_bytes()
    assert chain.findings == ()


def test_they_are_found_without_a_name_too(tmp_path: Path) -> None:
    listed = [{"Config": "c.json", "RepoTags": None, "Layers": [f"{'ab' * 32}/layer.tar"]}]
    members = legacy("variant-1.9") | {"manifest.json": encode(listed), "repositories": b"{}"}
    assert judged(written(tmp_path / "a.tar", members)).layers[0] is not None


# ── another image ──


def other_cmd(members: Members) -> None:
    changed(members, f"{TOP}/json", config={"Cmd": ["/evil"]})


def other_user(members: Members) -> None:
    changed(members, f"{TOP}/json", config={"Cmd": ["/x"], "User": "root"})


def other_entrypoint(members: Members) -> None:
    changed(members, f"{TOP}/json", config={"Cmd": ["/x"], "Entrypoint": ["/evil"]})


def other_layer(members: Members) -> None:
    members[f"{MIDDLE}/layer.tar"] = Link(f"../{BASE}/layer.tar")
    members["other.tar"] = TWO
    listed = json.loads(bytes(members["manifest.json"]))  # type: ignore[arg-type]
    listed[0]["Layers"][1] = "other.tar"
    members["manifest.json"] = encode(listed)


def other_parent(members: Members) -> None:
    changed(members, f"{TOP}/json", parent=BASE)


def other_top(members: Members) -> None:
    members["repositories"] = encode({"v1id": {"x": MIDDLE, "y": TOP}})


def one_name_more(members: Members) -> None:
    members["repositories"] = encode({"v1id": {"x": TOP, "y": TOP, "z": TOP}})


@pytest.mark.parametrize(
    "edit",
    [other_cmd, other_user, other_entrypoint, other_layer, other_parent, other_top, one_name_more],
    ids=lambda edit: edit.__name__,
)
def test_an_archive_in_which_old_engines_see_another_image_is_refused(tmp_path: Path, edit: Edit) -> None:
    with pytest.raises(UnsafeArchive):
        judged(edited(tmp_path, edit))


def test_the_edits_are_what_is_refused(tmp_path: Path) -> None:
    assert judged(edited(tmp_path, lambda _: None)) == V1Chain((None, None, None))


@pytest.mark.parametrize("name", [BASE, MIDDLE])
def test_a_folder_that_is_missing_is_refused(tmp_path: Path, name: str) -> None:
    def without(members: Members) -> None:
        members["kept.tar"] = ONE
        del members[f"{name}/json"]

    with pytest.raises(MissingMember, match=f"{name}.*cut short"):
        judged(edited(tmp_path, without))


def test_a_name_that_leads_to_no_folder_is_refused(tmp_path: Path) -> None:
    def without(members: Members) -> None:
        members["repositories"] = encode({"v1id": {"x": A}})

    with pytest.raises(MissingMember, match=A):
        judged(edited(tmp_path, without))


def test_docker_25_names_the_top_diff_id_and_has_no_folder_of_it(tmp_path: Path) -> None:
    picture = image(ONE, TWO)
    listed = [{"Config": "c.json", "RepoTags": ["a:1"], "Layers": ["1.tar", "2.tar"]}]
    members: Members = {
        "c.json": picture.config,
        "1.tar": ONE,
        "2.tar": TWO,
        "manifest.json": encode(listed),
        "repositories": encode({"a": {"1": sha256(TWO)[7:]}}),
    }
    assert judged(written(tmp_path / "a.tar", members)) == V1Chain((None, None))
    members["repositories"] = encode({"a": {"1": sha256(ONE)[7:]}})  # the base is not the top
    with pytest.raises(MissingMember):
        judged(written(tmp_path / "b.tar", members))


def test_a_folder_of_another_layer_is_refused(tmp_path: Path) -> None:
    def renamed(members: Members) -> None:
        changed(members, f"{MIDDLE}/json", id=A)

    with pytest.raises(CorruptContent):
        judged(edited(tmp_path, renamed))


def test_a_folder_that_no_image_needs_is_refused_too_where_readers_differ_on_it(tmp_path: Path) -> None:
    def stray(members: Members) -> None:
        members |= v1_folder(B, layer=ONE, json_=v1_json(A))

    with pytest.raises(UnsafeArchive, match=f"layer {A[:12]} in folder '{B}'"):
        judged(edited(tmp_path, stray))


def test_layers_that_are_each_others_parents_are_refused(tmp_path: Path) -> None:
    listed = [{"Config": "c.json", "RepoTags": ["a:1"], "Layers": [f"{A}/layer.tar", f"{B}/layer.tar"]}]
    members: Members = {
        **v1_folder(A, layer=ONE, json_=v1_json(A, B)),
        **v1_folder(B, layer=TWO, json_=v1_json(B, A)),
        "c.json": image(ONE, TWO).config,
        "manifest.json": encode(listed),
        "repositories": encode({"a": {"1": B}}),
    }
    with pytest.raises(UnsafeArchive):
        judged(written(tmp_path / "a.tar", members))


def test_several_items_are_each_held_against_their_own_name(tmp_path: Path) -> None:
    picture, other = image(ONE, config={"Cmd": ["/1"]}), image(TWO, config={"Cmd": ["/2"]})
    listed = [
        {"Config": "1.json", "RepoTags": ["a:1"], "Layers": [f"{A}/layer.tar"]},
        {"Config": "2.json", "RepoTags": ["a:2"], "Layers": [f"{B}/layer.tar"]},
    ]
    members: Members = {
        **v1_folder(A, layer=ONE, json_=v1_json(A, config={"Cmd": ["/1"]})),
        **v1_folder(B, layer=TWO, json_=v1_json(B, config={"Cmd": ["/2"]})),
        "1.json": picture.config,
        "2.json": other.config,
        "manifest.json": encode(listed),
    }

    def found(names: dict[str, str]) -> list[V1Chain]:
        archive = Archive(written(tmp_path / "a.tar", {**members, "repositories": encode({"a": names})}))
        listed_: list[Item] = items(archive)
        agreement = V1Agreement(archive)
        agreement.refuse_other_names(listed_)
        return [agreement.chain(item, Config.from_bytes(item.config)) for item in listed_]

    assert found({"1": A, "2": B}) == [V1Chain((None,)), V1Chain((None,))]
    with pytest.raises(UnsafeArchive, match="a:"):
        found({"1": B, "2": A})
