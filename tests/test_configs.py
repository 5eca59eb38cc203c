"""The examples in configs/ are files that luigi and logging accept."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from toolkit.limits import Limits
from toolkit.settings import load_settings

ROOT = Path(__file__).parents[1]
LOG_ONE_LINE = """
import logging, logging.config, sys
logging.config.fileConfig(sys.argv[1])
logging.getLogger("toolkit.stores").info("a layer")
logging.getLogger("luigi-interface").info("a task")
logging.getLogger("luigi-interface").debug("too much")
"""


@pytest.mark.parametrize("path", [ROOT / "luigi.cfg", *sorted(ROOT.glob("configs/**/luigi*.cfg"))], ids=str)
def test_a_luigi_example_silences_the_range_warning_and_names_known_sections(path: Path) -> None:
    parser = configparser.ConfigParser()
    parser.read_string(path.read_text(encoding="utf-8"))
    assert parser["core"]["autoload_range"] == "false"
    assert set(parser.sections()) <= {"core", "lading", "lading.mirrors", "worker", "scheduler", "resources"}


def test_the_example_lists_every_limit_with_its_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "configs/luigi.cfg").read_text(encoding="utf-8")
    said = dict(re.findall(r"^#([a-z0-9_]+)_limit = (\w+)$", text, re.MULTILINE))
    assert list(said) == [field.name for field in fields(Limits)]
    monkeypatch.chdir(tmp_path)
    for name, value in said.items():
        Path("luigi.cfg").write_text(f"[lading]\n{name}_limit = {value}\n")
        held = load_settings({}).limits
        assert getattr(held, name) == getattr(Limits(), name), name
        assert text.count(f"{name}_limit") == 1


def test_the_checkout_exports_the_sample() -> None:
    parser = configparser.ConfigParser()
    parser.read_string((ROOT / "luigi.cfg").read_text(encoding="utf-8"))
    assert dict(parser["lading"]) == {"source": "sample:"}


def test_a_central_client_leaves_the_local_scheduler() -> None:
    parser = configparser.ConfigParser()
    parser.read_string((ROOT / "configs/central/luigi.cfg").read_text(encoding="utf-8"))
    assert parser["core"]["local_scheduler"] == "false"


def test_the_logging_example_prints_each_line_once() -> None:
    command = [sys.executable, "-c", LOG_ONE_LINE, str(ROOT / "configs/logging.cfg")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [line.partition(": ")[2] for line in done.stderr.splitlines()] == ["a layer", "a task"]
