"""Images that want out of the folder they are extracted to: the escape set (acceptance case 37), and races.

Whatever comes of one, nothing around the folder is opened, made or changed: every extraction here is watched.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.archives import image, layout, written
from tests.extracting import NAME, Guard, Member, Site
from tests.kill.faults import in_child
from tests.layers import file, folder, hard_link, layer, member, symlink
from toolkit.bundles import open_bundle
from toolkit.errors import CorruptContent, ToolkitError
from toolkit.operations.extract import extract

Layers = list[list[Member]]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A place to extract to, worked in from the folder that holds the secret."""
    site = Site(tmp_path)
    monkeypatch.chdir(site.vault)
    return site


ROUNDS = 10
OUT = "/../../../../../../../../../.."

REFUSED: dict[str, Callable[[str], Layers]] = {  # what it is → the layers, given the folder of the secret
    "a file behind an absolute link": lambda out: [[symlink("a", out), file("a/x")]],
    "a file behind a relative link": lambda _: [[symlink("a", "../vault"), file("a/x")]],
    "a file behind a link to a file": lambda out: [[symlink("a", f"{out}/secret"), file("a/x")]],
    "a folder behind a link": lambda out: [[symlink("a", out), folder("a/x", 0o777)]],
    "a link behind a link": lambda out: [[symlink("a", out), symlink("a/x", "y")]],
    "a hard link behind a link": lambda out: [[file("f"), symlink("a", out), hard_link("a/x", "f")]],
    "a whiteout behind a link": lambda out: [[symlink("a", out)], [file("a/.wh.secret", b"")]],
    "an opaque mark behind a link": lambda out: [[symlink("a", out)], [file("a/.wh..wh..opq", b"")]],
    "a hard link to a file outside": lambda out: [[hard_link("b", f"{out}/secret")]],
    "a hard link to /etc/passwd": lambda _: [[hard_link("b", "/etc/passwd")]],
    "a hard link up": lambda _: [[hard_link("b", "../secret")]],
    "a hard link up from the working folder": lambda _: [[hard_link("b", "../vault/secret")]],
    "a hard link in the working folder": lambda _: [[hard_link("b", "secret")]],
    "a hard link through a link": lambda out: [[symlink("a", out), hard_link("b", "a/secret")]],
    "the top as a link": lambda out: [[symlink("./", out)]],
    "the top as a link, called by dots": lambda out: [[symlink(".//.", out)]],
    "the top as a file": lambda _: [[file(".")]],
    "the top as a hard link": lambda _: [[hard_link("./", "secret")]],
    "a name with dots": lambda _: [[file("../vault/x")]],
    "a name with dots inside": lambda _: [[file("a/../../vault/x")]],
    "a name of dots": lambda _: [[folder("..", 0o777)]],
    "an absolute name with dots": lambda _: [[file(f"{OUT}/etc/x")]],
    "a folder that becomes a link": lambda out: [[folder("d"), file("d/x"), symlink("d", out)]],
    "a link that becomes a folder and is one again": lambda out: [[symlink("d", out), folder("d"), file("d/x")]],
    "a chain of links": lambda _: [[symlink("a", ".."), symlink("a/b", ".."), file("a/b/x")]],
    "a link to itself": lambda _: [[symlink("a", "a"), file("a/x")]],
    "a link to itself below": lambda _: [[symlink("a", "a")], [file("a/x")]],
    "links without end": lambda _: [[symlink(f"l{n}", f"l{n + 1}") for n in range(99)], [file("l0/x")]],
    "a file below a file": lambda _: [[file("a"), file("a/x")]],
    "a file below a file of the layer below": lambda _: [[file("a")], [file("a/x")]],
    "one file twice": lambda _: [[file("a"), file("./a")]],
    "a file and a link of one name": lambda out: [[symlink("a", out), file("a")]],
    "a whiteout of the folder": lambda _: [[file("d/.wh..", b"")]],
    "a whiteout of the folder above": lambda _: [[file(".wh...", b"")]],
    "a whiteout with dots": lambda _: [[file(".wh.x/../../vault/secret", b"")]],
    "an empty link": lambda _: [[symlink("a", "")]],
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_an_image_that_wants_out_is_refused(site: Site, name: str) -> None:
    """Acceptance case 37."""
    site.refused(*REFUSED[name](str(site.vault)), kind=CorruptContent)


INSIDE: dict[str, tuple[Callable[[str], Layers], list[str]]] = {  # → and where its files are then
    "a file on a link of the layer below": (
        lambda out: [[symlink("a", f"{out}/secret")], [file("a", b"new")]],
        ["a"],
    ),
    "a folder with a slash on a link": (lambda out: [[symlink("a", out)], [folder("a/", 0o777)]], ["a"]),
    "a folder with slashes on a link": (lambda out: [[symlink("a", out)], [folder("a//.", 0o777)]], ["a"]),
    "a file below a link that became a folder": (
        lambda out: [[symlink("a", out)], [folder("a"), file("a/x")]],
        ["a", "a/x"],
    ),
    "a file behind a link across two layers": (
        lambda _: [[symlink("a", "/vault")], [file("a/x")]],
        ["a", "vault", "vault/x"],
    ),
    "a chain across two layers": (
        lambda _: [[folder("d"), symlink("d/up", "../.."), symlink("out", "d/up/../vault")], [file("out/x")]],
        ["d", "d/up", "out", "vault", "vault/x"],
    ),
    "a hard link behind a chain": (
        lambda _: [[symlink("out", "../../vault"), file("vault/secret", b"no")], [hard_link("b", "out/secret")]],
        ["b", "out", "vault", "vault/secret"],
    ),
    "links to the kernel's own": (
        lambda _: [[symlink("a", "/proc/self/cwd"), symlink("b", "/proc/self/root")], [file("a/x"), file("b/y")]],
        ["a", "b", "proc", "proc/self", "proc/self/cwd", "proc/self/cwd/x", "proc/self/root", "proc/self/root/y"],
    ),
    "absolute names": (lambda _: [[file("/etc/x"), hard_link("/y", "/etc/x")]], ["etc", "etc/x", "y"]),
    "a hard link to a link": (
        lambda out: [[symlink("a", f"{out}/secret"), hard_link("b", "a", mode=0o4777, uid=7)]],
        ["a", "b"],
    ),
    "a hard link to a link with a slash": (
        lambda out: [[symlink("a", f"{out}/secret"), hard_link("b", "a/")]],
        ["a", "b"],
    ),
    "a whiteout of a link": (lambda out: [[symlink("a", out), file("x")], [file(".wh.a", b"")]], ["x"]),
    "an opaque folder with links": (
        lambda out: [[symlink("d/a", out), symlink("d/b", "..")], [file("d/.wh..wh..opq", b"")]],
        ["d"],
    ),
    "a whiteout of a folder with links": (
        lambda out: [[symlink("d/e/a", out), symlink("d/b", "../..")], [file(".wh.d", b"")]],
        [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", INSIDE)
def test_what_is_put_inside_is_inside(site: Site, name: str) -> None:
    layers, names = INSIDE[name]
    site.extract(*layers(str(site.vault)))
    assert site.names() == names


def test_the_guard_of_these_tests_sees_every_look(site: Site) -> None:
    for look in (site.secret.read_text, lambda: site.secret.chmod(0o640), lambda: os.listdir(site.vault)):
        with Guard(site.vault) as guard:
            look()
            assert guard.seen()


# ── races ──


def swapping(part: Path, vault: Path, stop: threading.Event, done: list[int]) -> None:
    """Take folders out of the way and put links that lead out in their places, and back, without an end."""
    names = ("d", "e", "d/sub")
    while not stop.is_set():
        for name in names:
            here, aside = part / name, part / f"{name}.aside"
            with contextlib.suppress(OSError):
                here.rename(aside)
                here.symlink_to(vault)
                done.append(1)
                here.unlink()
            with contextlib.suppress(OSError):
                aside.rename(here)


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait for the whole disk."""
    monkeypatch.setattr("toolkit.operations.extract.sync_file_system", os.fstat)


@pytest.fixture
def _often() -> Iterator[None]:
    """Let threads take turns after every few steps."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_often", "_quick")
def test_a_folder_that_turns_into_a_link_meanwhile_leads_nowhere(site: Site) -> None:
    """CVE-2018-15664, CVE-2025-47290: between a look at a path and its use it is another one."""
    names = [f"{top}/{number}" for number in range(60) for top in ("d", "e", "d/sub")]
    lower = layer(*(file(name) for name in names), *(hard_link(f"d/h{n}", f"e/{n}") for n in range(60)))
    upper = layer(
        *(file(f"d/.wh.{n}", b"") for n in range(0, 60, 2)), file("e/.wh..wh..opq", b""), file("e/secret")
    )
    written(site.bundle, layout((NAME, image(lower, upper))))
    stop, swaps = threading.Event(), list[int]()
    thread = threading.Thread(target=swapping, args=(site.outside / ".root.part", site.vault, stop, swaps))
    thread.start()
    try:
        with Guard(site.vault) as guard:
            for number in range(ROUNDS):
                with contextlib.suppress(ToolkitError):
                    extract(open_bundle(site.bundle), NAME, site.outside / "root")
                    (site.outside / "root").rename(site.outside / f"root{number}")
            assert guard.seen() == []
    finally:
        stop.set()
        thread.join()
    assert len(swaps) > ROUNDS
    assert site.secret.read_text() == "secret"
    assert os.listdir(site.vault) == ["secret"]


# ── bombs ──


def many(name: bytes, count: int) -> bytes:
    """Return a tar of empty files, called by numbers behind a name."""
    header = bytearray(layer(file(name.decode() + "0" * 7, b""))[:512])
    tar, start = bytearray(), len(name)
    for number in range(count):
        header[start : start + 7] = b"%07d" % number
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        tar += header
    return bytes(tar)


def test_many_names_take_little_memory(site: Site) -> None:
    """A name takes eight bytes, twice while their table grows."""
    blob = many(b"." * 50 + b"/.wh.", 60_000)
    written(site.bundle, layout((NAME, image(blob))))

    def work() -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        extract(open_bundle(site.bundle), NAME, site.root)
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)

    ended = in_child(work)
    assert ended.code == 0, ended.said
    assert int(ended.said) < 8, ended.said


def test_a_deep_tree_is_made_and_taken_away(site: Site) -> None:
    site.extract([file("d/" * 250 + "f")], [file(".wh.d", b""), member("e")])
    assert site.names() == ["e"]
