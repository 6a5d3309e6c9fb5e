"""``tickloom plugins``: what is installed, what runs, why the rest does not; and new ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click
from rich.text import Text

from tickloom.cli.failures import FAILED
from tickloom.cli.listing import list_plugins, print_plugins, tell_plugin
from tickloom.cli.options import DefaultGroup, config_option, json_option
from tickloom.cli.output import keep_logs, make_console, make_table, plain, print_json, waiting
from tickloom.settings import load_settings

if TYPE_CHECKING:
    from tickloom.cli.plugins_check import Checked

_STYLES = {"passed": "green", "failed": "red", "skipped": "dim"}


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


@plugins.command("check")
@click.argument("name")
@click.option("--symbol", "symbols", multiple=True, help="A symbol that it serves; best are two.")
@click.option("--unknown", default="", help="A symbol that it does not serve.")
@click.option("--recipient", default="", help="Who may get a notifier's test messages.")
@click.option(
    "--limit",
    "limit_s",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    help="Seconds for each case.",
)
@config_option
@json_option
@click.pass_context
def check(
    ctx: click.Context,
    *,
    name: str,
    symbols: tuple[str, ...],
    unknown: str,
    recipient: str,
    limit_s: float,
    config_file: str | None,
    as_json: bool,
) -> None:
    """Try all that the plugin NAME offers against the contract, with its settings.

    Each numbered case is printed with its result, and then the tier reached: bronze, silver or
    gold. The exit code is 1 where a bronze case fails. The vendor is really asked, within the
    provider's budget.
    """
    # The other commands do without the contract and all that it imports.
    from tickloom.cli.plugins_check import Told, check_plugin  # noqa: PLC0415

    keep_logs(warnings=False)
    told = Told(symbols=symbols, unknown=unknown, recipient=recipient, limit_s=limit_s)
    found = []
    for run in check_plugin(name, told, config_file):
        with waiting(f"trying {name}"):
            found.append(run())
        if not as_json:
            _print_checked(found[-1])
    if as_json:
        print_json({"plugin": name, "offers": [_tell_checked(one) for one in found]})
    ctx.exit(FAILED if any(one.fails for one in found) else 0)


@plugins.command("new")
@click.argument("name")
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Where the new folder is made. Default: here.",
)
@json_option
def new(*, name: str, folder: Path, as_json: bool) -> None:
    """Write a working provider package, tickloom-NAME, with tests that pass at once."""
    from tickloom.scaffold import write_provider  # noqa: PLC0415 - only this command needs it

    home, files = write_provider(name, folder)
    if as_json:
        print_json({"folder": str(home), "files": [str(file) for file in files]})
        return
    click.echo(f"{home} is a provider package of {len(files)} files. Next:")
    click.echo(f"  cd {home}\n  pip install -e .\n  python -m pytest")


def _print_checked(checked: Checked) -> None:
    console = make_console()
    table = make_table("Case", "Tier", "Result", "Rule", "Reason")
    for one in checked.outcomes:
        table.add_row(
            one.case.number,
            one.case.tier,
            Text(one.state, style=_STYLES[one.state]),
            one.case.title,
            plain(one.reason),
        )
    console.print(table)
    counts = [
        f"{count} {state}"
        for state in _STYLES
        if (count := sum(one.state == state for one in checked.outcomes))
    ]
    console.print(f"\n{checked.role} {checked.name}: {checked.tier or 'no tier'}", end=" ")
    console.print(f"({', '.join(counts)})")
    withheld = [
        one.case.number for one in checked.outcomes if one.withholds and one.state == "skipped"
    ]
    if withheld:
        console.print(f"not tried, and needed for a higher tier: {', '.join(withheld)}")
        if any("known symbol" in one.reason for one in checked.outcomes if one.withholds):
            console.print("To try what needs known symbols: --symbol ONE --symbol TWO")


def _tell_checked(checked: Checked) -> dict[str, object]:
    cases = [
        {
            "number": one.case.number,
            "title": one.case.title,
            "tier": one.case.tier,
            "state": one.state,
            "reason": one.reason,
            "withholds": one.withholds,
        }
        for one in checked.outcomes
    ]
    return {
        "role": checked.role, "name": checked.name, "tier": checked.tier, "cases": cases
    }  # fmt: skip
