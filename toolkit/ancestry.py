"""Docker v1: a layer's own json, its ID and parent, and the layersize a legacy store recorded.

Source: formats A.2-A.7. The bytes of `json` are kept; everything else is read from them.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from toolkit import camelcase
from toolkit.digest import is_v1_id
from toolkit.document import Node, load
from toolkit.errors import InvalidDocument, UnsafeArchive
from toolkit.limits import limits

VERSION = b"1.0"  # of the format, in a file beside each v1 json of a bundle; there was no other
JSON_VALUES = 20_000  # in one; all of a chain are held in memory
RULES = ("", "S2", "S3", "S4", "S5")  # how a layersize was counted (formats A.4)
DRIVER = re.compile(r"[a-z0-9]{0,32}")
CHAIN_BYTES, CHAIN_VALUES = 16 << 20, 400_000  # in the jsons of one image, which are held in memory
V1_KEYS = (
    "id", "parent", "comment", "created", "container", "container_config", "docker_version",
    "author", "config", "architecture", "os", "variant", "Size", "checksum", "throwaway", "parent_id",
    "layer_id",
)  # fmt: skip
NEGATIVE = re.compile(r"-[0-9]{1,19}")  # Docker took it for "not known" and computed it again
PREFIX = "io.lading.v1."
TAR_SPLIT, REBUILT = "tar-split", "rebuilt"  # what vouches for a layer's tar: its tar-split, or nothing
IN_FULL, AS_DOCKER = "in full", "as Docker"  # how a CamelCase json is read


@dataclass(frozen=True, slots=True)
class Layersize:
    """What the store recorded as a layer's size, and the rule (formats A.4: S2 to S5) it follows.

    `text` is the file as it stands, None where there is none; `rule` is empty where none matches; `unread`
    says why a file that is there was not read.
    """

    text: str | None
    driver: str = ""
    rule: str = ""
    unread: str = ""

    @property
    def value(self) -> int | None:
        """Return the size in bytes, or None where the text is missing, negative or unreadable."""
        text = self.text or ""
        return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None  # noqa: PLR2004 - int64

    @property
    def problem(self) -> str:
        """Return what is wrong with the text, or nothing (formats A.4, read semantics)."""
        if self.unread:
            return f"layersize cannot be read ({self.unread})"
        text = self.text
        if text is None or self.value is not None or NEGATIVE.fullmatch(text):
            return ""
        return f"layersize is {text[:40]!r}, expected decimal digits and nothing else"


@dataclass(frozen=True, slots=True)
class V1Layer:
    """One layer of a legacy image: its ID, the ID below it, and the json as it was stored."""

    id: str
    parent: str  # empty on the base layer
    raw: bytes = field(repr=False)
    node: Node = field(repr=False, compare=False)
    layersize: Layersize = field(default_factory=lambda: Layersize(None), compare=False)
    proof: str = ""  # TAR_SPLIT or REBUILT; empty where a bundle did not tell
    checksum: str = field(default="", compare=False)  # what its store has beside it as such (formats A.5)
    camelcase: str = field(
        default="", compare=False
    )  # IN_FULL or AS_DOCKER; empty where json is spelt as usual

    @classmethod
    def from_bytes(cls, raw: bytes, directory: str = "", parent: str = "") -> Self:
        """Parse a v1 json found in `directory`; raises InvalidDocument or UnsafeArchive.

        Since 1.8.3 `id` may be absent: then the directory's name is the ID. `parent` is what the
        store's own file of that name said; without it the json's `parent`, else its `parent_id`.
        """
        node = _loaded(raw, directory)
        is_camelcase = camelcase.is_camelcase(node)
        node = camelcase.respelt(node) if is_camelcase else node
        node.only_as_written(V1_KEYS)
        own = node.optional("id", str) or directory
        below = parent or node.optional("parent", str) or _strong_parent(node)
        for what, text in (("id", own), ("parent", below)):
            if text and not is_v1_id(text):
                raise UnsafeArchive(
                    node.subject, f"{what} is {text[:100]!r}, expected 64 lower-case hex digits"
                )
        if not own:
            raise InvalidDocument(node.subject, "has no id")
        return cls(own, below, raw, node, camelcase=IN_FULL if is_camelcase else "")

    def as_docker_reads(self) -> Self:
        """Return the layer with what Docker finds in its json; raises InvalidDocument where it finds none."""
        if not self.camelcase:
            return self
        node = camelcase.as_docker_reads(_loaded(self.raw, self.id))
        return replace(self, node=node, camelcase=AS_DOCKER)

    @property
    def checksums(self) -> list[str]:
        """Return what is recorded of its bytes: by its store, and in the json of Docker 1.4."""
        own = self.node.value.get("checksum")
        return list(filter(None, [self.checksum, own if isinstance(own, str) else ""]))

    def mistaken(self) -> list[str]:
        """Return the keys of a CamelCase json whose text was taken for JSON, such as a comment of `2014`."""
        return camelcase.mistaken(_loaded(self.raw, self.id)) if self.camelcase else []

    def annotations(self) -> dict[str, str]:
        """Return what a layer descriptor carries so that nothing of the legacy store is lost."""
        facts = {
            "id": self.id,
            "json": base64.b64encode(self.raw).decode(),
            "layersize": self.layersize.text,
            "driver": self.layersize.driver,
            "rule": self.layersize.rule,
            "proof": self.proof,
        }
        return {PREFIX + key: value for key, value in facts.items() if value or value == ""}

    @classmethod
    def from_annotations(cls, annotations: Mapping[str, str], parent: str) -> Self | None:
        """Read the layer back from its descriptor's annotations; None where it has none."""
        if PREFIX + "json" not in annotations:
            return None
        facts = {key.removeprefix(PREFIX): value for key, value in annotations.items()}
        try:
            raw = base64.b64decode(facts["json"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidDocument(f"annotation {PREFIX}json", f"is not base64 ({error})") from error
        bare = cls.from_bytes(raw, facts.get("id", ""), parent)
        size = Layersize(facts.get("layersize"), facts.get("driver", ""), facts.get("rule", ""))
        if size.rule not in RULES or not DRIVER.fullmatch(size.driver):
            raise InvalidDocument(
                f"layer {bare.id[:12]}", f"claims rule {size.rule!r} of driver {size.driver!r}"
            )
        return replace(bare, parent=parent, layersize=size, proof=facts.get("proof", ""))


def _loaded(raw: bytes, layer_id: str) -> Node:
    return load(raw, f"v1 json of layer {layer_id[:64] or '?'}", limits().v1_json, JSON_VALUES)


def _strong_parent(node: Node) -> str:
    """Return the hex of `parent_id` (1.8.3 to 1.9.1), or nothing."""
    return (node.optional("parent_id", str) or "").removeprefix("sha256:")
