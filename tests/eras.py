"""What each old Docker's `save` wrote, 0.6.7 to 1.9.1, as literals (formats A.3, A.10).

No such engine runs today. The tables below are what its source did: which tar writer, which modes, which
form of json. `saved_by("0.7.6")` is an archive of two images on one base layer, under three names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BASE, MIDDLE, TOP, OTHER = ("0b" * 32, "1a" * 32, "2c" * 32, "3d" * 32)
NAMES = {"app": {"1": TOP, "latest": TOP}, "team/other": {"0.1": OTHER}}
CREATED = "2013-12-11T22:07:33.123456789Z"
SAVED_AT = 1_390_000_000
GNU, GO = "GNU tar", "Go"
STRUCT, CAMEL, STORED, STORED_LINE = "struct", "CamelCase", "stored", "stored with a newline"


@dataclass(frozen=True)
class Era:
    """How the versions from one to the next saved."""

    writer: str  # of the outer tar; the layers in it came from the same one
    root: bool  # an entry `./` comes first
    bare_modes: bool  # type bits, and no permission
    form: str  # of the json
    last: bytes = b""  # after `repositories`


ERAS = {
    "0.6.7": Era(GNU, root=True, bare_modes=True, form=STRUCT),
    "0.7.0": Era(GNU, root=True, bare_modes=True, form=STRUCT),
    "0.7.6": Era(GNU, root=True, bare_modes=True, form=STRUCT),
    "0.8.1": Era(GO, root=True, bare_modes=True, form=STRUCT),
    "0.10.0": Era(GO, root=True, bare_modes=True, form=STRUCT),
    "0.11.1": Era(GO, root=True, bare_modes=False, form=STRUCT),
    "0.12.0": Era(GO, root=True, bare_modes=False, form=CAMEL),
    "1.0.1": Era(GO, root=True, bare_modes=False, form=CAMEL),
    "1.1.2": Era(GO, root=True, bare_modes=False, form=STORED),
    "1.3.3": Era(GO, root=True, bare_modes=False, form=STORED),
    "1.4.1": Era(GO, root=False, bare_modes=False, form=STORED_LINE),
    "1.6.2": Era(GO, root=False, bare_modes=False, form=STORED_LINE),
    "1.8.2": Era(GO, root=False, bare_modes=False, form=STRUCT, last=b"\n"),
    "1.9.1": Era(GO, root=False, bare_modes=False, form=STRUCT, last=b"\n"),
}

# What docker 20.10.24 (`docker load`, `docker images`) makes of `saved_by(version)`: app:1 and team/other:0.1.
# It refuses the CamelCase jsons of 0.12.0 and 1.0.1, whose comment is a number: theirs are the IDs of
# `saved_by(version, form=STRUCT)`, the same jsons in the spelling of all other versions.
IMAGE_IDS = {
    "0.6.7": (
        "sha256:3f4481ccf867bb8e95e357a3b5bdcdb5aae0b718ef682160982686b09defd040",
        "sha256:1e5b1966fc152d2789ba53839d51de9f5f26d1e5afd3488040653e0fa185012a",
    ),
    "0.7.0": (
        "sha256:2a8aeec6acfeb2689deb5f7144b50b46101d209a81ca419f443257b46612cb20",
        "sha256:3e7d30f7f6a3fd5ad758c6cfd786ee0c60eacb7b52e4b559d561ac26bc64d04b",
    ),
    "0.7.6": (
        "sha256:ae5cdba09ea90eff14f8e7ebb21b3e305a7e3cb32c2b6922e74729f88827d77b",
        "sha256:6d7b38382bb1c2e7617e94b05bfc602d1f9c6293363b24437ecc433b23bb39fe",
    ),
    "0.8.1": (
        "sha256:f621d061c05c7f22171efc8ceff27d6d5705d01534108d1eee16e31ac10a9c25",
        "sha256:4cc63e82caff2349532012233ab21e67a669c89997a98daef77a7229844d69ec",
    ),
    "0.10.0": (
        "sha256:d8522e8c260f708c439ef748b1746c6c0b23aa3cb5f38015366afb95791b8de2",
        "sha256:5c83a116da61f5e9a53ed9b62726a4033ac5009854e18081c50ae7ee101cfe17",
    ),
    "0.11.1": (
        "sha256:c67401b1fa0051288b339e720883329e1becd2078282eb979fbd1e419f6d3402",
        "sha256:2431d66ea85cdd7a3eae7f25451ba164de5fe5b55bcad45ce9f9158bd32dda5f",
    ),
    "0.12.0": (
        "sha256:5b1efcb3fdb06e5dc0c9b5fb37ef8a0879684a583a2f4e1d4ebc96844005f71e",
        "sha256:91b0ad7b5ee8a3167ff81f940bb1a242baddeac325735cc36e5b55a43ff8d35a",
    ),
    "1.0.1": (
        "sha256:36477fb01a1c844f3453c7863dc3e67c80dfd12281cc40fb4f7dcf19311ac5bb",
        "sha256:72b212cf45ab0cd7c90074037155d6d2b8b619b48080024a3a8907c06868d34d",
    ),
    "1.1.2": (
        "sha256:bf091808611e27f617504ff7ee8482d2856be82a45d1f9bbf830af87209014f5",
        "sha256:899ff4d6baba0fea9b5fd4995ed949dd6804068aa880d337c234238791861dd7",
    ),
    "1.3.3": (
        "sha256:e8b76aae5937d3baa78e20a28f0139e3ab82835e0802dbc65b0f75b7270d61dc",
        "sha256:c1180ce4d573393872b506c496c60e8a276c5149ee72d3d9a6bcac7f3dccbccb",
    ),
    "1.4.1": (
        "sha256:18f3d41402c7a1f6c6e0226f98826580cb17d0fd85b8afe195932c741c235b4a",
        "sha256:fd2db657b3db94046947be446f4952086988029d6e871f89416c843f8c119959",
    ),
    "1.6.2": (
        "sha256:e5b1257acf730d3ebab7ec8a297e791fcc98f64402560a07b3ed8bad2d460a90",
        "sha256:13344fcef08df5bb528f469f7da9a616915ac541765e66b17f623b407c4edbf8",
    ),
    "1.8.2": (
        "sha256:3e0f8f36ebfb64d54d6252a6ea3bf7073cc16568a3db4c6573b0d990a987f942",
        "sha256:781b2c95488fd51f7b6f319967b1fdfd9c9d7f6bdc378e80df0622229a35ee2a",
    ),
    "1.9.1": (
        "sha256:4bc44939b7da8f555a7ea5ba29a52168883364da2216026d43cd98f5d643621d",
        "sha256:86904b94eac090ccb61468567fc17a7ad968239b046e990ed4bbc42228760312",
    ),
}
# What it makes of `saved_by(version, comment="no number")`.
LOSSY_IDS = {
    "0.12.0": (
        "sha256:b9faec912581e1c5a03ea6bf102bd151363ded0811d76cc08dc8e0d8b3645fd6",
        "sha256:08ff071fec216c9a61489be1aea88313d694efd88006c9fea55654ce9b9c1a8c",
    ),
    "1.0.1": (
        "sha256:b9faec912581e1c5a03ea6bf102bd151363ded0811d76cc08dc8e0d8b3645fd6",
        "sha256:08ff071fec216c9a61489be1aea88313d694efd88006c9fea55654ce9b9c1a8c",
    ),
}

Version = tuple[int, ...]
ALWAYS, NEVER = (0,), (99,)

CONFIG: tuple[tuple[str, Any, Version, Version], ...] = (  # key, value when empty, from, until
    ("Hostname", "", ALWAYS, NEVER),
    ("Domainname", "", (0, 7), NEVER),
    ("User", "", ALWAYS, NEVER),
    ("Memory", 0, ALWAYS, (1, 7)),
    ("MemorySwap", 0, ALWAYS, (1, 7)),
    ("CpuShares", 0, ALWAYS, (1, 7)),
    ("Cpuset", "", (1, 0), (1, 7)),
    ("AttachStdin", False, ALWAYS, NEVER),
    ("AttachStdout", False, ALWAYS, NEVER),
    ("AttachStderr", False, ALWAYS, NEVER),
    ("PortSpecs", None, ALWAYS, (1, 7)),
    ("ExposedPorts", {}, (0, 7), (1, 8)),
    ("Tty", False, ALWAYS, NEVER),
    ("OpenStdin", False, ALWAYS, NEVER),
    ("StdinOnce", False, ALWAYS, NEVER),
    ("Env", None, ALWAYS, NEVER),
    ("Cmd", None, ALWAYS, NEVER),
    ("Dns", None, ALWAYS, (0, 8)),
    ("Image", "", ALWAYS, NEVER),
    ("Volumes", None, ALWAYS, NEVER),
    ("VolumesFrom", "", ALWAYS, (0, 8)),
    ("WorkingDir", "", ALWAYS, NEVER),
    ("Entrypoint", None, ALWAYS, NEVER),
    ("NetworkDisabled", False, ALWAYS, (1, 8)),
    ("Privileged", False, (0, 6), (0, 7)),
    ("MacAddress", "", (1, 4), (1, 8)),
    ("OnBuild", None, (1, 0), NEVER),
    ("SecurityOpt", None, (1, 3), (1, 4)),
    ("Labels", None, (1, 6), NEVER),
)


def saved_by(version: str, *, named: bool = True, form: str = "", comment: str = "2014") -> bytes:
    """Return an archive as this Docker saved it; without names as `save ID` did.

    `form` is another form of the jsons than this Docker's, `comment` that of the base layer.
    """
    era = ERAS[version]
    prefix = "./" if era.writer == GNU else ""
    order = (TOP, OTHER, BASE, MIDDLE) if era.writer == GNU else (BASE, MIDDLE, TOP, OTHER)
    folder_mode, file_mode = (0, 0) if era.bare_modes else (0o755, 0o644)
    out = [_entry(era, "./", folder_mode, b"", b"5")] if era.root else []
    if named and era.writer == GNU:  # readdir's order is any
        out.append(_entry(era, "./repositories", file_mode, names(era)))
    for v1_id in order:
        out.append(_entry(era, f"{prefix}{v1_id}/", folder_mode, b"", b"5"))
        files = {
            "layer.tar": (0o644, layer_tar(version, v1_id)),
            "json": (file_mode, v1_json(version, v1_id, form or era.form, comment)),
            "VERSION": (file_mode, b"1.0"),
        }
        in_order = files if era.writer == GNU else sorted(files)
        out += [_entry(era, f"{prefix}{v1_id}/{name}", *files[name]) for name in in_order]
    if named and era.writer == GO:
        out.append(_entry(era, "repositories", file_mode, names(era)))
    return _ended(era, out)


def names(era: Era) -> bytes:
    """Return `repositories`."""
    return go(NAMES) + era.last


def layer_tar(version: str, v1_id: str) -> bytes:
    """Return a layer's tar, in the manner of the same writer."""
    era = ERAS[version]
    dot = "./" if era.writer == GNU else ""
    members = {
        BASE: [("etc/", 0o755, b""), ("etc/name", 0o644, b"base\n"), ("etc/shadow", 0o600, b"*\n")],
        MIDDLE: [("etc/", 0o755, b""), ("etc/name", 0o644, b"middle\n")],
        TOP: [("etc/", 0o755, b""), ("etc/.wh.shadow", 0o600, b"")],
        OTHER: [("bin/", 0o755, b""), ("bin/other", 0o4755, b"#!/bin/true\n")],
    }
    entries = [_entry(era, "./", 0o755, b"", b"5")] if dot else []
    for name, mode, content in members[v1_id]:
        kind = b"5" if name.endswith("/") else b"0"
        entries.append(_entry(era, dot + name, mode, content, kind))
    return _ended(era, entries)


def v1_json(version: str, v1_id: str, form: str, comment: str = "2014") -> bytes:
    """Return a layer's json in one of the forms."""
    body = v1_body(version, v1_id, comment)
    if form == CAMEL:
        return go(_inspected(body), sort_keys=True) + b"\n"
    return go(body) + (b"\n" if form == STORED_LINE else b"")


def v1_body(version: str, v1_id: str, comment: str) -> dict[str, Any]:
    """Return the members of a layer's json, in the order of that Docker's struct."""
    number = tuple(map(int, version.split(".")))
    parent = {MIDDLE: BASE, TOP: MIDDLE, OTHER: BASE}.get(v1_id, "")
    command = {
        BASE: ["/bin/sh", "-c", "#(nop) ADD file:dab0 in /"],
        MIDDLE: ["/bin/sh", "-c", "echo middle > /etc/name && true"],
        TOP: ["/bin/sh", "-c", "#(nop) CMD [/bin/sh]"],
        OTHER: ["/bin/sh", "-c", "install <other> /bin"],
    }[v1_id]
    facts: dict[str, Any] = {
        "id": v1_id,
        "parent": parent,
        "comment": {BASE: comment, TOP: 'says "hello"'}.get(v1_id, ""),
        "created": CREATED,
        "container": "" if v1_id == BASE else "cc" * 32,
        "container_config": _config(number, Hostname="cccccccccccc", Cmd=command, Env=["HOME=/"]),
        "docker_version": version,
        "author": "Someone <someone@example.org>" if v1_id == TOP else "",
        "config": None if v1_id == BASE else _config(number, Cmd=["/bin/sh"], ExposedPorts={"80/tcp": {}}),
        "architecture": "x86_64" if number <= (0, 7, 0) else "amd64",
        "os": "linux" if number >= (0, 7, 6) else "",
        "checksum": "tarsum.dev+sha256:" + "0" * 64 if (1, 4) <= number < (1, 5) else "",
    }
    present = {key: value for key, value in facts.items() if value}
    if number < (1, 9):
        return {**present, "Size": {BASE: 7, MIDDLE: 7, TOP: 0, OTHER: 12}[v1_id]}
    strong = {"parent_id": f"sha256:{parent}", "layer_id": "sha256:" + "1" * 64}  # as after a pull
    return {**present, **strong} if parent else present


def go(value: object, *, sort_keys: bool = False) -> bytes:
    """Return JSON with `<`, `>` and `&` escaped, as Go writes it."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=sort_keys)
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text.encode()


def _config(number: Version, **given: Any) -> dict[str, Any]:
    rows = {key: empty for key, empty, since, until in CONFIG if since <= number < until}
    return {**rows, **{key: value for key, value in given.items() if key in rows}}


def _inspected(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `docker inspect` of 0.12 to 1.0.1 made of it: a text that is JSON becomes what it says."""
    texts = {
        "Id": "id", "Parent": "parent", "Comment": "comment", "Created": "created", "Container": "container",
        "DockerVersion": "docker_version", "Author": "author", "Architecture": "architecture", "Os": "os",
    }  # fmt: skip
    told = {key: _as_json(body.get(name, "")) for key, name in texts.items()}
    objects = {"ContainerConfig": body["container_config"], "Config": body.get("config")}
    return {**told, **objects, "Size": body["Size"]}


def _as_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _entry(era: Era, name: str, mode: int, content: bytes, kind: bytes = b"0") -> bytes:
    bits = 0 if era.writer == GNU else (0o040000 if kind == b"5" else 0o100000)  # Go kept the type there
    magic = b"ustar  \0" if era.writer == GNU else b"ustar\x0000"
    fields = (
        name.encode().ljust(100, b"\0"), b"%07o\0" % (mode | bits), b"0000000\0", b"0000000\0",
        b"%011o\0" % len(content), b"%011o\0" % SAVED_AT, b" " * 8, kind, bytes(100),
        magic, bytes(64), b"0000000\0" * 2, bytes(167),
    )  # fmt: skip
    block = b"".join(fields)
    header = block[:148] + b"%06o\0 " % sum(block) + block[156:]
    return header + content + bytes(-len(content) % 512)


def _ended(era: Era, entries: list[bytes]) -> bytes:
    whole = b"".join(entries) + bytes(1024)
    return whole + bytes(-len(whole) % 10240) if era.writer == GNU else whole  # GNU tar fills a record
