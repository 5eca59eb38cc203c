"""An image some of whose layers were made anew: its config has to tell their diffIDs, so its ID is new.

Nothing else of the config changes: each old diffID is replaced, digit for digit, where it stands. One diffID
may stand in several places, and not every layer of it has to be made anew.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from toolkit.configured import ConfiguredImage
from toolkit.digest import Digest
from toolkit.errors import Unsupported
from toolkit.image import Finding, Layer, Proof, ProvenImage
from toolkit.model import Config


@dataclass(frozen=True, slots=True)
class RebuiltImage:
    """An image as the store has it, and which of its layers are made anew; a SourceImage."""

    image: ConfiguredImage
    anew: Mapping[str, Digest] = field(repr=False)  # key of such a layer → the diffID that it had

    @property
    def names(self) -> tuple[str, ...]:
        """Return the references it is asked for by."""
        return self.image.names

    @property
    def config(self) -> Config:
        """Return the config as the store has it."""
        return self.image.config

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Return the blobs to read, base first, each once."""
        return self.image.layers

    @property
    def stack(self) -> tuple[Layer, ...]:
        """Return a layer for each diffID, base first."""
        return self.image.stack

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return what the source noticed."""
        return self.image.findings

    def under(self, names: tuple[str, ...]) -> RebuiltImage:
        """Return the same image under these names."""
        return replace(self, image=self.image.under(names))

    def proven(self, proofs: Mapping[str, Proof]) -> ProvenImage:
        """Return the image under its new ID; raises Unsupported where its config cannot be told so."""
        old = self.image.config
        now = [proofs[layer.key].diff_id for layer in self.stack]
        if now == list(old.diff_ids):  # the files gave the very tar, and the diffID proves it
            return self.image.proven(proofs)
        config = Config.from_bytes(_with_diff_ids(old, now))
        problem = f"has image ID {config.image_id}, and was {old.image_id}: it has layers that were made anew"
        finding = Finding(f"image {old.image_id}", problem, check="proof")
        findings = (*self.image.findings, finding)
        image = replace(self.image, config=config, findings=findings, anew=self.anew)
        return image.proven(proofs)


def _with_diff_ids(config: Config, now: Sequence[Digest]) -> bytes:
    """Return the config with these diffIDs, each in its place; raises Unsupported for one elsewhere."""
    later: dict[bytes, list[bytes]] = {}  # an old diffID → the new ones, in the order of their places
    for was, new in zip(config.diff_ids, now, strict=True):
        later.setdefault(str(was).encode(), []).append(str(new).encode())
    changed = [old for old, news in later.items() if set(news) != {old}]
    for old in changed:
        if config.raw.count(old) != len(later[old]):
            problem = f"names the diffID {old.decode()} elsewhere than in rootfs.diff_ids"
            raise Unsupported(f"config {config.image_id}", problem, "its layer cannot be made anew")
    return re.sub(b"|".join(changed), lambda found: later[found[0]].pop(0), config.raw)
