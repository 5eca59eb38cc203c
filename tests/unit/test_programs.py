from __future__ import annotations

import subprocess
import sys

import pytest

from tests.unit.test_elf import HEADERS
from toolkit.elf import go_name
from toolkit.plumbing.programs import machine

IA64 = bytes.fromhex("7f454c46020101000000000000000000" + "02003200")  # EM_IA_64 is 50 (System V ABI)
SPARC = bytes.fromhex("7f454c46010201000000000000000000" + "00020002")  # EM_SPARC is 2
WITHOUT = """
import sys
sys.modules["magic"] = sys.modules["pylibmagic"] = None
from toolkit.plumbing.programs import machine
print(machine(bytes.fromhex(sys.argv[1])))
"""


@pytest.mark.parametrize("name", HEADERS)
def test_a_program_or_library_runs_on_its_machine(name: str) -> None:
    assert machine(bytes.fromhex("".join(HEADERS[name]))) == name


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"#!/bin/sh\n",
        b"\x7fELF",
        bytes.fromhex("7f454c46020101000000000000000000" + "01003e00"),  # ET_REL, as a kernel module is
        bytes.fromhex("7f454c46020101000000000000000000" + "04003e00"),  # ET_CORE
    ],
)
def test_what_does_not_run_runs_on_nothing(first: bytes) -> None:
    assert machine(first) == ""


def test_a_machine_that_no_image_is_made_for_has_a_name_all_the_same() -> None:
    assert machine(IA64) in {"IA-64", "ELF machine 50"}
    assert machine(SPARC) in {"SPARC", "ELF machine 2"}
    unknown = bytes.fromhex("7f454c46020101000000000000000000" + "02003412")
    assert machine(unknown) == f"ELF machine {0x1234}"


def test_without_libmagic_it_has_a_number() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT, IA64.hex()], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "ELF machine 50\n"


@pytest.mark.parametrize(
    ("said", "name"),
    [("x86_64", "amd64"), ("x86-64", "amd64"), ("aarch64", "arm64"), ("i386", "386"), ("armhf", "arm")],
)
def test_other_names_of_an_architecture_mean_the_same(said: str, name: str) -> None:
    assert go_name(said) == go_name(name) == name
