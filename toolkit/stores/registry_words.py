"""What a registry, or its token server, says against a request: the first code and message of its answer.

{"errors": [{"code": "DENIED", "message": "…"}]}      OCI distribution-spec 1.1, Error Codes
{"details": "…"}                                       Docker Hub's token server
{"error": "…", "error_description": "…"}               RFC 6749 5.2
"""

from __future__ import annotations

import re
from typing import Any

from toolkit.document import load_any
from toolkit.errors import ToolkitError

CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
LONGEST_MESSAGE = 200  # characters of its own words that are told
ERROR_LIMIT = 64 << 10  # bytes of an error document that are read
BARE = ("error_description", "details", "message", "error")  # members of a document without `errors`


def told(body: bytes) -> tuple[str, str]:
    """Return the code and message of an error document; nothing of a page."""
    try:
        found = load_any(body, "errors", ERROR_LIMIT)
    except ToolkitError:
        return "", ""
    if not isinstance(found, dict):
        return "", ""
    try:
        first = found["errors"][0]
        code, message = first.get("code"), first.get("message")
    except (KeyError, IndexError, TypeError, AttributeError):
        code, message = None, next((found[name] for name in BARE if found.get(name)), None)
    return code if isinstance(code, str) and CODE.fullmatch(code) else "", _cut(message)


def status_and_words(status: int, body: bytes) -> str:
    """Return a status with what was said to it: `403, DENIED, requested access is denied`."""
    return ", ".join(filter(None, (str(status), *told(body))))


def _cut(message: Any) -> str:  # noqa: ANN401 - any JSON
    return message[:LONGEST_MESSAGE] if isinstance(message, str) else ""
