"""`lading mirror …`: supply a site that no network reaches; each command in a module of its own."""

from __future__ import annotations

import click

from toolkit.cli.commands import Commands

COMMANDS = ("explain", "plan", "run", "receive", "receipt", "lost", "status", "prune")


class MirrorCommands(Commands):
    """The commands of the offline mirror."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's shape
        """Return the names in the order people meet them."""
        return list(COMMANDS)

    def module_of(self, name: str) -> str:
        """Return the module whose `command` a command is."""
        return f"toolkit.cli.mirror_{name}"

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Say nothing of places: a job is a file."""


HELP = (
    "Supply a site that no network reaches, by media that a person carries. A job, which is a TOML file, "
    "says what is to be there."
)
command = MirrorCommands("mirror", short_help="Supply a site that no network reaches.", help=HELP)
