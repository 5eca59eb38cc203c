"""verify, by its depths: what it reads, what it claims, and what it tells people and machines."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.archives import A, Body, encode, image, layout, sha256, tar, v1_folder, written
from tests.cli.conftest import IMAGE, SAMPLE, Lading
from tests.layers import file, hard_link, layer, symlink
from tests.webpages import parsed
from toolkit.bundles import FORMATS
from toolkit.plumbing.streams import Extent

WRITTEN = [row.name for row in FORMATS if row.members_of]
ODD = layer(
    file("bin/su", b"\x7fELF", mode=0o4755), file("../up"), file("a"), file("a"), symlink("d", "/etc"), file("d/x"),
    hard_link("h", "nowhere"), file(".wh.gone", b""),
)  # fmt: skip


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A bundle whose every digest is right, and whose layer no engine should unpack."""
    return written(tmp_path / "odd.tar", layout(("odd:1", image(ODD, config={"User": "-1"}))))


def read_of(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The subjects of what is read in blocks from now on."""
    read: list[str] = []
    blocks = Extent.blocks

    def told(self: Extent) -> Any:
        read.append(self.subject)
        return blocks(self)

    monkeypatch.setattr(Extent, "blocks", told)
    return read


@pytest.mark.parametrize("format_", WRITTEN)
def test_fast_reads_no_layer_and_does_not_claim_to_have(
    lading: Lading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format_: str
) -> None:
    path = str(tmp_path / "x.tar")
    assert lading("export", IMAGE, "--from", SAMPLE, "-o", path, "--format", format_).code == 0
    read = read_of(monkeypatch)
    ran = lading("verify", path, "--fast", "--quiet")
    assert (ran.code, ran.err, read) == (0, "", [])
    assert ran.out.splitlines()[-1].startswith(f"structure verified, contents not read: {path}, for ")
    report = lading("verify", path, "--fast", "--json").json
    assert (report["verdict"], report["depth"]) == ("structure", "fast")
    assert lading("verify", path, "--json").json["depth"] == "full"
    assert read != []


@pytest.mark.parametrize("format_", ["universal", "docker-v1.2", "docker-v1"])
def test_fast_tells_the_digests_that_are_recorded_and_no_others(
    lading: Lading, tmp_path: Path, format_: str
) -> None:
    path = str(tmp_path / "x.tar")
    assert lading("export", IMAGE, "--from", SAMPLE, "-o", path, "--format", format_).code == 0
    (fast,) = lading("verify", path, "--fast", "--json").json["images"]
    (full,) = lading("verify", path, "--json").json["images"]
    if format_ == "docker-v1":  # which records none
        assert "digest" not in fast
        assert fast["platforms"][0].keys() == {"platform", "layers"}
        assert all("diff_id" not in each for each in fast["platforms"][0]["layers"])
        rows = lading("verify", path, "--fast").out.splitlines()
        assert rows[1].split()[2:4] == ["-", "4"]
    else:
        assert fast == full


def test_fast_takes_a_damaged_layer_for_whole_and_full_does_not(lading: Lading, bundle: Path) -> None:
    content = bytearray(bundle.read_bytes())
    content[content.index(b"PRETTY_NAME=")] ^= 1
    bundle.write_bytes(content)
    assert lading("verify", str(bundle), "--fast").code == 0
    assert lading("verify", str(bundle)).code == lading("verify", str(bundle), "--deep").code == 5


def test_fast_finds_what_is_missing_and_what_is_short(lading: Lading, bundle: Path, tmp_path: Path) -> None:
    with tarfile.open(bundle) as whole:
        contents = {each.name: whole.extractfile(each) for each in whole if each.isfile()}
        bodies = {name: content.read() for name, content in contents.items() if content}
    largest = max(bodies, key=lambda name: len(bodies[name]))
    files: dict[str, Body] = {**bodies}
    short = written(tmp_path / "short.tar", {**files, largest: bodies[largest][:-512]})
    ran = lading("verify", str(short), "--fast", "--json")
    assert (ran.code, ran.json["verdict"]) == (5, "corrupt")
    assert "size" in [finding["check"] for finding in ran.json["findings"]]
    del files[largest]
    ran = lading("verify", str(written(tmp_path / "gone.tar", files)), "--fast", "--json")
    assert (ran.code, ran.json["verdict"]) == (5, "corrupt")
    cut = tmp_path / "cut.tar"
    cut.write_bytes(bundle.read_bytes()[:100_000])
    assert lading("verify", str(cut), "--fast").code == 5


def test_fast_looks_at_the_name_in_a_sum_and_not_at_the_sum(lading: Lading, bundle: Path) -> None:
    sums = bundle.with_name(bundle.name + ".sha256")
    sums.write_text(f"{'0' * 64}  {bundle.name}\n")
    assert lading("verify", str(bundle), "--fast").code == 0
    assert lading("verify", str(bundle)).code == 5
    sums.write_text(f"{'0' * 64}  other.tar\n")
    (finding,) = lading("verify", str(bundle), "--fast", "--json").json["findings"]
    assert (finding["check"], finding["severity"]) == ("companion", "warning")


@pytest.mark.parametrize("place", [SAMPLE, "oci:layout"])
def test_fast_looks_at_stores_too(lading: Lading, place: str) -> None:
    assert lading("copy", SAMPLE, IMAGE, "oci:layout").code == 0
    ran = lading("verify", place, "--fast", "--quiet")
    assert ran.code == 0
    assert ran.out.splitlines()[-1].startswith("structure verified, contents not read: ")


def test_deep_finds_what_no_digest_tells(lading: Lading, odd: Path) -> None:
    ran = lading("verify", str(odd))
    assert (ran.code, ran.err.count("error: ")) == (6, 1)  # the first that would trick an engine
    ran = lading("verify", str(odd), "--deep", "--json")
    assert (ran.code, ran.json["verdict"], ran.json["depth"]) == (6, "corrupt", "deep")
    found = {(each["check"], each["severity"]) for each in ran.json["findings"]}
    assert found == {
        ("user", "warning"),
        ("escape", "error"),
        ("duplicate", "error"),
        ("path", "error"),
        ("hard-link", "error"),
        ("setuid", "note"),
        ("idle-whiteout", "note"),
    }
    (image_,) = ran.json["images"]  # the bytes are what they should be
    assert image_["platforms"][0]["layers"][0]["digest"] == sha256(ODD)


def test_what_is_safe_is_verified_at_every_depth(lading: Lading, bundle: Path) -> None:
    for place in (str(bundle), SAMPLE):
        ran = lading("verify", place, "--deep", "--json")
        assert (ran.code, ran.json["verdict"]) == (0, "verified")
        assert {each["severity"] for each in ran.json["findings"]} <= {"note"}


def test_people_are_told_the_gravest_first_and_what_engines_do(lading: Lading, odd: Path) -> None:
    ran = lading("verify", str(odd), "--deep")
    lines = ran.err.splitlines()
    heads = [line.split(":")[0] for line in lines if line.startswith(("error: ", "warning: ", "note: "))]
    assert heads == ["error", "error", "error", "warning", "note", "note", "error"]
    after = lines[[line.startswith("error: ") and "stand twice" in line for line in lines].index(True) + 1]
    assert (
        after
        == "  of image odd:1; docker load refuses the layer; containerd takes it, and the last one counts"
    )
    assert ran.last.endswith("; and 3 more found")
    quiet = lading("verify", str(odd), "--deep", "--quiet").err.splitlines()
    assert [line.split(":")[0] for line in quiet if not line.startswith("  ")] == heads[:4] + heads[-1:]


def test_a_damaged_layer_names_its_image_in_every_form(lading: Lading, tmp_path: Path) -> None:
    files = layout(
        ("whole:1", image(layer(file("a", b"a")))), ("motd:1", image(layer(file("m", b"Welcome"))))
    )
    damaged = {name: body.replace(b"Welcome", b"welcome") for name, body in files.items()}
    path = str(written(tmp_path / "x.tar", damaged))
    page = tmp_path / "x.html"
    ran = lading("verify", path, "--html", str(page))
    assert ran.code == 5
    assert "; of image motd:1; " in ran.last
    card = parsed(page.read_bytes()).one("article", "card")
    assert ("Images", "motd:1") in zip(
        [each.text for each in card.all("dt")], [each.text for each in card.all("dd")], strict=True
    )
    (finding,) = lading("verify", path, "--json").json["findings"]
    assert finding["images"] == ["motd:1"]


def test_fast_and_deep_together_are_refused(lading: Lading, bundle: Path) -> None:
    for words in (("--fast", "--deep"), ("--deep", "--fast")):
        ran = lading("verify", str(bundle), *words)
        assert (ran.code, ran.out) == (2, "")
        assert ran.last == "error: --fast: and --deep contradict each other; the one reads no layer"


@pytest.mark.parametrize("kind", ["oci", "dir", "oci:layout"])
def test_fast_looks_at_how_a_layer_is_packed_as_full_does(lading: Lading, tmp_path: Path, kind: str) -> None:
    """As skopeo writes it from an archive of plain layers."""
    picture = image(layer(file("a")), media_types=["application/vnd.docker.image.rootfs.diff.tar.gzip"])
    path = place = str(written(tmp_path / "x.tar", layout(("app:1", picture))))
    if kind != "oci":
        place = kind if ":" in kind else str(tmp_path / "folder")
        words = ("copy", path, "app:1", place) if ":" in kind else ("copy", path, "app:1", f"dir:{place}")
        assert lading(*words).code == 0
    told = [
        [each["problem"] for each in lading("verify", place, *words, "--json").json["findings"]]
        for words in ((), ("--fast",))
    ]
    assert told[0] == told[1]
    assert "calls layers compressed that are not" in told[0][0]


def test_what_is_beyond_a_limit_is_unsafe_and_not_corrupt(
    lading: Lading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "x.tar", layout(("app:1", image(layer(file("a", bytes(4096)))))))
    (tmp_path / "luigi.cfg").write_text("[lading]\nlayer_limit = 1K\n")
    monkeypatch.chdir(tmp_path)
    ran = lading("verify", str(path))
    assert (ran.code, ran.out) == (6, f"UNSAFE {path}\n")
    assert lading("verify", str(path), "--json").json["verdict"] == "unsafe"


@pytest.fixture
def undigested(lading: Lading, tmp_path: Path) -> Path:
    """A docker-v1 bundle with a byte of a layer changed, which nobody can know from it."""
    path = tmp_path / "v1.tar"
    assert lading("export", IMAGE, "--from", SAMPLE, "-o", str(path), "--format", "docker-v1").code == 0
    content = path.read_bytes()
    path.write_bytes(content.replace(b"PRETTY_NAME=", b"pRETTY_NAME="))
    assert path.read_bytes() != content
    return path


def test_a_bundle_without_digests_is_not_called_verified(lading: Lading, undigested: Path) -> None:
    ran = lading("verify", str(undigested))
    assert ran.code == 0
    assert ran.out.splitlines()[-1].startswith(f"read, nothing to compare with: {undigested}, for Docker 0.7")
    assert "warning: " in ran.err
    report = lading("verify", str(undigested), "--json").json
    assert (report["verdict"], report["findings"][0]["check"]) == ("unproven", "proof")
    strict = lading("verify", str(undigested), "--strict")
    assert (strict.code, "records no digest of its layers" in strict.last) == (5, True)
    assert strict.out.splitlines()[-1] == f"read, nothing to compare with: {undigested}"
    assert lading("import", str(undigested)).code == 0


def test_it_is_verified_where_a_sum_beside_it_fits(lading: Lading, undigested: Path) -> None:
    sums = undigested.with_name(undigested.name + ".sha256")
    sums.write_text(f"{hashlib.sha256(undigested.read_bytes()).hexdigest()}  {undigested.name}\n")
    ran = lading("verify", str(undigested), "--strict")
    assert (ran.code, ran.out.splitlines()[-1].split()[0]) == (0, "verified")
    sums.write_text("garbage\n")
    assert lading("verify", str(undigested), "--json").json["verdict"] == "unproven"
    assert lading("verify", str(undigested), "--fast", "--json").json["verdict"] == "structure"


def test_what_an_image_calls_its_files_moves_no_cursor(lading: Lading, tmp_path: Path) -> None:
    picture = image(layer(file("a\x1b[2J"), file("../\x1b[2J"), file("\u202egpj.exe")))
    path = written(tmp_path / "x.tar", layout(("app:1", picture)))
    ran = lading("verify", str(path), "--deep")
    assert ran.code == 6
    assert not {"\x1b", "\u202e"} & set(ran.out + ran.err)
    assert ran.err.count("\\x1b[2J") == 2


def test_a_layer_that_is_no_tar_is_told_and_the_others_are_looked_at(lading: Lading, tmp_path: Path) -> None:
    picture = image(b"no tar" * 200, ODD)
    path = written(tmp_path / "x.tar", layout(("app:1", picture)))
    ran = lading("verify", str(path), "--deep", "--json")
    checks = [each["check"] for each in ran.json["findings"]]
    assert {"structure", "escape", "duplicate"} <= set(checks)


def test_deep_imports_libmagic_only_where_it_needs_it(bundle: Path, odd: Path) -> None:
    """And full imports nothing that looks into layers."""
    code = "import atexit, json, sys; from toolkit.__main__ import run;"
    code += "atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr)); run()"

    def imported(*words: str) -> set[str]:
        environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        command = [sys.executable, "-c", code, "verify", *words, "--quiet"]
        ran = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        return set(json.loads(ran.stderr.splitlines()[-1]))

    inside = {"toolkit.plumbing.layerlook", "toolkit.operations.layerstacks", "toolkit.plumbing.tarsum"}
    assert not imported(str(bundle)) & {*inside, "magic", "sqlite3"}
    found = imported(str(odd), "--deep")
    assert inside - {"toolkit.plumbing.tarsum"} <= found
    assert not found & {"magic", "sqlite3"}


def test_a_v1_bundle_is_looked_into_layer_by_layer(lading: Lading, tmp_path: Path) -> None:
    files = {**v1_folder(A, layer=ODD), "repositories": encode({"app": {"1": A}})}
    ran = lading("verify", str(written(tmp_path / "x.tar", files)), "--deep", "--json")
    escape = next(each for each in ran.json["findings"] if each["check"] == "escape")
    assert escape["subject"] == f"layer {A[:12]}"


def test_a_bundle_in_a_pipe_is_looked_into_too(
    lading: Lading, odd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    os.write(writing, tar({}) and odd.read_bytes())
    os.close(writing)
    before = os.dup(0)
    os.dup2(reading, 0)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    try:
        assert lading("verify", "-", "--deep").code == 6
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(reading)
