"""ls, inspect, history and verify. The sample's facts are those that docker 20.10.24 found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.conftest import IMAGE, SAMPLE, Lading

BASE, CHANGES, SED, EMPTY = IDS = (
    "cdaca06bc41fbf67f1671836838c5a2de1979ad458130fe6d294a6aa7de3713e",
    "56849a4fc21db2382027112b089bf3989a9a271ad9359febb90233a17646e627",
    "93e0768237b23333f1021e68736f75878ab79be5447b074e74a11f8ec6be2d0b",
    "bfdf47abe467bbf67e46842388dbb27d7cc8b07cb87249dabd73e98abbd0bd71",
)
DIFF_IDS = [
    "sha256:8ba9cdafb4db3ae74881444e6681c58f65848bdd2bc4515c57c8f87dcbbf46f4",
    "sha256:fb0210f155696242a39e70151d074834a3bd958994b6e17298282f049c348775",
    "sha256:bf5f90b2b05decaaeb67d053b3812e8bb36b01f57b5c07c7a7824369e2a223a7",
    "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
]
LAYERSIZES = [139896, 33506, 233, 0]


def test_ls_shows_a_line_for_each_name(lading: Lading) -> None:
    ran = lading("ls", SAMPLE)
    head, *lines = ran.out.splitlines()
    assert (ran.code, ran.err) == (0, "")
    assert head.split() == ["NAME", "ID", "PLATFORM", "CREATED", "SIZE"]
    assert [line.split() for line in lines] == [
        [name, EMPTY[:12], "linux/amd64", "2014-04-17", "174kB"] for name in (IMAGE, "ubuntu:trusty")
    ]


def test_ls_tells_machines_the_same(lading: Lading) -> None:
    document = lading("ls", SAMPLE, "--json").json
    assert document == {
        "schema": 1,
        "place": SAMPLE,
        "images": [
            {
                "names": [IMAGE, "ubuntu:trusty"],
                "id": EMPTY,
                "platform": "linux/amd64",
                "created": "2014-04-17T09:39:21.4189165Z",
                "size": sum(LAYERSIZES),
                "problem": "",
            }
        ],
        "findings": [],
    }


def test_ls_lists_an_image_that_cannot_be_read_and_warns(lading: Lading, home: Path) -> None:
    lading("sample")
    (home / "sample" / "graph" / BASE / "json").write_text("{")
    ran = lading("ls", f"graph:{home}/sample")
    assert ran.code == 0
    assert IMAGE in ran.out
    assert ran.last.startswith(f"warning: {IMAGE}: v1 json of layer ")
    (listing,) = lading("ls", f"graph:{home}/sample", "--json").json["images"]
    assert listing["problem"].startswith("v1 json of layer ")


def test_history_reads_as_docker_history_does(lading: Lading) -> None:
    ran = lading("history", SAMPLE, IMAGE)
    head, *lines = ran.out.splitlines()
    assert (ran.code, ran.err) == (0, "")
    assert head.split() == ["IMAGE", "CREATED", "CREATED", "BY", "SIZE", "COMMENT"]
    assert [line.split()[0] for line in lines] == [layer[:12] for layer in reversed(IDS)]
    assert [line.split()[-1] for line in lines] == ["0B", "233B", "33.5kB", "140kB"]
    assert all("years ago" in line for line in lines)
    assert "/bin/sh -c echo 'Welcome to the second layer…   33.5kB" in lines[2]


def test_history_of_a_modern_image_has_one_id(lading: Lading, bundle: Path) -> None:
    lines = lading("history", str(bundle), IMAGE).out.splitlines()[1:]
    assert [line.split()[0] for line in lines[1:]] == ["<missing>"] * 3
    image_id = lading("ls", str(bundle), "--json").json["images"][0]["id"]
    assert lines[0].split()[0] == image_id.removeprefix("sha256:")[:12]


def test_history_is_whole_where_asked(lading: Lading) -> None:
    lines = lading("history", SAMPLE, IMAGE, "--no-trunc").out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == list(reversed(IDS))
    assert "rm /usr/share/sample/retired" in lines[2]


def test_history_tells_machines_the_same(lading: Lading) -> None:
    document = lading("history", SAMPLE, "docker.io/library/ubuntu:14.04", "--json").json
    assert document["names"] == [IMAGE]
    assert [line["id"] for line in document["history"]] == list(reversed(IDS))
    assert [line["size"] for line in document["history"]] == LAYERSIZES[::-1]
    assert document["history"][0]["created_by"] == '/bin/sh -c #(nop) CMD ["/bin/hello"]'


def test_inspect_shows_the_one_image_of_a_place(lading: Lading, bundle: Path) -> None:
    asked, alone = lading("inspect", str(bundle), IMAGE), lading("inspect", str(bundle))
    assert (asked.code, asked.err) == (0, "")
    assert asked.out == alone.out
    for fact in (IMAGE, "linux/amd64", '["/bin/hello"]', *DIFF_IDS):
        assert fact in asked.out


def test_inspect_tells_machines_more(lading: Lading, bundle: Path) -> None:
    (image,) = lading("inspect", str(bundle), IMAGE, "--json").json["images"]
    assert image["kind"] == "oci"
    assert image["diff_ids"] == DIFF_IDS
    assert image["config"]["Cmd"] == ["/bin/hello"]
    (legacy,) = lading("inspect", SAMPLE, IMAGE, "--json").json["images"]
    assert (legacy["kind"], legacy["id"]) == ("docker-v1", EMPTY)


def test_inspect_lists_the_images_of_a_place_with_several(lading: Lading, home: Path) -> None:
    lading("sample")
    names = f'{{"Repositories":{{"a":{{"1":"{BASE}"}},"b":{{"1":"{SED}"}}}}}}'
    (home / "sample" / "repositories-aufs").write_text(names)
    ran = lading("inspect", f"graph:{home}/sample")
    assert ran.code == 0
    assert [line.split()[:2] for line in ran.out.splitlines()[2:]] == [
        ["a:1", BASE[:12]],
        ["b:1", SED[:12]],
        ["<none>", EMPTY[:12]],
    ]
    document = lading("inspect", f"graph:{home}/sample", "--json").json
    assert [image["id"] for image in document["images"]] == [BASE, SED, EMPTY]


def test_contents_tell_what_lies_in_each_layer(lading: Lading) -> None:
    ran = lading("inspect", SAMPLE, IMAGE, "--contents")
    assert ran.code == 0
    assert "Distribution: Lading sample (in the shape of Ubuntu 14.04)" in ran.out
    assert [line.split() for line in ran.out.splitlines()[-2:]] == [
        [SED[:12], "2", "212B", "etc", "usr"],
        [EMPTY[:12], "0", "0B", "(empty)"],
    ]
    (image,) = lading("inspect", SAMPLE, IMAGE, "--contents", "--json").json["images"]
    assert [layer["empty"] for layer in image["contents"]["layers"]] == [False, False, False, True]


def test_verify_names_the_rule_of_each_layersize(lading: Lading) -> None:
    ran = lading("verify", SAMPLE)
    assert ran.code == 0
    assert ran.out.splitlines()[1].endswith("219kB   4 by S3")
    assert ran.out.splitlines()[-1] == f"verified {SAMPLE}"


def test_verify_tells_machines_the_report(lading: Lading, bundle: Path) -> None:
    ran = lading("verify", str(bundle), IMAGE, "--json")
    assert (ran.code, ran.json["verdict"]) == (0, "verified")
    (platform,) = ran.json["images"][0]["platforms"]
    assert [layer["diff_id"] for layer in platform["layers"]] == DIFF_IDS
    assert [layer["layersize"]["recorded"] for layer in platform["layers"]] == list(map(str, LAYERSIZES))


def test_verify_shows_no_progress_where_it_must_be_quiet(lading: Lading, bundle: Path) -> None:
    assert lading("verify", str(bundle), "--quiet").err == ""
    assert "all done: 4 of 4 layers, 219kB of 219kB" in lading("verify", str(bundle)).err


def damaged(bundle: Path) -> Path:
    """Turn one bit in the middle of the base layer's largest file."""
    content = bytearray(bundle.read_bytes())
    content[content.index(b"PRETTY_NAME=")] ^= 1
    bundle.write_bytes(content)
    return bundle


def test_verify_of_a_damaged_bundle_names_the_layer(lading: Lading, bundle: Path) -> None:
    ran = lading("verify", str(damaged(bundle)), "--quiet")
    assert ran.code == 5
    assert ran.last.startswith(f"error: layer {DIFF_IDS[0]}: digest is sha256:")
    assert (
        f", expected {DIFF_IDS[0]}; of image {IMAGE}; docker load refuses a layer, by its diffID" in ran.last
    )
    report = lading("verify", str(bundle), "--json")
    assert (report.code, report.json["verdict"]) == (5, "corrupt")
    assert "error" in [finding["severity"] for finding in report.json["findings"]]


def test_a_wrong_layersize_warns_and_is_an_error_where_strict(lading: Lading, home: Path) -> None:
    lading("sample")
    place = f"graph:{home}/sample"
    (home / "sample" / "graph" / SED / "layersize").write_text("234")
    ran = lading("verify", place)
    assert ran.code == 0
    told, beside = ran.err.splitlines()[-2:]
    assert told.startswith(f"warning: layer {SED[:12]}: layersize is 234")
    assert beside.startswith(f"  of images {IMAGE}, ubuntu:trusty; Docker never checks it")
    assert lading("verify", place, "--strict").code == 5
    assert lading("verify", place, "--strict").last.startswith(f"error: layer {SED[:12]}: layersize is 234")
    assert lading("export", IMAGE, "--from", place, "--strict").code == 5


@pytest.mark.parametrize("command", ["ls", "inspect", "verify"])
def test_a_bundle_with_one_name_twice_is_unsafe(lading: Lading, bundle: Path, command: str) -> None:
    content = bundle.read_bytes()
    first = content[:1024]  # a header and a body: oci-layout
    assert first[512:].startswith(b'{"imageLayoutVersion"')
    bundle.write_bytes(first.replace(b'"1.0.0"', b'"1.0.1"') + content)
    ran = lading(command, str(bundle))
    assert (ran.code, ran.out) == (6, f"UNSAFE {bundle}\n" if command == "verify" else "")
    assert "oci-layout" in ran.last


def test_a_namespace_is_refused_where_there_are_none(
    lading: Lading, bundle: Path, engine_stores: Path, home: Path
) -> None:
    containerd = f"docker-root:{engine_stores / 'docker-29-containerd'}"
    driver = f"docker-root:{engine_stores / 'docker-20.10-vfs'}"
    asked = ("--namespace", "moby")
    for words in (
        ("ls", str(bundle)),
        ("inspect", SAMPLE, IMAGE),
        ("history", driver, IMAGE),
        ("verify", str(bundle)),
        ("doctor", driver),
        ("diff", driver, IMAGE, str(bundle), IMAGE),
        ("export", IMAGE, "--from", SAMPLE, "--from", driver, "-o", "x.tar"),
        ("copy", driver, IMAGE, "x.tar"),
        ("import", str(bundle)),
    ):
        told = lading(*words, *asked)
        assert (told.code, told.last.split(" and ")[0]) == (2, "error: --namespace moby: names a namespace,")
        assert "has none: they are containerd's; leave it out" in told.last
    assert not Path("x.tar").exists()
    assert lading("ls", containerd, *asked).code == 0
    assert lading("doctor", containerd, *asked, "--fast").code == 0
    assert lading("diff", containerd, IMAGE, driver, IMAGE, *asked).code == 0  # one of them has
    (home.parent / "luigi.cfg").write_text("[lading]\nnamespace = moby\n")
    assert lading("ls", str(bundle)).code == 0  # a setting is for those that have


def test_the_only_image_of_a_place_needs_no_name(lading: Lading, bundle: Path, tmp_path: Path) -> None:
    for place in (SAMPLE, str(bundle)):
        assert lading("history", place).out == lading("history", place, IMAGE).out
    assert lading("diff", str(bundle), str(bundle), "--json").json["same"] is True
    assert lading("extract", str(bundle), str(tmp_path / "one")).code == 0
    assert lading("extract", str(bundle), IMAGE, str(tmp_path / "other")).code == 0
    assert os.listdir(tmp_path / "one") == os.listdir(tmp_path / "other")


def test_without_a_name_there_is_no_doubt_what_is_meant(lading: Lading, bundle: Path) -> None:
    for words, told in (
        (("diff", str(bundle), IMAGE, SAMPLE), "has 3 words, expected PLACE PLACE or PLACE REF PLACE REF"),
        (("extract", str(bundle), IMAGE), f"has {IMAGE}, an image, in the place of DIR"),
        (("extract", str(bundle), IMAGE, IMAGE, "x"), "takes one image at a time"),
    ):
        ran = lading(*words)
        assert ran.code == 2
        assert ran.last.startswith(f"error: lading {words[0]}: {told}")
    assert not Path(IMAGE).exists()


@pytest.mark.parametrize("place", ["docker://example.test/app:1", "oci:/srv/images", "docker-archive:/a.tar"])
def test_an_export_of_a_place_is_told_how_it_is_written(lading: Lading, place: str) -> None:
    ran = lading("export", place, "-o", "x.tar")
    assert ran.code == 2
    told = f"error: {place}: is a place, expected the name of an image; write --from {place}, or lading copy"
    assert ran.last == f"{told} {place} FILE"
