"""Pages, and what they are made of: documents as literals, and a strict parser that tells what a page shows."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

VOID = {"meta", "br"}
STYLE = Path(__file__).parents[1] / "toolkit/pages/templates/style.css"


def digest(word: object) -> str:
    """Return a digest of its own for each word."""
    return "sha256:" + hashlib.sha256(str(word).encode()).hexdigest()


def a_layer(word: object, size: int, **legacy: Any) -> dict[str, Any]:
    """Return a layer as a report tells it."""
    return {"digest": digest(word), "size": size, "diff_id": digest(("diffID", word)), **legacy}


def a_platform(word: object, *layers: dict[str, Any], platform: str = "linux/amd64") -> dict[str, Any]:
    """Return one platform of an image."""
    ids = {"image_id": digest(("image ID", word)), "manifest": digest(("manifest", word))}
    return {"platform": platform, **ids, "layers": list(layers)}


def an_image(names: Sequence[str], *layers: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return an image of one platform, of the content that its first name tells."""
    one = a_platform(names[0], *layers)
    return {"names": list(names), "digest": one["manifest"], "platforms": [one], **more}


def an_index(names: Sequence[str], *platforms: dict[str, Any]) -> dict[str, Any]:
    """Return an image of several platforms."""
    return {"names": list(names), "digest": digest(("index", *names)), "platforms": list(platforms)}


def a_finding(severity: str, subject: str, problem: str, **more: str) -> dict[str, str]:
    """Return a finding as a report tells it."""
    return {"severity": severity, "subject": subject, "problem": problem, **more}


def a_report(
    *images: dict[str, Any],
    findings: Sequence[dict[str, str]] = (),
    verdict: str = "verified",
    subject: str = "bundle.tar",
    **more: Any,
) -> dict[str, Any]:
    """Return a whole document."""
    facts = {"schema": 1, "subject": subject, "verdict": verdict, **more}
    return {**facts, "images": list(images), "findings": list(findings)}


@dataclass
class Element:
    """An element, or the page itself; `parts` are texts and elements."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    parts: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Return all that is written in it, as a reader sees it: runs of white space are one space."""
        return " ".join("".join(self.texts()).split())

    @property
    def classes(self) -> set[str]:
        """Return its classes."""
        return set(self.attributes.get("class", "").split())

    def texts(self) -> Iterator[str]:
        """Yield each text, as it stands."""
        for part in self.parts:
            if isinstance(part, str):
                yield part
            else:
                yield from part.texts()

    def elements(self) -> Iterator[Element]:
        """Yield every element in it, itself first."""
        yield self
        for part in self.parts:
            if isinstance(part, Element):
                yield from part.elements()

    def all(self, tag: str = "", class_: str = "") -> list[Element]:
        """Return the elements of a tag, a class, or both."""
        return [
            each
            for each in self.elements()
            if (not tag or each.tag == tag) and (not class_ or class_ in each.classes)
        ]

    def one(self, tag: str = "", class_: str = "") -> Element:
        """Return the only element of a tag, a class, or both."""
        (found,) = self.all(tag, class_)
        return found

    def by_id(self, name: str) -> Element:
        """Return the element with an id."""
        (found,) = (each for each in self.elements() if each.attributes.get("id") == name)
        return found

    def rows(self) -> list[list[str]]:
        """Return the texts of a table's body."""
        return [
            [cell.text for cell in row.parts if isinstance(cell, Element)]
            for row in self.one("tbody").all("tr")
        ]


class _Reader(HTMLParser):
    """Builds elements, and takes nothing that is not closed as it was opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"<{tag}> has an attribute twice: {names}"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].parts.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        self.open[-1].parts.append(data)


def parsed(page: bytes) -> Element:
    """Return a page as elements; every one is closed where it was opened, and no id is there twice."""
    reader = _Reader()
    reader.feed(page.decode("utf-8"))
    reader.close()
    (top,) = reader.open
    ids = [each.attributes["id"] for each in top.elements() if "id" in each.attributes]
    assert len(set(ids)) == len(ids)
    return top


def colours() -> tuple[dict[str, str], dict[str, str]]:
    """Return the colours of the style by name, those for light and those for dark."""
    blocks = re.findall(r":root \{(.*?)\n *\}", STYLE.read_text(encoding="utf-8"), re.DOTALL)
    light, dark = (dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})\b", block)) for block in blocks[:2])
    return light, dark


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, `#rrggbb` (WCAG 2.2, 1.4.3)."""
    darker, lighter = sorted(map(_luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
