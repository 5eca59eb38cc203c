"""A list that a registry hands out page by page (RFC 8288)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from toolkit.errors import RegistryError, UnsafeArchive
from toolkit.plumbing.http import Answer
from toolkit.plumbing.urls import origin, shown
from toolkit.stores.registry.client import Client, joined

PAGES = 1_000
LONGEST = 4 << 10  # characters of a Link that are looked at: the time that takes grows with their square
NEXT = re.compile(r'<([^<>]*)>\s*;(?:[^,"]|"[^"]*")*\brel="?next"?')


def pages(
    client: Client, path: str, repository: str, subject: str, headers: Mapping[str, str] | None = None
) -> Iterator[Answer]:
    """Yield page after page; raises UnsafeArchive, of `subject`, where they do not end.

    Raises RegistryError where one is on another host, and as `Client.ask`.
    """
    url = f"{client.base}{path}"
    asked = {url}
    for _ in range(PAGES):
        answer = client.ask("GET", url, repository, headers=headers)
        yield answer
        if (after := _after(answer)) is None:
            return
        if origin(after) != origin(client.base):
            raise RegistryError(f"GET {shown(url)}", f"has its next page on another host, {shown(after)}")
        if after in asked:
            raise UnsafeArchive(subject, "lead from page to page in a circle")
        asked.add(url := after)
    raise UnsafeArchive(subject, f"are on more than {PAGES} pages")


def _after(answer: Answer) -> str | None:
    """Return where the next page is; None on the last."""
    link = NEXT.search(answer.headers.get("Link", "")[:LONGEST])
    return joined(answer.url, link[1]) if link else None
