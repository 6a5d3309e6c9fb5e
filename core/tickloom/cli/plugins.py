"""``tickloom plugins``: what is installed, what runs, and why the rest does not."""

from __future__ import annotations

import rich_click as click

from tickloom.cli.failures import FAILED
from tickloom.cli.listing import list_plugins, print_plugins, tell_plugin
from tickloom.cli.options import DefaultGroup, config_option, json_option
from tickloom.cli.output import keep_logs, make_console, print_json
from tickloom.settings import load_settings


@click.group(cls=DefaultGroup)
def plugins() -> None:
    """List the plugins; without a command the same as `tickloom plugins list`."""


@plugins.command("list")
@click.option("--strict", is_flag=True, help="Exit with 1 if a plugin that should run does not.")
@config_option
@json_option
@click.pass_context
def show_plugins(
    ctx: click.Context, *, strict: bool, config_file: str | None, as_json: bool
) -> None:
    """List name, version, hooks, state and what each plugin offers."""
    keep_logs(warnings=False)
    # A list that stops at the first failure would not be one.
    found = list_plugins(load_settings(config_file, overrides={"plugins": {"strict": False}}))
    if as_json:
        print_json([tell_plugin(line) for line in found.report])
    elif found.report:
        print_plugins(make_console(), found.report)
    else:
        click.echo("no plugin is installed", err=True)
    ctx.exit(FAILED if strict and found.failed else 0)
