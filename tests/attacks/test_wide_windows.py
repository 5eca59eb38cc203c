"""Six layers at once, each of which needs 128 MiB to be unpacked: they take their turns."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import zstandard

from tests.archives import LAYER, image, layout, sha256, written

ROOT = Path(__file__).parents[2]
MIB = 1 << 20
MOST = 256 * MIB  # bytes; two windows at once are that much alone
# The most memory is asked of the child itself: what its parent has counts too in what the parent is told.
CODE = "import sys; from toolkit.cli import main; code = main(); sys.stderr.write(open('/proc/self/status').read());"
CODE += "sys.exit(code)"


def layer(number: int) -> bytes:
    """Return a tar that is larger than the window: it fills all of it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo(f"{number}")
        info.size = 130 * MIB
        tar.addfile(info, io.BytesIO(bytes(info.size)))
    return out.getvalue()


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> Path:
    facts = zstandard.ZstdCompressionParameters.from_level(1, window_log=27)
    ids, packed = [], []
    for number in range(6):
        encoder = zstandard.ZstdCompressor(compression_params=facts).compressobj()
        plain = layer(number)
        ids.append(sha256(plain))
        packed.append(encoder.compress(plain) + encoder.flush())
    assert {zstandard.get_frame_parameters(each).window_size for each in packed} == {128 * MIB}
    picture = image(*packed, diff_ids=ids, media_types=[f"{LAYER}+zstd"] * 6)
    return written(tmp_path_factory.mktemp("six") / "six.tar", layout(("app:1", picture)))


@pytest.mark.parametrize(
    "words", [("verify", "BUNDLE"), ("import", "BUNDLE", "--into", "oci:store")], ids=" ".join
)
def test_six_wide_windows_at_once_take_the_memory_of_one(
    six: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    argv = [str(six) if word == "BUNDLE" else word for word in words]
    command = [sys.executable, "-c", CODE, *argv, "--jobs", "6", "--quiet"]
    modules = f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"
    environ = {**os.environ, "PYTHONPATH": modules, "LADING_HOME": str(tmp_path / "home")}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
    peak = re.search(r"VmHWM:\s+(\d+) kB", done.stderr)
    assert peak
    assert 128 * MIB < int(peak[1]) * 1024 < MOST
