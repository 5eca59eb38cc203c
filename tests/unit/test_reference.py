from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from toolkit.digest import Digest
from toolkit.errors import InvalidReference
from toolkit.platform import Platform
from toolkit.reference import ID, LONGEST_FILE_NAME, Reference, file_name, lineage, near, same

HEX = "1a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3a"
DIGEST = f"sha256:{HEX}"


# What docker 20.10 and 29 make of these names: normalised, familiar.
@pytest.mark.parametrize(
    ("text", "normalised", "familiar"),
    [
        ("ubuntu", "docker.io/library/ubuntu:latest", "ubuntu:latest"),
        ("ubuntu:14.04", "docker.io/library/ubuntu:14.04", "ubuntu:14.04"),
        ("library/ubuntu:14.04", "docker.io/library/ubuntu:14.04", "ubuntu:14.04"),
        ("docker.io/ubuntu:14.04", "docker.io/library/ubuntu:14.04", "ubuntu:14.04"),
        ("index.docker.io/library/ubuntu:14.04", "docker.io/library/ubuntu:14.04", "ubuntu:14.04"),
        ("team/app", "docker.io/team/app:latest", "team/app:latest"),
        ("library/foo/bar:1", "docker.io/library/foo/bar:1", "library/foo/bar:1"),
        ("registry.example/app:1", "registry.example/app:1", "registry.example/app:1"),
        (
            "registry.example:5000/team/app:2.1",
            "registry.example:5000/team/app:2.1",
            "registry.example:5000/team/app:2.1",
        ),
        ("registry:5000/app", "registry:5000/app:latest", "registry:5000/app:latest"),
        ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
        ("localhost:5000/app", "localhost:5000/app:latest", "localhost:5000/app:latest"),
        ("127.0.0.1:5000/app", "127.0.0.1:5000/app:latest", "127.0.0.1:5000/app:latest"),
        ("[fc00::1]:5000/a/b:c", "[fc00::1]:5000/a/b:c", "[fc00::1]:5000/a/b:c"),
        ("Foo/bar", "Foo/bar:latest", "Foo/bar:latest"),
        ("xn--n3h.com/foo", "xn--n3h.com/foo:latest", "xn--n3h.com/foo:latest"),
        ("test_com/foo", "docker.io/test_com/foo:latest", "test_com/foo:latest"),
        ("192.168.0.1:80", "docker.io/library/192.168.0.1:80", "192.168.0.1:80"),
        (
            "docker---rules/dock__er",
            "docker.io/docker---rules/dock__er:latest",
            "docker---rules/dock__er:latest",
        ),
        (f"redis@{DIGEST}", f"docker.io/library/redis@{DIGEST}", f"redis@{DIGEST}"),
        (f"redis:7@{DIGEST}", f"docker.io/library/redis:7@{DIGEST}", f"redis:7@{DIGEST}"),
        ("a:_T.a-g_", "docker.io/library/a:_T.a-g_", "a:_T.a-g_"),
        (f"docker.io/{HEX}", f"docker.io/library/{HEX}:latest", f"{HEX}:latest"),
        (HEX[:63], f"docker.io/library/{HEX[:63]}:latest", f"{HEX[:63]}:latest"),
        (HEX[:12], f"docker.io/library/{HEX[:12]}:latest", f"{HEX[:12]}:latest"),
        # Docker prints these without the registry, and could not read them back.
        ("docker.io/a.b/c:1", "docker.io/a.b/c:1", "docker.io/a.b/c:1"),
        ("docker.io/localhost/c:1", "docker.io/localhost/c:1", "docker.io/localhost/c:1"),
    ],
)
def test_a_name_is_read_as_docker_reads_it(text: str, normalised: str, familiar: str) -> None:
    reference = Reference.parse(text)
    assert (str(reference), reference.familiar) == (normalised, familiar)


REFUSED = """
    : :1 @ / a/ /a a//b docker///docker https://github.com/docker/docker ünicode a٣
    a: a:b:c a:-x a:.x a:é a:b/c -a a- a-/b _a ____/____ a..b a_.b a___b a. .. ../../etc/passwd
    App team/App:1 docker.io/team/App -registry.example/a registry-.example/a reg_istry.example/a
    registry..example/a registry.example:/a registry.example:x/a registry.example:123456/a
    [fc00::1] [fc00::1]:5000 fc00::1:5000/debian [fe80::1%eth0]:5000/debian [2001:db8:3:4::192.0.2.33]:5000/debian
    a@sha256: a@sha256
""".split()  # noqa: SIM905 - sixty lines of quotes else
OF_A_DIGEST = [
    f"a@{HEX}",
    f"a@md5:{HEX[:32]}",
    f"a@sha256:{HEX.upper()}",
    f"a@{DIGEST}@{DIGEST}",
    f"a@{DIGEST}:1",
    f"@{DIGEST}",
]


@pytest.mark.parametrize("text", [*REFUSED, *OF_A_DIGEST, HEX, "", "a:1\n", "a\n", " a", "a b", "a\0b"])
def test_what_docker_refuses_is_refused(text: str) -> None:
    with pytest.raises(InvalidReference):
        Reference.parse(text)


def test_a_refusal_says_why() -> None:
    for text, reason in {
        "team/App": "has a repository with capitals; write",
        "a:-x": "has the tag '-x'; a tag is",
        "r_r.example/a": "has the registry 'r_r.example', which is no host",
        "a@sha256:1": "has a digest that is none",
        HEX: "is 64 hex digits, which is an ID and no name",
    }.items():
        with pytest.raises(InvalidReference, match=reason) as caught:
            Reference.parse(text)
        assert str(caught.value).startswith(repr(text))


def test_lengths_are_bounded() -> None:
    Reference.parse(f"registry.example/{'a' * 255}:{'b' * 128}")
    for text in (
        f"registry.example/{'a' * 256}",
        f"a:{'b' * 129}",
        f"{'a' * 300}.example/b",
        "a" * 1_000_000,
    ):
        with pytest.raises(InvalidReference):
            Reference.parse(text)


@pytest.mark.parametrize(
    "hostile", ["a-" * 500, "a." * 500, "a_" * 500, "A-" * 500 + ".x/a", "a/" * 500, "[" + ":" * 900 + "/a"]
)
def test_no_name_takes_long_to_refuse(hostile: str) -> None:
    started = time.monotonic()
    with pytest.raises(InvalidReference):
        Reference.parse(hostile)
    assert time.monotonic() - started < 1


COMPONENTS = [
    "a",
    "library",
    "localhost",
    "docker.io",
    "a.b",
    "a__b",
    "a_b",
    "a-b",
    "a--b",
    "index.docker.io",
    "0",
    HEX,
]
TAGS = ["", "latest", "1", "_", "__", "_x", "x_", "-", ".", "A.b_c-", "x.tar"]
tags = st.sampled_from([tag for tag in TAGS if tag not in {"-", "."}]) | st.from_regex(
    r"\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,6}\Z"
)
registries = st.sampled_from(
    ["docker.io", "localhost", "r.example", "r:5000", "[::1]:5000", "Foo", "localhost:1"]
)


@st.composite
def references(draw: st.DrawFn) -> Reference:
    registry = draw(registries)
    path = draw(st.lists(st.sampled_from(COMPONENTS), min_size=1, max_size=3))
    if registry == "docker.io" and len(path) == 1:
        path = ["library", *path]
    digest = draw(st.none() | st.just(Digest.parse(DIGEST)) | st.binary(max_size=2).map(Digest.of))
    return Reference(registry, "/".join(path), draw(tags if digest else tags.filter(bool)), digest)


@pytest.mark.property
@given(references())
@example(Reference("docker.io", f"library/{HEX}"))
@example(Reference("docker.io", "docker.io/a"))
def test_both_forms_are_read_back(reference: Reference) -> None:
    assert Reference.parse(str(reference)) == reference
    assert Reference.parse(reference.familiar) == reference


@pytest.mark.property
@given(st.text("aA0.:/@_-[]", max_size=24) | st.text(max_size=60))
def test_any_text_is_a_reference_or_refused(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except InvalidReference:
        return
    assert Reference.parse(str(reference)) == reference


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        ("ubuntu", "docker.io/library/ubuntu:latest", True),
        ("ubuntu:14.04", "ubuntu:16.04", False),
        ("ubuntu:14.04", "index.docker.io/ubuntu:14.04", True),
        (f"redis@{DIGEST}", f"redis:7@{DIGEST}", True),
        (f"redis@{DIGEST}", "redis:7", False),
        ("Legacy/Name:1", "Legacy/Name:1", True),
        ("team/Legacy:1", "team/Legacy:1", True),
        ("team/Legacy:1", "team/legacy:1", False),
        ("team/Legacy", "team/Legacy:latest", False),
        ("registry/app:1", "registry:5000/app:1", False),
        (HEX, HEX, True),
        (HEX, f"{HEX}:latest", False),
    ],
)
def test_names_are_the_same_when_they_mean_the_same(a: str, b: str, *, equal: bool) -> None:
    assert same(a, b) is equal
    assert same(b, a) is equal


def test_the_other_tags_of_a_repository_are_near() -> None:
    there = ["busybox:1", "docker.io/library/ubuntu:14.10", "ubuntu:xenial", "r:5000/ubuntu:14.04", "x"]
    assert near("ubuntu:14.04", there)[:2] == ["docker.io/library/ubuntu:14.10", "ubuntu:xenial"]


def test_a_misspelt_name_finds_its_neighbour() -> None:
    assert near("ubunut:14.04", ["busybox:1", "ubuntu:14.04"]) == ["ubuntu:14.04"]
    assert near("team/App:1", ["team/App:2", "zzz"]) == ["team/App:2"]
    assert near("ubuntu", ["zzz:1"]) == []
    assert near("ubuntu", []) == []


def test_few_names_are_offered_of_many_and_soon() -> None:
    started = time.monotonic()
    assert len(near("app:1", (f"app:{number}" for number in range(10, 200_000)))) == 5
    assert near("x" * 1_000_000, ["y" * 1_000_000, "app:1"]) == []
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("text", "format_", "platform", "expected"),
    [
        # contract.md section 4
        ("ubuntu:14.04", "universal", None, "ubuntu_14.04.tar"),
        ("registry.example:5000/team/app:2.1", "universal", None, "registry.example=5000+team+app_2.1.tar"),
        ("docker.io/library/ubuntu:14.04", "universal", None, "ubuntu_14.04.tar"),
        ("ubuntu", "universal", None, "ubuntu_latest.tar"),
        ("a_b/c:d_e", "universal", None, "a__b+c_d__e.tar"),
        ("ubuntu:14.04", "docker-v1", None, "ubuntu_14.04,docker-v1.tar"),
        ("ubuntu:14.04", "universal", Platform("linux", "arm64", "v8"), "ubuntu_14.04,linux+arm64+v8.tar"),
        ("ubuntu:14.04", "oci", "linux/arm64", "ubuntu_14.04,oci,linux+arm64.tar"),
        (f"redis@{DIGEST}", "universal", None, f"redis@sha256={HEX}.tar"),
        (f"redis:7@{DIGEST}", "universal", None, f"redis_7@sha256={HEX}.tar"),
        ("[::1]:5000/a:1", "universal", None, "%5B==1%5D=5000+a_1.tar"),
        ("team/Legacy:1", "universal", None, "_team+Legacy=1.tar"),
        ("../../etc/passwd", "universal", None, "_..+..+etc+passwd.tar"),
        ("", "universal", None, "_.tar"),
        (HEX, "universal", None, f"{HEX[:12]}.tar"),
        (f"sha256:{HEX}", "oci", "linux/arm64", f"{HEX[:12]},oci,linux+arm64.tar"),
        (HEX[:14], "universal", None, f"{HEX[:12]}.tar"),
        (f"{HEX[:12]}:latest", "universal", None, f"{HEX[:12]}_latest.tar"),
        (HEX[:11], "universal", None, f"{HEX[:11]}_latest.tar"),
    ],
)
def test_a_bundle_is_named_after_its_image(
    text: str, format_: str, platform: Platform | str | None, expected: str
) -> None:
    assert file_name(text, format_, platform) == expected


def test_a_long_name_is_cut_and_stays_its_own() -> None:
    long = [f"registry.example/{'a' * 250}:{tag}" for tag in ("1", "2")]
    names = {file_name(text, format_) for text in long for format_ in ("universal", "oci")}
    assert len(names) == 4
    assert {len(name) for name in names} == {LONGEST_FILE_NAME}
    assert all(name.endswith(".tar") for name in names)


def test_near_collisions_get_files_of_their_own() -> None:
    names = [
        "a",
        "a_b",
        "a__b",
        "a/b",
        "a-b",
        "a.b/c",
        "r:5/a",
        "r/a",
        "a+b",
        "a=b",
        "a%5Fb",
        "A",
        "a,b",
        "_a",
        "a\udc80",
    ]
    texts = [f"{name}{':' * bool(tag)}{tag}" for name in names for tag in TAGS]
    wanted = {_meaning(text): text for text in texts}.values()
    platforms = [None, "linux/amd64", "_/_", "a/b,oci"]
    rows = list(itertools.product(wanted, ("universal", "oci", "docker-v1", "docker-v1.2"), platforms))
    assert len({file_name(*row) for row in rows}) == len(rows)


def _meaning(text: str) -> str:
    try:
        return str(Reference.parse(text))
    except InvalidReference:
        return text


names = (
    references().map(str)
    | st.text(st.characters(codec=None), max_size=40)
    | st.text("a_:/,.%+=@~", max_size=12)
)
platform_texts = st.none() | st.text("ab_/,.", min_size=1, max_size=8)


@pytest.mark.property
@given(names, st.sampled_from(["universal", "oci", "dir"]), platform_texts)
def test_a_file_name_is_one_plain_component(text: str, format_: str, platform: str | None) -> None:
    name = file_name(text, format_, platform)
    assert name.isascii()
    assert name.isprintable()
    assert not set(name) & set("/\\:*?\"'<>| $`\0")
    assert not name.startswith((".", "-", "~"))
    assert len(name) <= LONGEST_FILE_NAME


@pytest.mark.property
@given(names, names, platform_texts, platform_texts)
def test_different_names_have_different_files(a: str, b: str, one: str | None, other: str | None) -> None:
    are_ids = ID.fullmatch(a) and ID.fullmatch(b)  # which are told apart by twelve digits
    if not are_ids and (_meaning(a), one) != (_meaning(b), other):
        assert file_name(a, platform=one) != file_name(b, platform=other)


def test_a_name_is_part_of_what_stands_before_its_slashes() -> None:
    assert list(lineage("quay.io/team/app")) == ["quay.io/team/app", "quay.io/team", "quay.io"]
    assert list(lineage("host:5000")) == ["host:5000"]
