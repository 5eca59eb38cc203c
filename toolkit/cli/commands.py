"""The commands, each in a module of its own that is imported when it is asked for."""

from __future__ import annotations

import gc
import importlib
import textwrap
from typing import Any

import click

from toolkit.cli.output import Output
from toolkit.errors import UsageError

COMMANDS = (
    "ls",
    "inspect",
    "history",
    "export",
    "import",
    "copy",
    "diff",
    "extract",
    "verify",
    "sign",
    "mirror",
    "doctor",
    "sample",
)
HELP = {"help_option_names": ["-h", "--help"]}


def shared_options() -> list[click.Parameter]:
    """Return the options that stand before or after the command, as people happen to type them."""
    return [
        _switch("--json", "json", "Print the facts for machines: one JSON document."),
        _switch("-q", "--quiet", "quiet", "Show no progress and no notes."),
        _switch("--debug", "debug", "Show where in the program an error came from."),
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_print_version,
            help="Print the version and exit.",
        ),
    ]


class Command(click.Command):
    """A command that takes the shared options too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(*args, **{"context_settings": HELP, **kwargs})
        self.params.extend(shared_options())

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own
        """Run it. Garbage is collected from now on, where `toolkit.__main__` put that off."""
        if not gc.isenabled():
            gc.freeze()
            gc.enable()
        return super().invoke(ctx)


class Commands(click.Group):
    """A group that imports what is asked for."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(*args, **{"context_settings": HELP, **kwargs})
        self.params.extend(shared_options())

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's shape
        """Return the names in the order people meet them."""
        return list(COMMANDS)

    def module_of(self, name: str) -> str:
        """Return the module whose `command` a command is."""
        return f"toolkit.cli.{name}_cmd"

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command = importlib.import_module(self.module_of(cmd_name)).command
        return command if isinstance(command, click.Command) else None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Show the help to one who asks for nothing."""
        return super().parse_args(ctx, args or ["--help"])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Say what a place is."""
        from toolkit.cli.options import kinds_of_places

        formatter.write_paragraph()
        text = (
            f"A PLACE is a store or bundle: a bundle's path, - for standard input, or {kinds_of_places()} "
            "followed by its path."
        )
        formatter.write(textwrap.fill(text, formatter.width, break_on_hyphens=False) + "\n")

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; raises UsageError with the near ones."""
        name, names = args[0], self.list_commands(ctx)
        if name not in names and not name.startswith("-"):
            import difflib

            close = difflib.get_close_matches(name, names, 2, cutoff=0.5)
            advice = f"near it: {', '.join(close)}" if close else f"one of {', '.join(names)}"
            raise UsageError(f"command {name!r}", "is not there", advice)
        return super().resolve_command(ctx, args)


def _switch(*names: str) -> click.Option:
    """Return a flag that sets the attribute of `Output` that it is named after."""
    *flags, attribute, text = names

    def switch(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001, FBT001
        if value:
            setattr(ctx.ensure_object(Output), attribute, True)

    return click.Option(
        flags or [f"--{attribute}"], is_flag=True, expose_value=False, callback=switch, help=text
    )


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001, FBT001
    if not value or ctx.resilient_parsing:
        return
    from toolkit.cli.version import installed_version

    ctx.ensure_object(Output).say(f"lading {installed_version()}")
    ctx.exit()


lading = Commands(
    "lading",
    help="Carry container images across a gap: out of any store, into one tar, into any store, "
    "with every byte checked on both sides.",
)
