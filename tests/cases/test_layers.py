"""Cases 31 to 36: what stands in a layer, and what engines make of it (formats E)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.archives import TWO, image, layout, sha256, written
from tests.layers import device, file, folder, layer
from toolkit.plumbing.tarball import StreamReader, entries

from .conftest import Tell
from .judging import Judge, Ran, ran

VECTORS = Path(__file__).parents[1] / "data" / "vectors"
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it writes a legacy root")


def holding(*layers: bytes) -> dict[str, bytes]:
    """Return an archive of an image of these layers."""
    return dict(layout(("app:1", image(*layers))))


def into_graph(here: Path, driver: str = "vfs") -> Ran:
    """Import a.tar into a legacy root, where its layers are unpacked."""
    return ran("import", here / "a.tar", "--into", f"graph+{driver}:{here / 'graph'}")


def test_case_31_a_whiteout_never_takes_away_what_its_own_layer_brings(
    judge: Judge, ours: Tell, here: Path
) -> None:
    """As OCI has it. Docker on vfs would remove it, on overlay2 refuse the layer (formats E.5)."""
    lower, both = layer(file("foo", b"lower")), layer(file("foo", b"upper"), file(".wh.foo", b""))
    assert judge(holding(lower, both)).code == 0
    deep = ran("verify", here / "a.tar", "--deep", "--json")
    (told,) = [each["problem"] for each in deep.json["findings"] if each["severity"] == "warning"]
    assert (deep.code, told) == (0, "has whiteouts of what the same layer brings: .wh.foo")
    assert ran("extract", here / "a.tar", "app:1", here / "tree").code == 0
    assert [each.read_bytes() for each in (here / "tree").iterdir()] == [b"upper"]
    plain = written(here / "plain.tar", layout(("app:1", image(layer(file("foo", b"upper"))))))
    shown = ran("diff", here / "a.tar", "app:1", plain, "app:1", "--files", "--json")
    assert shown.json["files"] == {"added": 0, "removed": 0, "changed": 0}
    refused = into_graph(here) if os.geteuid() == 0 else None
    if refused:
        assert (refused.code, "takes away foo, which the same layer brings" in refused.error) == (6, True)
    ours(f"foo is there; --deep warns: {told}; a legacy root of vfs refuses it")


@pytest.mark.parametrize("name", [".wh.", "d/.wh..", "d/.wh...", ".wh..wh."])
def test_case_32_a_whiteout_of_nothing_is_refused(judge: Judge, name: str) -> None:
    found = judge(holding(TWO, layer(folder("d/"), file(name, b""))))
    assert (found.code, f"{name}: is a whiteout of nothing" in found.error) == (6, True)


INJECTED = {
    "device 0:0": (device("x", 0, 0), "is the device 0:0, which overlay file systems take for a whiteout"),
    "opaque xattr": (
        folder("d/", xattrs={"trusted.overlay.opaque": b"y"}),
        "has the xattr b'trusted.overlay.opaque', which overlay file systems act on",
    ),
}


@pytest.mark.parametrize("what", INJECTED)
def test_case_33_what_overlay_alone_acts_on_is_refused(judge: Judge, what: str) -> None:
    entry, problem = INJECTED[what]
    found = judge(holding(TWO, layer(entry)))
    assert (found.code, problem in found.error) == (6, True)


def test_case_33_it_may_be_taken_for_the_whiteout_that_overlay_makes_of_it(ours: Tell, here: Path) -> None:
    below = layer(file("x"), folder("d/"), file("d/f"))
    path = written(here / "a.tar", holding(below, layer(*(entry for entry, _ in INJECTED.values()))))
    refused = ran("extract", path, "app:1", here / "no")
    assert (refused.code, "--as-whiteout" in refused.error, (here / "no").exists()) == (6, True, False)
    assert ran("extract", path, "app:1", here / "tree", "--as-whiteout").code == 0
    assert list((here / "tree").rglob("*")) == [here / "tree/d"]
    ours("extract --as-whiteout takes away x, and what was in d; the layer stays as it is")


def test_case_34_a_layer_of_docker_commit_is_read_in_full_and_written_again(judge: Judge, ours: Tell) -> None:
    tar = (VECTORS / "commit-layer-overlay2.tar").read_bytes()
    assert sha256(tar).startswith("sha256:0d551bf2")
    raw, names, devices = bytearray(), [], []
    walked = entries(StreamReader(iter([tar])), "layer", raw=raw.extend)
    for entry in walked:
        names.append(entry.name)
        devices += [(entry.name, entry.major, entry.minor)] if entry.is_device else []
        for block in walked.body():
            raw += block
    assert {b".wh.dir", b"etc/.wh.a", b"opq/", b"opq/.wh..wh..opq"} <= set(names)
    assert devices == [(b"etc/dv", 300, 70000)]
    assert bytes(raw) == tar
    found = judge(holding(TWO, tar))
    assert (found.code, found.told("warning")) == (0, [])
    blob = found.store / "blobs" / sha256(tar).replace(":", "/")
    assert blob.read_bytes() == tar
    ours(f"{len(names)} entries, the block device 300:70000 among them; the tar again: sha256:0d551bf2…")


def test_case_34_such_a_layer_is_extracted_without_its_device(ours: Tell, here: Path) -> None:
    tar = (VECTORS / "commit-layer-overlay2.tar").read_bytes()
    below = layer(folder("dir/"), file("dir/f"), folder("etc/"), file("etc/a"), folder("opq/"), file("opq/x"))
    path = written(here / "a.tar", holding(below, tar))
    done = ran("extract", path, "app:1", here / "tree", "--json")
    assert done.code == 0, done.err
    found = {str(each.relative_to(here / "tree")) for each in (here / "tree").rglob("*")}
    assert found == {"etc", "etc/h1", "etc/h2", "etc/s", "opq", "opq/n"}
    told = [each["problem"] for each in done.json["findings"] if "devices" in each["problem"]]
    assert any(each.startswith("block devices left out: etc/dv") for each in told)
    ours(f"extracted without what its whiteouts hide; {told[0]}")


@ROOT
def test_case_34_such_a_layer_comes_back_out_of_a_legacy_root(judge: Judge, here: Path) -> None:
    tar = (VECTORS / "commit-layer-overlay2.tar").read_bytes()
    below = layer(folder("dir/"), file("dir/f"), folder("etc/"), file("etc/a"), folder("opq/"), file("opq/x"))
    assert judge(holding(below, tar)).code == 0
    assert into_graph(here, "aufs").code == 0
    done = ran("export", "app:1", "--from", f"graph:{here / 'graph'}", "-o", here / "back.tar", "--json")
    layers = done.json["images"][0]["platforms"][0]["layers"]
    assert [each["digest"] for each in layers] == [sha256(below), sha256(tar)]


HEADERS: dict[str, tuple[int, str] | list[bytes]] = {
    "hdr-paxsize": [b"outer.bin", b"after"],
    "hdr-paxsizeL": [b"longname", b"after"],
    "hdr-twox": (6, "has two PAX headers for one entry"),
    "hdr-paxL": (6, "has both a PAX and a GNU long name"),
    "hdr-Lpax": (6, "has both a PAX and a GNU long name"),
    "hdr-neg": (5, "has a size of -512"),
    "hdr-badpax": (5, "has a malformed PAX record"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_case_35_of_headers_that_readers_take_differently_there_is_one_reading_or_none(
    judge: Judge, ours: Tell, name: str
) -> None:
    expected, path = HEADERS[name], VECTORS / f"{name}.tar"
    tar = path.read_bytes()
    if isinstance(expected, list):
        found = list(entries(StreamReader(iter([tar])), "layer"))
        names = [entry.name[: len(wanted)] for entry, wanted in zip(found, expected, strict=True)]
        assert (names, found[0].size) == (expected, 1024)
        assert judge(holding(tar)).code == 0
        ours(f"{', '.join(map(bytes.decode, names))}; a body of 1024 bytes")
        return
    code, says = expected
    outer = judge(path)
    assert (outer.code, says in outer.error) == (code, True)
    inner = judge(holding(tar))
    assert inner.code == (6 if code == 6 else 0)  # a broken layer is what its diffID says, and is told
    assert says in (inner.error or inner.told("warning")[0])


@pytest.mark.parametrize("name", ["sparse-pax", "sparse-gnu"])
def test_case_36_a_sparse_file_is_carried_and_not_unpacked(
    judge: Judge, ours: Tell, here: Path, name: str
) -> None:
    tar = (VECTORS / f"{name}.tar").read_bytes()
    found = judge(holding(tar))
    assert (found.code, found.images[0][1]) == (0, [sha256(tar)])
    (warning,) = found.told("warning")
    assert warning == "holds a sparse file, which Docker loads and cannot save again"
    assert ran("verify", here / "a.tar", "--strict").code == 5
    unpacked = [ran("extract", here / "a.tar", "app:1", here / "tree")]
    unpacked += [into_graph(here)] if os.geteuid() == 0 else []
    for refused in unpacked:
        assert refused.code == 4
        assert "is a sparse file; Docker cannot save it unchanged" in refused.error
    assert not (here / "tree").exists()
    ours(f"carried: {warning}; unpacked: refused 4")
