"""Docker's manifest schema 1: a history of v1 jsons, and the blobs that go with it (formats D.12).

    {"schemaVersion":1,"name","tag","architecture",
     "fsLayers":[{"blobSum":"sha256:…"},…],
     "history":[{"v1Compatibility":"<a v1 json>"},…],      both lists run from the top to the base
     "signatures":[{"header":…,"signature","protected"},…]}

A signed one is the payload and its signatures put into one object; its digest is that of the payload.
A signature carries its own key, so it proves nothing that the digest does not: one that does not fit is told.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from toolkit.ancestry import V1Layer
from toolkit.digest import Digest
from toolkit.document import VALUES, Allowance, Node, load
from toolkit.errors import InvalidDocument, Mismatch, UnsafeArchive, Unsupported
from toolkit.jws import fits
from toolkit.limits import above, limits
from toolkit.mediatype import SCHEMA1

KEYS = (
    "schemaVersion", "mediaType", "name", "tag", "architecture", "fsLayers", "history", "signatures",
    "manifests", "layers", "config",
)  # fmt: skip
FOREIGN = ("manifests", "layers", "config")  # of a modern one (CVE-2021-41190)
PROTECTED_KEYS = ("formatLength", "formatTail", "time")
BASE64URL = re.compile(r"[A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of the history: a v1 json, and the layer that belongs to it."""

    v1: V1Layer
    blob: Digest | None  # None where it changed no file: it is thrown away


@dataclass(frozen=True, slots=True)
class Schema1:
    """A parsed manifest; `raw` is the payload, which its digest is of."""

    raw: bytes = field(repr=False)
    digest: Digest
    entries: tuple[Entry, ...] = field(repr=False)  # base first
    altered: str = ""  # says that what its digest is not of was changed

    @classmethod
    def from_bytes(cls, raw: bytes, digest: Digest) -> Schema1:
        """Parse a manifest that is known by `digest`, signed or not.

        Raises Mismatch for another digest, InvalidDocument for a broken one, UnsafeArchive where it could
        pass for another kind or its chain is none, Unsupported for layers known by their tarsum.
        """
        payload = proven_payload(raw, digest)
        top = _checked(load(payload, f"manifest {digest}"))
        sums = [child.get("blobSum", str) for child in _list(top, "fsLayers", "blobSum")]
        jsons = [child.get("v1Compatibility", str) for child in _list(top, "history", "v1Compatibility")]
        if len(jsons) > (limit := limits().history):
            raise above(top.subject, f"has {len(jsons)} items of history", limit)
        if not jsons or len(sums) != len(jsons):
            raise InvalidDocument(top.subject, f"has {len(sums)} fsLayers and {len(jsons)} items of history")
        allowance = Allowance(top.subject, limits().document, VALUES)
        entries = [_entry(top, *pair, allowance) for pair in zip(sums, jsons, strict=True)]
        return cls(payload, digest, tuple(_linked(entries[::-1], top.subject)), _altered(raw, payload, top))

    @property
    def chain(self) -> tuple[V1Layer, ...]:
        """Return the v1 jsons, base first."""
        return tuple(entry.v1 for entry in self.entries)

    @property
    def blobs(self) -> tuple[Digest, ...]:
        """Return the layers, base first; one may stand several times."""
        return tuple(entry.blob for entry in self.entries if entry.blob)

    @property
    def empty(self) -> frozenset[str]:
        """Return the v1 IDs without a layer."""
        return frozenset(entry.v1.id for entry in self.entries if entry.blob is None)


def proven_payload(raw: bytes, digest: Digest) -> bytes:
    """Return what `digest` is of: the bytes as they stand, or without their signatures; raises Mismatch."""
    if (actual := Digest.of(raw, digest.algorithm)) == digest:
        return raw
    top = load(raw, f"manifest {digest}")
    if "signatures" not in top.value:
        raise Mismatch(top.subject, "digest", "", actual, digest)
    payload = _payload(raw, top)
    if (actual := Digest.of(payload, digest.algorithm)) != digest:
        raise Mismatch(top.subject, "digest of the payload", "", actual, digest)
    return payload


def _altered(raw: bytes, payload: bytes, told: Node) -> str:
    """Say that a document was changed around its payload; raises UnsafeArchive for a foreign key there."""
    if raw == payload:
        return ""
    top = load(raw, told.subject)
    _refuse_foreign(top)
    if {key: value for key, value in top.value.items() if key != "signatures"} != dict(told.value):
        return "unsigned data changed: it tells other things than what was signed, which alone counts"
    if any(fits(signature.value, payload) is False for signature in top.children("signatures")):
        return "unsigned data changed: its signature is not of what was signed"
    return ""


def _payload(raw: bytes, top: Node) -> bytes:
    """Cut the signatures out as they say themselves; all must say the same."""
    told = {_format(signature) for signature in top.children("signatures")}
    if len(told) != 1:
        raise UnsafeArchive(top.subject, f"has signatures of {len(told)} payloads, expected one")
    [(length, tail)] = told
    if not 0 <= length <= len(raw):
        raise InvalidDocument(top.subject, f"formatLength is {length}, expected 0 to {len(raw)}")
    return raw[:length] + tail


def _format(signature: Node) -> tuple[int, bytes]:
    """Return how many bytes of the document are signed, and what follows them (RFC 7515, libtrust)."""
    protected = load(_base64url(signature, "protected"), f"protected header in {signature.subject}")
    protected.only_as_written(PROTECTED_KEYS)
    return protected.get("formatLength", int), _base64url(protected, "formatTail")


def _base64url(node: Node, key: str) -> bytes:
    text = node.get(key, str)
    if not BASE64URL.fullmatch(text):
        node.fail(key, "has characters that are not of base64url")
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise InvalidDocument(node.subject, f"{node.path}{key}: is not base64url ({error})") from error


def _checked(top: Node) -> Node:
    top.only_as_written(KEYS)
    _refuse_foreign(top)
    if (version := top.get("schemaVersion", int)) != 1:
        top.fail("schemaVersion", f"is {version}, expected 1")
    if (own := top.optional("mediaType", str)) not in {None, *SCHEMA1}:
        top.fail("mediaType", f"is {own}, expected one of schema 1")
    return top


def _refuse_foreign(top: Node) -> None:
    if confused := [key for key in FOREIGN if key in top.value]:
        raise UnsafeArchive(top.subject, f"has {confused[0]!r}, so that two readers would see two images")


def _list(top: Node, key: str, member: str) -> Iterator[Node]:
    for child in top.children(key):
        child.only_as_written((member,))
        yield child


def _entry(top: Node, blob_sum: str, v1_json: str, allowance: Allowance) -> Entry:
    try:
        raw = v1_json.encode()
    except UnicodeEncodeError as error:  # JSON can write half a character, which is no UTF-8
        raise InvalidDocument(top.subject, "has half a character in a v1Compatibility") from error
    allowance.take(raw)
    v1 = V1Layer.from_bytes(raw).as_docker_reads()
    if v1.node.optional("throwaway", bool):
        return Entry(v1, None)
    if blob_sum.startswith("tarsum"):
        problem = f"names a layer by its tarsum, {blob_sum[:100]}, as Docker 1.5 did"
        raise Unsupported(top.subject, problem, "push the image again with Docker 1.6 or later")
    return Entry(v1, Node({"blobSum": blob_sum}, top.subject).parsed("blobSum", Digest.parse))


def _linked(entries: Sequence[Entry], subject: str) -> list[Entry]:
    """Return the entries, base first, each ID once; raises UnsafeArchive where they are no chain.

    An ID may stand several times in a row; what counts is the lowest, as in Docker.
    """
    chain: list[Entry] = []
    seen: set[str] = set()
    for entry in entries:
        v1, below = entry.v1, chain[-1].v1.id if chain else ""
        if chain and v1.id == below:
            continue
        if v1.id in seen:
            raise UnsafeArchive(subject, f"lists layer {v1.id[:12]} twice in its chain")
        if v1.parent != below:
            told = f"layer {v1.parent[:12]}" if v1.parent else "no parent"
            problem = f"layer {v1.id[:12]} of it stands on {told}, expected {below[:12] or 'none'}"
            raise UnsafeArchive(subject, problem)
        seen.add(v1.id)
        chain.append(entry)
    if (layers := sum(entry.blob is not None for entry in chain)) > (limit := limits().layers):
        raise above(subject, f"has {layers} layers", limit)
    return chain
