"""``tickloom history``: the bars of a symbol."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import IO

import rich_click as click
from msgspec.structs import replace

from tickloom.cli import cells
from tickloom.cli.inquiry import ask
from tickloom.cli.options import config_option, json_option
from tickloom.cli.output import make_console, make_table, print_json
from tickloom.history.at_hand import at_hand
from tickloom.history.formats import FORMATS, Style
from tickloom.manager import MarketDataManager
from tickloom.model import HistoricalData
from tickloom.questions import parse_date

_DEFAULT_SPAN = timedelta(days=30)


@click.command()
@click.argument("symbol")
@click.option("--from", "start", metavar="DATE", help="First day. Default: 30 days before --to.")
@click.option("--to", "end", metavar="DATE", help="Last day, inclusive. Default: today in UTC.")
@click.option(
    "--interval",
    default="1d",
    show_default=True,
    help="Length of a bar: 1s, 1m, 2m, 5m, 15m, 30m, 1h, 1d, 1wk or 1mo.",
)
@click.option(
    "--adjusted",
    default="none",
    show_default=True,
    help="What prices account for: none, splits or all.",
)
@click.option("--provider", help="Ask this one alone, as providers are named.")
@click.option("--limit", type=click.IntRange(min=1), help="Print only the last bars.")
@click.option(
    "--format",
    "name",
    type=click.Choice(list(FORMATS)),
    help="Write a document of this form. Default: by the name of --output, else a table.",
)
@click.option(
    "--output",
    type=click.File("wb", lazy=True, atomic=True),
    metavar="FILE",
    help="Write into a file, once all is there.",
)
@config_option
@json_option
def history(  # noqa: PLR0913 - one for each option
    *,
    symbol: str,
    start: str | None,
    end: str | None,
    interval: str,
    adjusted: str,
    provider: str | None,
    limit: int | None,
    name: str | None,
    output: IO[bytes] | None,
    config_file: str | None,
    as_json: bool,
) -> None:
    """Print the bars of SYMBOL, oldest first. Dates are YYYY-MM-DD, in the venue's calendar."""
    style = _style(name, output)

    async def question(manager: MarketDataManager) -> tuple[HistoricalData, list[bytes]]:
        last = parse_date(end, "--to") if end else manager.clock.now().date()
        first = parse_date(start, "--from") if start else last - _DEFAULT_SPAN
        found = await manager.get_historical_data(
            symbol, first, last, interval, adjusted, provider=provider
        )
        if limit is not None:
            found = replace(found, data_points=found.data_points[-limit:])
        if style is None:
            return found, []
        return found, [data async for data in manager.histories.encode(at_hand(found), style)]

    found, encoded = ask(config_file, question, as_json=as_json or style is not None)
    if style is not None:
        for data in encoded:
            click.echo(data, output, nl=False)
    elif as_json:
        print_json(found)
    else:
        _print_table(found)


def _style(name: str | None, output: IO[bytes] | None) -> Style | None:
    if name is None and output is not None:
        name = Path(output.name).suffix.removeprefix(".")
        if name not in FORMATS:
            raise click.UsageError(
                f"--output names no format by its suffix, which is one of {', '.join(FORMATS)}; "
                "add --format."
            )
    if name in {"arrow", "parquet"} and output is None and sys.stdout.isatty():
        raise click.UsageError(f"{name} is not for a terminal; add --output.")
    return None if name is None else Style(format=FORMATS[name])


def _print_table(found: HistoricalData) -> None:
    numbers = ("Open", "High", "Low", "Close", "Volume")
    table = make_table("Time", *numbers, right=numbers)
    for bar in found.data_points:
        table.add_row(
            cells.moment(bar.timestamp),
            cells.price(bar.open_price),
            cells.price(bar.high_price),
            cells.price(bar.low_price),
            cells.price(bar.close_price),
            cells.count(bar.volume),
        )
    console = make_console()
    console.print(table)
    console.print(
        f"{len(found.data_points)} bars of {found.symbol}, {found.interval}, by {found.provider} "
        f"({found.timeliness}), adjusted: {found.adjustment}"
        + (f", in {found.currency}" if found.currency else ""),
        style="dim",
    )
