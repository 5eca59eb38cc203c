from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from tests.archives import ONE, sha256
from tests.layers import file, folder, layer
from tests.unit.test_rootfs_survey import EXPORTED, program
from toolkit.bundles import FORMATS, create_bundle, open_bundle
from toolkit.bundles.rootfs import Rootfs
from toolkit.errors import CorruptContent, NotFound, UsageError
from toolkit.image import ProvenImage
from toolkit.operations.copy import copy
from toolkit.operations.verify import verify
from toolkit.platform import Platform
from toolkit.stores.layout import LayoutStore

# What `docker import` by docker 20.10.24 gave the file.
DIFF_ID = "sha256:a2a854c77e808c7e238cd4be6276434ed06c496c445370d35a01240f67719053"
EMPTY_CONFIG = (
    '{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,'
    '"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":null,"Cmd":null,"Image":"","Volumes":null,'
    '"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":null}'
)
# And its config, less docker_version, and with our time and comment.
CONFIG = (
    f'{{"architecture":"amd64","comment":"Imported from docker2010-export.tar","config":{EMPTY_CONFIG},'
    f'"container_config":{EMPTY_CONFIG},"created":"1970-01-01T00:00:00Z","history":[{{"created":'
    '"1970-01-01T00:00:00Z","comment":"Imported from docker2010-export.tar"}],"os":"linux","rootfs":{"type":'
    f'"layers","diff_ids":["{DIFF_ID}"]}}}}'
).encode()
PROGRAM = layer(folder("bin/"), program("bin/sh", "arm64"))


def given(where: Path, content: bytes = PROGRAM, name: str = "rootfs.tar") -> Path:
    (where / name).write_bytes(content)
    return where / name


def imported(where: Path, source: Rootfs, *names: str) -> list[ProvenImage]:
    asked = names or [source.listings()[0].id]
    return copy(source, LayoutStore(where / "store"), asked)


def config_of(image: ProvenImage) -> bytes:
    (picture,) = image.images()
    return picture.config.raw


def test_the_image_is_the_one_that_docker_import_makes(tmp_path: Path) -> None:
    source = Rootfs(EXPORTED, ["app:1"])
    (image,) = imported(tmp_path, source, "app:1")
    assert config_of(image) == CONFIG
    assert image.names == ("app:1",)
    (found,) = verify(LayoutStore(tmp_path / "store")).images
    assert (found.top, found.names) == (image.top, ("app:1",))
    (blob,) = found.blobs
    assert str(blob.digest) == DIFF_ID
    stored = tmp_path / "store/blobs/sha256" / blob.digest.hex
    assert stored.read_bytes() == EXPORTED.read_bytes()


@pytest.mark.parametrize("format_", [format_.name for format_ in FORMATS if format_.members_of])
def test_every_format_gives_the_same_image_back(tmp_path: Path, format_: str) -> None:
    path = tmp_path / "bundle.tar"
    (image,) = copy(Rootfs(EXPORTED, ["app:1"]), create_bundle(path, format_), ["app:1"])
    assert {finding.severity for finding in image.findings} == {"note"}  # v1 loses no more than the manifest
    (again,) = verify(open_bundle(path)).images
    assert (config_of(again), again.names) == (CONFIG, ("app:1",))


@pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lzma.compress, zstandard.ZstdCompressor().compress]
)
def test_the_layer_is_what_an_outer_compression_holds(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    source = Rootfs(given(tmp_path, pack(PROGRAM), "docker2010-export.tar"))
    (image,) = imported(tmp_path, source)
    (picture,) = image.images()
    assert [(str(diff_id), layer.size) for layer, diff_id in picture.layers] == [
        (sha256(PROGRAM), len(PROGRAM))
    ]


def test_every_byte_of_the_file_is_in_the_layer(tmp_path: Path) -> None:
    content = PROGRAM + bytes(512) + b"after the end"
    (image,) = imported(tmp_path, Rootfs(given(tmp_path, content)))
    assert str(image.blobs[0].digest) == sha256(content)
    assert "bytes after the end of the archive are not all zero" in image.findings[0].problem


def test_the_same_input_has_the_same_image_id_wherever_it_lies(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (one,) = imported(tmp_path, Rootfs(given(tmp_path)))
    (two,) = imported(tmp_path / "other", Rootfs(given(tmp_path / "other"), ["app:1"]), "app:1")
    assert one.top == two.top


def test_platform_and_time_are_those_that_were_asked_for(tmp_path: Path) -> None:
    platform = Platform("linux", "arm64", "v8")
    (image,) = imported(tmp_path, Rootfs(given(tmp_path), platform=platform, created="2024-01-31T12:00:00Z"))
    (picture,) = image.images()
    assert (picture.config.platform, picture.config.created) == (platform, "2024-01-31T12:00:00Z")
    assert [item.created for item in picture.config.history] == ["2024-01-31T12:00:00Z"]
    assert image.findings == ()


def test_a_platform_that_its_programs_contradict_is_told(tmp_path: Path) -> None:
    source = Rootfs(given(tmp_path), platform=Platform("linux", "amd64"))
    (finding,) = source.image("rootfs").findings
    assert finding.problem == "holds programs for arm64, and becomes linux/amd64"
    assert finding.severity == "warning"


def test_without_a_platform_and_a_program_that_tells_it_nothing_is_guessed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"does not tell what it runs on; say it: --platform linux/amd64$"):
        Rootfs(given(tmp_path, ONE))
    both = layer(program("bin/sh", "arm64"), program("bin/ls", "amd64"))
    with pytest.raises(
        UsageError, match=r"holds programs for amd64 and arm64; say which it is for: --platform"
    ):
        Rootfs(given(tmp_path, both))
    assert Rootfs(given(tmp_path, ONE), platform=Platform("linux", "amd64")).image("rootfs").findings == ()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"%PDF-1.7\n" * 100, "is a PDF document, not a tar of a root file system"),
        (
            gzip.compress(b"text\n" * 1000),
            "is gzip-compressed data that is no tar, not a tar of a root file system",
        ),
        (b"", "is an empty file, not a tar of a root file system"),
        (gzip.compress(b""), "is an empty file, not a tar of a root file system"),
        (gzip.compress(PROGRAM)[:-100], "it was cut short"),
    ],
)
def test_what_is_no_tar_is_corrupt(tmp_path: Path, content: bytes, problem: str) -> None:
    with pytest.raises(CorruptContent, match=problem) as refused:
        Rootfs(given(tmp_path, content))
    assert refused.value.exit_code == 5


def test_a_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        Rootfs(tmp_path / "none.tar")


def test_it_answers_as_every_source_does(tmp_path: Path) -> None:
    source = Rootfs(given(tmp_path), ["app:1", "registry.example:5000/app:2"])
    (line,) = source.listings()
    assert (line.names, line.platform, line.size) == (source.names, "linux/arm64", len(PROGRAM))
    outline = source.outline("docker.io/library/app:1")
    assert (outline.names, outline.platform, outline.id) == (("app:1",), "linux/arm64", line.id)
    assert [layer.history.comment for layer in outline.layers] == ["Imported from rootfs.tar"]
    assert source.image("app:1").names == outline.names
    assert source.image(line.id).names == ()
    assert source.layer_keys("app:1") == tuple(layer.key for layer in source.image("app:1").layers)
    assert source.identify("app:1") == source.identify(line.id)
    for ask in (source.identify, source.outline, source.image, source.layer_keys):
        with pytest.raises(NotFound):
            ask("app:3")
    with pytest.raises(NotFound, match="is for linux/arm64, expected linux/amd64"):
        source.image("app:1", Platform("linux", "amd64"))
    with pytest.raises(NotFound):
        source.layer("f" * 64)


def test_two_names_are_one_image(tmp_path: Path) -> None:
    images = imported(tmp_path, Rootfs(given(tmp_path), ["app:1", "app:2"]), "app:1", "app:2")
    assert len({image.top for image in images}) == 1
    (line,) = LayoutStore(tmp_path / "store").listings()
    assert set(line.names) == {"app:1", "app:2"}


def test_a_file_name_that_is_no_text_becomes_some(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff<>.tar")
    path.write_bytes(PROGRAM)
    (image,) = imported(tmp_path, Rootfs(path))
    (picture,) = image.images()
    assert picture.config.history[0].comment == "Imported from \ufffd<>.tar"


def test_a_file_that_grows_while_it_is_read_gives_what_was_looked_at(tmp_path: Path) -> None:
    path = given(tmp_path)
    source = Rootfs(path)
    with open(path, "ab") as stream:
        stream.write(layer(file("late")))
    (image,) = imported(tmp_path, source)
    assert image.blobs[0].digest.hex == hashlib.sha256(PROGRAM).hexdigest()
