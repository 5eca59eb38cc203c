"""Literals: tars, images and layouts in a few words."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

OCI = "application/vnd.oci.image."
MANIFEST, INDEX, CONFIG = f"{OCI}manifest.v1+json", f"{OCI}index.v1+json", f"{OCI}config.v1+json"
LAYER = f"{OCI}layer.v1.tar"
SBOM = "application/vnd.example.sbom"
NOTHING = b"{}"  # the empty config
REF_NAME, IMAGE_NAME = "org.opencontainers.image.ref.name", "io.containerd.image.name"


class Link(NamedTuple):
    """A symbolic link, or with `hard` a hard one."""

    target: str
    hard: bool = False


class Folder(NamedTuple):
    """A folder."""

    mode: int = 0o755


Body = bytes | Link | Folder
Members = Mapping[str, Body] | Iterable[tuple[str, Body]]


def tar(members: Members, mode: int = 0o644) -> bytes:
    """Return a tar of these members, in this order; a list of pairs may name one twice."""
    out = io.BytesIO()
    pairs = members.items() if isinstance(members, Mapping) else members
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, body in pairs:
            info = tarfile.TarInfo(name)
            info.mode = mode
            if isinstance(body, Link):
                info.type = tarfile.LNKTYPE if body.hard else tarfile.SYMTYPE
                info.linkname = body.target
            elif isinstance(body, Folder):
                info.type, info.mode = tarfile.DIRTYPE, body.mode
            else:
                info.size = len(body)
            archive.addfile(info, io.BytesIO(body) if isinstance(body, bytes) else None)
    return out.getvalue()


def sha256(content: bytes) -> str:
    """Return sha256:<hex>."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def encode(value: object) -> bytes:
    """Return JSON."""
    return json.dumps(value, separators=(",", ":")).encode()


def described(content: bytes, media_type: str, **members: Any) -> dict[str, Any]:
    """Return a descriptor."""
    return {"mediaType": media_type, "digest": sha256(content), "size": len(content), **members}


def blob(digest: str) -> str:
    """Return where a layout keeps a blob."""
    return f"blobs/{digest.replace(':', '/')}"


@dataclass
class Picture:
    """An image or index, and every blob it needs."""

    raw: bytes
    media_type: str = MANIFEST
    blobs: dict[str, bytes] = field(default_factory=dict)
    platform: dict[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Return the digest of the manifest or index."""
        return sha256(self.raw)

    @property
    def config(self) -> bytes:
        """Return the config's bytes."""
        return self.blobs[json.loads(self.raw)["config"]["digest"]]

    @property
    def layers(self) -> list[str]:
        """Return the digests of the layers."""
        return [layer["digest"] for layer in json.loads(self.raw)["layers"]]


def image(
    *layers: bytes,
    architecture: str = "amd64",
    diff_ids: Sequence[str] | None = None,
    media_types: Sequence[str] = (),
    **config: Any,
) -> Picture:
    """Return an image of these layer blobs; compressed ones need their `diff_ids`."""
    types = media_types or [LAYER] * len(layers)
    config_raw = encode(
        {
            "architecture": architecture,
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": list(diff_ids or map(sha256, layers))},
            **config,
        }
    )
    body = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": described(config_raw, CONFIG),
        "layers": [described(layer, type_) for layer, type_ in zip(layers, types, strict=True)],
    }
    raw = encode(body)
    blobs = {sha256(each): each for each in (raw, config_raw, *layers)}
    return Picture(raw, MANIFEST, blobs, {"architecture": architecture, "os": "linux"})


def rewritten(picture: Picture, change: Callable[[Any], object]) -> Picture:
    """Return the image or index whose document says something else."""
    value = json.loads(picture.raw)
    change(value)
    raw = encode(value)
    return Picture(raw, picture.media_type, {**picture.blobs, sha256(raw): raw}, picture.platform)


def index(*pictures: Picture, **members: Any) -> Picture:
    """Return an index of images, each with its platform."""
    listed = [
        described(each.raw, each.media_type, **({"platform": each.platform} if each.platform else {}))
        for each in pictures
    ]
    raw = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed, **members})
    blobs = {sha256(raw): raw}
    for each in pictures:
        blobs |= each.blobs
    return Picture(raw, INDEX, blobs)


def artifact(subject: Picture | None, content: bytes, type_: str = SBOM, **members: Any) -> Picture:
    """Return what refers to something, its config the empty one (image-spec manifest.md, artifacts)."""
    body = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": type_,
        "config": described(NOTHING, "application/vnd.oci.empty.v1+json"),
        "layers": [described(content, "text/plain")],
        **({"subject": described(subject.raw, subject.media_type)} if subject else {}),
        **members,
    }
    raw = encode(body)
    return Picture(raw, MANIFEST, {sha256(each): each for each in (raw, NOTHING, content)})


def signature(subject: Picture, content: bytes = b"signed") -> tuple[str, Picture]:
    """Return a tag of cosign's and what it keeps there: a payload, and a config as an image has it."""
    rootfs = {"type": "layers", "diff_ids": [sha256(content)]}
    config = encode({"architecture": "", "os": "", "config": {}, "rootfs": rootfs})
    body = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": described(config, CONFIG),
        "layers": [described(content, "application/vnd.dev.cosign.simplesigning.v1+json")],
    }
    raw = encode(body)
    blobs = {sha256(each): each for each in (raw, config, content)}
    return subject.digest.replace(":", "-") + ".sig", Picture(raw, MANIFEST, blobs)


def layout(*named: tuple[str, Picture], **files: bytes) -> dict[str, bytes]:
    """Return the files of a layout: (name or "", picture) pairs; the name goes into `ref.name`."""
    entries = [
        described(each.raw, each.media_type, **({"annotations": {REF_NAME: name}} if name else {}))
        for name, each in named
    ]
    found = {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": encode({"schemaVersion": 2, "manifests": entries}),
    }
    for _, each in named:
        found |= {blob(digest): content for digest, content in each.blobs.items()}
    return {**found, **files}


def docker_item(picture: Picture, *names: str) -> dict[str, Any]:
    """Return an item of manifest.json over the blobs of a layout."""
    return {
        "Config": blob(sha256(picture.config)),
        "RepoTags": list(names) or None,
        "Layers": [blob(digest) for digest in picture.layers],
    }


def v1_json(v1_id: str, parent: str = "", **members: Any) -> bytes:
    """Return a v1 json as Docker 1.9 would save it."""
    body: dict[str, Any] = {"id": v1_id, "created": "2015-07-10T00:13:44.35Z", "os": "linux", **members}
    return encode({**body, "parent": parent} if parent else body)


def v1_folder(v1_id: str, parent: str = "", layer: Body = b"", json_: bytes = b"") -> dict[str, Body]:
    """Return the members of one v1 layer."""
    return {
        f"{v1_id}/": Folder(),
        f"{v1_id}/VERSION": b"1.0",
        f"{v1_id}/json": json_ or v1_json(v1_id, parent, architecture="amd64"),
        f"{v1_id}/layer.tar": layer or EMPTY,
    }


def written(path: Path, members: Members, mode: int = 0o644) -> Path:
    """Write a tar of these members to a file."""
    path.write_bytes(tar(members, mode))
    return path


def unpacked(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files into a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


EMPTY = bytes(1024)  # a layer without entries
ONE = tar({"one": b"1"})
TWO = tar({"two": b"22"})
A, B, C = "a" * 64, "b" * 64, "c" * 64
