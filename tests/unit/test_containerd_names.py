from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.archives import ONE, TWO, Picture, image, sha256
from tests.bolts import Tree, database, opened, varint
from tests.containerds import record, target, tree
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, NotFound, UnsafeArchive, UsageError
from toolkit.stores.containerd import names
from toolkit.stores.containerd.names import Names, printed, read_names, signed

APP, OTHER = image(ONE), image(TWO)
UBUNTU = "docker.io/library/ubuntu:14.04"
DIGEST = Digest.parse(APP.digest)


def read(keys: Tree, namespace: str = "") -> Names:
    with opened(database(keys)) as bolt:
        return read_names(bolt, namespace, "containerd-root:/p")


def spaces(*empty: str, **full: Picture) -> Tree:
    return tree({**{name: {} for name in empty}, **{name: {UBUNTU: each} for name, each in full.items()}})


def digests(found: Names) -> list[str]:
    return [str(top.digest) for _, top in found.named]


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        (UBUNTU, ("ubuntu:14.04",)),
        ("docker.io/team/app:2", ("team/app:2",)),
        ("registry.example:5000/app:1", ("registry.example:5000/app:1",)),
        (f"docker.io/library/app@{APP.digest}", (f"app@{APP.digest}",)),
        (f"app@{OTHER.digest}", ()),
        (f"moby-dangling@{APP.digest}", ()),
        (sha256(APP.config), ()),
        (APP.digest, ()),
        ("Not A Reference", ("Not A Reference",)),
        ("app@sha256:abc", ("app@sha256:abc",)),
        ("", ("",)),
    ],
)
def test_a_name_is_printed_as_docker_does_and_an_id_is_none(stored: str, shown: tuple[str, ...]) -> None:
    assert printed(stored, DIGEST) == shown


@pytest.mark.parametrize(
    ("raw", "number"),
    [("00", 0), ("02", 1), ("01", -1), ("fc0d", 894), ("8001", 64), ("feffffffffffffffff01", 2**63 - 1)],
)
def test_a_size_is_a_varint_of_go(raw: str, number: int) -> None:
    # encoding/binary: zigzag, seven bits a byte, the lowest first; fc0d is in a meta.db of Docker 29.
    assert signed(bytes.fromhex(raw)) == number


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_every_number_of_64_bits_is_read(number: int) -> None:
    assert signed(varint(number)) == number


@pytest.mark.parametrize("raw", ["", "80", "ff" * 10, "80" * 30])
def test_a_varint_without_an_end_is_none(raw: str) -> None:
    with pytest.raises(ValueError, match="is no varint"):
        signed(bytes.fromhex(raw))


@pytest.mark.parametrize(
    ("keys", "digest"),
    [
        (spaces(moby=APP, default=OTHER), APP),
        (spaces(moby=APP, **{"k8s.io": OTHER}), APP),
        (spaces(default=OTHER, **{"k8s.io": APP}), APP),
        (spaces(default=APP), APP),
        (spaces("moby", default=APP), APP),
        (spaces("moby", "a", **{"k8s.io": APP}), APP),
    ],
)
def test_docker_s_namespace_is_meant_then_that_of_kubernetes_then_the_only_one_with_images(
    keys: Tree, digest: Picture
) -> None:
    assert digests(read(keys)) == [digest.digest]


def test_other_namespaces_with_images_are_told() -> None:
    found = read(spaces("empty", default=OTHER, **{"k8s.io": APP}))
    assert (found.namespace, found.others) == ("k8s.io", ("default",))
    assert read(spaces(moby=APP), "moby").others == ()


def test_a_namespace_that_is_asked_for_is_read() -> None:
    assert digests(read(spaces(moby=APP, default=OTHER), "default")) == [OTHER.digest]
    assert digests(read(spaces("empty", moby=APP), "empty")) == []
    assert digests(read(tree({}) | {b"v1": {b"bare": {}}}, "bare")) == []  # type: ignore[operator]


@pytest.mark.parametrize("keys", [{}, {b"v1": {}}, {b"v2": {b"moby": {}}}, spaces("moby"), spaces("a")])
def test_a_store_without_images_has_no_names(keys: Tree) -> None:
    found = read(keys)
    assert (found.named, found.damage, found.others) == ([], None, ())


def test_an_unknown_namespace_is_not_found_and_those_that_are_there_are_told() -> None:
    with pytest.raises(NotFound, match=r"^namespace x: is not in containerd-root:/p; it has default, moby$"):
        read(spaces(moby=APP, default=OTHER), "x")
    with pytest.raises(NotFound, match=r"it has none$"):
        read({}, "x")


def test_several_namespaces_that_may_be_meant_are_told() -> None:
    with pytest.raises(
        UsageError, match=r"has several namespaces, a, b, .*; name one: --namespace NAME"
    ) as caught:
        read(spaces("c", a=APP, b=OTHER))
    assert caught.value.exit_code == 2
    many = spaces(**{f"n{number:03}": APP for number in range(99)})
    with pytest.raises(UsageError, match=r"n019 …, and it is not told which"):
        read(many)


def test_what_a_name_points_at_is_described() -> None:
    ((shown, top),) = read(spaces(moby=APP)).named
    assert shown == ("ubuntu:14.04",)
    assert (top.media_type, str(top.digest), top.size) == (APP.media_type, APP.digest, len(APP.raw))


def one(**changes: bytes) -> Tree:
    """Return a database of two images, of which the first has another target."""
    values = target(APP.digest, len(APP.raw), APP.media_type) | {
        key.encode(): value for key, value in changes.items()
    }
    kept = {key: value for key, value in values.items() if value != b"gone"}
    return {b"v1": {b"moby": {b"images": {b"app:1": {b"target": kept}, b"other:1": record(OTHER)}}}}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"digest": b"gone"}, "has no target/digest"),
        ({"size": b"gone"}, "has no target/size"),
        ({"digest": b"sha256:../../x"}, "has a target that cannot be read"),
        ({"size": b"\x80"}, "80 is no varint"),
        ({"mediatype": b"x" * 256}, "has a media type of 256 bytes, expected at most 255"),
        ({"size": varint(-1)}, "has a target of -1 bytes, expected 0 or more"),
    ],
)
def test_an_image_that_cannot_be_read_costs_only_itself(changes: dict[str, bytes], problem: str) -> None:
    found = read(one(**changes))
    assert [shown for shown, _ in found.named] == [("other:1",)]
    assert isinstance(found.damage, CorruptContent)
    assert "image app:1 in meta.db" in str(found.damage)
    assert problem in str(found.damage)


def test_an_image_without_a_target_is_damaged() -> None:
    found = read({b"v1": {b"moby": {b"images": {b"app:1": {}}}}})
    assert "has no target/digest" in str(found.damage)


@pytest.mark.parametrize(("bound", "value"), [("NAMES", 1), ("TEXT", len("moby") + len("app:1"))])
def test_how_many_names_are_held_is_bounded(monkeypatch: pytest.MonkeyPatch, bound: str, value: int) -> None:
    monkeypatch.setattr(names, bound, value)
    found = read({b"v1": {b"moby": {b"images": {b"app:1": record(APP), b"other:1": record(OTHER)}}}})
    assert [shown for shown, _ in found.named] == [("app:1",)]
    assert "meta.db: has more than " in str(found.damage)


def test_how_many_namespaces_are_held_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "NAMESPACES", 1)
    with pytest.raises(UnsafeArchive, match=r"^meta.db: has more than 1 names, or .* in one bucket$"):
        read(spaces("a", "b"))


def test_a_name_of_any_bytes_is_shown() -> None:
    found = read({b"v1": {b"moby": {b"images": {b"app\xff\n:1": record(APP)}}}})
    assert [shown for shown, _ in found.named] == [("app\\xff\n:1",)]


WHOLE = database(spaces("k8s.io", moby=APP, default=OTHER), size=1024)


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_of_flipped_bytes_come_names_or_errors_of_ours(flips: list[tuple[int, int]]) -> None:
    raw = bytearray(WHOLE)
    for at, byte in flips:
        raw[at] = byte
    with suppress(CorruptContent, UsageError, NotFound), opened(bytes(raw)) as bolt:
        read_names(bolt, "", "containerd-root:/p")
