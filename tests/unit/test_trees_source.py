"""Images by records and trees, whatever the store; the records are a literal here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.archives import ONE, TWO, image, sha256
from tests.storages import planted, record_split
from toolkit.ancestry import Layersize
from toolkit.configured import ConfiguredImage
from toolkit.digest import Digest
from toolkit.errors import InvalidDocument, NotFound, UnsafeArchive
from toolkit.image import Finding
from toolkit.model import Config
from toolkit.platform import Platform
from toolkit.plumbing.folder_files import FolderFiles
from toolkit.stores.trees.drivers import Drivers
from toolkit.stores.trees.records import Records
from toolkit.stores.trees.source import TreeSource, not_found
from toolkit.stores.trees.stored import WHOLE, StoredLayer, StoredLayers

APP, OTHER = image(ONE, TWO), image(TWO, config={"Env": ["A=1"]})
APP_ID, OTHER_ID = sha256(APP.config), sha256(OTHER.config)
NOTE = Finding("store", "keeps no manifests", "note")


@dataclass
class Literal:
    """Records in memory; each layer's tree has the name of its diffID."""

    named: list[tuple[str, str]] = field(default_factory=list)
    built_on: set[str] = field(default_factory=set)
    listed: set[str] = field(default_factory=set)
    configs: dict[str, bytes] = field(default_factory=lambda: {APP_ID: APP.config, OTHER_ID: OTHER.config})
    manifests: dict[str, str] = field(default_factory=dict)

    def names(self) -> list[tuple[str, str]]:
        return self.named

    def lost(self) -> None:
        """Nothing is."""

    def ids(self) -> list[str]:
        return list(self.configs)

    def has(self, image_id: str) -> bool:
        return image_id in self.configs

    def intermediate(self) -> set[str]:
        return self.built_on

    def lists(self) -> set[str]:
        return self.listed

    def manifest(self, image_id: Digest) -> str:
        return self.manifests.get(str(image_id), "")

    def config(self, image_id: Digest) -> Config:
        if str(image_id) not in self.configs:
            raise NotFound(f"image {image_id}", "has no config")
        return Config.from_bytes(self.configs[str(image_id)])

    def stack(self, image_id: Digest, config: Config) -> list[StoredLayer]:
        del image_id
        return [where(diff_id) for diff_id in config.diff_ids]

    def sizes(self, image_id: Digest, config: Config) -> list[int | None]:
        return [stored.size.value for stored in self.stack(image_id, config)]

    def layer(self, key: str) -> StoredLayer | None:
        known = {sha256(raw): raw for raw in (ONE, TWO)}
        return where(Digest.parse(key)) if key in known else None

    def kept(self, image_id: Digest, image: ConfiguredImage) -> None:
        del image_id, image

    def notes(self, image_id: Digest, config: Config) -> list[Finding]:
        del image_id, config
        return [NOTE]


def where(diff_id: Digest) -> StoredLayer:
    return StoredLayer(
        diff_id.hex,
        diff_id,
        diff_id.hex,
        WHOLE,
        f"{diff_id.hex}.gz",
        size=Layersize("1" if str(diff_id) == sha256(ONE) else "2", "vfs"),
    )


Make = Callable[[Records], TreeSource]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    for raw in (ONE, TWO):
        hex_ = sha256(raw).removeprefix("sha256:")
        planted(tmp_path / hex_, raw, keep_whiteouts=False)
        record_split(tmp_path / f"{hex_}.gz", raw)
    return lambda records: TreeSource("store:p", "vfs", records, StoredLayers(FolderFiles(tmp_path)))


def test_names_of_one_image_are_one_line_each_name_once(make: Make) -> None:
    named = [("b:1", APP_ID), ("a:1", APP_ID), ("b:1", APP_ID)]
    first, second = make(Literal(named)).listings()
    assert (first.names, first.id, first.size, first.problem) == (("a:1", "b:1"), APP_ID, 3, "")
    assert (second.names, second.id) == ((), OTHER_ID)


def test_nameless_images_that_others_are_built_on_are_found_and_not_listed(make: Make) -> None:
    source = make(Literal([("a:1", APP_ID)], {OTHER_ID}))
    assert [line.id for line in source.listings()] == [APP_ID]
    assert source.identify(OTHER_ID) == OTHER_ID


def test_an_image_without_a_config_and_an_id_that_is_none_are_lines_with_a_problem(make: Make) -> None:
    source = make(Literal([("a:1", sha256(b"gone")), ("b:1", "sha256:../../etc"), ("c:1", APP_ID)]))
    assert [(line.names, line.problem) for line in source.listings()[:3]] == [
        (("a:1",), f"image {sha256(b'gone')}: has no config"),
        (("b:1",), "image b:1: its ID 'sha256:../../etc' is not a digest"),
        (("c:1",), ""),
    ]
    with pytest.raises(InvalidDocument, match="is not a digest"):
        source.image("b:1")


def test_a_name_of_two_images_is_refused(make: Make) -> None:
    with pytest.raises(UnsafeArchive, match=r"a:1: is sha256:.* and sha256:.*, expected one image"):
        make(Literal([("a:1", APP_ID), ("a:1", OTHER_ID)])).identify("docker.io/library/a:1")


def test_a_name_that_is_a_digest_hides_nothing_that_has_it(make: Make) -> None:
    source = make(Literal([("evil:1", OTHER_ID), (APP_ID, OTHER_ID)]))
    assert source.identify(APP_ID) == APP_ID
    assert source.image(APP_ID).names == ()
    assert [(line.names, line.id) for line in source.listings()] == [(("evil:1",), OTHER_ID), ((), APP_ID)]
    (finding,) = source.remarks()
    assert (finding.severity, finding.check) == ("warning", "names")
    assert finding.problem == f"calls an image {APP_ID}, which is no name but what has that digest"


def test_an_image_without_a_kept_manifest_says_so(make: Make) -> None:
    found = make(Literal([("a:1", APP_ID)])).image("a:1")
    assert (found.names, found.findings) == (("a:1",), (NOTE,))


def test_another_platform_is_not_found(make: Make) -> None:
    with pytest.raises(NotFound, match="is for linux/amd64, expected linux/s390x"):
        make(Literal([("a:1", APP_ID)])).outline("a:1", Platform("linux", "s390x"))


def test_layers_are_read_from_the_driver_that_has_their_image(make: Make, tmp_path: Path) -> None:
    other = make(Literal([("b:1", OTHER_ID)], configs={OTHER_ID: OTHER.config}))
    damaged = StoredLayers(FolderFiles(tmp_path / "gone"))
    drivers = Drivers("store:p", [TreeSource("store:p", "aufs", Literal(configs={}), damaged), other])
    (layer,) = drivers.image("b:1").layers
    with drivers.open(layer) as content:
        assert b"".join(map(bytes, content.blocks())) == TWO


def test_a_layer_that_is_not_here_is_not_found(make: Make) -> None:
    source = make(Literal())
    assert source.holds(sha256(ONE))
    assert not source.holds(sha256(b"none"))
    with pytest.raises(NotFound, match=r"is not in store:p"):
        source.layer(sha256(b"none"))


class Damaged(Literal):
    """Records whose list of names cannot be read."""

    def names(self) -> list[tuple[str, str]]:
        raise InvalidDocument("images.json", "is no list")


def test_a_driver_that_is_damaged_costs_the_images_of_the_others_nothing(make: Make) -> None:
    drivers = Drivers("store:p", [make(Damaged()), make(Literal([("a:1", APP_ID)]))])
    assert drivers.listings()[0].names == ("a:1",)
    assert drivers.identify("a:1") == APP_ID
    assert drivers.image("a:1").names == ("a:1",)
    (finding,) = drivers.remarks()
    assert (finding.severity, finding.subject, finding.problem) == ("warning", "images.json", "is no list")
    with pytest.raises(InvalidDocument, match="is no list"):
        drivers.identify("b:1")
    with pytest.raises(InvalidDocument, match="is no list"):
        Drivers("store:p", [make(Damaged())]).listings()


def test_a_name_that_is_two_images_of_one_driver_is_refused_whatever_another_has(make: Make) -> None:
    twice = make(Literal([("a:1", APP_ID), ("a:1", OTHER_ID)]))
    with pytest.raises(UnsafeArchive, match=r"a:1: is sha256:.* and sha256:.*, expected one image"):
        Drivers("store:p", [twice, make(Literal([("a:1", APP_ID)]))]).image("a:1")


def test_of_drivers_that_agree_the_first_is_read_and_of_others_one_must_be_named(make: Make) -> None:
    one, same, other = (make(Literal([("a:1", image_id)])) for image_id in (APP_ID, APP_ID, OTHER_ID))
    assert Drivers("store:p", [one, same]).identify("a:1") == APP_ID
    assert len(Drivers("store:p", [one, other]).listings()) == 4
    with pytest.raises(
        UnsafeArchive, match=r"has a:1 twice, as different .* name the driver: store\+vfs:PATH"
    ):
        Drivers("store:p", [one, other]).identify("a:1")
    with pytest.raises(NotFound, match=r"image a:2: is not in store:p; near it: a:1"):
        Drivers("store:p", [one, other]).image("a:2")


def test_what_is_not_found_is_near_its_name_under_localhost() -> None:
    assert (
        str(not_found("a:1", "p", ["localhost/a:1", "a:2"]))
        == "image a:1: is not in p; near it: localhost/a:1, a:2"
    )
    assert str(not_found("a:1", "p", [])) == "image a:1: is not in p; run: lading ls p"
