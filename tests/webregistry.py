"""A registry in memory behind a server of the tests' own; `odd` makes it a bad one."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable
from typing import Self

from tests.archives import INDEX, Picture, described, encode, sha256
from tests.webs import DROP, Asked, Reply, Web, ranged
from toolkit.plumbing.http import Transport
from toolkit.plumbing.patience import Patience
from toolkit.stores.registry.address import Address
from toolkit.stores.registry.client import Client
from toolkit.stores.registry.sink import RegistrySink
from toolkit.stores.registry.store import RegistryStore
from toolkit.stores.registry_auth import Doorman

BLOB = re.compile(r"/v2/(.+)/blobs/(sha256:[0-9a-f]{64})")
MANIFEST = re.compile(r"/v2/(.+)/manifests/([^/]+)")
TAGS = re.compile(r"/v2/(.+)/tags/list")
REFERRERS = re.compile(r"/v2/(.+)/referrers/(sha256:[0-9a-f]{64})")
UPLOAD = re.compile(r"/v2/(.+)/blobs/uploads/(\w*)")
MISSING = {"blobs": "BLOB_UNKNOWN", "manifests": "MANIFEST_UNKNOWN", "tags": "NAME_UNKNOWN"}


def refusal(status: int, code: str, message: str = "no", **headers: str) -> Reply:
    """Return a registry's error document."""
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    return Reply(status, body, {"Content-Type": "application/json", **headers})


class MemoryRegistry(Web):
    """A registry as the specification has it; `odd` may answer first, with what a bad one would.

    `lists_referrers` is 0 for one without the referrers API, else how many are on a page.
    """

    def __init__(
        self, odd: Callable[[Asked], Reply | None] = lambda _: None, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(tls=tls)
        self.odd, self.lists_referrers = odd, 0
        self.blobs: dict[tuple[str, str], bytes] = {}
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.uploads: dict[str, bytearray] = {}

    def push(self, name: str, picture: Picture) -> Self:
        """Hold an image or index under a name, or by its digest where that has no tag."""
        repository, _, tag = name.partition(":")
        for digest, content in picture.blobs.items():
            if b'"schemaVersion"' in content:
                kind = json.loads(content).get("mediaType", "")
                self.manifests[repository, digest] = (kind, content)
            else:
                self.blobs[repository, digest] = content
        if tag:
            self.manifests[repository, tag] = (picture.media_type, picture.raw)
        return self

    def answer(self, asked: Asked) -> Reply:
        odd = self.odd(asked)
        return self.honest(asked) if odd is None else odd

    def honest(self, asked: Asked) -> Reply:
        """Answer as a registry should."""
        for pattern, serve in (
            (UPLOAD, self._upload),
            (BLOB, self._blob),
            (MANIFEST, self._manifest),
            (TAGS, self._tags),
            (REFERRERS, self._referrers),
        ):
            if found := pattern.fullmatch(asked.path):
                return serve(asked, *found.groups())
        return Reply(404)

    def _blob(self, asked: Asked, repository: str, digest: str) -> Reply:
        content = self.blobs.get((repository, digest))
        if content is None:
            return refusal(404, MISSING["blobs"])
        return ranged(asked, content)

    def _manifest(self, asked: Asked, repository: str, reference: str) -> Reply:
        if asked.method == "PUT":
            digest = sha256(asked.body)
            for key in (reference, digest):
                self.manifests[repository, key] = (asked.headers["content-type"], asked.body)
            subject = json.loads(asked.body).get("subject")
            told = {"OCI-Subject": subject["digest"]} if subject and self.lists_referrers else {}
            return Reply(201, b"", {"Docker-Content-Digest": digest, "Location": asked.path, **told})
        if (repository, reference) not in self.manifests:
            return refusal(404, MISSING["manifests"])
        kind, raw = self.manifests[repository, reference]
        return Reply(200, raw, {"Content-Type": kind, "Docker-Content-Digest": sha256(raw)})

    def _tags(self, asked: Asked, repository: str) -> Reply:
        del asked
        found = [tag for name, tag in self.manifests if name == repository and ":" not in tag]
        return Reply(200, json.dumps({"name": repository, "tags": found}).encode())

    def _referrers(self, asked: Asked, repository: str, digest: str) -> Reply:
        if not self.lists_referrers:
            return Reply(404)
        found = [
            described(raw, kind, artifactType=json.loads(raw).get("artifactType", ""))
            for (name, reference), (kind, raw) in sorted(self.manifests.items())
            if name == repository and ":" in reference and refers_to(raw) == digest
        ]
        start = int(asked.query.get("from", ["0"])[0])
        end = start + self.lists_referrers
        more = {"Link": f'<{asked.path}?from={end}>; rel="next"'} if end < len(found) else {}
        body = {"schemaVersion": 2, "mediaType": INDEX, "manifests": found[start:end]}
        return Reply(200, encode(body), {"Content-Type": INDEX, **more})

    def _upload(self, asked: Asked, repository: str, session: str) -> Reply:
        if asked.method == "POST":
            return self._begun(asked, repository)
        if session not in self.uploads:
            return refusal(404, "BLOB_UPLOAD_UNKNOWN")
        if asked.method == "DELETE":
            del self.uploads[session]
            return Reply(204)
        held = self.uploads[session]
        start = int(asked.headers.get("content-range", f"{len(held)}-").partition("-")[0])
        if start != len(held):
            return refusal(416, "BLOB_UPLOAD_INVALID", Range=f"0-{len(held) - 1}")
        held += asked.body
        if asked.method == "PUT":
            return self._ended(asked, repository, session)
        place = {"Location": asked.path, "Range": f"0-{max(len(held) - 1, 0)}"}
        return Reply(204 if asked.method == "GET" else 202, b"", place)

    def _ended(self, asked: Asked, repository: str, session: str) -> Reply:
        [digest] = asked.query["digest"]
        content = bytes(self.uploads.pop(session))
        if sha256(content) != digest:
            return refusal(400, "DIGEST_INVALID")
        self.blobs[repository, digest] = content
        told = {"Docker-Content-Digest": digest, "Location": f"/v2/{repository}/blobs/{digest}"}
        return Reply(201, b"", told)

    def _begun(self, asked: Asked, repository: str) -> Reply:
        [mount], [origin] = asked.query.get("mount", [""]), asked.query.get("from", [""])
        if (content := self.blobs.get((origin, mount))) is not None:
            self.blobs[repository, mount] = content
            return Reply(201, b"", {"Location": f"/v2/{repository}/blobs/{mount}"})
        session = f"session{len(self.asked)}"
        self.uploads[session] = bytearray()
        return Reply(202, b"", {"Location": f"/v2/{repository}/blobs/uploads/{session}", "Range": "0-0"})


def forgetful(web: MemoryRegistry, times: int) -> Callable[[Asked], Reply | None]:
    """Forget an upload when all of it was sent, so many times; another one that runs beside it is kept."""
    left = [None] * times

    def odd(asked: Asked) -> Reply | None:
        if asked.method == "PATCH" and left:
            left.pop()
            web.uploads.pop(asked.path.partition("?")[0].rpartition("/")[2])
            return DROP
        return None

    return odd


def refers_to(raw: bytes) -> str:
    """Return the digest of a manifest's subject."""
    return str((json.loads(raw).get("subject") or {}).get("digest", ""))


def at_once(tries: int = 6) -> Transport:
    """Return a transport that waits for nothing."""
    return Transport(patience=Patience(tries, sleep=lambda _: None), timeouts=(5.0, 5.0))


def client_of(web: Web, path: str = "", **environ: str) -> Client:
    """Return a client of a registry, of somebody who has not logged in anywhere."""
    address, transport = Address.parse(f"//{web.host}{path}"), at_once()
    return Client(address, transport, Doorman(address.host, transport, environ or {"HOME": "/nonexistent"}))


def sink_of(web: Web, path: str = "") -> RegistrySink:
    """Return a registry as a sink."""
    client = client_of(web, path)
    return RegistrySink(client.address, client, f"docker://{web.host}{path}")


def store_of(web: Web, path: str = "") -> RegistryStore:
    """Return a registry as a source."""
    client = client_of(web, path)
    return RegistryStore(client.address, client, f"docker://{web.host}{path}")
