"""Text that is safe to show: what images, archives and stores call themselves is hostile."""

from __future__ import annotations

LIMIT = 2_000  # characters; a name may be a megabyte long


def printable(text: str, limit: int = LIMIT) -> str:
    """Return `text` with every control, bidi and unassigned character escaped, cut at `limit`."""
    if len(text) > limit:
        text = text[:limit] + "…"
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def about(subject: str) -> str:
    """Return how a sentence about a subject begins; the colon of `docker-daemon:` is enough."""
    return subject if subject.endswith(":") else f"{subject}:"
