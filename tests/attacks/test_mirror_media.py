"""Media that somebody had in hands who has no key: what a header says, and what a second look shows."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.archives import MANIFEST, ONE, TWO, Picture, described, encode, image, tar
from tests.crossings import Crossing
from tests.sets import told
from tests.signers import PUBLIC, signing_key
from toolkit.digest import Digest
from toolkit.errors import CorruptContent, StoreError, UnsafeArchive
from toolkit.limits import MIB
from toolkit.mirror.closed.arrival import Arrival, Refusal, arrive, with_a_say
from toolkit.mirror.closed.inventory import Inventory
from toolkit.mirror.closed.receiving import sets_in, site_of
from toolkit.mirror.closed.unloading import unload
from toolkit.mirror.media import volumefile
from toolkit.mirror.media.setcheck import verify_set
from toolkit.mirror.media.setimages import SetImages
from toolkit.mirror.media.volume import VolumeHeader
from toolkit.mirror.media.volumefile import HeaderReader, read_header
from toolkit.mirror.records.blob import Blob
from toolkit.mirror.records.increment import INCREMENT, Carried, Increment
from toolkit.mirror.records.reception import RECEIVED, REFUSED, THERE
from toolkit.operations.signing import sign_file
from toolkit.secretkey import SigningKey

GOOD, EVIL = image(tar({"bin/redis": b"good" * 1000})), image(tar({"bin/redis": b"evil" * 1000}))
EVIL_BLOBS = {Digest.parse(digest): len(raw) for digest, raw in EVIL.blobs.items()}
INDEX = "index.json"


@pytest.fixture
def gap(tmp_path: Path) -> Crossing:
    return Crossing(tmp_path)


def evil_documents() -> Mapping[str, bytes]:
    """An increment and an index of a set in which redis:7 is the evil image."""
    top, blobs = Digest.parse(EVIL.digest), tuple(sorted(Blob(*each) for each in EVIL_BLOBS.items()))
    images = (Carried("redis:7", top, is_new=True),)
    increment = Increment("plant-7", 1, dt.date(2026, 11, 28), "assumed", images, blobs, ())
    manifests = [described(EVIL.raw, MANIFEST)]
    return {INCREMENT: bytes(increment), INDEX: encode({"schemaVersion": 2, "manifests": manifests})}


@dataclass(frozen=True)
class Carrier:
    """A signed set that names an image of the attacker too, in a layer of which such documents lie."""

    medium: Path

    @classmethod
    def sent(cls, gap: Crossing, *, parity: bool = False) -> Carrier:
        carrier: Picture = image(tar({f"doc/{name}": raw for name, raw in evil_documents().items()}))
        pictures = {"redis:7": GOOD, "attacker/tool:1": EVIL, "attacker/data:1": carrier}
        volume = MIB if parity else 0
        return cls(gap.send(pictures, parity=parity, volume=volume, key=signing_key()))

    @property
    def stream(self) -> bytes:
        parts = []
        for path in sorted(self.medium.glob("*of*.tar")):
            header = read_header(str(path))
            start = len(header.prefix)
            parts.append(path.read_bytes()[start : start + header.size])
        return b"".join(parts)

    def forged(self, path: Path) -> VolumeHeader:
        """The header of a file, as long as it was, by which the documents are those in the layer."""
        true, files = read_header(str(path)), {}
        for name, raw in evil_documents().items():
            files[name] = self.stream.index(raw), len(raw)
        files = {**true.files, **files}
        blobs = tuple(blob for blob in true.blobs if blob.digest in EVIL_BLOBS)
        found, first = replace(true, blobs=blobs, files=files), _first(true)
        while len(_first(found).prefix) < len(first.prefix):  # names that nobody asks for fill it up
            files[f"x{len(files)}".ljust(100, "x")] = true.total - 1024 + 2 * len(files), 1
            found = replace(found, files=dict(sorted(files.items(), key=lambda item: item[1])))
        assert len(_first(found).prefix) == len(first.prefix)
        found.check("the forged header")
        return found


def _first(header: VolumeHeader) -> VolumeHeader:
    return header.of_volume(1) if header.is_parity else header


# ── what was received before ──


def test_a_volume_that_says_something_else_than_before_is_read_and_refused(gap: Crossing) -> None:
    """Its list and the signature are true: a set is not told to be there for what nobody has proven."""
    medium = gap.send({"redis:7": GOOD}, key=signing_key())
    gap.receive(medium, keys=(PUBLIC,))
    [path] = medium.glob("*.tar")
    true, date = path.read_bytes(), f'"date":"{gap.now.date()}"'.encode()
    assert date in true
    path.write_bytes(true.replace(date, b'"date":"2031-01-01"'))
    [found] = gap.receive(medium, keys=(PUBLIC,))
    assert (found.state, found.increment) == (REFUSED, None)
    assert "sha256" in str(found.error)
    path.write_bytes(true)
    assert [each.state for each in gap.receive(medium, keys=(PUBLIC,))] == [THERE]


@pytest.mark.parametrize("rival", [f"{'0' * 64}  plant-7_0001.1of1.tar\n".encode(), b"no list\n"])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_list_that_nobody_signed_keeps_no_signed_set_out(
    gap: Crossing, rival: bytes, *, is_first: bool
) -> None:
    medium, other = gap.send({"redis:7": GOOD}, key=signing_key()), gap.medium("other")
    (other / "plant-7_0001.sha256").write_bytes(rival)
    media = [other, medium] if is_first else [medium, other]
    [found] = gap.receive(*media, keys=(PUBLIC,))
    assert found.state == RECEIVED
    assert any(str(other) in text for text in told(found.findings, "warning"))
    assert [each.state for each in gap.receive(*media, keys=(PUBLIC,))] == [THERE]


def test_a_volume_that_is_one_hole_is_not_read_for_hours(gap: Crossing) -> None:
    medium = gap.send({"redis:7": GOOD}, key=signing_key())
    [path] = medium.glob("*.tar")
    true = read_header(str(path))
    hole = replace(true, total=4 << 40, size=4 << 40)
    path.write_bytes(hole.prefix)
    os.truncate(path, hole.file_size)
    began = time.process_time()
    [found] = gap.receive(medium, keys=(PUBLIC,))
    assert found.state == REFUSED
    assert "of which" in str(found.error)
    assert time.process_time() - began < 5  # it would be an hour


# ── where things lie ──


@pytest.mark.parametrize("name", ["plant-7_0001.parity.tar", "a.parity.tar"])
def test_where_documents_lie_is_not_for_a_parity_volume_to_say_that_is_not_listed(
    gap: Crossing, name: str
) -> None:
    carrier = Carrier.sent(gap, parity=True)
    path = carrier.medium / "plant-7_0001.parity.tar"
    raw, true = path.read_bytes(), read_header(str(path))
    (carrier.medium / name).write_bytes(carrier.forged(path).prefix + raw[len(true.prefix) :])
    [found] = gap.receive(carrier.medium, keys=(PUBLIC,))
    assert found.state == RECEIVED
    assert gap.names()["redis:7"] == GOOD.digest
    assert any(name in text and "sha256" in text for text in told(found.findings, "warning"))


def test_by_a_forged_parity_volume_nothing_is_healed(gap: Crossing) -> None:
    carrier = Carrier.sent(gap, parity=True)
    path = carrier.medium / "plant-7_0001.parity.tar"
    raw, true = path.read_bytes(), read_header(str(path))
    path.write_bytes(carrier.forged(path).prefix + raw[len(true.prefix) :])
    next(carrier.medium.glob("*.1of*.tar")).unlink()
    [found] = gap.receive(carrier.medium, keys=(PUBLIC,))
    assert found.error
    assert not (gap.home / "store").exists()


def test_a_header_that_was_another_one_when_the_medium_was_looked_at_is_not_believed(gap: Crossing) -> None:
    carrier = Carrier.sent(gap)
    path = carrier.medium / "plant-7_0001.1of1.tar"
    true = path.read_bytes()
    path.write_bytes(carrier.forged(path).prefix + true[len(read_header(str(path)).prefix) :])
    [volumes] = sets_in([carrier.medium])
    path.write_bytes(true)
    found = arrive(volumes, [carrier.medium], (PUBLIC,))
    assert isinstance(found, Refusal)
    assert "was changed since it was found" in str(found.error)


def test_a_parity_volume_with_one_wrong_digit_keeps_no_whole_set_out(gap: Crossing) -> None:
    medium = gap.send({"redis:7": GOOD}, parity=True, key=signing_key())
    path = medium / "plant-7_0001.parity.tar"
    raw = path.read_bytes()
    at = raw.index(b'"sha256:') + 10
    path.write_bytes(raw[:at] + (b"b" if raw[at : at + 1] == b"a" else b"a") + raw[at + 1 :])
    [found] = gap.receive(medium, keys=(PUBLIC,))
    assert found.state == RECEIVED
    assert [text.split(": ")[0] for text in told(found.findings, "warning")] == [str(path)]


# ── what a second look shows ──


def arrived(medium: Path) -> Arrival:
    found = arrive(sets_in([medium])[0], [medium], (PUBLIC,))
    assert isinstance(found, Arrival)
    return found


def test_names_are_not_moved_by_a_set_of_known_images_that_was_changed_after_it_was_checked(
    gap: Crossing,
) -> None:
    pictures = {"redis:7": image(ONE), "tool:1": image(TWO)}
    gap.receive(gap.send(pictures))
    medium = gap.send(pictures, key=signing_key())
    arrival, inventory = arrived(medium), Inventory(gap.store)
    path = medium / "plant-7_0002.1of1.tar"
    raw = path.read_bytes()
    with path.open("r+b") as file:
        file.write(raw.replace(pictures["redis:7"].digest.encode(), pictures["tool:1"].digest.encode()))
    images = SetImages(arrival.increment, arrival.blobs, gap.store.folder)
    with pytest.raises(CorruptContent, match="was changed while the set was received"):
        unload(arrival, images, gap.side, inventory, gap.now)
    assert [each.number for each in gap.side.received()] == [1]


@pytest.mark.parametrize("volume", [0, 20_000])
def test_documents_are_those_that_were_hashed_whatever_the_medium_shows_later(
    gap: Crossing, volume: int
) -> None:
    many = {f"app{number:03}:1": GOOD for number in range(300)}  # more than one volume of documents
    medium = gap.send(many, volume=volume, key=signing_key())
    found = arrived(medium)
    for path in medium.glob("*.tar"):
        path.write_bytes(bytes(path.stat().st_size))
    raw = found.blobs.read(INCREMENT, MIB)
    assert raw is not None
    assert Increment.parse(raw, "it") == found.increment
    assert {image.name for image in found.increment.images} == set(many)


def test_a_medium_that_fails_when_it_is_looked_at_again_is_told(gap: Crossing) -> None:
    medium = gap.send({"redis:7": GOOD}, key=signing_key())
    arrival = arrived(medium)
    medium.rename(gap.folder / "away")
    medium.symlink_to(medium)  # so that stat(2) fails
    with pytest.raises(StoreError, match="too many levels of symbolic links"):
        arrival.must_be_unchanged()


def test_a_list_that_goes_after_it_was_found_is_no_signed_one(gap: Crossing) -> None:
    medium = gap.send({"redis:7": GOOD}, key=signing_key())
    [volumes] = sets_in([medium])
    for path in medium.glob("*.sha256*"):
        path.unlink()
    found = arrive(volumes, [medium], (PUBLIC,))
    assert isinstance(found, Refusal)
    assert "expected a signature by key" in str(found.error)


# ── what lies beside ──


STRAYS = [
    ("evil_0001", "../evil"),
    ("evil_0001", "evil"),
    ("plant-7_0001", "../evil"),
    ("plant-7_0001", "evil"),
]


@pytest.mark.parametrize("file_name", ["0.tar", "zz.tar"])
@pytest.mark.parametrize(("name", "site"), [*STRAYS, ("plant-7_0001", "plant-7")])
def test_a_stray_volume_keeps_no_signed_set_out(gap: Crossing, name: str, site: str, file_name: str) -> None:
    medium = gap.send({"redis:7": GOOD}, key=signing_key())
    stray = VolumeHeader(site, name, 1, 1, 0, 512, 512, ())
    (medium / file_name).write_bytes(stray.prefix + bytes(512))
    sets = sets_in([medium])
    assert site_of(gap.home, with_a_say(sets, [medium], (PUBLIC,))) == "plant-7"
    found = {each.name: each.state for each in gap.receive(medium, keys=(PUBLIC,))}
    assert found == {name: REFUSED} | {"plant-7_0001": RECEIVED}
    assert gap.names() == {"redis:7": GOOD.digest}


def test_without_a_key_one_that_names_no_site_has_no_say(gap: Crossing) -> None:
    medium = gap.send({"redis:7": GOOD})
    stray = VolumeHeader("../evil", "evil_0001", 1, 1, 0, 512, 512, ())
    (medium / "zz.tar").write_bytes(stray.prefix + bytes(512))
    assert site_of(gap.home, with_a_say(sets_in([medium]), [medium], ())) == "plant-7"


def test_a_signature_by_somebody_else_on_another_medium_does_not_hide_the_true_one(gap: Crossing) -> None:
    medium, other = gap.send({"redis:7": GOOD}, key=signing_key()), gap.medium("other")
    raw = (medium / "plant-7_0001.sha256").read_bytes()
    (other / "plant-7_0001.sha256").write_bytes(raw)
    sign_file(other / "plant-7_0001.sha256", raw, SigningKey.generate(), 1)
    [found] = gap.receive(other, medium, keys=(PUBLIC,))
    assert found.state == RECEIVED


def test_a_signature_by_somebody_else_is_what_is_told_where_there_is_no_other(gap: Crossing) -> None:
    medium, other = gap.send({"redis:7": GOOD}, key=SigningKey.generate()), gap.medium("other")
    [found] = gap.receive(other, medium, keys=(PUBLIC,))
    assert "somebody else signed it" in str(found.error)


# ── how much is read ──


def test_a_file_that_is_longer_than_it_says_is_not_hashed(gap: Crossing) -> None:
    medium = gap.send({"redis:7": GOOD})
    path = medium / "plant-7_0001.1of1.tar"
    size = path.stat().st_size
    os.truncate(path, size + MIB)
    [volumes] = sets_in([medium])
    assert told(verify_set(volumes).errors) == [f"{path}: is {size + MIB} bytes, expected {size}"]


def test_headers_are_bounded_together_and_the_same_one_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(volumefile, "HEADERS", 0)
    monkeypatch.setattr(volumefile, "header_limit", lambda: 1000)  # and two of these together
    names = [str(tmp_path / f"{number}.tar") for number in range(20)]
    for number, name in enumerate(names):
        header = VolumeHeader("plant-7", f"plant-7_{number}", 1, 1, 0, 512, 512, ())
        Path(name).write_bytes(header.prefix)
    reader = HeaderReader()
    assert {reader.read(names[0]).header.set for _ in range(100)} == {"plant-7_0"}
    with pytest.raises(UnsafeArchive, match="more than 2000 bytes of headers; receive fewer sets at a time"):
        list(map(reader.read, names))
