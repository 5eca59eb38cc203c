from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import InvalidJob
from toolkit.mirror.jobs.table import LARGEST, Table, load

HERE = Path("/etc/lading")


def read(text: str) -> Table:
    return load(text.encode(), "job.toml", HERE)


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"a = ", "job.toml: is no TOML: invalid value (at end of document)"),
        (b"a = 1\na = 2", "job.toml: is no TOML: cannot overwrite a value (at end of document)"),
        (b"a = \xff", "job.toml: is no UTF-8 text at byte 4"),
        (b"a = " + b"[" * 100_000, "job.toml: is nested too deep"),
        (b"a = " + b"{a=" * 100_000, "job.toml: is nested too deep"),
        (b'a = """x"""', "has text over several lines; write it on one, in single quotation marks"),
        (
            b"#" * (LARGEST + 1),
            f"is {LARGEST + 1} bytes, expected at most {LARGEST}; list images in images_file",
        ),
    ],
)
def test_what_is_no_toml_is_told_in_a_sentence(raw: bytes, sentence: str) -> None:
    with pytest.raises(InvalidJob, match=re.escape(sentence)):
        load(raw, "job.toml", HERE)


@pytest.mark.parametrize(
    "text",
    [
        "a." * 1_000_000 + "a = 1",
        "[" + "a." * 1_000_000 + "a]",
        "[[" + "a . " * 500_000 + "a]]",
        'x = {b = 1, "' + '"."' * 500_000 + '" = 1}',
        "x = {b = 1, '" + "'.'" * 500_000 + "' = 1}",
        "a = '\"'\n" + 'b."c\\"#".' * 300_000 + "a = 1",
        "# it's\n" + "a." * 1_000_000 + "a = 1 # it's",
        'a = "' + '\\"' * 1_000_000,
    ],
)
def test_no_key_takes_all_memory(text: str) -> None:
    with pytest.raises(InvalidJob, match=r"has a key with more than 8 points|is no TOML"):
        read(text)


def test_points_in_texts_and_comments_are_no_keys() -> None:
    table = read(f"# {'. ' * 50}\na = \"{'x.' * 50}\" # {'.' * 50}\nb = '{'.' * 50}'\nc.d.e = 'f'")
    assert (table.text("a"), table.text("b")) == ("x." * 50, "." * 50)
    assert table.table("c").table("d").text("e") == "f"


@given(st.text(alphabet="ab.=\"'[]{}#,\n 1", max_size=60))
def test_any_text_is_a_table_or_one_error(text: str) -> None:
    with contextlib.suppress(InvalidJob):
        read(text)


def test_a_table_may_begin_with_a_byte_order_mark() -> None:
    assert load(b"\xef\xbb\xbfa = 'b'\r\n", "job.toml", HERE).text("a") == "b"


def refused(text: str, ask: Callable[[Table], object]) -> str:
    with pytest.raises(InvalidJob) as caught:
        ask(read(text))
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "ask", "sentence"),
    [
        ("", lambda t: t.text("a"), "job.toml: a: is missing"),
        ("sitr = 'a'", lambda t: t.text("site"), "job.toml: site: is missing; is it sitr, misspelt?"),
        ("a = 1", lambda t: t.text("a"), "job.toml: a: is a whole number, expected text"),
        ("a = 1979-05-27", lambda t: t.text("a"), "job.toml: a: is a date or time, expected text"),
        (
            "a = true",
            lambda t: t.number("a", 0, 0, 9),
            "job.toml: a: is true or false, expected a whole number",
        ),
        ("a = 10", lambda t: t.number("a", 0, 0, 9), "job.toml: a: is 10, expected 0 to 9"),
        (
            "a = 'x'",
            lambda t: t.choice("a", ("b", "c")),
            "job.toml: a: is 'x', expected b or c; there are b, c",
        ),
        (
            "a = 'gap'",
            lambda t: t.choice("a", ("gaps", "c")),
            "job.toml: a: is 'gap', expected gaps or c; near it: gaps",
        ),
        ("a = ['b', 1]", lambda t: t.texts("a", str), "job.toml: a[1]: is a whole number, expected text"),
        ("a = 'b'", lambda t: t.table("a"), "job.toml: a: is text, expected a table"),
        (
            "a = ['b', 1.5]",
            lambda t: list(t.items("a")),
            "job.toml: a[1]: is a number with a point, expected text or a table",
        ),
        (
            "[a.b]\nc = 1",
            lambda t: t.table("a").table("b").text("c"),
            "job.toml: a.b.c: is a whole number, expected text",
        ),
        (
            "a = '~nosuchuser/x'",
            lambda t: t.path("a"),
            "job.toml: a: is '~nosuchuser/x', expected a path: there is no user ~nosuchuser",
        ),
        ("a = ''", lambda t: t.path("a"), "job.toml: a: is '', expected a path"),
        ('a = "b\\u0000"', lambda t: t.path("a"), "job.toml: a: is 'b\\x00', expected a path"),
        (
            "a = '-'",
            lambda t: t.place("a"),
            "job.toml: a: is '-', expected a place that can be read every night",
        ),
        ("a = 'oci:'", lambda t: t.place("a"), "job.toml: a: 'oci:': has no path; write oci:PATH"),
        (
            "a = 1\nbundel = 2",
            lambda t: (t.number("a", 0, 0, 9), t.table("bundle"), t.end()),
            "bundel: is no key of a job; near it: bundle",
        ),
    ],
)
def test_an_error_says_where_and_what(text: str, ask: Callable[[Table], object], sentence: str) -> None:
    assert sentence in refused(text, ask)


def test_a_secret_is_not_told() -> None:
    with pytest.raises(InvalidJob) as caught:
        read("url = 'hunter2'").hidden("url", _refuse)
    assert str(caught.value) == "job.toml: url: is not what is expected: a URL"


def _refuse(text: str) -> str:
    assert text == "hunter2"
    raise ValueError("a URL")


def test_relative_paths_are_meant_from_the_folder_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    table = read(
        "a = 'x/y'\nb = '/x'\nc = '~/x'\nd = ['oci:x', 'x.tar', 'docker://quay.io', 'graph+vfs:/x', 'sample:']"
    )
    assert [table.path(key) for key in ("a", "b", "c", "none")] == ["/etc/lading/x/y", "/x", "/home/me/x", ""]
    places = ("oci:/etc/lading/x", "/etc/lading/x.tar", "docker://quay.io", "graph+vfs:/x", "sample:")
    assert table.places("d") == places


def test_one_text_is_a_list_of_one() -> None:
    assert read("a = 'b'").texts("a", str.upper) == ("B",)
    assert read("a = ['b', 'c']").texts("a", str.upper) == ("B", "C")
    assert read("").texts("a", str.upper) == ()
