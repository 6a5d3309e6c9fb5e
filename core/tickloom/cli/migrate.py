"""``tickloom migrate``: bring the database to the schema of this version."""

from __future__ import annotations

import asyncio

import rich_click as click

from tickloom.cli.options import config_option, json_option
from tickloom.cli.output import keep_logs, print_json
from tickloom.settings import load_settings, redact_url
from tickloom.store import migrate as run_migrations


@click.command()
@config_option
@json_option
def migrate(*, config_file: str | None, as_json: bool) -> None:
    """Bring the database of the settings to the schema of this version; `serve` does so too."""
    keep_logs(warnings=not as_json)
    url = load_settings(config_file).database.url
    report = asyncio.run(run_migrations(url))
    if as_json:
        print_json(
            {"database": redact_url(url), "migrations": report.applied, "schema": report.version}
        )
    elif not url:
        click.echo("database.url is empty: nothing is stored, there is nothing to migrate")
    else:
        for name in report.applied:
            click.echo(f"ran {name}")
        click.echo(f"{redact_url(url)} has schema {report.version}")
