"""``tickloom backfill``: store the history of symbols."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TextIO

import rich_click as click
from click.exceptions import Exit
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tickloom.cli.backfilling import Backfill, Filled, cut_up
from tickloom.cli.failures import FAILED, describe
from tickloom.cli.options import config_option, json_option
from tickloom.cli.output import keep_logs, make_console, print_json
from tickloom.clock import SystemClock
from tickloom.errors import ConfigError, InvalidSymbol, RequestError, TickloomError
from tickloom.manager import MarketDataManager
from tickloom.model import parse_symbol
from tickloom.questions import check_history, parse_date
from tickloom.roles import HistoryRequest
from tickloom.settings import Settings, load_settings, redact_url
from tickloom.store import migrate

_MOST_CONCURRENCY = 32
# A process that only fills the past neither watches symbols nor looks after the database.
_ALONE = {"cache": {"warm": []}, "jobs": {"enabled": False}}


@click.command()
@click.argument("symbols", nargs=-1)
@click.option("--from", "start", metavar="DATE", required=True, help="First day.")
@click.option("--to", "end", metavar="DATE", help="Last day, inclusive. Default: yesterday in UTC.")
@click.option(
    "--interval",
    default="1d",
    show_default=True,
    help="Length of a bar: 1s, 1m, 2m, 5m, 15m, 30m, 1h, 90m or 1d.",
)
@click.option(
    "--adjusted",
    default="none",
    show_default=True,
    help="What prices account for: none, splits or all.",
)
@click.option("--provider", help="Ask this one alone, as providers are named.")
@click.option(
    "--file",
    "file",
    type=click.File(),
    help="More symbols, one on a line; - = standard input.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, _MOST_CONCURRENCY),
    default=4,
    show_default=True,
    help="Questions at a time; the budgets of providers count all the same.",
)
@config_option
@json_option
def backfill(
    *,
    symbols: tuple[str, ...],
    file: TextIO | None,
    concurrency: int,
    config_file: str | None,
    as_json: bool,
    **options: str | None,
) -> None:
    """Store the bars of SYMBOLS, so that later questions for them ask no provider.

    Ctrl-C ends it; the same command goes on where it was, without asking for what is stored.
    """
    keep_logs(warnings=not as_json)
    settings = load_settings(config_file, overrides=_ALONE)
    if not settings.database.url:
        raise ConfigError(
            "there is no database to store bars in",
            found=settings.database.url,
            expected="database.url, or the variable DATABASE_URL",
        )
    names = [*symbols, *(_read(file) if file is not None else ())]
    if not names:
        raise click.UsageError("Name symbols, or a --file of them.")
    errors: dict[str, TickloomError] = {}
    requests = _ask_for(names, options, errors)
    filled, calls = asyncio.run(_run(settings, requests, concurrency))
    errors |= {symbol: one.error for symbol, one in filled.items() if one.error is not None}
    _report(settings, filled, errors, calls, as_json=as_json)
    if errors:
        raise Exit(FAILED)


def _read(file: TextIO) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in file)
    return [line for line in lines if line]


def _ask_for(
    names: Sequence[str],
    options: Mapping[str, str | None],
    errors: dict[str, TickloomError],
) -> list[HistoryRequest]:
    now = SystemClock().now()
    first = parse_date(options["start"] or "", "--from")
    # Today's bars still change, and so are never stored.
    end = options["end"]
    last = parse_date(end, "--to") if end else (now - timedelta(days=1)).date()
    interval, adjusted = options["interval"] or "", options["adjusted"] or ""
    requests: dict[str, HistoryRequest] = {}
    for name in names:
        try:
            symbol = parse_symbol(name)
        except InvalidSymbol as error:
            errors[name] = error
            continue
        requests[symbol] = check_history(
            symbol, first, last, interval, adjusted, now, options["provider"]
        )
    for request in requests.values():
        if not request.interval.is_intraday and request.interval != "1d":
            raise RequestError(
                "bars of this length are not stored",
                found=request.interval.value,
                expected="a day or shorter",
                fix="Backfill 1d instead.",
            )
    return list(requests.values())


async def _run(
    settings: Settings, requests: Sequence[HistoryRequest], concurrency: int
) -> tuple[dict[str, Filled], int]:
    await migrate(settings.database.url)
    manager = MarketDataManager(settings)
    try:
        with _progress(sum(len(cut_up(request)) for request in requests)) as show:
            work = Backfill(manager, requests, concurrency, show)
            await work.run()
    finally:
        await manager.close()
    calls = sum(status["requests"] for status in manager.get_provider_status().values())
    return work.filled, calls


@contextmanager
def _progress(total: int) -> Iterator[Any]:
    console = make_console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[bars]:,} bars"),
    )
    progress = Progress(*columns, console=console, disable=not console.is_terminal)
    task = progress.add_task("asking", total=total, bars=0)
    bars: dict[str, int] = {}

    def show(piece: HistoryRequest, filled: Filled) -> None:
        bars[piece.symbol] = filled.bars
        text = f"{piece.symbol} {piece.start:%Y-%m}"
        progress.update(task, advance=1, description=text, bars=sum(bars.values()))

    with progress:
        yield show


def _report(
    settings: Settings,
    filled: dict[str, Filled],
    errors: dict[str, TickloomError],
    calls: int,
    *,
    as_json: bool,
) -> None:
    bars = sum(one.bars for one in filled.values())
    if as_json:
        print_json(
            {
                "database": redact_url(settings.database.url),
                "symbols": {
                    symbol: {"bars": one.bars, "pieces": one.pieces, "empty": one.empty}
                    for symbol, one in filled.items()
                },
                "provider_requests": calls,
                "errors": {symbol: describe(error) for symbol, error in errors.items()},
            }
        )
        return
    good = sum(one.error is None for one in filled.values())
    click.echo(f"{bars:,} bars of {good} symbols are stored; providers were asked {calls} times")
    for symbol, error in errors.items():
        click.echo(f"error: {symbol}: {error}", err=True)
