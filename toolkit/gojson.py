"""Go's dialect of JSON, as far as an image ID depends on it (encoding/json; formats 0.3).

Docker hashes what Go wrote: no white space, `<`, `>`, `&`, U+2028 and U+2029 escaped, all else raw
UTF-8. Go 1.19, which Docker 20.10 was built with, has no short form for backspace and form feed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from toolkit.errors import InvalidDocument

ESCAPES = {char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}
SHORT_FORMS = {"\\b": "\\u0008", "\\f": "\\u000c"}
# Possessive, and a string may end with the text: each byte is looked at once, whatever the input.
STRING_OR_SPACE = re.compile(rb'("[^"\\]*+(?:\\.[^"\\]*+)*+"?)|[ \t\r\n]++', re.DOTALL)
WHERE_GO_DIFFERS = re.compile("\\\\.|[<>&\u2028\u2029\ud800-\udfff]")
OPENING = re.compile(r"[ \t\r\n]*+\{[ \t\r\n]*+")
COLON = re.compile(r"[ \t\r\n]*+:[ \t\r\n]*+")
COMMA_OR_END = re.compile(r"[ \t\r\n]*+(?:,[ \t\r\n]*+|(?=\}))")
DECODER = json.JSONDecoder()


def encode(value: object, *, sort_keys: bool = False) -> bytes:
    """Return the value as Go's `json.Marshal` writes it; members in the dict's order, or by byte value.

    Floats are written as Python does: no document that Go's structs make has one.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys, allow_nan=False)
    return WHERE_GO_DIFFERS.sub(_as_go, text).encode()


def compact(raw: bytes) -> bytes:
    """Return a JSON text as Go re-writes a `RawMessage`: white space gone, HTML escaped, else untouched.

    `raw` has passed `document.load`: outside strings there is nothing to escape.
    """
    tight = STRING_OR_SPACE.sub(rb"\1", raw)
    for char, escape in ESCAPES.items():
        tight = tight.replace(char.encode(), escape.encode())
    return tight


def raw_members(raw: bytes, subject: str = "JSON object") -> dict[str, bytes]:
    """Return the members of an object, each value as the bytes it has there; raises InvalidDocument.

    `raw` has passed `document.load`, which bounds its depth and refuses a key that stands twice.
    """
    try:
        return _members(raw.decode("utf-8"))
    except ValueError as error:
        raise InvalidDocument(subject, f"is not a JSON object ({error})") from error


def join(members: Mapping[str, bytes]) -> bytes:
    """Return the object that has these raw members, in this order."""
    return b"{" + b",".join(encode(key) + b":" + value for key, value in members.items()) + b"}"


def members_of(value: Mapping[str, Any]) -> dict[str, bytes]:
    """Return each member encoded by itself, in the same order."""
    return {key: encode(item) for key, item in value.items()}


def _members(text: str) -> dict[str, bytes]:
    members = {}
    at = _after(OPENING, text, 0)
    while not text.startswith("}", at):
        key, at = DECODER.raw_decode(text, at)
        start = _after(COLON, text, at)
        _, end = DECODER.raw_decode(text, start)
        members[key] = text[start:end].encode()
        at = _after(COMMA_OR_END, text, end)
    return members


def _after(separator: re.Pattern[str], text: str, at: int) -> int:
    if (found := separator.match(text, at)) is None:
        raise ValueError(f"at character {at}")  # becomes InvalidDocument
    return found.end()


def _as_go(found: re.Match[str]) -> str:
    text: str = found[0]
    if "\ud800" <= text <= "\udfff":
        return "\ufffd"  # Go replaces half a surrogate pair when it reads one
    return ESCAPES.get(text) or SHORT_FORMS.get(text, text)
