"""A night of the mirror on two hosts that share a home, one of which is killed while it works."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.archives import ONE, image, tar
from tests.midnight import this_day
from tests.registries import Registry
from toolkit.mirror.connected.site import Site
from toolkit.mirror.jobs.shard import Shard
from toolkit.mirror.media.searching import find_sets
from toolkit.mirror.media.setcheck import verify_set
from toolkit.stores.layout import LayoutStore

from .hosts import ROOT, Hosts, Namespaces, wait_for
from .workplace import EngineMissing

pytestmark = pytest.mark.engine

PICTURES = {
    f"team/app{number}:1": image(ONE, tar({"large": bytes([number, *range(251)]) * 2000}))
    for number in range(10)
}
TODAY = ""  # as it is when a test begins
RUNNING = "running   MirrorImage("


@pytest.fixture(autouse=True)
def the_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "TODAY", str(this_day()))


@pytest.fixture(params=[Hosts, Namespaces], ids=["loopback", "namespaces"])
def hosts(request: pytest.FixtureRequest) -> Iterator[Hosts]:
    try:
        made = request.param()
        made.__enter__()
    except EngineMissing as missing:
        pytest.skip(str(missing))
    try:
        registry = Registry(made.storage)
        for name, picture in PICTURES.items():
            registry.push(name, picture)
        yield made
    finally:
        made.__exit__()


def job(hosts: Hosts) -> str:
    """Write a job that takes a while."""
    names = json.dumps([f"{hosts.registry}/{name}" for name in PICTURES])
    policy = '[policy]\nmin_free = "1"\nlimit_rate = "300k"\n'
    path = hosts.shared / "mirror.toml"
    path.write_text(f'site = "plant-7"\nimages = {names}\n{policy}')
    return str(path)


def config(hosts: Hosts, core: str = "") -> str:
    lading = f"[lading]\nhome = {hosts.shared}/home\ninsecure = {hosts.registry}\n"
    return f"[core]\nautoload_range = false\n{core}\n{lading}"


def look(hosts: Hosts) -> None:
    """Every image is in the store, and in the one set, which is whole."""
    home = hosts.shared / "home"
    told = json.loads((home / f"mirror/plant-7/nights/{TODAY}.json").read_text())
    assert (told["state"], told["images"]["new"], told["gaps"]) == ("done", len(PICTURES), [])
    store = LayoutStore(home / "store")
    expected = {f"{hosts.registry}/{name}": picture.digest for name, picture in PICTURES.items()}
    assert {name: store.identify(name) for name in expected} == expected
    [found] = find_sets([home / "mirror/plant-7/volumes"])
    assert verify_set(found).findings == []
    [record] = Site(home, "plant-7").sets()
    assert {each.name: str(each.digest) for each in record.increment.images} == expected


def images_of(said: str) -> set[str]:
    lines = [line for line in said.splitlines() if RUNNING in line]
    return {line.partition("image=")[2].partition(", ")[0] for line in lines}


def test_of_two_hosts_with_shares_the_one_that_is_left_makes_the_set(hosts: Hosts) -> None:
    words = ["MirrorImages", "--job", job(hosts), "--date", TODAY]
    b = hosts.luigi("b", config(hosts), *words, "--shard", "2/2")
    b.wait_until_it_says(RUNNING)
    a = hosts.luigi("a", config(hosts), *words, "--shard", "1/2")
    b.kill()
    assert a.ended() == 0, a.said
    look(hosts)
    of_b = {f"{hosts.registry}/{name}" for name in PICTURES if Shard(2, 2).takes(f"{hosts.registry}/{name}")}
    assert images_of(b.said) <= of_b
    assert images_of(a.said) & of_b  # it has taken over
    again = hosts.luigi("b", config(hosts), *words, "--shard", "2/2")
    assert again.ended() == 0, again.said
    assert not images_of(again.said)


def test_two_hosts_with_shares_end_alike_and_each_fetches_a_part(hosts: Hosts) -> None:
    words = ["MirrorImages", "--job", job(hosts), "--date", TODAY]
    both = []
    for number, host in enumerate("ab", 1):  # the other one comes while there is much to do
        both.append(hosts.luigi(host, config(hosts), *words, "--shard", f"{number}/2"))
        both[0].wait_until_it_says(RUNNING)
    assert [each.ended() for each in both] == [0, 0], [each.said for each in both]
    look(hosts)
    first, second = (images_of(each.said) for each in both)
    assert first
    assert second
    assert sum("was made" in each.said or "is done:" in each.said for each in both) == 1


def central(name: str, hosts: Hosts, **values: str) -> str:
    """Return a file of configs/central with other values, and the registry that is spoken to plainly."""
    lines = (ROOT / "configs/central" / name).read_text().splitlines()
    parts = [line.partition(" = ") for line in lines]
    assert {key for key, _, _ in parts} >= values.keys()
    changed = [f"{key} = {values[key]}" if key in values else key + sep + rest for key, sep, rest in parts]
    return "\n".join(changed).replace("[lading]", f"[lading]\ninsecure = {hosts.registry}")


def test_a_killed_assistant_of_one_luigid_costs_no_image(hosts: Hosts) -> None:
    hosts.start_luigid(central("luigid.cfg", hosts, worker_disconnect_delay="4", retry_delay="2"))
    host, _, port = hosts.luigid.rpartition(":")
    home = str(hosts.shared / "home")
    client = central(
        "luigi.cfg", hosts, scheduler_host=host, scheduler_port=port, home=home, ping_interval="1"
    )
    a = hosts.luigi("a", client, "MirrorImages", "--job", job(hosts), "--date", TODAY)
    a.wait_until_it_says("running   MirrorImages(")
    b = hosts.luigi("b", client, "Assist", "--assistant", "--worker-keep-alive")
    b.wait_until_it_says(RUNNING)
    parts = Path(home, "store/.lading/parts")
    wait_for(lambda: any(parts.glob("*")), "nothing comes")
    b.kill()
    assert a.ended() == 0, a.said
    look(hosts)
    assert images_of(b.said) & images_of(a.said)  # what it was at
