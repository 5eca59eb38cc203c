from __future__ import annotations

import pytest

from toolkit import mediatype


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ],
)
def test_a_layer_is_known_in_every_compression(media_type: str) -> None:
    assert mediatype.is_layer(media_type)


@pytest.mark.parametrize(
    "media_type",
    [
        "",
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
        "application/vnd.in-toto+json",
        "text/plain",
    ],
)
def test_other_things_are_no_layer(media_type: str) -> None:
    assert not mediatype.is_layer(media_type)


def test_a_layer_type_tells_its_compression() -> None:
    assert mediatype.layer_type("") == "application/vnd.oci.image.layer.v1.tar"
    assert mediatype.layer_type("gzip") == "application/vnd.oci.image.layer.v1.tar+gzip"
    assert mediatype.layer_type("zstd") == "application/vnd.oci.image.layer.v1.tar+zstd"


def test_a_compression_without_a_type_goes_as_plain_tar() -> None:
    assert mediatype.layer_type("xz") == "application/vnd.oci.image.layer.v1.tar"


def test_the_kinds_do_not_overlap() -> None:
    kinds = (mediatype.INDEXES, mediatype.MANIFESTS, mediatype.CONFIGS)
    assert len(frozenset.union(*kinds)) == sum(map(len, kinds)) == 6


@pytest.mark.parametrize("before", ["", "gzip", "zstd"])
@pytest.mark.parametrize("after", ["", "gzip", "zstd"])
@pytest.mark.parametrize(
    ("family", "mark"),
    [
        ("application/vnd.oci.image.layer.v1.tar", "+"),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar", "+"),
        ("application/vnd.docker.image.rootfs.diff.tar", "."),
        ("application/vnd.docker.image.rootfs.foreign.diff.tar", "."),
    ],
)
def test_another_compression_keeps_the_family(family: str, mark: str, before: str, after: str) -> None:
    old, new = (f"{family}{mark}{name}" if name else family for name in (before, after))
    assert mediatype.with_compression(old, after) == new
