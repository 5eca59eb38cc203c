"""The forty acceptance cases of formats H: their numbers, what each is about, and what is expected."""

from __future__ import annotations

import re
from dataclasses import dataclass

TEST = re.compile(r"test_case_(\d\d)_")


@dataclass(frozen=True)
class Case:
    """One row."""

    number: int
    area: str  # the section of formats that it is about
    input: str
    expected: str


def number_of(test: str) -> int:
    """Return the number that a test carries; 0 for one that carries none."""
    found = TEST.search(test)
    return int(found[1]) if found else 0


CASES = (
    Case(
        1,
        "B/D",
        "a save of Docker 20.10, one layer twice",
        "image ID, chainIDs and v1 IDs as Docker has them",
    ),
    Case(2, "B/D", "the same, saved in Asia/Kolkata", "the same ID; its v1 IDs are a local-time variant"),
    Case(3, "D", "case 1 through every format and back", "config, diffIDs and image ID unchanged"),
    Case(
        4, "D", "case 1 as docker-v1.2, twice, two zones and umasks", "the same bytes; loads as the same ID"
    ),
    Case(5, "D", "OCI part and manifest.json are two images", "refuse with both IDs; --prefer settles it"),
    Case(6, "D", "a blob that does not match its name", "refuse; expected and actual told; nothing is kept"),
    Case(7, "D", "an OCI layout of version 1.1.0", "refuse: unsupported"),
    Case(8, "D", 'Config is "./c.json"', "accept, warn of containerd; written clean"),
    Case(9, "D/G", "two members c.json of different content", "refuse; both digests told"),
    Case(10, "D", "two diffIDs, one layer", "refuse: the counts differ"),
    Case(
        11, "D", "manifest.json null, [], {}, [{}], [1], [] and text", "[]: accept, warn; the others: refuse"
    ),
    Case(12, "D", "RepoTags A:b, x@sha256:…, x, null", "refuse before anything is stored; null: accept"),
    Case(
        13,
        "D",
        "gzip in two members, with text or zeros behind, bzip2, xz, zstd",
        "accept; text: refuse; zeros: warn",
    ),
    Case(14, "D", "a layer that is a hard link", "accept, warn of containerd"),
    Case(
        15,
        "D",
        "an archive in crane's manner, one layer not compressed",
        "accept; each layer sniffed on its own",
    ),
    Case(
        16,
        "D",
        "Docker 29's, an index, a platform not here, an attestation",
        "accept; incomplete told; index kept",
    ),
    Case(
        17, "D", "Docker 25.0's, OCI layers out of order", "accept, warn; the config's order; a new manifest"
    ),
    Case(18, "D", "docker export into import", "diffID is the file's; artefacts told"),
    Case(19, "A", "a v1 archive of 0.7: ./, modes 0000, a chain of 3", "accept; rule R drops unknown keys"),
    Case(20, "A", "the same of 1.9.1 with a key of its own", "the key stays; keys sorted, white space gone"),
    Case(21, "A", "CamelCase jsons of 1.0", "accept, all recovered and told; --docker-compatible loses them"),
    Case(
        22,
        "A",
        "layersize -1, empty, 12\\n, 123, missing",
        "computed; corrupt, and still exported; the rule named",
    ),
    Case(23, "A", "an aufs layer with aufs's own files", "the tar as it is; the tree without them"),
    Case(24, "A", "an overlay store that shares inodes with its parent", "the diff alone; no hard links"),
    Case(25, "A", "strong IDs of 1.8.3", "the file parent counts; the ID is computed again, or told"),
    Case(26, "A", "aufs/diff/ID is an absolute link", "found inside the root, never on the host"),
    Case(27, "B", "layerdb and overlay2 with tar-split", "the tar's digest is diff; size by S3"),
    Case(28, "B/F", "a tar-split of Docker and its files", "the tar's digest"),
    Case(29, "F", "the same, damaged", "refuse each, naming the file; no hang"),
    Case(30, "F", "a layer without tar-split", "only when allowed, and told"),
    Case(
        31, "E", "foo and .wh.foo in one layer", "foo is there, and it is told; where engines differ, refuse"
    ),
    Case(32, "E", "whiteouts of nothing", "refuse each"),
    Case(33, "E", "overlay's own whiteouts in a layer", "refuse"),
    Case(34, "E", "a layer that docker commit made", "read in full; the tar again from its headers"),
    Case(35, "E", "headers that readers take differently", "the body of 1024 bytes; refuse the others"),
    Case(36, "E", "sparse files", "copied, warn; refuse to unpack"),
    Case(37, "E/G", "layers that lead out", "nothing outside is changed or read"),
    Case(38, "D", "tarsum vectors", "all values of D.11"),
    Case(
        39,
        "D",
        "schema 1, signed, and damaged",
        "digest of the payload; unsigned changes told; refuse the rest",
    ),
    Case(40, "G", "bombs", "refuse, in 10 s and 256 MiB, and nothing is left"),
)
