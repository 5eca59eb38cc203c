"""What a legacy root refuses before anything is written; what it writes is in tests/stores."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from toolkit.errors import StoreError, ToolkitError, Unsupported
from toolkit.stores.graph.writer import GraphSink

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: layers have owners and devices")


def test_without_root_nothing_is_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    child = os.fork()
    if not child:
        try:
            if os.geteuid() == 0:
                os.setuid(65534)
            with GraphSink(tmp_path / "ours").receive([], {}):
                os._exit(1)
        except StoreError as error:
            os._exit(0 if str(error).endswith("run as root") else 2)
        finally:
            os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert list(tmp_path.iterdir()) == []


@ROOT
@pytest.mark.root
def test_the_data_root_of_a_later_docker_is_refused(tmp_path: Path) -> None:
    (tmp_path / "image/overlay2").mkdir(parents=True)
    with pytest.raises(Unsupported, match=r"Docker 1\.10 or later"), GraphSink(tmp_path).receive([], {}):
        pass


@ROOT
@pytest.mark.root
@pytest.mark.parametrize(
    ("driver", "kind"), [("overlay", Unsupported), ("btrfs", Unsupported), ("../x", Unsupported)]
)
def test_a_driver_that_is_only_read_is_refused(tmp_path: Path, driver: str, kind: type[ToolkitError]) -> None:
    with pytest.raises(kind), GraphSink(tmp_path / "ours", driver).receive([], {}):
        pass
    assert list(tmp_path.iterdir()) == []
