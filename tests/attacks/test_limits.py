"""Each limit, lowered by its setting: what reaches it passes, what is beyond is refused, and told which it was.

Verified and imported alike; a store at rest verified and copied. Numbers are counted by hand, or by Python's own tar.
"""

from __future__ import annotations

import gzip
import lzma
import math
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

import pytest
import zstandard

from tests.archives import (
    LAYER,
    ONE,
    TWO,
    A,
    B,
    Body,
    Picture,
    encode,
    image,
    index,
    layout,
    sha256,
    v1_folder,
    v1_json,
)
from tests.archives import tar as tarred
from tests.archives import written as write_tar
from tests.cases.judging import Ran, ran
from tests.graphs import legacy_layer, name, split_lines
from tests.layers import file, layer, symlink
from toolkit.limits import Limits

MIB = 1 << 20
LONG = "d" * 250 + "/" + "f" * 250
XATTRS = {f"user.{key}": b"v" * 100 for key in "abc"}
FILES = {"file": file(LONG), "link": symlink("l", "t" * 300), "xattrs": file("f", xattrs=XATTRS)}
THREE = layer(file("a"), file("b"), file("c"))
ZEROS = tarred({"zeros": bytes(4 * MIB)})
REPOSITORIES = encode({"app": {"1": A}})
V1: dict[str, Body] = {**v1_folder(A), "repositories": REPOSITORIES}
Make = Callable[
    [Path], tuple[str, int]
]  # makes something to read; returns the place, and the number it reaches


class Attack(NamedTuple):
    """What reaches a limit exactly; lowered `by` so much, the limit refuses it."""

    limit: str
    what: str
    make: Make
    by: int = 1


def bundle(picture: Picture, number: int) -> Make:
    return lambda folder: (str(write_tar(folder / "a.tar", layout(("app:1", picture)))), number)


def layer_of(content: bytes, number: int, pack: Callable[[bytes], bytes] = bytes, suffix: str = "") -> Make:
    picture = image(pack(content), diff_ids=[sha256(content)], media_types=[LAYER + suffix])
    return bundle(picture, number)


def beside(kind: str, number: int = 0) -> Make:
    """Put a member of that kind into the archive, beside the image."""
    files = [file(path, content) for path, content in layout(("app:1", image(ONE))).items()]
    raw = layer(*files, FILES[kind])

    def make(folder: Path) -> tuple[str, int]:
        (folder / "a.tar").write_bytes(raw)
        return str(folder / "a.tar"), number or extension_of(raw)

    return make


def packed_bundle(folder: Path) -> tuple[str, int]:
    raw = tarred(layout(("app:1", image(ONE))))
    (folder / "a.tar.gz").write_bytes(gzip.compress(raw))
    return str(folder / "a.tar.gz"), len(raw)


def v1(members: dict[str, Body], number: int) -> Make:
    return lambda folder: (str(write_tar(folder / "a.tar", {**V1, **members})), number)


def graph(file_name: str, tail: int = 0) -> Make:
    """A legacy root; the number is how long that file of it is, its longest line where it is a tar-split."""

    def make(folder: Path) -> tuple[str, int]:
        raw = tarred({"f": b"content"})
        lines = split_lines(raw[:512], ("f", b"content"), raw[519:] + bytes(tail))
        legacy_layer(folder, "aufs", A, {"f": b"content"}, size="7", tar_split=lines)
        name(folder, "aufs", **{"1": A})
        found = max(lines.splitlines(), key=len) if tail else (folder / file_name).read_bytes()
        return f"graph:{folder}", len(found)

    return make


def checksum(folder: Path) -> tuple[str, int]:
    place, _ = graph("repositories-aufs")(folder)
    text = sha256(tarred({"f": b"content"}))
    (folder / "graph" / A / "checksum").write_text(text)
    return place, len(text)


def chain(folder: Path) -> tuple[str, int]:
    legacy_layer(folder, "aufs", A, {"f": b"1"}, size="1")
    legacy_layer(folder, "aufs", B, {"g": b"2"}, size="1", parent=A)
    name(folder, "aufs", **{"1": B})
    return f"graph:{folder}", 2


def nested(levels: int) -> object:
    return [nested(levels - 1)] if levels > 1 else []


def extension_of(raw: bytes) -> int:
    """Return the size of the largest PAX header in a tar."""
    blocks = [raw[at : at + 512] for at in range(0, len(raw), 512)]
    return max(int(block[124:135], 8) for block in blocks if block[156:157] == b"x" and b"ustar" in block)


def wide_zstd(content: bytes) -> bytes:
    facts = zstandard.ZstdCompressionParameters.from_level(1, window_log=24)
    encoder = zstandard.ZstdCompressor(compression_params=facts).compressobj()
    return encoder.compress(content) + encoder.flush()


def wide_xz(content: bytes) -> bytes:
    return lzma.compress(content, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 16 * MIB}])


def in_three(pack: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    return lambda content: b"".join(map(pack, (content[:100], content[100:200], content[200:])))


AUTHOR = image(ONE, author="x" * 2000)
THREE_ITEMS = image(ONE, history=[{}, {"empty_layer": True}, {"empty_layer": True}])
ATTACKS = [
    Attack("document", "a config", bundle(AUTHOR, len(AUTHOR.config))),
    Attack("v1_json", "of a bundle", v1({}, len(v1_json(A, architecture="amd64")))),
    Attack("v1_json", "of a store", graph(f"graph/{A}/json")),
    Attack("names", "of a bundle", v1({}, len(REPOSITORIES))),
    Attack("names", "of a store", graph("repositories-aufs")),
    Attack("text", "a VERSION", v1({}, len("1.0"))),
    Attack("text", "a checksum", checksum),
    Attack("tar_split_line", "of zeros at the end", graph("", tail=MIB)),
    Attack("history", "of a config", bundle(THREE_ITEMS, 3)),
    Attack("layers", "of a manifest", bundle(image(ONE, TWO), 2)),
    Attack("layers", "of a v1 image", v1({**v1_folder(B, A), "repositories": encode({"app": {"1": B}})}, 2)),
    Attack("layers", "of a store", chain),
    Attack("json_depth", "of a config", bundle(image(ONE, x=nested(19)), 20)),
    Attack("index_depth", "an index in an index", bundle(index(index(image(ONE))), 2)),
    *(Attack("extension", f"{kind} in a layer", layer_of(raw := layer(one), extension_of(raw))) for kind, one in FILES.items()),
    Attack("extension", "in the archive", beside("file")),
    Attack("path", "in a layer", layer_of(layer(FILES["file"]), len(LONG))),
    Attack("path", "in the archive", beside("file", len(LONG))),
    Attack("link", "in a layer", layer_of(layer(FILES["link"]), 300)),
    Attack("link", "in the archive", beside("link", 300)),
    Attack("xattr", "in a layer", layer_of(layer(FILES["xattrs"]), 100)),
    Attack("xattr", "in the archive", beside("xattrs", 100)),
    Attack("xattrs", "in a layer", layer_of(layer(FILES["xattrs"]), 3)),
    Attack("xattrs", "in the archive", beside("xattrs", 3)),
    Attack("member", "of an archive", bundle(image(ONE), 5)),
    Attack("entry", "of a layer", layer_of(THREE, 3)),
    Attack("entry", "of a packed layer", layer_of(THREE, 3, gzip.compress, "+gzip")),
    Attack("layer", "that is plain", layer_of(THREE, len(THREE))),
    Attack("layer", "that is packed", layer_of(THREE, len(THREE), gzip.compress, "+gzip")),
    Attack("bundle", "that is packed", packed_bundle),
    Attack("ratio", "of zeros", layer_of(ZEROS, math.ceil(len(ZEROS) / len(gzip.compress(ZEROS))), gzip.compress, "+gzip")),
    Attack("stream", "gzip members", layer_of(THREE, 3, in_three(gzip.compress), "+gzip")),
    Attack("stream", "xz streams", layer_of(THREE, 3, in_three(lzma.compress))),
    Attack("stream", "zstd frames", layer_of(THREE, 3, in_three(zstandard.compress), "+zstd")),
    Attack("window", "of zstd", layer_of(THREE, 16 * MIB, wide_zstd, "+zstd")),
    Attack("window", "of xz", layer_of(THREE, 16 * MIB, wide_xz), by=2 * MIB),  # its decoder has more than that
]  # fmt: skip


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`say(layer=5)` writes the settings of this folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LADING_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LUIGI_CONFIG_PATH", raising=False)
    monkeypatch.setattr("toolkit.plumbing.compression.GRACE", MIB)

    def write(**limits: int) -> None:
        lines = [f"{name}_limit = {number}" for name, number in limits.items()]
        (tmp_path / "luigi.cfg").write_text("\n".join(["[lading]", *lines, ""]))

    return write


def carried(place: str, store: Path) -> Ran:
    if place.startswith("graph:"):
        return ran("copy", place, f"oci:{store}")
    return ran("import", place, "--into", f"oci:{store}")


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{attack.limit}: {attack.what}")
def test_what_is_beyond_a_limit_is_refused_by_verify_and_import(
    say: Callable[..., None], tmp_path: Path, attack: Attack
) -> None:
    (tmp_path / "made").mkdir()
    place, number = attack.make(tmp_path / "made")
    say(**{attack.limit: number})
    for done in (ran("verify", place), carried(place, tmp_path / "good")):
        assert (done.code, done.error) == (0, "")
    say(**{attack.limit: number - attack.by})
    for done in (ran("verify", place), carried(place, tmp_path / "bad")):
        assert done.code == 6, done.err
        assert (
            f"expected at most {number - attack.by}; " in done.error
            or "expected at most that; " in done.error
        )
        assert f"[lading] {attack.limit}_limit says so" in done.error
    assert not (tmp_path / "bad/index.json").exists()


@pytest.mark.parametrize(
    "attack",
    [attack for attack in ATTACKS if "layer" in attack.what and attack.limit != "layers"],
    ids=lambda attack: f"{attack.limit}: {attack.what}",
)
def test_what_is_beyond_a_limit_is_refused_by_extract(
    say: Callable[..., None], tmp_path: Path, attack: Attack
) -> None:
    (tmp_path / "made").mkdir()
    place, number = attack.make(tmp_path / "made")
    say(**{attack.limit: number})
    assert ran("extract", place, "app:1", tmp_path / "good").code == 0
    say(**{attack.limit: number - attack.by})
    done = ran("extract", place, "app:1", tmp_path / "bad")
    assert (done.code, f"[lading] {attack.limit}_limit says so" in done.error) == (6, True), done.err
    assert not (tmp_path / "bad").exists()


def test_every_limit_is_attacked() -> None:
    assert {attack.limit for attack in ATTACKS} == {field.name for field in fields(Limits)}
