"""Archives made by hand to trip readers up: what three engines do with each, what we do, and why we differ.

The engines' verdicts were given by skopeo 1.9.3 (`copy docker-archive:FILE oci:`, `oci-archive:` for layouts),
containerd 1.6.20 (`ctr images import`, unpacked by the native snapshotter) and dockerd 20.10.24 (`docker load`
into an empty store), all of Debian 12. `tests/acceptance/26_hostile.py --measure` asks them again.
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCEPTED, WARNED, REFUSED = "accepted", "accepted, warns", "refused"
YES, NO, ONE_EACH = "✓✗@"  # @: only one image at a time, by its number


@dataclass(frozen=True)
class Row:
    """One file: the verdicts of skopeo, containerd and dockerd; ours, and a part of what we say."""

    file: str
    engines: str
    ours: str
    says: str = ""
    why: str = ""  # we differ from an engine, or say what none of them says

    @property
    def differs(self) -> bool:
        """Tell whether somebody may ask why."""
        return self.ours == WARNED or any(
            (verdict == NO) != self.ours.startswith(REFUSED) or verdict == ONE_EACH
            for verdict in self.engines
        )


@dataclass(frozen=True)
class Verdict:
    """What `lading verify` and `lading import` made of a file."""

    ours: str
    sentences: tuple[str, ...]  # warnings, and the error; without the name of the file itself


HARD_LINK = "is a hard link; containerd ignores hard links"
ZSTD = "dockerd reads zstd from 23 on, and this is 20.10"
FIRST_OR_LAST = "skopeo takes the first, containerd and dockerd the last: one file, two images"
GZIP = "containerd reads no compressed file, and skopeo 1.9.3 of Debian fails on gzip"
NO_IMAGE = "a tar archive without an image in it"

HOSTILE = (
    Row("01_plain.tar", "✓✓✓", ACCEPTED),
    Row("02_dotslash.tar", "✓✓✓", ACCEPTED),
    Row("03_dup_layer_samepath.tar", "✓✓✓", ACCEPTED),
    Row("04_dup_symlink.tar", "✓✓✓", ACCEPTED),
    Row(
        "05_dup_hardlink.tar", "✓✗✓", WARNED, HARD_LINK,
        "a hard link is the file it names, as for dockerd; for containerd it is nothing",
    ),
    Row("06_unique_symlink.tar", "✓✓✓", ACCEPTED),
    Row(
        "07_unique_hardlink.tar", "✗✗✓", WARNED, HARD_LINK,
        "as 05; skopeo reads a hard link as an empty file",
    ),
    Row("08_symlink_same_dir.tar", "✓✓✓", ACCEPTED),
    Row("09_gz_layers.tar", "✓✓✓", ACCEPTED),
    Row("10_mixed_gz_plain.tar", "✓✓✓", ACCEPTED),
    Row("11_zstd_layers.tar", "✓✓✗", ACCEPTED, why=ZSTD),
    Row(
        "12_xz_bz2_layers.tar", "✓✗✓", WARNED, "is compressed with xz, which Docker up to 28, podman and skopeo",
        "containerd knows neither xz nor bzip2",
    ),
    Row("13_concat_gzip.tar", "✓✓✓", ACCEPTED),
    Row("14_concat_zstd.tar", "✓✓✗", ACCEPTED, why=ZSTD),
    Row(
        "15_gzip_trailing_garbage.tar", "✗✓✓", "refused 5", "has bytes after the end of its compressed data",
        "readers that skip those bytes and readers that do not get two layers; skopeo refuses too",
    ),
    Row(
        "16_outer_trailing_garbage.tar", "✓✓✓", "refused 5",
        "8244 bytes after the end of the archive are not all zero",
        "no engine looks there, so whatever was appended would never be noticed",
    ),
    Row(
        "17_outer_no_eof.tar", "✓✓✓", WARNED, "the end of the archive is missing",
        "no engine misses it, and a file cut between two members looks the same",
    ),
    Row("18_outer_truncated.tar", "✗✗✗", "refused 5", "7168 bytes of a body are missing; it was cut short"),
    Row("19_layer_bitflip.tar", "✗✗✗", "refused 5", "digest is sha256:56af7ea9"),
    Row(
        "20_config_tampered_name_mismatch.tar", "✓✓✓", "refused 5", "it was edited, or renamed; no engine looks",
        "no engine compares a config with the digest that it is called by",
    ),
    Row("21_missing_layer.tar", "✗✗✗", "refused 5", "has no member 'l1.tar'"),
    Row("22_zero_layers.tar", "✓✓✓", ACCEPTED),
    Row("23_empty_layer_1024.tar", "✓✓✓", ACCEPTED),
    Row("24_zero_byte_layer.tar", "✓✓✓", ACCEPTED),
    Row("25_backslash.tar", "✓✓✓", ACCEPTED),
    Row(
        "26_two_images_one_untagged.tar", "@✓✓", ACCEPTED,
        why="skopeo takes one image at a time, here :@0 or :@1; all are taken here",
    ),
    Row("27_cfg_sha256_colon_name.tar", "✓✓✓", ACCEPTED),
    Row("28_layersources_parent.tar", "✓✓✓", ACCEPTED),
    Row(
        "29_v1_only.tar", "✗✗✓", WARNED, "records no digest of its layers",
        "Docker up to 28 reads v1 archives, skopeo and containerd never did",
    ),
    Row("30_layers_len_mismatch.tar", "✗✗✗", "refused 5", "has 2 layers in manifest.json, and 1 diffIDs"),
    Row("31_dup_member_bad_first.tar", "✗✓✓", "refused 6", "holds 'l1.tar' twice", FIRST_OR_LAST),
    Row("32_dup_member_bad_last.tar", "✓✗✗", "refused 6", "holds 'l1.tar' twice", FIRST_OR_LAST),
    Row(
        "33_traversal.tar", "✓✓✗", "refused 6", "is not a plain path inside the archive",
        "dockerd opens the path below its own folder, the others only compare it; nobody needs such a name",
    ),
    Row(
        "34_pax_biguid_longname.tar", "✓✗✗", ACCEPTED,
        why="the layer has an invalid security.capability, which only who unpacks it meets; its bytes are carried",
    ),
    Row("35_gnu_long_base256uid.tar", "✓✓✓", ACCEPTED),
    Row("36_layer_no_eof_padding.tar", "✓✓✓", ACCEPTED),
    Row("37_layer_trailing_garbage.tar", "✓✓✓", ACCEPTED),
    Row("38_outer_gz.tar.gz", "✗✗✓", ACCEPTED, why=GZIP),
    Row("39_outer_zst.tar.zst", "✓✗✗", ACCEPTED, why=f"containerd reads no compressed file; {ZSTD}"),
    Row("40_outer_xz.tar.xz", "✓✗✓", ACCEPTED, why="containerd reads no compressed file"),
    Row("41_outer_concat_gz.tar.gz", "✗✗✓", ACCEPTED, why=GZIP),
    Row(
        "42_null_manifest.tar", "✗✗✓", "refused 5", "is a JSON null, expected a list",
        "null lists nothing by mistake; dockerd loads nothing and is content, from 23 on it refuses",
    ),
    Row(
        "43_empty_manifest.tar", "✗✗✓", WARNED, "holds no images",
        "an empty list is whole: dockerd loads nothing and says nothing; skopeo and containerd want an image",
    ),
    Row("44_shared_path_two_diffids.tar", "✗✗✗", "refused 6", "lists 'l.tar' under two diffIDs"),
    Row(
        "45_tag_with_port.tar", "✓✓✗", WARNED, "names an image 't/a' without a tag; Docker refuses the archive",
        "the tag is latest, as for skopeo and containerd; dockerd refuses it, after it stored the image",
    ),
    Row(
        "46_dup_file_in_layer.tar", "✓✓✗", ACCEPTED,
        why="a layer is carried as it is, like skopeo does; dockerd cannot keep a name that its tar has twice",
    ),
)  # fmt: skip

VECTORS = (
    Row("SHA256SUMS", "✗✗✗", "refused 4", "is ASCII text, not an image bundle"),
    Row("commit-layer-overlay2.tar", "✗✗✗", "refused 6", "'etc/dv' is a device or a pipe"),
    Row("docker2010-save-duplayer-kolkata.tar", "✓✓✓", ACCEPTED),
    Row("docker2010-save-duplayer.tar", "✓✓✓", ACCEPTED),
    Row("docker2010-save-single.tar.gz", "✗✗✓", ACCEPTED, why=GZIP),
    Row(
        "dotslash-config-path.tar", "✓✗✓", WARNED, "spells a path './c.json', which containerd does not find",
        "containerd compares paths as they are spelt",
    ),
    Row("dup-config.tar", "✓✓✓", "refused 6", "holds 'c.json' twice", FIRST_OR_LAST),
    Row("hdr-Lpax.tar", "✗✗✗", "refused 6", "has both a PAX and a GNU long name"),
    Row("hdr-badpax.tar", "✗✗✗", "refused 5", "has a malformed PAX record"),
    Row("hdr-neg.tar", "✗✗✗", "refused 5", "has a size of -512"),
    Row("hdr-paxL.tar", "✗✗✗", "refused 6", "has both a PAX and a GNU long name"),
    Row("hdr-paxsize.tar", "✗✗✗", "refused 4", NO_IMAGE),
    Row("hdr-paxsizeL.tar", "✗✗✗", "refused 4", NO_IMAGE),
    Row("hdr-twox.tar", "✗✗✗", "refused 6", "has two PAX headers for one entry"),
    Row("layer-31629fae.tar", "✗✗✗", "refused 4", NO_IMAGE),
    Row("oci-badblob.tar", "✗✗✗", "refused 5", "size is 13, expected 10240"),
    Row(
        "oci-layout-badversion.tar", "✓✗✗", "refused 4", "layout of version 1.1.0, expected 1.0.0",
        "nobody has said what 1.1.0 means; skopeo 1.9.3 does not look, containerd refuses it",
    ),
    Row("skopeo-docker-archive.tar", "✓✓✓", ACCEPTED),
    Row(
        "skopeo-oci-archive.tar", "✓✓✗", ACCEPTED,
        why="no Docker up to 24 reads an OCI layout without a manifest.json",
    ),
    Row("sparse-gnu.tar", "✗✗✗", "refused 4", "'s' is a sparse file"),
    Row("sparse-pax.tar", "✗✗✗", "refused 4", "'s' is a sparse file"),
    Row("tar-split-31629fae.json.gz", "✗✗✗", "refused 4", "is gzip-compressed data that is no tar"),
    Row("tarsum-v1.tar", "✗✗✗", "refused 6", "'dev/null' is a device or a pipe"),
    Row("tarsum-v2.tar", "✗✗✗", "refused 4", NO_IMAGE),
    Row("tarsum-v3.tar", "✗✗✗", "refused 6", "holds 'dup' twice"),
    Row(
        "two-images.tar", "✓✓✓", "refused 6", "choose one with --prefer docker or --prefer oci",
        "dockerd and skopeo's docker-archive: load one image, containerd and oci-archive: another",
    ),
)  # fmt: skip


def verdict(path: Path, work: Path) -> Verdict:
    """Verify a file and import it into an empty store; raises AssertionError where the two disagree."""
    verified, sentences = _ran("verify", str(path))
    imported, _ = _ran("import", str(path), "--into", f"oci:{work}")
    assert verified == imported, f"{path}: verify exits with {verified}, import with {imported}"
    ours = f"{REFUSED} {verified}" if verified else WARNED if sentences else ACCEPTED
    return Verdict(ours, tuple(sentence.replace(f"{path}: ", "") for sentence in sentences))


def _ran(*argv: str) -> tuple[int, list[str]]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main((*argv, "--quiet"))
    return code, [line.partition(": ")[2] for line in err.getvalue().splitlines()]


def wrongs(row: Row, found: Verdict) -> Iterator[str]:
    """Yield what is not as the row has it."""
    if found.ours != row.ours:
        yield f"{row.file}: is {found.ours}, expected {row.ours}: {'; '.join(found.sentences)}"
    elif row.says not in "\n".join(found.sentences):
        yield f"{row.file}: says {'; '.join(found.sentences)!r}, expected {row.says!r}"
    if row.differs and not row.why:
        yield f"{row.file}: nobody explains why an engine has another verdict"
