from __future__ import annotations

import base64
import hashlib
import html
import re
import tomllib
from pathlib import Path

import jinja2
import pytest

from tests.webpages import STYLE, a_report, colours, contrast
from toolkit.pages.rendering import rendered
from toolkit.pages.verification import verification_page

ROOT = Path(__file__).parents[2]
TONES = ("good", "bad", "odd", "told")
LAYERS = (*(f"c{number}" for number in range(8)), "own", "own-too")
PAGE = verification_page(a_report(), "bundle.tar").decode()


def test_the_policy_lets_in_this_stylesheet_and_nothing_else() -> None:
    (style,) = re.findall(r"<style>(.*?)</style>", PAGE, re.DOTALL)
    checksum = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', PAGE)
    assert html.unescape(policy).split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{checksum}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    assert style.strip() == STYLE.read_text(encoding="utf-8").strip()


def test_every_template_goes_with_an_installation() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["toolkit"]
    carried = {path for pattern in patterns for path in (ROOT / "toolkit").glob(pattern)}
    templates = {path for path in (ROOT / "toolkit/pages").rglob("*") if path.suffix in {".html", ".css"}}
    assert STYLE in templates
    assert templates <= carried


def test_the_style_fetches_nothing() -> None:
    style = STYLE.read_text(encoding="utf-8")
    assert not re.findall(r"url\(|@import|@font-face|image-set|expression", style)


def test_a_value_that_is_missing_is_a_mistake_and_never_a_blank() -> None:
    with pytest.raises(jinja2.UndefinedError):
        rendered("verification.html", subject="x")


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_can_be_read_and_shapes_be_seen(scheme: int) -> None:
    """WCAG 2.2 AA: 4.5 for text (1.4.3), 3 for graphics (1.4.11)."""
    by_name = colours()[scheme]
    grounds = ["ground", "card", *(f"{tone}-ground" for tone in TONES)]
    texts = [(text, ground) for text in ("ink", "muted") for ground in grounds]
    texts += [(tone, ground) for tone in TONES for ground in (f"{tone}-ground", "card")]
    texts += [("on", tone) for tone in TONES]
    assert {pair: ratio for pair in texts if (ratio := contrast(*map(by_name.__getitem__, pair))) < 4.5} == {}
    shapes = [(layer, "ground") for layer in LAYERS] + [(layer, "track") for layer in LAYERS[:8]]
    assert {pair: ratio for pair in shapes if (ratio := contrast(*map(by_name.__getitem__, pair))) < 3} == {}
    assert len({by_name[layer] for layer in LAYERS}) == len(LAYERS)


def test_every_colour_is_there_for_light_and_for_dark() -> None:
    light, dark = colours()
    assert set(light) == set(dark)
    assert {f"{tone}-ground" for tone in TONES} | {*LAYERS, *TONES} <= set(light)
