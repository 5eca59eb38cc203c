"""Cases 1 to 4: what Docker 20.10 saved, read, carried through every format, and written again."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from tests.pictures import content_of, found_in
from toolkit.bundles import FORMATS
from toolkit.digest import Digest, chain_ids

from .conftest import Tell
from .judging import Judge, ran

VECTORS = Path(__file__).parents[1] / "data" / "vectors"
SAVED, KOLKATA = (VECTORS / f"docker2010-save-duplayer{zone}.tar" for zone in ("", "-kolkata"))
A = "sha256:31629fae8a9a3d0b35bfad1c821c14e177f35ba144d42ff67fb852d4522a2037"
B = "sha256:3a18bad8bb6288e15a836530e4ca166ca391fc7d6d70e8676c91d063ae877f56"
CHAIN = [  # of A; of A and B; of A, B and A (formats 0.3)
    A,
    "sha256:40884dd92f514adc3848a23fef41ea39fe0a8d5145933777911adf3ab1e12572",
    "sha256:e01e6d9239475d98f50cbfd64e2b4c67afb912f71f213fc54665d097d6009e9b",
]
IMAGE_ID = "sha256:eeafda41c7f4b5c15f5d9f6d3bc0ce8db290cb30d63c712070ecafe91bb97e50"
V1_IDS = [  # in UTC (formats B.7)
    "0241285d6a7f1687f4e1596e058a00a2b2b2670915614ba804b71d1654bc732a",
    "0c580ea4573104bcd84769f7534a414e35f23426d3be26095d644e8539925c6d",
    "015a5d725ee264479e8a4c497063311618ce9339e5ce90e5e2a892bb00041f22",
]
ONE_IMAGE = [(IMAGE_ID, [A, B, A])]


def test_case_01_a_save_of_docker_is_its_image_with_its_chain_and_its_v1_ids(
    judge: Judge, ours: Tell, here: Path
) -> None:
    found = judge(SAVED)
    assert (found.code, found.verified.json["verdict"], found.told("warning")) == (0, "verified", [])
    assert (found.images, found.names) == (ONE_IMAGE, ["v1id:x", "v1id:y"])
    assert list(map(str, chain_ids(list(map(Digest.parse, [A, B, A]))))) == CHAIN
    written = ran("copy", SAVED, here / "again.tar", "--format", "docker-v1.2")
    assert written.code == 0
    folders = {name.partition("/")[0] for name in found_in(SAVED) if name.endswith("/json")}
    again = {name.partition("/")[0] for name in found_in(here / "again.tar") if name.endswith("/json")}
    assert folders == again == set(V1_IDS)
    ours(f"image ID {IMAGE_ID[7:19]}, three layers, v1 IDs computed again are the folders' names")


def test_case_02_v1_ids_of_another_zone_are_a_note_and_the_image_is_the_same(
    judge: Judge, ours: Tell
) -> None:
    found = judge(KOLKATA)
    assert (found.code, found.images, found.told("warning")) == (0, ONE_IMAGE, [])
    (note,) = [each for each in found.told("note") if "v1 IDs" in each]
    assert note == (
        "has v1 IDs of a local-time variant, as a Docker whose epoch is 1970-01-01T05:30:00+05:30 makes them"
    )
    ours(f"note: {note}")


@pytest.mark.parametrize("station", ["oci-store", *(row.name for row in FORMATS)])
def test_case_03_the_image_is_the_same_wherever_it_was(judge: Judge, here: Path, station: str) -> None:
    """`docker-v1` alone has no place for a config: what it makes of an image is told beforehand."""
    place = f"oci:{here / 'store'}" if station == "oci-store" else str(here / "there")
    words = [] if station == "oci-store" else ["--format", station]
    assert ran("copy", SAVED, place, *words).code == 0
    # A dir holds no names, and is of one image: that one comes back without them.
    back = ran("copy", place, here / "back.tar", "--format", "docker-v1.2")
    assert back.code == 0, back.err
    if station == "docker-v1":
        assert (
            ran("verify", here / "back.tar", "--json").json["images"][0]["platforms"][0]["image_id"]
            != IMAGE_ID
        )
        return
    found = judge(here / "back.tar")
    assert (found.code, found.images) == (0, ONE_IMAGE)
    (config,) = [
        name
        for name in found_in(here / "back.tar")
        if name.endswith(".json") and "/" not in name and name != "manifest.json"
    ]
    (item,) = json.loads(content_of(SAVED, "manifest.json"))
    assert content_of(here / "back.tar", config) == content_of(SAVED, item["Config"])


def test_case_04_two_zones_and_umasks_give_the_same_bytes(
    judge: Judge, ours: Tell, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That Docker 20.10 loads it is in tests/integration/test_formats_in_engines.py."""
    sums = set()
    for zone, umask in (("UTC", 0o022), ("Asia/Kolkata", 0o077)):
        before = os.umask(umask)
        with monkeypatch.context() as patched:
            patched.setenv("TZ", zone)
            time.tzset()
            assert ran("copy", SAVED, here / f"{umask}.tar", "--format", "docker-v1.2").code == 0
        os.umask(before)
        sums.add(hashlib.sha256((here / f"{umask}.tar").read_bytes()).hexdigest())
    time.tzset()
    assert len(sums) == 1
    assert judge(here / f"{0o077}.tar").images == ONE_IMAGE
    ours(f"sha256:{sums.pop()[:12]}… both times; reads back as {IMAGE_ID[7:19]}")
