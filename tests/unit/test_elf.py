from __future__ import annotations

import pytest

from toolkit.elf import architecture

# e_ident, e_type and e_machine as `readelf -h` of binutils names them; the values are those of its elf/common.h.
HEADERS = {
    "386": ("7f454c46010101000000000000000000", "03000300"),
    "amd64": ("7f454c46020101000000000000000000", "03003e00"),
    "arm": ("7f454c46010101000000000000000000", "02002800"),
    "arm64": ("7f454c46020101000000000000000000", "0300b700"),
    "loong64": ("7f454c46020101000000000000000000", "03000201"),
    "mips": ("7f454c46010201000000000000000000", "00020008"),
    "mipsle": ("7f454c46010101000000000000000000", "02000800"),
    "mips64": ("7f454c46020201000000000000000000", "00020008"),
    "mips64le": ("7f454c46020101000000000000000000", "03000800"),
    "ppc64": ("7f454c46020201000000000000000000", "00020015"),
    "ppc64le": ("7f454c46020101020000000000000000", "03001500"),
    "riscv64": ("7f454c46020101000000000000000000", "0300f300"),
    "s390x": ("7f454c46020201000000000000000000", "00030016"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_program_tells_what_it_runs_on(name: str) -> None:
    header = bytes.fromhex("".join(HEADERS[name]))
    assert architecture(header) == architecture(header + bytes(44)) == name


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"#!/bin/sh\n" + bytes(64),
        b"\x7fELF",
        bytes.fromhex("7f454c46020101000000000000000000" + "03003e"),  # cut
        bytes.fromhex("7f454c46010101000000000000000000" + "03003e00"),  # x32, a third ABI of amd64
        bytes.fromhex("7f454c46030301000000000000000000" + "03003e00"),  # no such class, no such order
        bytes.fromhex("7f454c46020101000000000000000000" + "03003200"),  # ia64, which Go never knew
    ],
)
def test_what_is_no_program_that_we_know_tells_nothing(header: bytes) -> None:
    assert architecture(header) == ""
