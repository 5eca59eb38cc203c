"""How many layers at once: `--jobs`, else what `[lading] jobs` says, else what the places want."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.archives import image, sha256, tar
from tests.webregistry import MemoryRegistry
from tests.webs import Asked, Reply

from .conftest import Lading

LAYERS = [tar({"number": bytes([number])}) for number in range(12)]
DIGESTS = set(map(sha256, LAYERS))


class Counting(MemoryRegistry):
    """A registry that answers for layers once so many are asked for at once; `most` is how many there were."""

    def __init__(self, together: int) -> None:
        super().__init__(self.wait)
        self.most = self.now = 0
        self.counted = threading.Lock()
        self.meeting = threading.Barrier(together, timeout=30)
        self.push("app:1", image(*LAYERS))

    def wait(self, asked: Asked) -> Reply | None:
        if asked.method == "GET" and asked.path.rpartition("/")[2] in DIGESTS:
            with self.counted:
                self.now += 1
                self.most = max(self.most, self.now)
            self.meeting.wait()  # broken where fewer come, so that nothing is answered
            with self.counted:
                self.now -= 1
        return None


def words(verb: str, host: str) -> tuple[str, ...]:
    place = f"docker://{host}/app:1"
    more = {"export": ("--from", place, "-o", "x.tar"), "copy": (place, "oci:store"), "verify": (place,)}
    return (verb, *more.get(verb, (place, "--into", "oci:store")))


@pytest.mark.parametrize("verb", ["export", "import", "copy", "verify"])
@pytest.mark.parametrize("jobs", [1, 3, 12])
def test_there_are_as_many_at_once_as_are_asked_for(lading: Lading, verb: str, jobs: int) -> None:
    with Counting(jobs) as web:
        assert lading(*words(verb, web.host), "--jobs", str(jobs)).code == 0
        assert web.most == jobs


@pytest.mark.parametrize("verb", ["export", "import", "copy", "verify"])
def test_unasked_the_settings_say_how_many(lading: Lading, verb: str) -> None:
    Path("luigi.cfg").write_text("[lading]\njobs = 4\n")
    with Counting(4) as web:
        assert lading(*words(verb, web.host)).code == 0
        assert web.most == 4


@pytest.mark.parametrize("verb", ["export", "import", "copy", "verify"])
def test_the_option_wins_over_the_settings(lading: Lading, verb: str) -> None:
    Path("luigi.cfg").write_text("[lading]\njobs = 4\n")
    with Counting(1) as web:
        assert lading(*words(verb, web.host), "--jobs", "1").code == 0
        assert web.most == 1


@pytest.mark.parametrize("verb", ["copy", "verify"])
def test_a_registry_is_asked_for_six_where_nobody_says_how_many(lading: Lading, verb: str) -> None:
    with Counting(6) as web:
        assert lading(*words(verb, web.host)).code == 0


@pytest.mark.parametrize("verb", ["export", "import", "copy", "verify"])
@pytest.mark.parametrize("jobs", ["0", "65", "-1", "1.5", "many", ""])
def test_other_numbers_are_a_usage_error(lading: Lading, verb: str, jobs: str) -> None:
    ran = lading(*words(verb, "127.0.0.1:1"), "--jobs", jobs)
    assert (ran.code, ran.out) == (2, "")
    assert "'--jobs'" in ran.last


def test_layers_that_are_packed_anew_are_no_more_at_once(lading: Lading) -> None:
    with Counting(1) as web:
        ran = lading(*words("export", web.host), "--jobs", "1", "--compression", "zstd")
        assert (ran.code, web.most) == (0, 1)
