"""Reading: what a person may say about how a place is read."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

DOCKER, OCI = "docker", "oci"  # the parts of an archive that may be preferred


@dataclass(frozen=True, slots=True)
class Reading:
    """How a place is read where there is a choice; each place heeds what concerns it."""

    prefer: str = ""  # DOCKER or OCI: how an archive that holds both, and disagrees, is meant
    docker_compatible: bool = False  # v1 jsons lose what they lose in Docker (formats A.3.1)
    namespace: str = ""  # of a containerd store
    allow_rebuilt: bool = False  # layers whose tar nobody can prove are made anew from their files
    live: bool = False  # a store is read although an engine is running on it
    referrers: bool = False  # what refers to an image travels with it
    only_looks: bool = False  # nothing of it is kept: nobody need have signed it

    def or_else(self, other: Reading) -> Reading:
        """Return what was said here, and where nothing was, what was said there."""
        return Reading(*(getattr(self, field.name) or getattr(other, field.name) for field in fields(self)))

    @property
    def to_look(self) -> Reading:
        """Return the same for who keeps nothing of what he reads."""
        return replace(self, only_looks=True)


AS_IT_IS = Reading()
