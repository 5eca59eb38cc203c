"""Where a signature is required: what is let in, and that of the rest nothing stays."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.archives import written
from tests.cli.conftest import IMAGE, SAMPLE, Lading
from tests.cli.spoilers import BAD
from tests.signers import KEY_ID, signed_by_hand
from toolkit.cli import targets

TAKING = {  # every command that keeps something of a bundle; BUNDLE is the bundle
    "export": ("export", IMAGE, "--from", "BUNDLE", "-o", "out.tar"),
    "export all": ("export", "--from", "BUNDLE", "-o", "out.tar"),
    "export of several": (
        "export",
        IMAGE,
        "--from",
        "docker-archive:BUNDLE",
        "--from",
        "BUNDLE",
        "-o",
        "out.tar",
    ),
    "export by its kind": ("export", IMAGE, "--from", "docker-archive:BUNDLE", "-o", "out.tar"),
    "extract": ("extract", "BUNDLE", IMAGE, "out"),
    "copy": ("copy", "BUNDLE", "out.tar"),
    "import": ("import", "BUNDLE", "--into", "oci:out"),
}
LOOKING = (
    ("ls", "BUNDLE"),
    ("inspect", "BUNDLE", IMAGE),
    ("history", "BUNDLE", IMAGE),
    ("diff", "BUNDLE", "BUNDLE"),
    ("doctor", "BUNDLE"),
)


def of(words: tuple[str, ...], bundle: Path) -> list[str]:
    return [word.replace("BUNDLE", str(bundle)) for word in words]


@pytest.mark.parametrize("words", TAKING.values(), ids=TAKING)
def test_an_unsigned_bundle_is_not_laundered(
    lading: Lading, bundle: Path, required: Path, words: tuple[str, ...]
) -> None:
    """It would come out as one of ours, or its files would."""
    ran = lading(*of(words, bundle))
    assert (ran.code, ran.out) == (5, "")
    assert "beside it; expected a signature by key" in ran.last
    assert not list(required.glob("out*"))


@pytest.mark.parametrize("words", TAKING.values(), ids=TAKING)
def test_a_signed_bundle_is_taken_by_every_command(
    lading: Lading, bundle: Path, required: Path, words: tuple[str, ...]
) -> None:
    ran = lading(*of(words, signed_by_hand(bundle)))
    assert ran.code == 0
    assert list(required.glob("out*"))


def test_the_source_of_the_settings_is_asked_for_its_signature(
    lading: Lading, bundle: Path, required: Path
) -> None:
    with open(required / "luigi.cfg", "a") as settings:
        settings.write(f"source = {bundle}\n")
    assert lading("export", IMAGE, "-o", "out.tar").code == 5
    signed_by_hand(bundle)
    ran = lading("export", IMAGE, "-o", "out.tar", "--json")
    assert ran.json["signature"]["key_id"] == KEY_ID


@pytest.mark.parametrize("words", LOOKING, ids=lambda words: words[0])
def test_who_only_looks_at_a_bundle_needs_no_signature(
    lading: Lading, bundle: Path, required: Path, words: tuple[str, ...]
) -> None:
    assert lading(*of(words, bundle)).code == 0
    del required


def test_two_signed_bundles_are_told_of_as_two(lading: Lading, bundle: Path, required: Path) -> None:
    other = required / "other.tar"
    shutil.copy(bundle, other)
    places = [word for path in (bundle, other) for word in ("--from", str(signed_by_hand(path)))]
    facts = lading("export", IMAGE, *places, "-o", "out.tar", "--json").json
    assert [each["key_id"] for each in facts["signatures"]] == [KEY_ID, KEY_ID]


def test_a_mirror_takes_nothing_from_an_unsigned_bundle(
    lading: Lading, bundle: Path, required: Path, home: Path
) -> None:
    job = required / "mirror.toml"
    job.write_text(
        f"site = 'plant-7'\nsources = ['{bundle}']\nimages = ['{IMAGE}']\n[policy]\nmin_free = '1'\n"
    )
    ran = lading("mirror", "run", str(job), "--quiet")
    assert ran.code != 0
    assert "expected a signature by key" in ran.err
    assert not (home / "store/index.json").exists()
    signed_by_hand(bundle)
    assert lading("mirror", "run", str(job), "--quiet").code == 0


@pytest.mark.parametrize("words", [("import",), ("import", IMAGE), ("copy", "oci:home/store")])
def test_what_is_signed_is_brought_in(
    lading: Lading, bundle: Path, required: Path, words: tuple[str, ...]
) -> None:
    command, *rest = words
    ran = lading(command, str(signed_by_hand(bundle)), *rest)
    assert ran.code == 0
    assert f"note: {bundle}: is signed by key {KEY_ID}: timestamp:1700000000" in ran.err
    assert IMAGE in lading("ls", f"oci:{required}/home/store").out
    facts = lading(command, str(bundle), *rest, "--json").json
    assert facts["signature"]["key_id"] == KEY_ID


@pytest.mark.parametrize(
    "words", [("import",), ("import", "--into", "oci:home/store"), ("copy", "oci:home/store")]
)
@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
def test_what_is_not_signed_is_not_brought_in_and_nothing_is_stored(
    lading: Lading, bundle: Path, required: Path, words: tuple[str, ...], spoil: Callable[[Path], str]
) -> None:
    sentence = spoil(signed_by_hand(bundle))
    shutil.rmtree(required / "home", ignore_errors=True)
    command, *rest = words
    ran = lading(command, str(bundle), *rest)
    assert (ran.code, ran.out) == (5, "")
    assert sentence in ran.last
    assert not (required / "home").exists()


@pytest.mark.parametrize("words", [("import",), ("copy", "oci:home/store"), ("copy", "out.tar")])
def test_what_comes_through_a_pipe_is_not_brought_in(
    lading: Lading, required: Path, words: tuple[str, ...]
) -> None:
    command, *rest = words
    ran = lading(command, "-", *rest)
    assert (ran.code, ran.out) == (5, "")
    assert ran.last == (
        "error: standard input: can have no signature, and one is required; put it into a file, its .sha256 "
        "and .sha256.minisig beside it"
    )
    assert not (required / "home/store").exists()


def test_a_root_file_system_is_asked_for_its_signature(
    lading: Lading, tmp_path: Path, required: Path
) -> None:
    path = written(tmp_path / "root.tar", {"a": b"a"})
    words = ("import", "--rootfs", str(path), "--tag", "app:1", "--platform", "linux/amd64")
    assert lading(*words).code == 5
    assert not (required / "home").exists()
    signed_by_hand(path)
    assert lading(*words).code == 0


def test_stores_are_not_asked_for_a_signature(lading: Lading, required: Path) -> None:
    assert lading("copy", SAMPLE, IMAGE, "oci:home/store").code == 0
    assert lading("export", IMAGE, "--from", SAMPLE, "-o", "x.tar").code == 0
    del required


@pytest.mark.parametrize("words", [("import",), ("copy", "oci:home/store"), ("copy", "out.tar")])
def test_a_bundle_that_is_changed_while_it_is_brought_in_gets_no_name(
    lading: Lading,
    bundle: Path,
    required: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
) -> None:
    """It is touched when it was let in and opened: in time to give other bytes to whoever reads on."""
    signed_by_hand(bundle)
    whole = bundle.read_bytes()
    target = targets.target

    def touching(*arguments: Any) -> targets.Target:
        bundle.write_bytes(whole)
        return target(*arguments)

    monkeypatch.setattr(targets, "target", touching)
    command, *rest = words
    ran = lading(command, str(bundle), *rest)
    assert ran.code == 5
    assert f"{bundle}: is not the file any more that key {KEY_ID} signed; it was changed" in ran.last
    assert not (required / "out.tar").exists()
    assert IMAGE not in lading("ls", f"oci:{required}/home/store").out


def test_a_signature_of_the_bundle_before_is_removed_with_it(lading: Lading, home: Path) -> None:
    assert lading("export", IMAGE, "--from", SAMPLE).code == 0
    bundle = home / "bundles/ubuntu_14.04.tar"
    signed_by_hand(bundle)
    assert lading("export", IMAGE, "--from", SAMPLE).code == 0
    assert os.listdir(home / "bundles") == ["ubuntu_14.04.tar"]
