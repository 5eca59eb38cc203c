from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from tests.layers import device, file, folder, hard_link, layer, member, symlink
from toolkit.limits import Limits, hold
from toolkit.plumbing.layerlook import Inside, LayerLook
from toolkit.plumbing.oddities import ODDITIES
from toolkit.plumbing.pathtable import Room
from toolkit.plumbing.programs import BEGINNING
from toolkit.plumbing.tarball import Entries, StreamReader

VECTORS = Path(__file__).parents[1] / "data/vectors"
CAPABILITY = "security.capability"
NET_RAW = bytes.fromhex("0100000200200000000000000000000000000000")  # what setcap cap_net_raw+ep writes
MEMBERS = dict[str, list[tuple[tarfile.TarInfo, bytes]]]

UNSAFE: MEMBERS = {
    "escape": [file("../x")],
    "root": [symlink("./", "/tmp")],
    "link outside": [hard_link("a", "../x")],
    "link to folder": [folder("d"), hard_link("a", "d")],
    "bad overlay": [device("a", 0, 0)],
    "bad whiteout": [file("d/.wh..", b"")],
    "duplicate": [file("a"), file("./a")],
    "path": [symlink("a", "/etc"), file("a/passwd")],
    "bad owner": [file("a", uid=2**32)],
    "bad device": [device("a", 4096, 0)],
    "bad name": [symlink("a", "")],
}
ODD: MEMBERS = {
    "absolute": [file("/etc/passwd")],
    "long name": [file("d/" + "n" * 256)],
    "duplicate folder": [folder("d"), file("d/a"), folder("./d/")],
    "own whiteout": [file("a"), file(".wh.a", b"")],
    "full whiteout": [file(".wh.a", b"x")],
    "bad capability": [file("a", xattrs={CAPABILITY: b"x"})],
    "setuid": [file("a", mode=0o4755)],
    "capability": [file("a", xattrs={CAPABILITY: NET_RAW})],
    "device": [device("dev/null", 1, 3)],
    "fifo": [member("a", tarfile.FIFOTYPE)],
    "xattr": [file("a", xattrs={"user.mime_type": b"text/plain"})],
    "owner": [file("a", gid=65536)],
    "odd name": [file("a\x1b[2J")],
    "aufs": [file(".wh..wh.plnk/12.34")],
    "checkpoint": [file("config.dump"), file("spec.dump"), file("checkpoint/pstree.img")],
}


def look(tar: bytes) -> LayerLook:
    found = LayerLook("layer a")
    entries = Entries(StreamReader(iter([tar])), "layer a", allow_sparse=True)
    for entry in entries:
        found.take(entry, entries.beginning(BEGINNING))
    return found


def kinds(*members: tuple[tarfile.TarInfo, bytes]) -> list[str]:
    told = [finding.problem for finding in look(layer(*members)).findings()]
    return [
        kind for kind, row in ODDITIES.items() if any(text.startswith(row.problem + ": ") for text in told)
    ]


def inside(*members: tuple[tarfile.TarInfo, bytes]) -> Inside:
    return look(layer(*members)).inside(Room())


@pytest.mark.parametrize("kind", UNSAFE)
def test_what_is_unsafe_is_an_error(kind: str) -> None:
    (finding,) = look(layer(*UNSAFE[kind])).findings()
    assert finding.problem.startswith(ODDITIES[kind].problem)
    assert (finding.severity, finding.exit_code, finding.check) == ("error", 6, ODDITIES[kind].check)


@pytest.mark.parametrize("kind", ODD)
def test_what_is_odd_is_told_and_is_no_error(kind: str) -> None:
    assert kinds(*ODD[kind]) == [kind]
    (finding,) = look(layer(*ODD[kind])).findings()
    assert finding.severity == ODDITIES[kind].severity != "error"


def test_every_kind_that_a_layer_alone_can_show_is_tried() -> None:
    stacked = {"lost link", "lower link", "idle whiteout"}
    assert {*UNSAFE, *ODD, "sparse", "too deep"} | stacked == set(ODDITIES)


@pytest.mark.parametrize("name", ["sparse-gnu.tar", "sparse-pax.tar"])
def test_sparse_files_are_told(name: str) -> None:
    (finding,) = look((VECTORS / name).read_bytes()).findings()
    assert (finding.check, finding.severity) == ("sparse", "warning")


def test_a_layer_as_engines_write_it_is_not_odd() -> None:
    members = [
        folder("./"), folder("etc"), file("etc/passwd"), symlink("etc/mtab", "/proc/mounts"), folder("tmp", 0o1777),
        hard_link("etc/shadow", "etc/passwd"), hard_link("etc/group", "/etc/passwd"), symlink("lib", "usr/lib"),
        file(".wh.gone", b""), file("opt/.wh..wh..opq", b""), file("usr/share/ü"), folder("var/mail", 0o2775),
        file("a" * 255), file("usr/../usr".replace("..", "x")),
    ]  # fmt: skip
    assert kinds(*members) == []


def test_a_layer_that_docker_committed_tells_what_is_in_it() -> None:
    found = look((VECTORS / "commit-layer-overlay2.tar").read_bytes()).findings()
    assert [(finding.severity, finding.problem) for finding in found] == [
        ("note", "has files with capabilities: etc/h1 and 1 more"),
        ("note", "has devices: etc/dv"),
        ("note", "has pipes: etc/fifo"),
    ]


def test_an_absolute_name_is_one_below_the_root() -> None:
    assert kinds(file("/a"), file("a")) == ["duplicate", "absolute"]
    (finding,) = look(layer(folder("/"), folder("//d"), file("/d/a"), file("/d/b"), file("d/c"))).findings()
    assert finding.problem.endswith(": //d/ and 2 more")
    assert kinds(file("/")) == ["root"]


@pytest.mark.parametrize("name", ["/../etc/passwd", "a/../../b", "..", "a/..", "//.."])
def test_a_path_leads_out_in_many_ways(name: str) -> None:
    assert kinds(file(name)) == ["escape"]


def test_a_path_after_one_that_leads_out_is_looked_at_as_any() -> None:
    """The folder of the last entry is remembered; that of one that leads out is none."""
    assert kinds(file("a"), file("../x"), file("../y")) == ["escape"]
    (finding,) = look(layer(file("a/."), file("../x"), file("a/../y"), file("../z"))).findings()
    assert finding.problem.endswith(": ../x and 2 more")
    assert kinds(file("d/./a"), file("d/./a")) == kinds(file("d/a"), file("./d//a")) == ["duplicate"]


@pytest.mark.parametrize(
    "members",
    [
        [file("a"), file("a/b")],
        [file("a/b"), file("a")],
        [file("a/b/c"), symlink("a", "x")],
        [folder("a"), symlink("a", "x")],
        [symlink("a", "x"), folder("a")],
        [symlink("a", "b"), file("x"), file("a/b/c/d")],
        [folder("a/b"), device("a", 1, 3)],
    ],
)
def test_a_file_where_a_folder_is_needed_is_told_in_any_order(
    members: list[tuple[tarfile.TarInfo, bytes]],
) -> None:
    assert [kind for kind in kinds(*members) if kind != "device"] == ["path"]


def test_a_whiteout_of_the_same_layer_is_told_in_any_order() -> None:
    assert kinds(file(".wh.a", b""), file("a")) == ["own whiteout"]
    assert kinds(file("d/a"), file(".wh.d", b"")) == ["own whiteout"]
    assert kinds(file("d/.wh.a", b""), file("d/b"), file("a")) == []


@pytest.mark.parametrize("name", [".wh.", "d/.wh..", "d/.wh...", ".wh..wh.", "d/.wh..wh."])
def test_a_whiteout_of_nothing_is_refused_by_every_name(name: str) -> None:
    assert kinds(file(name, b"")) == ["bad whiteout"]


def test_the_xattrs_that_overlay_acts_on_are_unsafe() -> None:
    found = kinds(folder("d", xattrs={"trusted.overlay.opaque": b"y"}))
    assert found == ["bad overlay"]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("0000000100000000" + "00000000", "capability"),  # revision 1, as Linux 2.6.24 wrote it
        ("0100000200200000000000000000000000000000", "capability"),
        ("010000030020000000000000000000000000000000000100", "capability"),  # in a user namespace
        ("01000002002000000000000000000000000000", "bad capability"),
        ("0100000400200000000000000000000000000000", "bad capability"),
        ("", "bad capability"),
    ],
)
def test_a_capability_is_of_a_revision_that_linux_knows(value: str, kind: str) -> None:
    assert kinds(file("a", xattrs={CAPABILITY: bytes.fromhex(value)})) == [kind]


def test_of_many_the_first_is_named_and_the_others_are_counted() -> None:
    (finding,) = look(layer(*(file(f"f{number}", mode=0o4755) for number in range(40)))).findings()
    assert finding.problem == "has setuid or setgid files: f0 and 39 more"


def test_findings_come_the_gravest_first() -> None:
    members = [file("a", mode=0o4755), file("a"), file(".wh.b", b"x")]
    assert [finding.severity for finding in look(layer(*members)).findings()] == ["error", "warning", "note"]


def test_programs_are_counted_by_what_they_run_on() -> None:
    amd64 = bytes.fromhex("7f454c46020101000000000000000000" + "03003e00" + "00" * 44)
    arm64 = bytes.fromhex("7f454c46020101000000000000000000" + "0300b700" + "00" * 44)
    found = inside(
        file("a", amd64), file("b", arm64), file("c", amd64), file("d", b"\x7fELF"), file("e", b"")
    )
    assert found.machines == {"amd64": 2, "arm64": 1}


def test_what_the_layers_below_must_have_is_kept() -> None:
    below = inside(file("d/a"), folder("e"))
    above = inside(
        file(".wh.d", b""),
        file("e/.wh.x", b""),
        hard_link("b", "d/a"),
        hard_link("c", "b"),
        hard_link("f", "z"),
    )
    assert below.there is not None
    told = [[str(odd) for odd in each.sought([below.there])] for each in (above.hidden, above.linked)]
    assert told == [["d", "e/x"], ["d/a", "z"]]


def test_of_too_many_whiteouts_the_first_are_kept() -> None:
    found = inside(*(file(f".wh.{number}", b"") for number in range(10_001)))
    assert (len(found.hidden.paths), found.hidden.all_kept) == (10_000, False)


def test_of_too_long_whiteouts_the_first_are_kept() -> None:
    found = inside(*(file(f"{'d' * 200}/{number:0200}/.wh.x", b"") for number in range(3000)))
    assert len(found.hidden.paths) < 3000
    assert (sum(map(len, found.hidden.paths.values())) <= 1 << 20, found.hidden.all_kept) == (True, False)


def test_folders_without_an_entry_have_a_bound() -> None:
    hold(Limits(entry=50))
    assert kinds(*(file(f"{number}/a/b/c/d") for number in range(9)), file("e")) == []
    (finding,) = look(layer(*(file(f"{number}/a/b/c/d/e") for number in range(20)))).findings()
    assert (finding.severity, finding.exit_code) == ("error", 6)
    assert finding.problem.endswith(": 10/a/b/c/d/e and 9 more")


def test_a_path_of_two_thousand_folders_takes_no_time() -> None:
    deep = "/".join("a" * 2000)
    assert kinds(*(file(f"{deep}/{number}") for number in range(50))) == []


def test_where_there_is_no_room_its_paths_are_not_kept() -> None:
    assert look(layer(file("a"), file("b"))).inside(Room(1)).there is None
