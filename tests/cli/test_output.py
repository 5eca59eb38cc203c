from __future__ import annotations

import json

import pytest

from toolkit.cli.output import Output, aligned
from toolkit.image import Finding

WARNING = Finding("layer 0123456789ab", "is odd\x1b[2J")
NOTE = Finding("layer 0123456789ab", "is rebuilt", "note")


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert aligned([("NAME", "SIZE", "X"), ("a", "12MB", "")]) == ["NAME   SIZE   X", "a      12MB"]


def test_a_cell_cannot_move_the_cursor() -> None:
    assert aligned([("a\r\x1b[2K\u202eb", "\n")]) == ["a\\r\\x1b[2K\\u202eb   \\n"]


def test_a_line_cannot_move_the_cursor_however_it_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    Output().say("wrote e\x1b[31mRED.tar\x9b1m\u202e", "x" * 3000)
    assert capsys.readouterr().out == "wrote e\\x1b[31mRED.tar\\x9b1m\\u202e\n" + "x" * 3000 + "\n"


def test_findings_go_to_stderr_each_once(capsys: pytest.CaptureFixture[str]) -> None:
    Output().findings([WARNING, NOTE, WARNING])
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "warning: layer 0123456789ab: is odd\\x1b[2J\nnote: layer 0123456789ab: is rebuilt\n"


def test_quiet_leaves_notes_out_and_keeps_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    Output(quiet=True).findings([WARNING, NOTE])
    assert capsys.readouterr().err == "warning: layer 0123456789ab: is odd\\x1b[2J\n"


def test_a_document_is_ascii_and_brings_its_findings_itself(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(json=True)
    output.document({"name": "é\u202e\x1b"})
    output.findings([WARNING])
    out, err = capsys.readouterr()
    assert (out.isascii(), json.loads(out), err) == (True, {"schema": 1, "name": "é\u202e\x1b"}, "")


@pytest.mark.parametrize("items", [[], [1], [{"a": "é"}, [2]]])
def test_a_long_document_is_the_same_to_machines(
    items: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    Output(json=True).long_document({"first": {"x": []}}, "last", iter(items))
    out, _ = capsys.readouterr()
    assert json.loads(out) == {"first": {"x": []}, "last": items}
    assert out.endswith("]\n}\n")


def test_a_long_document_has_a_line_for_each_item(capsys: pytest.CaptureFixture[str]) -> None:
    Output(json=True).long_document({}, "last", iter([{"a": [1, 2]}, "x"]))
    assert capsys.readouterr().out == '{\n  "last": [\n    {"a": [1, 2]},\n    "x"\n  ]\n}\n'
