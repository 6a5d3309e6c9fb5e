"""``tickloom quote``: the newest quotes of some symbols."""

from __future__ import annotations

import rich_click as click

from tickloom.answers import Quotes
from tickloom.cli import cells
from tickloom.cli.failures import FAILED, exit_code, print_error
from tickloom.cli.inquiry import ask
from tickloom.cli.options import config_option, json_option
from tickloom.cli.output import make_console, make_table, print_json
from tickloom.model import Quote


@click.command()
@click.argument("symbols", nargs=-1, required=True)
@config_option
@json_option
@click.pass_context
def quote(
    ctx: click.Context, *, symbols: tuple[str, ...], config_file: str | None, as_json: bool
) -> None:
    """Print the newest quotes of SYMBOLS, such as `tickloom quote SIM.ACME`.

    The providers are asked from this process; no server is needed. Symbols that nobody can quote
    are told on standard error, and the exit code is then 1.
    """
    found = ask(config_file, lambda manager: manager.get_multiple_quotes(symbols), as_json=as_json)
    if as_json:
        print_json(list(found))
    elif found:
        _print_table(found)
    for error in found.errors.values():
        print_error(error, as_json=as_json)
    ctx.exit(_exit_code(found))


def _exit_code(found: Quotes) -> int:
    codes = {exit_code(error) for error in found.errors.values()}
    if not codes:
        return 0
    # Only where every symbol failed for the same reason does that reason stand for the whole.
    return codes.pop() if len(codes) == 1 and not found else FAILED


def _print_table(quotes: list[Quote]) -> None:
    numbers = ("Price", "Change", "%", "Bid", "Ask", "Volume")
    table = make_table("Symbol", *numbers, "Currency", "Provider", "Time", right=numbers)
    for line in quotes:
        table.add_row(
            line.symbol,
            cells.price(line.current_price),
            cells.change(line.price_change),
            cells.change(line.price_change_percent, " %"),
            cells.price(line.bid),
            cells.price(line.ask),
            cells.count(line.volume),
            line.currency or cells.NONE,
            cells.origin(line),
            cells.moment(line.timestamp),
        )
    make_console().print(table)
