"""A bundle that is sent while its layers are read: any reader that takes members in any order has the image."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.archives import (
    EMPTY,
    ONE,
    TWO,
    A,
    B,
    Body,
    C,
    encode,
    image,
    index,
    layout,
    sha256,
    v1_folder,
    written,
)
from tests.conformance import Bytes, proven
from toolkit.bundles import named, open_bundle
from toolkit.bundles.tarstream import TarStream
from toolkit.errors import Mismatch, StoreError
from toolkit.image import Proof, ProvenImage
from toolkit.operations.verify import verify
from toolkit.ports import Source

FORMATS = ["docker", "docker-v1.2", "universal", "oci"]
every_format = pytest.mark.parametrize("format_name", FORMATS)
D = "d" * 64


def chain(folder: Path, layers: Mapping[str, bytes]) -> Source:
    """Open a docker-v1 bundle of one chain, app:1; the digests of its layers are told nowhere."""
    files: dict[str, Body] = {}
    for layer_id, parent in zip(layers, ("", *layers), strict=False):
        files |= v1_folder(layer_id, parent, layers[layer_id])
    return open_bundle(
        written(folder / "chain.tar", {**files, "repositories": encode({"app": {"1": list(layers)[-1]}})})
    )


def sent(
    source: Source, format_name: str, known: Mapping[str, Proof] | None = None
) -> tuple[bytes, ProvenImage]:
    """Send an image's layers from the top down, and return what went out."""
    raw = bytearray()
    members_of = named(format_name).members_of
    assert members_of
    asked = source.image("app:1")
    stream = TarStream(raw.extend, members_of, [asked], known or {})
    proofs = {}
    for layer in reversed(asked.layers):
        with source.open(layer) as content:
            proofs[layer.key] = stream.write(layer, content)
    with pytest.raises(StoreError, match="was left before it was finished"):
        stream.must_be_finished()
    done = asked.proven(proofs)
    stream.finish([done])
    stream.must_be_finished()
    return bytes(raw), done


@every_format
def test_what_is_sent_is_a_bundle_of_the_format(tmp_path: Path, format_name: str) -> None:
    app = image(ONE, TWO, EMPTY)
    raw, done = sent(open_bundle(written(tmp_path / "in.tar", layout(("app:1", app)))), format_name)
    (tmp_path / "out.tar").write_bytes(raw)
    bundle = open_bundle(tmp_path / "out.tar")
    assert getattr(bundle, "format", "") == format_name
    assert verify(bundle).ok
    assert proven(bundle, "app:1").images()[0].config.raw == done.images()[0].config.raw == app.config


@every_format
def test_layers_whose_digests_nobody_knew_are_found_through_links(tmp_path: Path, format_name: str) -> None:
    layers = {A: ONE, B: TWO, C: EMPTY, D: TWO}
    raw, done = sent(chain(tmp_path, layers), format_name)
    (tmp_path / "out.tar").write_bytes(raw)
    bundle = open_bundle(tmp_path / "out.tar")
    assert verify(bundle).ok
    found = proven(bundle, "app:1").images()[0]
    assert [str(diff_id) for diff_id in found.config.diff_ids] == [sha256(each) for each in layers.values()]
    assert found.config.image_id == done.images()[0].config.image_id


def test_a_layer_is_one_link_away_at_most(tmp_path: Path) -> None:
    raw, _ = sent(chain(tmp_path, {A: ONE, B: TWO, C: TWO}), "universal")
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        members = {member.name: member for member in archive}
        links = [member for member in members.values() if member.issym()]
        assert links
        for link in links:
            assert members[os.path.normpath(Path(link.name).parent / link.linkname)].isreg()


def test_another_platform_is_proven_where_the_format_has_no_place_for_it(tmp_path: Path) -> None:
    both = index(image(ONE), image(TWO, architecture="arm64"))
    raw, _ = sent(open_bundle(written(tmp_path / "in.tar", layout(("app:1", both)))), "docker-v1.2")
    assert (raw.count(ONE[:600]), raw.count(TWO[:600])) == (1, 0)


def test_a_blob_goes_out_once(tmp_path: Path) -> None:
    raw, _ = sent(
        open_bundle(written(tmp_path / "in.tar", layout(("app:1", image(ONE, TWO, ONE))))), "docker"
    )
    assert raw.count(ONE[:600]) == 1


def test_a_layer_that_broke_off_cannot_come_again(tmp_path: Path) -> None:
    asked = open_bundle(written(tmp_path / "in.tar", layout(("app:1", image(ONE, TWO))))).image("app:1")
    members_of = named("docker").members_of
    assert members_of
    stream = TarStream(bytearray().extend, members_of, [asked], {})
    layer = asked.layers[0]
    with pytest.raises(Mismatch):
        stream.write(layer, Bytes(ONE[:-1] + b"x"))
    with pytest.raises(StoreError, match="was sent in part, and cannot be sent again; run again"):
        stream.write(layer, Bytes(ONE))
