"""``tickloom search``: symbols that fit a text."""

from __future__ import annotations

import rich_click as click
from rich.table import Table

from tickloom.cli.inquiry import ask
from tickloom.cli.options import config_option, json_option
from tickloom.cli.output import make_console, plain, print_json


@click.command()
@click.argument("text")
@click.option("--limit", default=10, show_default=True, help="Most answers, 1 to 50.")
@config_option
@json_option
def search(*, text: str, limit: int, config_file: str | None, as_json: bool) -> None:
    """List the symbols that fit TEXT, part of a symbol or of a name, best first."""
    found = ask(config_file, lambda manager: manager.search(text, limit), as_json=as_json)
    if as_json:
        print_json(found)
        return
    if not found:
        click.echo(f"nothing fits {text!r}", err=True)
        return
    table = Table("Symbol", "Name", "Type", "Exchange", "Currency", "Provider", box=None)
    for match in found:
        row = (match.symbol, match.name, match.asset_type, match.exchange, match.currency)
        table.add_row(*(plain(cell or "") for cell in (*row, match.provider)))
    make_console().print(table)
