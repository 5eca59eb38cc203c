"""`lading sign`, and `verify --key`."""

from __future__ import annotations

import io
import os
import re
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import SAMPLE, Lading
from tests.cli.spoilers import BAD
from tests.signers import (
    DATA,
    KEY_ID,
    LOCKED_ID,
    PASSPHRASE,
    PUBLIC,
    TEXT,
    lock_quickly,
    quickly_locked,
    signature_of,
    signed_by_hand,
)
from toolkit.operations.signing import signed

SECRET = str(DATA / "plain.key")
OTHER = str(DATA / "locked.pub")


@pytest.fixture
def locked(tmp_path: Path) -> str:
    """The same key, locked."""
    (tmp_path / "locked.key").write_bytes(quickly_locked())
    return str(tmp_path / "locked.key")


def type_in(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Give standard input, a pipe."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_a_bundle_is_signed(lading: Lading, bundle: Path) -> None:
    ran = lading("sign", str(bundle), "--key", SECRET)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"signed {bundle}.sha256 by key {KEY_ID}: {signature_of(bundle)}\n"
    signed(bundle, [PUBLIC])


def test_several_are_signed_with_one_key_and_told_to_machines(
    lading: Lading, bundle: Path, tmp_path: Path
) -> None:
    other = shutil.copy(bundle, tmp_path / "other.tar")
    ran = lading("sign", str(bundle), str(other), "--key", SECRET, "--json")
    assert ran.code == 0
    facts = ran.json
    assert (facts["key_id"], facts["public_key"], len(facts["signed"])) == (KEY_ID, TEXT, 2)
    assert facts["signed"][1]["list"] == f"{other}.sha256"
    assert facts["signed"][1]["signature"] == f"{other}.sha256.minisig"
    assert re.fullmatch(
        r"timestamp:\d{10}\tfile:other\.tar\.sha256\thashed", facts["signed"][1]["trusted_comment"]
    )


def test_the_key_comes_from_the_settings(lading: Lading, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "luigi.cfg").write_text(f"[lading]\nsign_key = {SECRET}\n")
    assert lading("sign", str(bundle)).code == 0
    signed(bundle, [PUBLIC])


def test_a_list_that_does_not_fit_is_exit_code_5(lading: Lading, bundle: Path) -> None:
    bundle.with_name("bundle.tar.sha256").write_text(f"{'0' * 64}  bundle.tar\n")
    ran = lading("sign", str(bundle), "--key", SECRET)
    assert ran.code == 5
    assert ran.last.endswith(
        f"expected {'0' * 64}; it is not the file that bundle.tar.sha256 was written for"
    )
    assert not signature_of(bundle).exists()


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\nmore\n"])
def test_a_passphrase_comes_from_a_file_or_a_pipe(
    lading: Lading, bundle: Path, locked: str, monkeypatch: pytest.MonkeyPatch, end: bytes
) -> None:
    bundle.with_name("secret").write_bytes(PASSPHRASE + end)
    for file in ("secret", "-"):
        type_in(monkeypatch, PASSPHRASE + end)
        assert lading("sign", str(bundle), "--key", locked, "--passphrase-file", file).code == 0
        signed(bundle, [PUBLIC])
        signature_of(bundle).unlink()


def test_a_passphrase_comes_from_the_environment(
    lading: Lading, bundle: Path, locked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LADING_PASSPHRASE", PASSPHRASE.decode())
    assert lading("sign", str(bundle), "--key", locked).code == 0
    signed(bundle, [PUBLIC])


def test_a_file_comes_before_the_environment(
    lading: Lading, bundle: Path, locked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LADING_PASSPHRASE", PASSPHRASE.decode())
    bundle.with_name("secret").write_bytes(b"another one")
    ran = lading("sign", str(bundle), "--key", locked, "--passphrase-file", "secret")
    assert ran.code == 2
    assert ran.last == (
        f"error: secret key {locked}: does not open with this passphrase; it is another one, or the file is damaged"
    )


@pytest.mark.parametrize("debug", [(), ("--debug",), ("--json",)])
def test_a_passphrase_is_told_nowhere(
    lading: Lading,
    bundle: Path,
    locked: str,
    monkeypatch: pytest.MonkeyPatch,
    debug: tuple[str, ...],
) -> None:
    monkeypatch.setenv("LADING_PASSPHRASE", "Sesam-oeffne-dich")
    ran = lading("sign", str(bundle), "--key", locked, *debug)
    assert ran.code == 2
    assert "esam" not in ran.out + ran.err


def test_without_a_terminal_nobody_is_asked(
    lading: Lading, bundle: Path, locked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LADING_PASSPHRASE", raising=False)
    type_in(monkeypatch, PASSPHRASE)
    ran = lading("sign", str(bundle), "--key", locked)
    assert ran.code == 2
    assert ran.last == (
        f"error: secret key {locked}: takes a passphrase, and there is no terminal to ask for it; name a file "
        "that holds it, --passphrase-file FILE, or set LADING_PASSPHRASE"
    )


def test_a_passphrase_has_a_length(lading: Lading, bundle: Path, locked: str) -> None:
    bundle.with_name("secret").write_bytes(b"x" * 1024)
    ran = lading("sign", str(bundle), "--key", locked, "--passphrase-file", "secret")
    assert (ran.code, ran.last) == (
        2,
        "error: secret: holds a line of more than 1023 bytes, which is no passphrase",
    )


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (("sign",), "lading sign: names no file; write FILE, or --generate NAME for a pair of keys"),
        (
            ("sign", "x.tar"),
            "lading sign: has no secret key; say --key FILE, or sign_key; lading sign --generate",
        ),
        (
            ("sign", "--generate", "x", "x.tar"),
            "--generate: makes keys, and signs nothing; leave out FILE and --key",
        ),
        (("sign", "--generate", "x", "--key", "k"), "--generate: makes keys, and signs nothing"),
        (("sign", "--no-passphrase", "x.tar"), "--no-passphrase: goes with --generate"),
        (
            ("sign", "--generate", "x", "--no-passphrase", "--passphrase-file", "f"),
            "--no-passphrase: and --passphrase-file contradict each other",
        ),
        (("sign", "x.tar", "--key", "no.key"), "no.key: is not there"),
        (("sign", "no.tar", "--key", SECRET), "no.tar: is not there"),
        (("sign", "x.tar", "--key", OTHER), f"{OTHER}: is a public key, expected a secret one"),
        (("verify", SAMPLE, "--key", TEXT), "--key: is for bundles, and sample: is a store"),
        (
            ("verify", "x.tar", "--key", "no.pub"),
            "public key no.pub: is neither a key nor a file that is there",
        ),
    ],
)
def test_what_makes_no_sense_is_one_sentence(lading: Lading, argv: tuple[str, ...], sentence: str) -> None:
    ran = lading(*argv)
    assert ran.code in {2, 3, 5}
    assert ran.last.startswith(f"error: {sentence}")


def test_a_pair_is_made_and_signs(lading: Lading, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock_quickly(monkeypatch)
    monkeypatch.setenv("LADING_PASSPHRASE", "Käptn")
    ran = lading("sign", "--generate", "site")
    assert ran.code == 0
    found = re.fullmatch(
        r"wrote site\.key, the secret key, locked by the passphrase\nwrote site\.pub, the public key (RW\S{54})\n",
        ran.out,
    )
    assert found
    assert stat.S_IMODE(os.stat("site.key").st_mode) == 0o600
    assert lading("sign", str(bundle), "--key", "site.key").code == 0
    assert lading("verify", str(bundle), "--key", found[1]).code == 0
    assert lading("sign", "--generate", "site").last == (
        "error: site.key: is there, and keys are never overwritten; choose another name"
    )


def test_a_pair_without_a_passphrase_is_told_to_machines(lading: Lading) -> None:
    ran = lading("sign", "--generate", "site", "--no-passphrase", "--json")
    facts = ran.json
    assert (facts["secret_key"], facts["public_key_file"]) == ("site.key", "site.pub")
    assert Path("site.pub").read_text().splitlines()[1] == facts["public_key"]
    assert f"minisign public key {facts['key_id']}\n" in Path("site.pub").read_text()


def test_an_empty_passphrase_locks_nothing(lading: Lading, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"\n")
    ran = lading("sign", "--generate", "site", "--passphrase-file", "empty")
    assert ran.last == (
        "error: passphrase for site.key: is empty; say --no-passphrase for a key that none locks"
    )
    assert sorted(os.listdir()) == ["empty"]


def test_who_signs_over_the_signature_of_another_key_is_told(lading: Lading, bundle: Path) -> None:
    assert lading("sign", str(bundle), "--key", SECRET).out.endswith(".minisig\n")
    signature_of(bundle).write_bytes((DATA / "locked.minisig").read_bytes())
    ran = lading("sign", str(bundle), "--key", SECRET)
    assert (ran.code, ran.out.endswith(f".minisig, in place of that by key {LOCKED_ID}\n")) == (0, True)
    assert lading("sign", str(bundle), "--key", SECRET).out.endswith(".minisig\n")  # its own
    signature_of(bundle).write_bytes((DATA / "locked.minisig").read_bytes())
    (facts,) = lading("sign", str(bundle), "--key", SECRET, "--json").json["signed"]
    assert facts["replaced"] == LOCKED_ID


@pytest.mark.parametrize("verb", ["sign", "verify"])
def test_what_is_no_key_is_a_matter_of_usage(lading: Lading, bundle: Path, verb: str) -> None:
    ran = lading(verb, str(bundle), "--key", str(bundle))
    assert (ran.code, ran.last) == (
        2,
        f"error: {bundle}: is no key; the file of a key has at most 4096 bytes",
    )


@pytest.mark.parametrize("key", [TEXT, str(DATA / "plain.pub")])
def test_verify_says_who_signed(lading: Lading, bundle: Path, key: str) -> None:
    signed_by_hand(bundle)
    ran = lading("verify", str(bundle), "--key", OTHER, "--key", key)
    assert ran.code == 0
    assert ran.out.splitlines()[-1].startswith(f"verified {bundle}, signed by {KEY_ID}, for Docker 0.7-29, ")
    comment = "timestamp:1700000000  file:bundle.tar.sha256  hashed"
    assert ran.last == f"note: {bundle}: is signed by key {KEY_ID}: {comment}"
    facts = lading("verify", str(bundle), "--key", key, "--json").json
    assert facts["signature"] == {
        "key_id": KEY_ID,
        "public_key": TEXT,
        "trusted_comment": comment.replace("  ", "\t"),
    }
    assert facts["verdict"] == "verified"
    assert lading("verify", str(bundle), "--key", key, "-q").err == ""


def test_where_nothing_is_read_the_list_is_looked_at_and_not_the_bundle(lading: Lading, bundle: Path) -> None:
    signed_by_hand(bundle)
    bundle.write_bytes(bundle.read_bytes().replace(b"PRETTY_NAME=", b"pretty_name="))
    words = ["verify", str(bundle), "--fast", "--key"]
    ran = lading(*words, TEXT)
    assert ran.code == 0
    assert ran.last.startswith(f"note: {bundle}: its list is signed by key {KEY_ID}: timestamp:")
    assert ran.last.endswith("; whether this is the file was not looked at")
    facts = lading(*words, TEXT, "--json").json
    assert (facts["verdict"], "signature" in facts) == ("structure", False)
    assert lading("verify", str(bundle), "--key", TEXT).code == 5
    ran = lading(*words, OTHER)
    assert (ran.code, f"NOT SIGNED {bundle}\n" in ran.out) == (5, True)
    assert lading(*words, OTHER, "--json").json["verdict"] == "unsigned"


@pytest.mark.parametrize("depth", ["--fast", "--deep"])
def test_who_signed_what_cannot_be_opened_is_told_all_the_same(
    lading: Lading, bundle: Path, depth: str
) -> None:
    bundle.write_bytes(bundle.read_bytes()[:3000])
    signed_by_hand(bundle)
    facts = lading("verify", str(bundle), depth, "--key", TEXT, "--json").json
    told = [(finding["severity"], finding["check"]) for finding in facts["findings"]]
    assert told == [("error", "structure"), ("note", "signature")]
    facts = lading("verify", str(bundle), depth, "--key", OTHER, "--json").json
    assert facts["verdict"] == "corrupt"
    assert [finding["check"] for finding in facts["findings"]] == ["structure", "signature"]


@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
def test_verify_names_what_is_wrong_with_a_signature(
    lading: Lading, bundle: Path, spoil: Callable[[Path], str]
) -> None:
    sentence = spoil(signed_by_hand(bundle))
    words = ["verify", str(bundle), "--key", OTHER, "--key", TEXT]
    ran = lading(*words)
    assert ran.code == 5
    assert sentence in ran.last
    assert f"NOT SIGNED {bundle}\n" in ran.out
    facts = lading(*words, "--json").json
    assert facts["verdict"] == "unsigned"
    assert "signature" not in facts
    assert [finding["severity"] for finding in facts["findings"]] == ["error"]
    assert lading(*words, "--html", "report.html").code == 5
    assert "<span>Not signed</span>" in Path("report.html").read_text()


def test_without_a_key_verify_looks_at_no_signature(lading: Lading, bundle: Path) -> None:
    signed_by_hand(bundle)
    signature_of(bundle).write_bytes(b"nonsense")
    ran = lading("verify", str(bundle), "--json")
    assert (ran.code, ran.json["findings"]) == (0, [])


def test_verify_asks_for_what_the_settings_require(lading: Lading, bundle: Path, required: Path) -> None:
    assert lading("verify", str(bundle)).code == 5
    assert lading("verify", str(signed_by_hand(bundle))).code == 0
    assert lading("verify", SAMPLE).code == 0
    assert lading("verify", str(bundle), "--key", OTHER).code == 5
    del required


def test_a_folder_is_no_file(lading: Lading) -> None:
    for name in (".", "..", "/"):
        ran = lading("sign", name, "--key", SECRET)
        assert (ran.code, "has no name that a line of a checksum list can hold" in ran.last) == (2, True)
