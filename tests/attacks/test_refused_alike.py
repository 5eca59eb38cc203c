"""Every class of attack of formats G.4 and G.5 that an archive can carry: `verify` and `import` say the same of it.

What engines make different things of is refused, and what only looks odd is told; neither leaves an image.
"""

from __future__ import annotations

import base64
import gzip
import json
import tarfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.archives import (
    INDEX,
    LAYER,
    MANIFEST,
    ONE,
    TWO,
    A,
    B,
    Body,
    Folder,
    Link,
    Picture,
    described,
    docker_item,
    encode,
    image,
    index,
    layout,
    sha256,
    tar,
    v1_folder,
    v1_json,
)
from tests.cases.judging import judged
from tests.layers import file, folder, hard_link, layer, member, symlink

APP, OTHER = image(ONE), image(TWO)
REFUSED = (4, 5, 6)
Pairs = list[tuple[str, Body]]


def oci(**files: Body) -> Pairs:
    """Return a layout with one image, some of its files others."""
    return list({**layout(("app:1", APP)), **files}.items())


def indexed(**changes: Any) -> Pairs:
    """Return a layout whose index.json has other members."""
    told = json.loads(dict(oci())["index.json"])  # type: ignore[arg-type]
    return oci(**{"index.json": encode({**told, **changes})})


def entry(**changes: Any) -> Pairs:
    """Return a layout whose one descriptor has other members."""
    return indexed(manifests=[{**described(APP.raw, MANIFEST), **changes}])


def manifest(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Pairs:
    """Return a layout with a manifest that is another document, under its own digest."""
    raw = encode(change(json.loads(APP.raw)))
    return list(layout(("app:1", Picture(raw, MANIFEST, {**APP.blobs, sha256(raw): raw}))).items())


def docker(
    config: bytes = APP.config, path: str = "c.json", layers: Any = ("one.tar",), **files: Body
) -> Pairs:
    """Return an archive that manifest.json alone lists."""
    item = {"Config": path, "RepoTags": ["app:1"], "Layers": list(layers)}
    return [("c.json", config), ("one.tar", ONE), *files.items(), ("manifest.json", encode([item]))]


def holding(*members: tuple[tarfile.TarInfo, bytes]) -> Pairs:
    """Return an image with one hostile layer above a good one."""
    return list(layout(("app:1", image(ONE, layer(*members)))).items())


def nested(depth: int) -> Pairs:
    """Return an index in an index, so many times."""
    top = index(APP)
    for _ in range(depth):
        top = index(top)
    return list(layout(("app:1", top)).items())


def inline(content: bytes) -> Pairs:
    return entry(data=base64.b64encode(content).decode())


PATHS = ["../../etc/shadow", "/etc/shadow", "a/../../b", "a\0b", "", ".", "a\\b", "C:", "one.tar/"]
DIGESTS = [
    "md5:" + "0" * 32,
    "sha256:" + "0" * 63,
    "sha256:" + "A" * 64,
    "sha256:../../x",
    "",
    "sha512:" + "0" * 128,
]
HOSTILE: dict[str, Pairs] = {
    # G.4: two readers, two images
    "a manifest that is an index too": manifest(lambda told: {**told, "manifests": []}),
    "an index that is a manifest too": indexed(layers=[]),
    "a manifest of another media type": manifest(lambda told: {**told, "mediaType": INDEX}),
    "an index.json of schema 1": indexed(schemaVersion=1),
    "a member twice": [*oci(), ("index.json", dict(oci())["index.json"])],
    "a member twice, spelt otherwise": [*oci(), ("./index.json", b"{}")],
    "a member that is a file and a link": [*oci(), ("oci-layout", Link("index.json"))],
    "a member below a file": [*oci(), ("index.json/x", b"")],
    "a key in another case": entry(Digest=sha256(TWO)),
    "a key with the Kelvin sign": docker(
        encode({**json.loads(APP.config), "roo\u017fts": 1, "rootf\u017f": {}})
    ),
    "a number that is none": oci(**{"index.json": b'{"schemaVersion":2,"manifests":[],"x":NaN}'}),
    "a byte order mark": oci(**{"index.json": b"\xef\xbb\xbf" + bytes(dict(oci())["index.json"])}),  # type: ignore[arg-type]
    "text behind a document": oci(**{"index.json": bytes(dict(oci())["index.json"]) + b" x"}),  # type: ignore[arg-type]
    "inline content that is another": inline(OTHER.raw),
    "a negative size": entry(size=-1),
    "a size that is none": entry(size=True),
    "a size of more than 64 bits": entry(size=1 << 70),
    # G.5: paths and links of the outer archive
    **{f"a config at {path!r}": docker(path=path) for path in PATHS},
    **{f"a layer at {path!r}": docker(layers=[path]) for path in PATHS[:-1]},
    "a member that leads out": [*oci(), ("../evil", b"")],
    "an absolute member": [*oci(), ("/evil", b"")],
    "a link out of the archive": docker(layers=["l"], l=Link("/etc/passwd")),
    "a link above the archive": docker(layers=["l"], l=Link("../../etc/passwd")),
    "a link to itself": docker(layers=["l"], l=Link("l")),
    "a hard link to nothing": docker(layers=["l"], l=Link("gone", hard=True)),
    "a chain of links": [
        *((f"l{n}", Link(f"l{n + 1}")) for n in range(20)),
        ("l20", ONE),
        *docker(layers=["l0"]),
    ],
    # digests
    **{f"a digest {digest[:20]!r}": entry(digest=digest) for digest in DIGESTS},
    "a diffID of md5": docker(APP.config.replace(sha256(ONE).encode(), b"md5:" + b"0" * 32)),
    "an index 20 deep": nested(20),
    "an index that lists itself": indexed(manifests=[described(b"", INDEX)]),
    # v1
    "a v1 folder of another ID": [*v1_folder(A, json_=v1_json(B)).items()],
    "two v1 folders of one ID": [*v1_folder(A).items(), *v1_folder(B, json_=v1_json(A)).items()],
    "a v1 ID that is a path": [("x/json", v1_json("../../x")), ("x/layer.tar", ONE)],
    "a v1 parent that is a path": [*v1_folder(A, "../" * 21 + "x").items()],
    "a v1 parent that is its child": [*v1_folder(A, B).items(), *v1_folder(B, A).items()],
    "a v1 parent that is not there": [*v1_folder(A, B).items()],
    # layers
    "a name that leads out of a layer": holding(file("a/../../x")),
    "a hard link out of a layer": holding(hard_link("a", "../x")),
    "a whiteout that leads out": holding(file(".wh.a/../../b")),
    "overlay's redirect": holding(folder("d", xattrs={"trusted.overlay.redirect": b"/etc"})),
    "overlay's metacopy": holding(file("f", xattrs={"user.overlay.metacopy": b""})),
    "an owner of -1": holding(file("f", uid=-1)),
    "an owner above all": holding(file("f", gid=2**32 - 1)),
    "the root as a file": holding(file("./")),
    "the root as a link": holding(symlink(".", "/")),
    "a layer of other bytes": docker(x=b"") and docker(image(TWO).config),
}


def as_outer(*kinds: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield archives with one member of a kind that no archive has."""
    whole = BytesIO(tar(oci()))
    for kind in kinds:
        out = BytesIO()
        with tarfile.open(fileobj=whole) as read, tarfile.open(fileobj=out, mode="w") as write:
            for info in read:
                write.addfile(info, read.extractfile(info))
            write.addfile(*_member(kind))
        whole.seek(0)
        yield f"an outer member of type {kind!r}", out.getvalue()


def _member(kind: bytes) -> tuple[tarfile.TarInfo, BytesIO]:
    info, content = member("odd", kind)
    return info, BytesIO(content)


OUTER = dict(as_outer(tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"7", b"Z"))
ARCHIVES: dict[str, bytes] = {**{name: tar(pairs) for name, pairs in HOSTILE.items()}, **OUTER}


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_hostile_archive_is_refused_by_verify_and_by_import(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(ARCHIVES[name])
    found = judged(path, tmp_path)
    assert found.code in REFUSED, found.verified.out
    assert "\n" not in found.error
    assert not [each for each in tmp_path.rglob("*") if ".part" in each.name]


ODD: dict[str, tuple[Pairs, str]] = {
    "another platform than the index says": (
        list(
            layout(
                (
                    "app:1",
                    index(Picture(APP.raw, MANIFEST, APP.blobs, {"os": "linux", "architecture": "arm64"})),
                )
            ).items()
        ),
        "is for linux/amd64 by its config, and for linux/arm64 by the index",
    ),
    "a layer that is gzip and says it is none": (
        list(
            layout(
                ("app:1", image(gzip.compress(ONE, mtime=0), diff_ids=[sha256(ONE)], media_types=[LAYER]))
            ).items()
        ),
        "is gzip, and not compressed by its media type",
    ),
    "a foreign layer with an address": (
        manifest(
            lambda told: {
                **told,
                "layers": [
                    {**told["layers"][0], "urls": ["http://registry.example/x", "file:///etc/passwd"]}
                ],
            }
        ),
        "",
    ),
    "a name with control characters": (
        [*oci(), ("\x1b[31mred\n", b"")],
        "",
    ),
    "docker's own sources of layers": (
        [
            *docker()[:-1],
            (
                "manifest.json",
                encode(
                    [
                        {
                            **docker_item(APP, "app:1"),
                            "Config": "c.json",
                            "Layers": ["one.tar"],
                            "LayerSources": {
                                sha256(ONE): {"urls": ["http://registry.example/"], "digest": "sha256:../x"}
                            },
                        }
                    ]
                ),
            ),
        ],
        "",
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_and_no_danger_is_told_on_both_ways(tmp_path: Path, name: str) -> None:
    pairs, says = ODD[name]
    path = tmp_path / "a.tar"
    path.write_bytes(tar(pairs))
    found = judged(path, tmp_path)
    assert found.code == 0, found.error
    warnings = found.told("warning")
    assert any(says in each for each in warnings) if says else not warnings


def test_a_repository_of_ours_has_no_name_that_leads_elsewhere(tmp_path: Path) -> None:
    """A config is data: whatever paths it has, nobody goes there."""
    raw = encode(
        {**json.loads(APP.config), "config": {"WorkingDir": "../../x", "Volumes": {"/": {}}, "User": "0:0"}}
    )
    (tmp_path / "a.tar").write_bytes(tar(docker(raw, x=Folder())))
    assert judged(tmp_path / "a.tar", tmp_path).code == 0
    assert not (tmp_path.parent / "x").exists()
