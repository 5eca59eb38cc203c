"""What every test may ask for."""

from __future__ import annotations

import gc
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from toolkit.errors import ToolkitError
from toolkit.limits import Limits, hold
from toolkit.plumbing.certificates import is_loopback

Told = Callable[[str, str, ToolkitError], None]
DAMAGE = "damage"  # a row of the table, as a property of its test
SHORT = 16  # bytes of a parameter that make a name
GOLDEN = Path(__file__).parent / "golden" / "engines.tar.xz"

# A law holds or does not; how fast a shared machine finds out is no part of it.
hypothesis.settings.register_profile("lading", deadline=None, max_examples=25)
hypothesis.settings.register_profile("long", deadline=None, max_examples=5000)  # `--hypothesis-profile long`
hypothesis.settings.load_profile("lading")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--corpus",
        metavar="DIR",
        help="a folder with bundles/ that engines saved; tests that read one skip without",
    )
    parser.addoption(
        "--damage-table",
        action="store_true",
        help="print what each damage of a store came to: exit code and sentence",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Let processes take files in their order, the units last: else few long tests are the end of the run."""
    config.option.loadscopereorder = False


def pytest_make_parametrize_id(val: object) -> str | None:
    """Call an archive by its size: what is in it is no name, and a gzip is another each second."""
    return f"{len(val)} bytes" if isinstance(val, bytes) and len(val) > SHORT else None


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over ten thousand tests: each pause would be one of the servers' here too."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the engine of this machine out of what `auto` means."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/engine")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no name be resolved but this machine's: as on a closed site, which `auto` must be quick on too."""
    resolve = socket.getaddrinfo

    def resolve_here(host: str | None, *words: Any, **more: Any) -> Any:
        if host and not is_loopback(host):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *words, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_here)


@pytest.fixture(autouse=True)
def usual_limits() -> Iterator[None]:
    """Let the limits that a test's settings say end with it."""
    yield
    hold(Limits())


@pytest.fixture
def told(request: pytest.FixtureRequest) -> Told:
    """Take a row of the damage table: the kind of store, what was damaged, and the error it came to."""

    def tell(kind: str, what: str, error: ToolkitError) -> None:
        request.node.user_properties.append((DAMAGE, f"{kind:20} {what:32} {error.exit_code}  {error}"))

    return tell


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not config.getoption("--damage-table"):
        return
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    for row in sorted({row for each in reports for name, row in each.user_properties if name == DAMAGE}):
        terminalreporter.write_line(row)


@pytest.fixture(scope="session")
def corpus(request: pytest.FixtureRequest) -> Path:
    """The folder given as `--corpus DIR`."""
    given = request.config.getoption("--corpus")
    if not given:
        pytest.skip("needs --corpus DIR")
    folder = Path(given)
    if not folder.is_dir():
        raise pytest.UsageError(f"--corpus: {folder} is not a folder")
    return folder


@pytest.fixture(scope="session")
def engine_stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root for each engine that wrote one, and a save; as root with owners, devices and xattrs.

    Another user gets no devices: they are whiteouts of overlay trees, which an exact tar does not need.
    """
    folder = tmp_path_factory.mktemp("engines")
    as_root = ["--xattrs", "--xattrs-include=*", "--numeric-owner", "-p"] if os.geteuid() == 0 else []
    done = subprocess.run(
        ["tar", *as_root, "-xJf", str(GOLDEN)], cwd=folder, check=bool(as_root), capture_output=True
    )
    complaints = [
        line for line in done.stderr.splitlines() if b"mknod" not in line and b"Exiting" not in line
    ]
    assert not complaints, complaints
    return folder
