"""The disk of a v2 registry, and manifests of schema 1, from literals."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.archives import Picture, encode, sha256, tar

V2 = "docker/registry/v2"
SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"
BASE = gzip.compress(tar({"etc/base": b"base\n"}), mtime=0)
TOP = gzip.compress(tar({"etc/top": b"top\n"}), mtime=0)
EMPTY = gzip.compress(bytes(1024), mtime=0)
IDS = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)


class Registry:
    """The storage folder of a registry."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.v2 = folder, folder / V2
        self.v2.mkdir(parents=True, exist_ok=True)
        (self.v2 / "blobs").mkdir(exist_ok=True)

    def push(self, name: str, picture: Picture) -> None:
        """Store an image or index under a name, or without a tag where the name has none."""
        repository, _, tag = name.partition(":")
        for digest, content in picture.blobs.items():
            self.blob(content)
            is_manifest = b'"schemaVersion"' in content
            self.link(
                self.revision(repository, digest) if is_manifest else self.layer(repository, digest), digest
            )
        if tag:
            self.link(self.tag(repository, tag), picture.digest)

    def push_schema1(self, name: str, raw: bytes, digest: str, blobs: Iterable[bytes]) -> None:
        """Store a manifest of schema 1, whose digest may be that of its payload, and its layers."""
        repository, _, tag = name.partition(":")
        self.write(self.data(digest), raw)
        self.link(self.revision(repository, digest), digest)
        self.link(self.tag(repository, tag), digest)
        for content in blobs:
            self.blob(content)
            self.link(self.layer(repository, sha256(content)), sha256(content))

    def blob(self, content: bytes) -> None:
        """Store a blob that nobody links yet."""
        self.write(self.data(sha256(content)), content)

    def data(self, digest: str) -> Path:
        """Return where a blob lies."""
        algorithm, _, hex_ = digest.partition(":")
        return self.v2 / "blobs" / algorithm / hex_[:2] / hex_ / "data"

    def repository(self, name: str) -> Path:
        """Return a repository's folder."""
        return self.v2 / "repositories" / name

    def tag(self, repository: str, tag: str) -> Path:
        """Return a tag's link."""
        return self.repository(repository) / "_manifests/tags" / tag / "current/link"

    def revision(self, repository: str, digest: str) -> Path:
        """Return a manifest's link."""
        return self.repository(repository) / "_manifests/revisions" / digest.replace(":", "/") / "link"

    def layer(self, repository: str, digest: str) -> Path:
        """Return the link of a layer or config."""
        return self.repository(repository) / "_layers" / digest.replace(":", "/") / "link"

    def link(self, path: Path, digest: str) -> None:
        """Write a link."""
        self.write(path, digest.encode())

    def write(self, path: Path, content: bytes) -> None:
        """Write a file, and its folders."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def v1(layer_id: str, parent: str = "", **members: Any) -> dict[str, Any]:
    """Return a v1 json as Docker 1.10 made it for a push to an old registry."""
    told = {"id": layer_id, **({"parent": parent} if parent else {}), "created": "2015-07-10T00:13:44.35Z"}
    return {**told, "container_config": {"Cmd": [f"make {layer_id[:1]}"]}, **members}


def schema1(entries: Sequence[tuple[str, dict[str, Any]]], **members: Any) -> bytes:
    """Return the payload for (blobSum, v1 json) pairs, base first; printed as libtrust prints it."""
    body = {
        "schemaVersion": 1,
        "name": "library/old",
        "tag": "1",
        "architecture": "amd64",
        "fsLayers": [{"blobSum": blob_sum} for blob_sum, _ in reversed(entries)],
        "history": [{"v1Compatibility": encode(body).decode()} for _, body in reversed(entries)],
        **members,
    }
    return json.dumps(body, indent=3).encode()


def signed(payload: bytes, *protected: dict[str, Any]) -> bytes:
    """Return the document that a registry hands out: the payload with signatures put in before its end."""
    length, tail = len(payload) - 2, payload[-2:]
    headers = protected or ({"formatLength": length, "formatTail": _base64url(tail), "time": "2015"},)
    signatures = [
        {"header": {"alg": "ES256"}, "signature": "c2ln", "protected": _base64url(encode(header))}
        for header in headers
    ]
    return payload[:length] + b',\n   "signatures": ' + encode(signatures) + tail


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def three_layers(*, thrown_away: bool) -> list[tuple[str, dict[str, Any]]]:
    """Return a base, an entry that changed no file, and a top that holds the config."""
    config = {"Cmd": ["/bin/sh"], "Env": ["A=<b>"]}
    facts: dict[str, Any] = {"architecture": "amd64", "os": "linux", "docker_version": "1.10.0"}
    middle = {"throwaway": True} if thrown_away else {}
    return [
        (sha256(BASE), v1(IDS[0])),
        (sha256(EMPTY), v1(IDS[1], IDS[0], **middle)),
        (sha256(TOP), v1(IDS[2], IDS[1], config=config, custom=1, **facts)),
    ]
