"""Every target of fuzz/ for a moment, at random: a look at whether it runs, and at what is near the seeds."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

import fuzz.run
from fuzz.mutator import mutated
from fuzz.repair import repaired_addresses, repaired_headers
from fuzz.run import fuzzed
from fuzz.targets import TARGETS
from tests.archives import ONE, TWO, image, layout, sha256, tar
from toolkit.bundles import open_bundle
from toolkit.errors import CorruptContent
from toolkit.operations.verify import verify

ROOT = Path(__file__).parents[2]
SECONDS = 1


@pytest.fixture(autouse=True)
def at_random(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do as if atheris were not here: it is not everywhere, and takes longer to begin."""
    monkeypatch.setenv("FUZZ_PLAIN", "1")


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_comes_to_no_harm_in_a_moment(name: str) -> None:
    outcome = fuzzed(name, SECONDS, [], None)
    assert not outcome.crash
    assert outcome.runs >= len(list(TARGETS[name].seeds()))
    assert outcome.peak < 256 << 20


def test_what_must_not_be_is_a_crash_and_its_input_is_kept(tmp_path: Path) -> None:
    broken = "import fuzz.targets as t; t.TARGETS['tar'] = t.Target(lambda data: 1 / (len(data) - 3), lambda: [b'abc'])"
    (tmp_path / "seeds").mkdir()
    (tmp_path / "seeds/a").write_bytes(b"abc")
    code = f"{broken}; import sys; sys.argv[1:] = ['tar', '1', {str(tmp_path)!r}, '0']; import fuzz.child as c; c.main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "ZeroDivisionError" in json.loads(done.stdout)["crash"]
    (kept,) = tmp_path.glob("crash-*")
    assert kept.read_bytes() == b"abc"


def test_a_target_that_hangs_waits_or_fills_the_memory_is_a_crash(tmp_path: Path) -> None:
    (tmp_path / "seeds").mkdir()
    (tmp_path / "seeds/a").write_bytes(b"abc")
    tests = {
        "waited 1 s": ("WAIT", "lambda data: __import__('time').sleep(60)"),
        "took more than 1 s of a processor": ("EACH", "lambda data: [None for _ in iter(int, 1)]"),
        "bytes of memory": ("EACH", "lambda data: bytearray(400 << 20)"),
    }
    for told, (limit, test) in tests.items():
        broken = f"import fuzz.targets as t; t.TARGETS['tar'] = t.Target({test}, lambda: [])"
        words = f"import sys; sys.argv[1:] = ['tar', '1', {str(tmp_path)!r}, '0']"
        code = f"{broken}; import fuzz.child as c; c.{limit} = 1; {words}; c.main()"
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert told in json.loads(done.stdout)["crash"]


def test_a_long_run_goes_in_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuzz.run.ROUND", 1)
    rounds: list[tuple[int, int]] = []
    began = fuzz.run.one_round

    def one_round(name: str, seconds: int, folder: Path, number: int) -> fuzz.run.Outcome:
        rounds.append((seconds, number))
        return began(name, seconds, folder, number)

    monkeypatch.setattr("fuzz.run.one_round", one_round)
    outcome = fuzzed("names", 2, [], None)
    assert (rounds, outcome.seconds) == ([(1, 0), (1, 1)], 2)


def test_the_same_seed_gives_the_same_inputs() -> None:
    found = [
        [mutated(b"abcdef" * 20, rng, [b"other"], 100) for _ in range(200)]
        for rng in map(random.Random, (1, 1, 2))
    ]
    assert found[0] == found[1] != found[2]
    assert max(map(len, found[0])) <= 100


def test_a_damaged_header_is_repaired_and_so_is_the_name_of_a_changed_blob(tmp_path: Path) -> None:
    whole = tar(dict(layout(("app:1", image(ONE, TWO)))))
    path, changed = tmp_path / "a.tar", TWO.replace(b"22", b"23")
    path.write_bytes(repaired_addresses(whole.replace(TWO, changed)))
    report = verify(open_bundle(path))
    assert report.ok
    assert sha256(changed) in {str(blob.digest) for proven in report.images for blob in proven.blobs}
    damaged = bytearray(whole)
    damaged[100:108] = b"0000755\0"
    for raw, is_fine in ((bytes(damaged), False), (repaired_headers(bytes(damaged)), True)):
        path.write_bytes(raw)
        with nullcontext() if is_fine else pytest.raises(CorruptContent):
            assert verify(open_bundle(path)).ok
