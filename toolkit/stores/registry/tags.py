"""The tags of a repository (spec.md, Listing Tags)."""

from __future__ import annotations

from toolkit.document import load
from toolkit.errors import UnsafeArchive
from toolkit.reference import TAG
from toolkit.stores.registry.client import Client
from toolkit.stores.registry.pages import pages

PAGE = 1000  # tags to ask for at once; a registry may give fewer
MANY = 100_000  # tags of one repository


def tags(client: Client, repository: str) -> list[str]:
    """Return the tags of a repository, in the order of the first that has any, each once.

    Raises NotFound where there is no such repository, UnsafeArchive where the list does not end.
    """
    return client.nearest(f"/v2/{repository}/tags/list", repository, _listed)


def _listed(client: Client, repository: str) -> list[str]:
    found: dict[str, None] = {}
    subject = f"tags of {repository}"
    for answer in pages(client, f"/v2/{repository}/tags/list?n={PAGE}", repository, subject):
        listed = load(answer.body, subject).texts("tags")
        found.update(dict.fromkeys(tag for tag in listed if TAG.fullmatch(tag)))
        if len(found) > MANY:
            raise UnsafeArchive(subject, f"are more than {MANY}")
    return list(found)
