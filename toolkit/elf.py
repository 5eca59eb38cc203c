"""What a program is for: the architecture in an ELF header, named as Go and every image name it.

Source: System V ABI, chapter 4 (e_ident, e_machine), and the supplements of each processor.
"""

from __future__ import annotations

LENGTH = 20  # bytes of a header that tell it
MAGIC = b"\x7fELF"
CLASSES = {1: 32, 2: 64}  # bits
ORDERS = {1: "little", 2: "big"}
MACHINES = {
    (3, 32, "little"): "386",
    (8, 32, "big"): "mips",
    (8, 32, "little"): "mipsle",
    (8, 64, "big"): "mips64",
    (8, 64, "little"): "mips64le",
    (21, 64, "big"): "ppc64",
    (21, 64, "little"): "ppc64le",
    (22, 64, "big"): "s390x",
    (40, 32, "little"): "arm",
    (62, 64, "little"): "amd64",
    (183, 64, "little"): "arm64",
    (243, 64, "little"): "riscv64",
    (258, 64, "little"): "loong64",
}
NAMES = {  # that are no names of Go's, and stand in configs and in what libmagic says
    "aarch64": "arm64",
    "armel": "arm",
    "armhf": "arm",
    "i386": "386",
    "x86-64": "amd64",
    "x86_64": "amd64",
}


def go_name(machine: str) -> str:
    """Return an architecture as Go calls it; another name as it stands."""
    return NAMES.get(machine, machine)


def architecture(header: bytes) -> str:
    """Return what a file that begins so runs on; empty where it is no ELF file, or of an unknown kind."""
    if len(header) < LENGTH or not header.startswith(MAGIC):
        return ""
    bits, order = CLASSES.get(header[4], 0), ORDERS.get(header[5], "")
    machine = int.from_bytes(header[18:20], "big" if order == "big" else "little")
    return MACHINES.get((machine, bits, order), "")
