"""The tags of a repository, page after page (spec.md, Listing Tags; RFC 8288)."""

from __future__ import annotations

import re
from urllib.parse import urljoin

from toolkit.document import load
from toolkit.errors import RegistryError, UnsafeArchive
from toolkit.plumbing.http import Answer
from toolkit.plumbing.urls import origin, shown
from toolkit.reference import TAG
from toolkit.stores.registry.client import Client

PAGE = 1000  # tags to ask for at once; a registry may give fewer
PAGES, MANY = 1_000, 100_000  # pages, and tags, of one repository
NEXT = re.compile(r'<([^>]*)>\s*;(?:[^,"]|"[^"]*")*\brel="?next"?')


def tags(client: Client, repository: str) -> list[str]:
    """Return the tags of a repository, in the registry's order, each once.

    Raises NotFound where there is no such repository, UnsafeArchive where the list does not end.
    """
    found: dict[str, None] = {}
    url = f"{client.base}/v2/{repository}/tags/list?n={PAGE}"
    for _ in range(PAGES):
        answer = client.ask("GET", url, repository)
        listed = load(answer.body, f"tags of {repository}").texts("tags")
        found.update(dict.fromkeys(tag for tag in listed if TAG.fullmatch(tag)))
        if len(found) > MANY:
            break
        if (after := _after(answer)) is None:
            return list(found)
        if origin(after) != origin(client.base):
            raise RegistryError(f"GET {shown(url)}", f"has its next page on another host, {shown(after)}")
        url = after
    raise UnsafeArchive(f"tags of {repository}", f"are more than {MANY}, or on more than {PAGES} pages")


def _after(answer: Answer) -> str | None:
    """Return where the next page is; None on the last."""
    link = NEXT.search(answer.headers.get("Link", ""))
    return urljoin(answer.url, link[1]) if link else None
