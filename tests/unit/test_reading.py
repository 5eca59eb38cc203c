"""How a place is read: what a person says reaches the place, and nothing is assumed."""

from __future__ import annotations

from dataclasses import fields

import click
import pytest
from click.testing import CliRunner

from toolkit.cli import options
from toolkit.cli.output import Output
from toolkit.reading import AS_IT_IS, Reading


def test_unasked_nothing_is_allowed_and_nothing_preferred() -> None:
    assert not any(getattr(AS_IT_IS, field.name) for field in fields(Reading))


def test_what_is_not_said_is_as_the_settings_have_it() -> None:
    settings = Reading(namespace="k8s.io", live=True)
    assert Reading(namespace="moby", allow_rebuilt=True).or_else(settings) == Reading(
        namespace="moby", allow_rebuilt=True, live=True
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], AS_IT_IS),
        (["--prefer", "oci"], Reading(prefer="oci")),
        (["--namespace", "k8s.io"], Reading(namespace="k8s.io")),
        (["--live", "--allow-rebuilt"], Reading(live=True, allow_rebuilt=True)),
        (["--docker-compatible"], Reading(docker_compatible=True)),
    ],
)
def test_every_word_of_the_command_is_told(words: list[str], expected: Reading) -> None:
    told: list[Reading] = []

    @click.command()
    @options.reads
    def command(reading: Reading) -> None:
        told.append(reading)

    assert CliRunner().invoke(command, words, obj=Output()).exit_code == 0
    assert told == [expected]
