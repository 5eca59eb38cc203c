"""Telling a registry what a manifest refers to, where it does not find that out by itself.

A registry with the referrers API answers a manifest that has a subject with OCI-Subject. In another one
whoever pushes keeps the list, under a tag (spec.md, Pushing Manifests with Subject). Two who write it at the
same time may lose one another's entries: registries offer no lock for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from toolkit import gojson, mediatype
from toolkit.bundles.refertags import list_tag
from toolkit.digest import Digest
from toolkit.document import load
from toolkit.errors import InvalidDocument, NotFound, Unsupported
from toolkit.limits import limits
from toolkit.model import Descriptor, Index, media_type_of
from toolkit.stores.registry.client import PUSH, Client
from toolkit.stores.registry.documents import ACCEPT

SUBJECT_HEADER = "OCI-Subject"
EMPTY = gojson.encode({"schemaVersion": 2, "mediaType": mediatype.OCI_INDEX, "manifests": []})


def with_referrers(client: Client, repository: str, subject: Digest, new: Sequence[Descriptor]) -> bytes:
    """Return the list of what refers to a manifest with `new` in it, what others put there kept.

    Raises Unsupported where something else has its tag, or where it would get too long.
    """
    tag = list_tag(subject)
    what = f"tag {tag} of {repository}"
    try:
        path = f"/v2/{repository}/manifests/{tag}"
        raw = client.ask("GET", path, repository, rights=PUSH, headers=ACCEPT).body
    except NotFound:
        raw = EMPTY
    body = _list_in(raw, what)
    there = {one["digest"] for one in body["manifests"]}
    added = [one.to_json() for one in new if str(one.digest) not in there]
    listed = gojson.encode({**body, "manifests": [*body["manifests"], *added]}) if added else raw
    if len(listed) > (limit := limits().document):
        problem = f"would be a list of {len(listed)} bytes, expected at most {limit}"
        raise Unsupported(what, problem, "remove old referrers there")
    return listed


def _list_in(raw: bytes, what: str) -> dict[str, Any]:
    """Return a list that others may have written, whole; raises Unsupported for another thing."""
    try:
        top = load(raw, what)
        if media_type_of(top) == mediatype.OCI_INDEX:
            Index.from_bytes(raw)  # so that each entry has a digest
            return {**top.value, "manifests": top.value["manifests"] or []}
    except InvalidDocument:
        pass
    problem = "is no list of referrers, and this registry has no other place for one"
    raise Unsupported(what, problem, "remove that tag, or leave out --referrers")
