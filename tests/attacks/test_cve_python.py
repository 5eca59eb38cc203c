"""What once went wrong in CPython's tarfile, by its number (formats G.3), and goes wrong nowhere here."""

from __future__ import annotations

import re
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import toolkit
from tests.extracting import Member, Site
from tests.layers import file, folder, hard_link, layer, patched, symlink
from toolkit.errors import CorruptContent, MissingMember, ToolkitError, UnsafeArchive
from toolkit.plumbing.tarball import Entries, StreamReader

VECTORS = Path(__file__).parents[1] / "data/vectors"
SIZE, MTIME, TYPE, LINKNAME = 124, 136, 156, 157  # where fields of a header begin
MB = 1 << 20
SECONDS = 5.0  # for what must end at once, on a machine that others use too


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@contextmanager
def at_once() -> Iterator[None]:
    """Raise AssertionError for work that takes its time."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < SECONDS


def walked(tar: bytes) -> int:
    """Walk over a tar; return how many entries it has."""
    return len(list(Entries(StreamReader(iter([tar])), "layer")))


def test_cve_2007_4559_nothing_is_ever_extracted_by_pythons_own(site: Site) -> None:
    sources = [path.read_text(encoding="utf-8") for path in Path(toolkit.__file__).parent.rglob("*.py")]
    used = re.compile(r"\.extract(?:all)?\(|unpack_archive\(")
    assert not [line for text in sources for line in text.splitlines() if used.search(line)]
    for name in ("../x", "../../x", "a/../../x", "/../x", "./../x"):
        site.refused([file(name)], kind=UnsafeArchive, match="leads out")
    site.extract([file("/etc/lading-was-here")])
    assert site.names() == ["etc", "etc/lading-was-here"]


BAD_RECORDS = [
    b"0 a=b\n", b"00000 path=x\n", b"1 a=b\n", b"-6 a=b\n", b"4 a=b", b"999999999999 a=b\n", b"6 ab\n\n", b" a=b\n",
    b"\0" * 512, b"6 a=b\n" + b"\0" * 506,
]  # fmt: skip


@pytest.mark.parametrize("records", BAD_RECORDS)
def test_cve_2019_20907_records_of_no_length_end(site: Site, records: bytes) -> None:
    head = patched(patched(layer(file("h")), TYPE, b"x"), SIZE, b"%011o\0" % len(records))[:512]
    with at_once():
        site.refused(head + records.ljust(512, b"\0") + layer(file("a")), kind=CorruptContent)


def long_chain(depth: int, out: str) -> list[Member]:
    """Return folders and links whose text is longer, followed, than the kernel lets a path be."""
    members, path, names = list[Member](), "", "abcdefghijklmnop"[:depth]
    for name in names:
        long = "d" * 247
        members += [folder(f"{path}{long}"), symlink(f"{path}{name}", long)]
        path += f"{long}/"
    members.append(symlink(f"{'/'.join(names)}/{'l' * 254}", "../" * len(names)))
    members.append(symlink("escape", f"{'/'.join(names)}/{'l' * 254}/{out}"))
    return members


@pytest.mark.parametrize("depth", [3, 16])
@pytest.mark.parametrize("number", ["2025_4517", "2025_4330", "2025_4138", "2025_4435", "2024_12718"])
def test_cve_2025_4517_and_4330_and_4138_and_4435_and_cve_2024_12718_long_links_lead_nowhere(
    site: Site, depth: int, number: str
) -> None:
    """Where Python resolves a path that is too long it gives up, and its filter lets everything pass."""
    out = "../../vault"
    last: dict[str, list[Member]] = {
        "2025_4517": [hard_link("flag", "escape/secret"), file("flag", b"overwritten")],
        "2025_4330": [symlink("flag", "escape/secret"), file("flag/x")],
        "2025_4138": [file("escape/new", b"written")],
        "2025_4435": [file("../vault/new"), file("escape/new")],
        "2024_12718": [folder("escape/", 0o777), folder("escape/..", 0o777)],
    }
    site.refused(long_chain(depth, out) + last[number], kind=CorruptContent)
    upper = [each for each in last[number] if not each[0].name.startswith("..")]
    with pytest.raises(CorruptContent):
        site.extract(long_chain(depth, out), upper)


@pytest.mark.parametrize("field", [b"\xff" * 12, b"\x80" + b"\xff" * 11, b"-0000000001\0", b"-777\0"])
def test_cve_2025_8194_a_negative_number_is_refused_at_once(site: Site, field: bytes) -> None:
    raw = patched(layer(file("a", b"x" * 600), file("b")), SIZE, field)
    with at_once():
        site.refused(raw, kind=CorruptContent)
        site.refused((VECTORS / "hdr-neg.tar").read_bytes(), kind=CorruptContent)


def test_gh_149486_a_name_is_never_empty(site: Site) -> None:
    site.refused([symlink("a", "")], kind=UnsafeArchive)
    site.refused([folder("d"), hard_link("d/b", "")], kind=UnsafeArchive)
    for kind in (b"0", b"2", b"5"):
        nameless = patched(patched(layer(symlink("a", "x")), 0, bytes(100)), TYPE, kind)
        site.refused(nameless, kind=CorruptContent)


def test_gh_151558_and_gh_151987_and_cve_2026_4360_a_hard_link_is_never_made_a_copy(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not where its target is missing, later, outside, or a link that leads there."""
    monkeypatch.chdir(site.vault)
    for target in ("secret", "later", "missing/secret", str(site.secret)):
        members = [hard_link("b", target), file("later", b"x")]
        assert isinstance(site.refused(members, kind=MissingMember), MissingMember)
    site.refused([symlink("s", str(site.vault)), hard_link("b", "s/secret")], kind=CorruptContent)


def test_cve_2026_11972_what_is_cut_short_ends_at_once(site: Site) -> None:
    whole = layer(*(file(f"f{n}", b"x" * 700) for n in range(20)), symlink("long" * 40, "x" * 200))
    whole = whole[: whole.rindex(b"\0" * 1024)]
    ended: list[object] = []
    with at_once():
        for cut in range(1, len(whole), 97):
            try:
                ended.append(walked(whole[:cut]))
            except ToolkitError as error:
                ended.append(error)
    assert any(isinstance(each, CorruptContent) and "cut short" in str(each) for each in ended)
    site.refused(whole[: 512 * 2 + 100], kind=CorruptContent, match="cut short")


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
def test_gh_151498_a_header_of_four_gigabytes_is_not_asked_for(kind: bytes) -> None:
    head = patched(patched(layer(file("h")), TYPE, kind), SIZE, b"\x80\0\0\0\0\0\0\1\0\0\0\0")[:512]
    tracemalloc.start()
    try:
        with pytest.raises(UnsafeArchive, match="extension of 4294967296 bytes"):
            walked(head + bytes(2048))
        assert tracemalloc.get_traced_memory()[1] < MB
    finally:
        tracemalloc.stop()


def test_gh_157190_a_hard_link_to_a_link_changes_nothing_outside(site: Site) -> None:
    site.extract(
        [symlink("a", str(site.secret)), hard_link("b", "a", mode=0o4777, mtime=1, uid=7)],
        [hard_link("c", "b", mode=0o777), file("a", b"new")],
    )
    assert site.secret.read_text() == "secret"
    assert (site.root / "c").is_symlink()
    assert (site.root / "a").read_bytes() == b"new"
