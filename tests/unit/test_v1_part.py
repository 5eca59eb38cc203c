from __future__ import annotations

from pathlib import Path

import pytest

from tests.archives import A, B, Body, C, encode, v1_folder, v1_json, written
from toolkit.bundles.archive_reader import Archive
from toolkit.bundles.v1_part import V1Part
from toolkit.errors import InvalidDocument, MissingMember, UnsafeArchive
from toolkit.limits import Limits, hold


def part(folder: Path, members: dict[str, Body]) -> V1Part:
    return V1Part(Archive(written(folder / "a.tar", members)))


def test_a_chain_runs_from_the_base_to_the_layer(tmp_path: Path) -> None:
    found = part(tmp_path, v1_folder(C, B) | v1_folder(A) | v1_folder(B, A))
    assert [layer.id for layer in found.chain(C)] == [A, B, C]
    assert found.folders() == [A, B, C]


def test_a_json_without_an_id_is_the_layer_of_its_folder(tmp_path: Path) -> None:
    json_ = encode({"created": "2015-07-10T00:13:44.35Z", "parent_id": f"sha256:{A}"})
    found = part(tmp_path, v1_folder(A) | v1_folder(B, json_=json_))
    assert [layer.id for layer in found.chain(B)] == [A, B]


def test_a_missing_parent_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingMember, match=A):
        part(tmp_path, v1_folder(B, A)).chain(B)


def test_a_layer_below_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsafeArchive, match="its own ancestor"):
        part(tmp_path, v1_folder(A, B) | v1_folder(B, A)).chain(A)


def test_a_chain_is_bounded(tmp_path: Path) -> None:
    hold(Limits(layers=2))
    with pytest.raises(UnsafeArchive, match="has more than 2 layers"):
        part(tmp_path, v1_folder(A) | v1_folder(B, A) | v1_folder(C, B)).chain(C)


def test_a_parent_that_is_no_id_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsafeArchive, match="expected 64 lower-case hex digits"):
        part(tmp_path, v1_folder(A, "../../etc")).chain(A)


def test_folders_without_a_layer_are_strays(tmp_path: Path) -> None:
    assert part(tmp_path, v1_folder(A) | {"other/file": b""}).strays() == ["other"]


@pytest.mark.parametrize(
    ("raw", "names"),
    [
        (encode({"a": {"1": A, "2": B}, "h:5000/b": {"1": A}}), {"a:1": A, "a:2": B, "h:5000/b:1": A}),
        (encode({"a": {"1": A, f"sha256:{C}": B}}), {"a:1": A, f"a@sha256:{C}": B}),  # Docker 1.6 to 1.8
        (b"{}", {}),
        (encode({"a": {}}), {}),
    ],
)
def test_names_are_read(tmp_path: Path, raw: bytes, names: dict[str, str]) -> None:
    assert part(tmp_path, {"repositories": raw}).names() == names


def test_repositories_may_be_missing(tmp_path: Path) -> None:
    assert part(tmp_path, v1_folder(A)).names() == {}


@pytest.mark.parametrize("raw", [b"[]", b'{"a":1}', b'{"a":{"1":1}}', b'{"a":{},"a":{}}', b"\xff"])
def test_a_broken_repositories_is_refused(tmp_path: Path, raw: bytes) -> None:
    with pytest.raises(InvalidDocument):
        part(tmp_path, {"repositories": raw}).names()


def test_a_json_keeps_its_bytes(tmp_path: Path) -> None:
    raw = v1_json(A).replace(b",", b" , ") + b"\n"
    assert part(tmp_path, v1_folder(A, json_=raw)).layer(A).raw == raw


@pytest.mark.parametrize("version", [b"1.1", b"", b"1.0" + bytes(8)])
def test_another_version_of_the_format_is_refused(tmp_path: Path, version: bytes) -> None:
    found = part(tmp_path, v1_folder(A) | {f"{A}/VERSION": version})
    with pytest.raises(InvalidDocument, match=f"{A}/VERSION of .*, expected b'1.0'"):
        found.layer(A)


def test_a_version_may_be_missing_or_end_a_line(tmp_path: Path) -> None:
    whole = v1_folder(A)
    assert part(tmp_path, whole | {f"{A}/VERSION": b"1.0\n"}).layer(A).id == A
    del whole[f"{A}/VERSION"]
    assert part(tmp_path, whole).layer(A).id == A
