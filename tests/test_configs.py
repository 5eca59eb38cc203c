"""The examples in configs/ are files that luigi, logging and the mirror accept."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from tests.unit.test_records_outcome import LOST
from toolkit.cli import mirror_run
from toolkit.errors import InvalidSetting
from toolkit.limits import GIB, Limits
from toolkit.mirror.jobs.job import BundleWishes, Job, Notify, Policy
from toolkit.mirror.jobs.jobfile import read_job
from toolkit.mirror.news.metrics import HELP, PREFIX, Memory, exposition
from toolkit.mirror.records.outcome import STATES
from toolkit.secretkey import MOST_MEMORY
from toolkit.settings import load_settings

ROOT = Path(__file__).parents[1]
SERVICE = ROOT / "configs/systemd/lading-mirror.service"
RULES = ROOT / "configs/prometheus/lading-mirror.rules.yml"
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


def test_the_example_tells_the_range_of_every_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "configs/luigi.cfg").read_text(encoding="utf-8")
    groups = re.findall(r"^# Ranges: (.*)\n((?:#[a-z0-9_]+_limit = .*\n)+)", text, re.MULTILINE)
    told = [range_ for ranges, _ in groups for range_ in ranges.split(", ")]
    names = [line.split(" ")[0][1:] for _, lines in groups for line in lines.splitlines()]
    assert names == [f"{field.name}_limit" for field in fields(Limits)]
    monkeypatch.chdir(tmp_path)
    for name, range_ in zip(names, told, strict=True):
        Path("luigi.cfg").write_text(f"[lading]\n{name} = 0\n")  # below every one of them
        with pytest.raises(InvalidSetting) as caught:
            load_settings({})
        assert str(caught.value).endswith(f"{name}: is '0', expected {range_}")


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


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
@pytest.mark.parametrize("suggested", ["", "#?"], ids=["as it is", "with all that it suggests"])
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path, suggested: str) -> None:
    """It goes on after what it does not know, with a line on stderr."""
    for unit in (ROOT / "configs/systemd").iterdir():
        text = re.sub(rf"^{suggested}([A-Z]\w+=)", r"\1", unit.read_text(), flags=re.MULTILINE)
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/sh", text, flags=re.MULTILINE)
        (tmp_path / unit.name).write_text(text)
    units = sorted(map(str, tmp_path.iterdir()))
    assert [Path(unit).suffix for unit in units] == [".service", ".service", ".timer"]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    ours = [line for line in done.stderr.splitlines() if "lading" in line]
    assert (done.returncode, ours) == (0, []), done.stderr


def test_a_unit_leaves_what_it_hardens_writable_where_the_job_writes() -> None:
    text = SERVICE.read_text(encoding="utf-8")
    said = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
    job = (ROOT / "configs/mirror.toml").read_text(encoding="utf-8")
    (textfile,) = re.findall(r'^#textfile = "(.*)"$', job, re.MULTILINE)
    home = re.fullmatch(r"LADING_HOME=(\S+)", said["Environment"])
    assert home
    assert home[1] == f"/var/lib/{said['StateDirectory']}"
    assert said["ProtectSystem"] == "strict"
    assert f"-{Path(textfile).parent}" in said["ReadWritePaths"].split()
    for told in (RULES, ROOT / "docs/scheduling.md"):
        assert f'textfile = "{textfile}"' in told.read_text(encoding="utf-8")
    assert f"OnFailure={(ROOT / 'configs/systemd/lading-mirror-failed.service').name}" in text


def test_a_unit_has_memory_for_a_key_that_a_passphrase_locks() -> None:
    (gib,) = re.findall(r"^MemoryMax=(\d+)G$", SERVICE.read_text(encoding="utf-8"), re.MULTILINE)
    assert int(gib) * GIB - MOST_MEMORY >= GIB // 2  # the run itself needs some, too


def test_the_commands_of_a_unit_have_options_that_there_are() -> None:
    lines = re.findall(r"^#?ExecStart=(.*)$", SERVICE.read_text(encoding="utf-8"), re.MULTILINE)
    known = {option for param in mirror_run.command.params for option in param.opts}
    asked = [{word for word in line.split() if word.startswith("--")} for line in lines]
    assert [options <= known for options in asked] == [True, True]
    assert asked[1] - asked[0] == {"--passphrase-file"}


def test_the_cron_example_is_one_line_that_cron_reads_whole() -> None:
    text = (ROOT / "configs/cron/lading-mirror").read_text(encoding="utf-8")
    assert text.endswith("\n")  # cron passes over a last line without its end
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    *variables, job = lines
    assert all(re.fullmatch(r"[A-Z_]+=\S+", line) for line in variables)
    assert re.fullmatch(
        r"15 22 \* \* \* lading nice /\S+/lading mirror run /\S+\.toml --quiet >/dev/null", job
    )
    assert "%" not in job


def test_the_alerts_ask_for_metrics_that_there_are() -> None:
    text = RULES.read_text(encoding="utf-8")
    asked = re.findall(r"\blading_mirror_\w+", text)
    assert len(re.findall(r"expr: .*\blading_mirror_", text)) == text.count("expr:")
    assert set(asked) <= {PREFIX + name for name in HELP}
    assert set(re.findall(r'state="(\w+)"', text)) <= set(STATES)


def test_a_mirror_that_fails_from_its_first_night_on_is_an_alert() -> None:
    """Its file has no last success that could grow old."""
    asked = re.findall(r"expr: (.*)", RULES.read_text(encoding="utf-8"))
    text = exposition(LOST, Memory())
    assert 'lading_mirror_state{site="plant-7",state="failed"} 1' in text.splitlines()
    assert 'lading_mirror_state{state="failed"} == 1' in asked
    assert "last_success" not in text


def test_a_site_that_has_no_file_of_figures_is_an_alert() -> None:
    asked = re.findall(r"expr: absent\((\w+)\{(.*)\}\)", RULES.read_text(encoding="utf-8"))
    site = read_job(str(ROOT / "configs/mirror.toml")).site
    assert asked == [("lading_mirror_last_run_timestamp_seconds", f'site="{site}"')]
    assert f"{asked[0][0]}{{{asked[0][1]}}} " in exposition(LOST, Memory())


def test_the_mirror_example_is_a_job(tmp_path: Path) -> None:
    path = ROOT / "configs/mirror.toml"
    job = read_job(str(path))
    assert (job.site, len(job.images)) == ("plant-7", 6)
    (tmp_path / "images.txt").touch()
    every = re.sub(r"^#(?=[a-z_.\[\]]+( = |$))", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    full = Job.parse(every.encode(), "full", tmp_path)
    assert full.notify.mail
    assert full.policy.window
    assert full.images_file


def test_the_mirror_example_and_its_documentation_have_every_key() -> None:
    text = (ROOT / "configs/mirror.toml").read_text(encoding="utf-8")
    known = {f"{table}{key}" for table, key in keys_of(text)}
    told = (ROOT / "docs/mirror.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z_.]+)` \|", told, re.MULTILINE)
    assert known == {row for row in rows if row not in {"reference", "repo", "tags", "rename", "source"}}
    for part in (BundleWishes, Policy, Notify):
        for field in fields(part):
            assert field.name.rpartition("_")[2] in " ".join(known), field.name


def keys_of(text: str) -> Iterator[tuple[str, str]]:
    """Yield the table, and the key in it, of each line that sets one, also where it is commented out."""
    table = ""
    for line in text.splitlines():
        if found := re.match(r"#?\[([a-z.]+)\]$", line):
            table = f"{found[1]}."
        elif found := re.match(r"#?([a-z_]+) = ", line):
            yield table, found[1]


def test_the_mirror_example_tells_the_defaults() -> None:
    text = (ROOT / "configs/mirror.toml").read_text(encoding="utf-8")
    for line in ('#format = "universal"', '#compression = "keep"', '#on_error = "gaps"', "#images = 0"):
        assert line in text.splitlines()
    assert f"#on = {json.dumps(list(Notify().on))}" in text
    least = Job.parse(b'site = "a"\nimages = ["a"]', "job")
    assert (least.bundle.format, least.bundle.compression, least.policy.on_error) == (
        "universal",
        "keep",
        "gaps",
    )
    assert least.policy.keep_images == 0
