"""`lading mirror lost SET…`: a medium did not arrive; what it brought is sent again."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import click

from toolkit.cli.commands import Command
from toolkit.cli.output import Output
from toolkit.errors import UsageError
from toolkit.settings import load_settings

SET = re.compile(r"(?P<site>.+)_(?P<number>[0-9]{1,9})")


@click.command("lost", cls=Command, short_help="Say that a set did not arrive, on the connected side.")
@click.argument("sets", metavar="SET...", nargs=-1, required=True)
@click.pass_obj
def command(output: Output, sets: tuple[str, ...]) -> None:
    """Say of sets, as plant-7_0007, that they did not arrive and never will: what they brought is sent again.

    Nothing is deleted. Sets that came after one that is lost, and stand on it, are not counted on either.
    """
    from toolkit.mirror.connected.site import Site

    settings, now = load_settings(), datetime.now(UTC)
    for site, number in map(_named, dict.fromkeys(sets)):
        found = Site(settings.home, site)
        found.set(number)  # before a folder is made
        with found.held("lading mirror lost", now):
            found.lost(number, now)
    if output.json:
        output.document({"lost": list(dict.fromkeys(sets))})
    else:
        output.say(f"lost: {', '.join(dict.fromkeys(sets))}; the next run sends again what was in it")


def _named(text: str) -> tuple[str, int]:
    if not (found := SET.fullmatch(text)):
        raise UsageError(f"set {text[:100]!r}", "is no name of a set", "write it as plant-7_0007")
    return found["site"], int(found["number"])
