from __future__ import annotations

import pytest

from toolkit.checks import EFFECTS, MISMATCHES, as_finding, effect
from toolkit.digest import Digest
from toolkit.errors import (
    CorruptContent,
    InvalidDocument,
    Mismatch,
    Misnamed,
    MissingMember,
    NotFound,
    StoreError,
    ToolkitError,
    UnsafeArchive,
    Unsupported,
)
from toolkit.image import Finding
from toolkit.report import Report, finding_json

KINDS = (
    (StoreError, 7, "reading"),
    (NotFound, 3, "missing"),
    (Unsupported, 4, "unsupported"),
    (CorruptContent, 5, "structure"),
    (InvalidDocument, 5, "document"),
    (MissingMember, 5, "missing"),
    (UnsafeArchive, 6, "unsafe"),
)


@pytest.mark.parametrize(("kind", "code", "check"), KINDS, ids=lambda value: getattr(value, "__name__", ""))
def test_an_error_keeps_its_sentence_its_exit_code_and_its_advice(
    kind: type[ToolkitError], code: int, check: str
) -> None:
    finding = as_finding(kind("in.tar: x", "leads out", "throw it away"))
    assert (finding.subject, finding.problem, finding.advice) == ("in.tar: x", "leads out", "throw it away")
    assert (finding.severity, finding.exit_code, finding.check) == ("error", code, check)
    assert (finding.fact, finding.expected, finding.found) == ("", "", "")


def test_a_mismatch_keeps_what_was_compared() -> None:
    ours, theirs = Digest.of(b"a"), Digest.of(b"b")
    finding = as_finding(Mismatch("layer a", "diffID", "carry it over again", ours, theirs))
    assert finding_json(finding) == {
        "severity": "error",
        "subject": "layer a",
        "problem": f"diffID is {ours}, expected {theirs}",
        "check": "diff-id",
        "fact": "diffID",
        "expected": str(theirs),
        "found": str(ours),
        "effect": effect("diff-id"),
        "advice": "carry it over again",
    }


def test_a_file_that_is_called_otherwise_is_no_blob_that_differs() -> None:
    finding = as_finding(Misnamed("config x", "digest", "it was edited", "sha256:1", "sha256:2"))
    assert (finding.check, finding.fact, finding.expected) == ("file-name", "digest", "sha256:2")


def test_what_a_finding_does_not_say_is_left_out() -> None:
    told = finding_json(Finding("a", "is odd", "note"))
    assert told == {"severity": "note", "subject": "a", "problem": "is odd"}
    assert list(finding_json(Finding("a", "is odd", check="size"))) == [
        "severity",
        "subject",
        "problem",
        "check",
    ]


def test_a_finding_has_nothing_that_moves_a_cursor() -> None:
    finding = as_finding(Mismatch("a", "size", "\x1b[2J", "\x1b[1m", "\n"))
    assert "\x1b" not in f"{finding.problem}{finding.advice}{finding.found}{finding.expected}"


def test_every_check_that_an_error_is_told_as_stands_in_the_table() -> None:
    assert {check for _, _, check in KINDS} <= EFFECTS.keys()
    assert set(MISMATCHES.values()) <= EFFECTS.keys()


@pytest.mark.parametrize(
    "place", ["docker-root:/x", "docker-root+vfs:/x", "registry-root:/x", "oci:x", "docker://x"]
)
@pytest.mark.parametrize("check", ["missing", "names", "digest", "diff-id"])
def test_what_engines_do_with_an_archive_is_not_told_of_a_store(check: str, place: str) -> None:
    finding = Finding("a", "is odd", check=check)
    assert effect(check, place) == ""
    assert "effect" not in finding_json(finding, place)
    assert Report(place, (), (finding,)).to_json()["findings"] == [finding_json(finding, place)]
    for bundle in ("x.tar", "docker-archive:x.tar", "-"):
        assert effect(check, bundle) == EFFECTS[check] != ""


def test_what_engines_do_with_a_layers_files_is_told_of_a_store_too() -> None:
    assert effect("tar-split", "docker-root:/x") == EFFECTS["tar-split"] != ""


def test_what_engines_do_is_one_phrase() -> None:
    assert all(text == text.strip() and not text.endswith(".") for text in EFFECTS.values())
    assert effect("nobody knows") == ""
