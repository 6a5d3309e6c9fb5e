"""The options and arguments that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import rich_click as click

F = TypeVar("F", bound=Callable[..., Any])


def config_option(command: F) -> F:
    """Add ``--config FILE`` as ``config_file``; ``None`` = not given."""
    return click.option(
        "--config",
        "config_file",
        metavar="FILE",
        help="Settings file. Default: TICKLOOM_CONFIG, else tickloom.toml of this folder, if any.",
    )(command)


def json_option(command: F) -> F:
    """Add ``--json`` as ``as_json``; errors are JSON then too."""
    return click.option(
        "--json",
        "as_json",
        is_flag=True,
        is_eager=True,
        callback=_remember,
        help="Print JSON, for scripts.",
    )(command)


def _remember(ctx: click.Context, _: click.Parameter, value: bool) -> bool:  # noqa: FBT001 - click's interface
    ctx.meta["tickloom.json"] = value
    return value


class DefaultGroup(click.RichGroup):
    """A group that runs its command ``list`` where none is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``list`` before options that are not the group's own."""
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)
