"""``tickloom doctor``: what works, what does not, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable

import rich_click as click
from rich.console import Console
from rich.text import Text

from tickloom.cli.checks import Check, run_checks
from tickloom.cli.failures import FAILED
from tickloom.cli.options import config_option, json_option
from tickloom.cli.output import keep_logs, make_console, print_json

_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red"}


@click.command()
@config_option
@json_option
@click.pass_context
def doctor(ctx: click.Context, *, config_file: str | None, as_json: bool) -> None:
    """Check this machine, the settings, the plugins, the database and what else is needed.

    Each provider that lists its symbols is asked for one quote. Exits with 1 if a check failed.
    """
    keep_logs(warnings=False)
    found = run_checks(config_file)
    if as_json:
        checks = list(found)
        print_json({"ok": not _failed(checks), "checks": checks})
    else:
        checks = _print_all(make_console(), found)
    ctx.exit(FAILED if _failed(checks) else 0)


def _failed(checks: list[Check]) -> bool:
    return any(check.state == "failed" for check in checks)


def _print_all(console: Console, found: Iterable[Check]) -> list[Check]:
    checks = []
    for check in found:
        checks.append(check)
        state = Text(f"{check.state:<8}", style=_STYLES[check.state])
        console.print(state, f"{check.name}:", check.detail, soft_wrap=True)
        if check.fix:
            console.print(f"{'':<8} → {check.fix}", style="dim", soft_wrap=True)
    return checks
