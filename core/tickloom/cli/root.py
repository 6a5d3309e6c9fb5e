"""The command ``tickloom``: which commands there are, and how every one of them fails."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import rich_click as click

from tickloom import __version__
from tickloom.cli.failures import EXIT_CODES, failing_clearly

# What each module offers is named like the module; the sentence is what --help shows of it.
_COMMANDS = {
    "serve": "Run the server.",
    "quote": "Print the newest quotes.",
    "history": "Print the bars of a symbol.",
    "company": "Print what stands behind a symbol.",
    "search": "List the symbols that fit a text.",
    "stream": "Watch live prices of a running server.",
    "record": "Write live prices of a running server to a file.",
    "quality": "List what was kept back, let it go, and compare providers.",
    "plugins": "List, check and make plugins.",
    "config": "Check or print the settings.",
    "doctor": "Check this machine, the settings and all that tickloom needs.",
    "migrate": "Bring the database to the schema of this version.",
    "backfill": "Store the history of symbols.",
    "cleanup": "Tell or remove what is older than the settings keep.",
}


class LazyGroup(click.RichGroup):
    """Imports a command when it is called; ``--help`` imports none.

    Args:
        sentences: Name of each command and its short help; the module
            ``tickloom.cli.<name>`` holds the command under the same name.
    """

    def __init__(self, *args: Any, sentences: Mapping[str, str], **settings: Any) -> None:
        super().__init__(*args, **settings)
        for name, sentence in sentences.items():
            self.add_command(click.RichCommand(name=name, short_help=sentence, help=sentence))

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        """Return the names in the order that they were given in."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command itself instead of its stand-in."""
        name, stand_in, rest = super().resolve_command(ctx, args)
        if name is None or stand_in is None:
            return name, stand_in, rest
        module = import_module(f"tickloom.cli.{name}")
        return name, getattr(module, name), rest

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; whatever it raises becomes one line and an exit code."""
        with failing_clearly(ctx):
            return super().invoke(ctx)


_EPILOG = "Exit codes: " + ", ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items())


@click.group(
    cls=LazyGroup,
    sentences=_COMMANDS,
    epilog=_EPILOG + ".",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="tickloom")
@click.option(
    "--debug",
    is_flag=True,
    envvar="TICKLOOM_DEBUG",
    help="Show the traceback of a bug. Variable: TICKLOOM_DEBUG=1.",
)
@click.pass_context
def tickloom(ctx: click.Context, *, debug: bool) -> None:
    """Market data: read providers once, stream every quote to any number of clients.

    Begin with `tickloom serve`; each command tells more with `--help`.
    """
    ctx.meta["tickloom.debug"] = debug


def main() -> None:
    """Run the command line of this process."""
    tickloom(prog_name="tickloom")
