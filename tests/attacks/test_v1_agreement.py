"""v1 folders beside a manifest.json: an old engine must not see another image than a new one."""

from __future__ import annotations

import json
from collections.abc import Sequence
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
    C,
    Link,
    encode,
    sha256,
    v1_folder,
    v1_json,
    written,
)
from tests.pictures import content_of, found_in
from toolkit.ancestry import V1Layer
from toolkit.bundles import open_bundle, v1_agreement
from toolkit.bundles.archive_reader import Archive
from toolkit.bundles.docker_part import items
from toolkit.bundles.v1_agreement import V1Agreement, V1Chain
from toolkit.digest import Digest
from toolkit.errors import InvalidDocument, MissingMember, ToolkitError, UnsafeArchive
from toolkit.migration import migrated_config
from toolkit.model import Config
from toolkit.operations.verify import verify

D, E = "d" * 64, "e" * 64
SAVED = Path(__file__).parents[1] / "data/vectors/docker2010-save-duplayer.tar"
FILES: dict[str, Body] = {"1": ONE, "2": TWO}


def config(*tars: bytes, **members: Any) -> bytes:
    ids = [sha256(tar) for tar in tars]
    return encode(
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ids}, **members}
    )


def item(config_: str, layers: Sequence[str], *names: str) -> dict[str, Any]:
    return {"Config": config_, "RepoTags": list(names) or None, "Layers": list(layers)}


class Parts:
    """An archive, and its two parts held against each other."""

    def __init__(
        self,
        folder: Path,
        listed: Sequence[dict[str, Any]],
        members: dict[str, Body],
        *,
        preferred: bool = False,
    ) -> None:
        files = {**FILES, **members, "manifest.json": encode(listed)}
        self.archive = Archive(written(folder / "a.tar", files))
        self.items = items(self.archive)
        self.agreement = V1Agreement(self.archive, preferred=preferred)

    def chains(self) -> list[V1Chain]:
        """Return what each image has of v1 layers; raises where the parts disagree."""
        self.agreement.refuse_other_names(self.items)
        return [self.agreement.chain(item, Config.from_bytes(item.config)) for item in self.items]


def names(**layer_ids: str) -> dict[str, Body]:
    return {"repositories": encode({"app": {tag.removeprefix("t"): id_ for tag, id_ in layer_ids.items()}})}


CHAIN: dict[str, Body] = {**v1_folder(A, layer=Link("../1")), **v1_folder(B, A, layer=Link("../2"))}
TWO_LAYERS: dict[str, Body] = {"c": config(ONE, TWO)}
APP = item("c", ["1", "2"], "app:1")


def test_folders_that_were_made_up_are_no_v1_layers_of_the_image(tmp_path: Path) -> None:
    assert Parts(tmp_path, [APP], {**TWO_LAYERS, **CHAIN, **names(t1=B)}).chains() == [V1Chain((None, None))]


def test_an_archive_without_folders_has_no_v1_layers(tmp_path: Path) -> None:
    assert Parts(tmp_path, [APP], TWO_LAYERS).chains() == [V1Chain((None, None))]


def legacy(*jsons: bytes, tars: Sequence[bytes]) -> bytes:
    """Return the config that Docker's own migration makes of v1 layers."""
    chain = [V1Layer.from_bytes(raw) for raw in jsons]
    return migrated_config(chain, [Digest.of(tar) for tar in tars])


OLD = (v1_json(A, architecture="amd64"), v1_json(B, A, architecture="amd64"))
OLD_CONFIG: dict[str, Body] = {"c": legacy(*OLD, tars=(ONE, TWO))}


def ids(chain: V1Chain) -> list[str]:
    return [layer.id for layer in chain.layers if layer]


def test_a_legacy_image_has_its_own_layers(tmp_path: Path) -> None:
    (chain,) = Parts(tmp_path, [APP], {**OLD_CONFIG, **CHAIN, **names(t1=B)}).chains()
    assert [layer.raw for layer in chain.layers if layer] == list(OLD)


def test_an_image_without_a_name_is_found_by_the_folders_that_docker_lists(tmp_path: Path) -> None:
    listed = item("c", [f"{A}/layer.tar", f"{B}/layer.tar"])
    (chain,) = Parts(tmp_path, [listed], {**OLD_CONFIG, **CHAIN}).chains()
    assert ids(chain) == [A, B]


def test_of_two_images_of_the_same_layers_each_has_its_own_folder(tmp_path: Path) -> None:
    """`docker save` of two images by their IDs: nothing but the listed files tells which is which."""
    other = v1_json(C, A, architecture="amd64", config={"Cmd": ["/other"]})
    members: dict[str, Body] = {
        **OLD_CONFIG, "d": legacy(OLD[0], other, tars=(ONE, TWO)),
        **CHAIN, **v1_folder(C, A, layer=Link("../2"), json_=other),
    }  # fmt: skip
    listed = [item(name, [f"{A}/layer.tar", f"{top}/layer.tar"]) for name, top in (("c", B), ("d", C))]
    first, second = Parts(tmp_path, listed, members).chains()
    assert (ids(first), ids(second)) == ([A, B], [A, C])


def test_an_image_without_a_name_is_found_by_its_layers_where_they_are_linked(tmp_path: Path) -> None:
    (chain,) = Parts(tmp_path, [item("c", ["1", "2"])], {**OLD_CONFIG, **CHAIN}).chains()
    assert ids(chain) == [A, B]


def test_an_image_below_another_is_not_taken_for_its_base(tmp_path: Path) -> None:
    """Both stacks begin with the same file; what is built upon is no top."""
    members: dict[str, Body] = {**CHAIN, **v1_folder(C, layer=Link("../1")), "c": config(ONE)}
    assert Parts(tmp_path, [item("c", ["1"])], members).chains() == [V1Chain((None,))]


def test_a_layer_in_the_folder_blobs_is_found_by_its_id(tmp_path: Path) -> None:
    """So a universal bundle has it."""
    guest = {name.replace(B, "blobs"): body for name, body in CHAIN.items()}
    (chain,) = Parts(tmp_path, [APP], {**OLD_CONFIG, **guest, **names(t1=B)}).chains()
    assert ids(chain) == [A, B]


def test_v1_ids_that_docker_makes_are_no_finding_and_those_of_a_zone_are_a_note() -> None:
    for path, many in ((SAVED, 0), (SAVED.with_name("docker2010-save-duplayer-kolkata.tar"), 1)):
        archive = Archive(path)
        (one,) = items(archive)
        chain = V1Agreement(archive).chain(one, Config.from_bytes(one.config))
        assert len(chain.findings) == many


# ── two images ──


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("Cmd", ["/evil"]),
        ("Entrypoint", ["/evil"]),
        ("Env", ["LD_PRELOAD=/evil.so"]),
        ("User", "root"),
        ("WorkingDir", "/evil"),
    ],
)
@pytest.mark.parametrize("listed", [APP, item("c", ["1", "2"])], ids=["named", "without a name"])
def test_a_v1_json_that_runs_something_else_is_refused(
    tmp_path: Path, listed: dict[str, Any], key: str, value: Any
) -> None:
    evil = v1_json(B, A, config={key: value})
    members = {**TWO_LAYERS, **CHAIN, f"{B}/json": evil, **(names(t1=B) if listed is APP else {})}
    with pytest.raises(UnsafeArchive, match=f"has another {key} in the v1 json of layer {B[:12]}"):
        Parts(tmp_path, [listed], members).chains()


@pytest.mark.parametrize("key", ["created", "os", "comment"])
def test_a_v1_json_that_docker_would_not_have_made_under_its_id_is_refused(tmp_path: Path, key: str) -> None:
    """Its ID is a digest of the image's config and layers, so nothing in it is anybody's choice (formats B.7)."""
    files: dict[str, Body] = {
        name: Link(member.linkname) if member.issym() else content_of(SAVED, name)
        for name, member in found_in(SAVED).items()
        if not member.isdir()
    }
    name = next(name for name in files if name.endswith("/json"))
    raw = files[name]
    assert isinstance(raw, bytes)
    told = json.loads(raw)
    assert verify(open_bundle(written(tmp_path / "whole.tar", files))).ok
    del told["os"]  # as Docker 17.05 to 17.09 left it out
    assert verify(open_bundle(written(tmp_path / "old.tar", files | {name: encode(told)}))).ok
    changed = files | {name: encode({**told, key: "2001-01-01T00:00:00Z"})}
    (finding,) = verify(open_bundle(written(tmp_path / "changed.tar", changed))).errors
    assert "has another v1 json of layer" in finding.problem


def test_a_named_image_is_compared_where_repositories_was_left_out(tmp_path: Path) -> None:
    members = {**TWO_LAYERS, **CHAIN, f"{B}/json": v1_json(B, A, config={"Cmd": ["/evil"]})}
    with pytest.raises(UnsafeArchive, match="another Cmd"):
        Parts(tmp_path, [APP], members).chains()


def test_every_name_of_an_image_must_lead_to_the_same_v1_layer(tmp_path: Path) -> None:
    """One json is honest, and the other, of the same layers, runs something else."""
    evil = v1_folder(C, A, layer=Link("../2"), json_=v1_json(C, A, config={"Cmd": ["/evil"]}))
    two_tags = item("c", ["1", "2"], "app:1", "app:2")
    for listed, tops in (
        (two_tags, names(t1=B, t2=C)),
        (APP, {"repositories": encode({"app": {"1": B}, "docker.io/library/app": {"1": C}})}),
    ):
        members = {**TWO_LAYERS, **CHAIN, **evil, **tops}
        with pytest.raises(UnsafeArchive, match=f"has v1 layers {B[:12]} and {C[:12]}, and each may be"):
            Parts(tmp_path, [listed], members).chains()


def test_where_two_v1_layers_may_be_the_top_of_an_image_neither_is_chosen(tmp_path: Path) -> None:
    members = {**TWO_LAYERS, **CHAIN, **v1_folder(C, A, layer=Link("../2"))}
    with pytest.raises(UnsafeArchive, match="each may be the top"):
        Parts(tmp_path, [item("c", ["1", "2"])], members).chains()


@pytest.mark.parametrize(
    ("tops", "error", "problem"),
    [
        (names(t1=B, evil=B), UnsafeArchive, "has 'app:evil' in repositories and not in manifest.json"),
        (names(t1=A), UnsafeArchive, "has other layers of 'app:1' in its v1 folders"),
        (names(t1=C), MissingMember, f"has 'app:1' as layer '{C}' in repositories, and no folder of it"),
        (names(t1="1"), MissingMember, "as layer '1' in repositories"),  # which is a file
        (names(t1="../.."), MissingMember, r"as layer '\.\./\.\.' in repositories"),
        ({"repositories": b"[]"}, InvalidDocument, "expected an object"),
    ],
)
def test_a_v1_name_that_leads_elsewhere_is_refused(
    tmp_path: Path, tops: dict[str, Body], error: type[ToolkitError], problem: str
) -> None:
    with pytest.raises(error, match=problem):
        Parts(tmp_path, [APP], {**TWO_LAYERS, **CHAIN, **tops}).chains()


def test_docker_25_names_the_top_diff_id_and_has_no_folders(tmp_path: Path) -> None:
    top = sha256(TWO).removeprefix("sha256:")
    assert Parts(tmp_path, [APP], {**TWO_LAYERS, **names(t1=top)}).chains() == [V1Chain((None, None))]


def test_layers_in_another_order_are_another_image(tmp_path: Path) -> None:
    swapped = {**v1_folder(A, layer=Link("../2")), **v1_folder(B, A, layer=Link("../1"))}
    with pytest.raises(UnsafeArchive, match="other layers"):
        Parts(tmp_path, [APP], {**TWO_LAYERS, **swapped, **names(t1=B)}).chains()


def test_a_parent_that_is_not_there_is_told(tmp_path: Path) -> None:
    cut = {name: body for name, body in CHAIN.items() if A not in name}
    with pytest.raises(MissingMember, match=f"speaks of layer {A}, and has no folder of it"):
        Parts(tmp_path, [APP], {**TWO_LAYERS, **cut, **names(t1=B)}).chains()
    stray = v1_folder(D, E, layer=Link("../2"))  # of no image here: no old engine loads it
    assert Parts(tmp_path, [item("c", ["1", "2"])], {**OLD_CONFIG, **CHAIN, **stray}).chains()[0].layers[0]


def test_a_cycle_of_parents_ends(tmp_path: Path) -> None:
    cycle = {**v1_folder(A, B, layer=Link("../1")), **v1_folder(B, A, layer=Link("../2"))}
    with pytest.raises(UnsafeArchive, match="has more than 1024 v1 layers"):
        Parts(tmp_path, [APP], {**TWO_LAYERS, **cycle, **names(t1=B)}).chains()


def test_a_layer_in_the_folder_of_another_is_refused(tmp_path: Path) -> None:
    members = {**CHAIN, f"{B}/json": v1_json(C, A)}
    with pytest.raises(UnsafeArchive, match=f"has layer {C[:12]} in folder '{B}'"):
        Parts(tmp_path, [APP], {**TWO_LAYERS, **members, **names(t1=C)}).chains()


def test_a_json_that_no_old_engine_reads_is_no_second_image(tmp_path: Path) -> None:
    members = {**TWO_LAYERS, **CHAIN, f"{B}/json": v1_json(B, A, config={"Cmd": 1}), **names(t1=B)}
    assert Parts(tmp_path, [APP], members).chains() == [V1Chain((None, None))]


@pytest.mark.parametrize(
    "odd",
    [
        names(t1=B, evil=B),
        {**names(t1=B), f"{B}/json": v1_json(B, A, config={"Cmd": ["/evil"]})},
        {**names(t1=B), f"{B}/json": b"{"},
        {f"{A}/json": v1_json(A, B)},
        {"repositories": b"[]"},
    ],
    ids=["a name", "a command", "no json", "a cycle", "no names"],
)
def test_where_manifest_json_is_preferred_nothing_is_refused(tmp_path: Path, odd: dict[str, Body]) -> None:
    members = {**TWO_LAYERS, **CHAIN, **odd}
    assert Parts(tmp_path, [APP], members, preferred=True).chains() == [V1Chain((None, None))]
    legacy_ = Parts(tmp_path, [APP], {**OLD_CONFIG, **CHAIN, **names(t1=B)}, preferred=True)
    assert ids(legacy_.chains()[0]) == [A, B]


# ── as many as fit: these would take minutes if each were walked or looked for anew ──


def v1_id(number: int) -> str:
    return f"{number:064x}"


def stacked(number: int, below: int) -> dict[str, Body]:
    return {f"{v1_id(number)}/json": v1_json(v1_id(number), v1_id(below) if below else ""),
            f"{v1_id(number)}/layer.tar": Link("../e")}  # fmt: skip


def test_thousands_of_names_of_images_that_share_a_thousand_layers_are_compared_at_once(
    tmp_path: Path,
) -> None:
    members: dict[str, Body] = {"e": EMPTY, "c": config(*[EMPTY] * 1024)}
    for number in range(1, 1024):
        members |= stacked(number, number - 1)
    tops = range(2000, 8000)
    for number in tops:
        members |= stacked(number, 1023)
    listed = item("c", ["e"] * 1024, *[f"app:{number}" for number in tops])
    members |= names(**{f"t{number}": v1_id(number) for number in tops})
    with pytest.raises(UnsafeArchive, match="each may be the top"):
        Parts(tmp_path, [listed], members).chains()


def test_thousands_of_images_without_a_name_beside_thousands_of_folders_are_compared_at_once(
    tmp_path: Path,
) -> None:
    members: dict[str, Body] = {"e": EMPTY}
    for number in range(1, 8001):
        members |= stacked(number, number - 1 if number % 2 == 0 else 0)
    members |= {f"c{number}": config(EMPTY, n=number) for number in range(4000)}
    chains = Parts(tmp_path, [item(f"c{number}", ["e"]) for number in range(4000)], members).chains()
    assert set(chains) == {V1Chain((None,))}


def test_v1_chains_that_are_endless_together_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(v1_agreement, "CHAINS_LIMIT", 3)
    parts = Parts(
        tmp_path, [APP, item("c", ["1", "2"], "app:2")], {**OLD_CONFIG, **CHAIN, **names(t1=B, t2=B)}
    )
    with pytest.raises(
        UnsafeArchive, match=r"has v1 chains of more than 3 layers together; .*--prefer docker"
    ):
        parts.chains()


def test_our_own_bundle_of_a_legacy_image_gives_its_layers_back(tmp_path: Path) -> None:
    from toolkit.bundles import create_bundle
    from toolkit.operations.copy import copy
    from toolkit.stores.sample import sample_store

    copy(sample_store(tmp_path), create_bundle(tmp_path / "b.tar", "docker-v1.2"), ["ubuntu:14.04"])
    source = open_bundle(tmp_path / "b.tar")
    folders = {name for name, member in found_in(tmp_path / "b.tar").items() if member.isdir()}
    jsons = {json.loads(content_of(tmp_path / "b.tar", f"{folder}/json"))["id"] for folder in folders}
    layers = verify(source).to_json()["images"][0]["platforms"][0]["layers"]
    assert {layer["v1_id"] for layer in layers} == folders == jsons
