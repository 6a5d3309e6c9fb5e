"""``tickloom quality``: what a running server kept back, and how its providers do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import quote as quoted

import rich_click as click
from click.exceptions import Exit

from tickloom.cli import cells
from tickloom.cli.failures import FAILED, exit_code, print_error
from tickloom.cli.listening import find_key, reachable_host
from tickloom.cli.options import DefaultGroup, config_option, json_option
from tickloom.cli.output import make_console, make_table, plain, print_json, waiting
from tickloom.client.rest import Rest
from tickloom.client.target import find_target
from tickloom.errors import ConfigError, ServerUnavailable, TickloomError
from tickloom.quality import Comparison, HeldPage
from tickloom.settings import load_settings
from tickloom.store.quality_rows import Held

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


def server_options(command: F) -> F:
    """Add the options that say which server is asked."""
    options = (
        click.option("--url", help="The server. Default: from the settings."),
        click.option("--key-env", metavar="NAME", help="Variable that holds the API key."),
        config_option,
        json_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group(cls=DefaultGroup)
def quality() -> None:
    """Look after what a running server kept back; without a command it is listed."""


@quality.command("list")
@click.option("--symbol", help="Of this symbol only.")
@click.option("--provider", help="Of this provider only.")
@click.option("--code", help="With this code only, such as not-positive.")
@click.option(
    "--state",
    type=click.Choice(["held", "released", "dropped", "all"]),
    default="held",
    show_default=True,
    help="Those about which so was decided.",
)
@click.option(
    "--limit", type=click.IntRange(1, 1_000), default=100, show_default=True, help="Most rows."
)
@click.option("--page", help="What the page before named as next.")
@server_options
def show_rows(*, as_json: bool, state: str, limit: int, **options: Any) -> None:
    """List what is in quarantine, newest first."""
    names = ("symbol", "provider", "code", "page")
    params = {name: options[name] for name in names if options[name] is not None}
    if state != "all":
        params["state"] = state
    found = _ask(options, "GET", "", params | {"limit": str(limit)}, HeldPage)
    if as_json:
        print_json(found)
        return
    table = make_table("Id", "Kept", "Symbol", "Provider", "Made", "Code", "State", "Reason")
    for row in found.rows:
        table.add_row(row.id, *_cells(row))
    console = make_console()
    console.print(table)
    if found.next is not None:
        console.print(f"more with --page {found.next}", style="dim")


def _cells(row: Held) -> list[str]:
    return [
        cells.moment(row.created_at),
        plain(row.symbol) + (f" {row.interval}" if row.interval else ""),
        plain(row.provider),
        cells.moment(row.timestamp),
        plain(row.code),
        row.state + (f" by {plain(row.decided_by)}" if row.decided_by else ""),
        plain(row.reason),
    ]


@quality.command("release")
@click.argument("ids", nargs=-1, required=True)
@server_options
def release(*, ids: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Let the rows IDS go on, flagged as released."""
    _decide(ids, "release", options, as_json=as_json)


@quality.command("drop")
@click.argument("ids", nargs=-1, required=True)
@server_options
def drop(*, ids: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Decide that the rows IDS never go on."""
    _decide(ids, "drop", options, as_json=as_json)


def _decide(
    ids: tuple[str, ...], verb: str, options: dict[str, Any], *, as_json: bool
) -> None:  # fmt: skip
    """Decide on each row, whatever becomes of the others."""
    codes: set[int] = set()
    for identity in ids:
        try:
            row = _ask(options, "POST", f"/{_segment(identity)}/{verb}", {}, Held)
        except (ConfigError, ServerUnavailable):
            # The others would fail for the same reason.
            raise
        except TickloomError as error:
            codes.add(exit_code(error))
            print_error(error, as_json=as_json, about=identity)
            continue
        if as_json:
            print_json(row)
        else:
            click.echo(f"{row.id} {plain(row.symbol)} by {plain(row.provider)}: {row.state}")
    if codes:
        raise Exit(codes.pop() if len(codes) == 1 else FAILED)


@quality.command("compare")
@click.argument("symbol")
@click.option(
    "--bars", type=click.IntRange(0, 250), default=0, help="Compare so many daily bars besides."
)
@server_options
def compare(*, symbol: str, bars: int, as_json: bool, **options: Any) -> None:
    """Ask every provider of SYMBOL for its price and tell whether they agree."""
    path = f"/quality/compare/{_segment(symbol)}"
    found = _request(options, "GET", path, {"bars": str(bars)}, Comparison)
    if as_json:
        print_json(found)
        return
    console = make_console()
    table = make_table("Provider", "Price", "Currency", "Time", "Bars", "Trouble", right=("Price",))
    for answer in found.answers:
        quote = answer.quote
        table.add_row(
            answer.provider,
            cells.price(quote.current_price) if quote else cells.NONE,
            (quote.currency if quote else None) or cells.NONE,
            cells.moment(quote.timestamp) if quote else cells.NONE,
            str(answer.bars),
            plain(answer.error),
        )
    console.print(table)
    for pair in found.pairs:
        console.print(f"{pair.first} and {pair.second}: {pair.verdict} {plain(pair.reason)}")


@quality.command("scores")
@click.option("--symbol", help="Of this symbol only.")
@click.option("--provider", help="Of this provider only.")
@click.option(
    "--hours", type=click.IntRange(0, 744), default=0, help="Print so many stored hours instead."
)
@server_options
def scores(*, as_json: bool, hours: int, **options: Any) -> None:
    """Print how providers do with symbols: shares from 0 to 1."""
    params = {name: options[name] for name in ("symbol", "provider") if options[name] is not None}
    found: dict[str, Any] = _request(
        options, "GET", "/quality/scores", params | {"hours": str(hours)}, dict[str, Any]
    )
    if as_json:
        print_json(found)
        return
    shares = ("completeness", "timeliness", "agreement", "validity")
    names = tuple(name.capitalize() for name in shares)
    table = make_table("Provider", "Symbol", "Hour", *names, right=names)
    for row in found["hours"] if hours else found["scores"]:
        hour = cells.moment(datetime.fromisoformat(row["hour"])) if hours else "since the start"
        table.add_row(row["provider"], row["symbol"], hour, *(_share(row[name]) for name in shares))
    make_console().print(table)


def _share(value: Decimal | float | None) -> str:
    return cells.NONE if value is None else f"{value:.3f}"


def _ask(
    options: dict[str, Any], method: str, path: str, params: dict[str, str], kind: type[T]
) -> T:
    found: T = _request(options, method, f"/quality/quarantine{path}", params, kind)
    return found


def _request(
    options: dict[str, Any], method: str, path: str, params: dict[str, str], kind: Any
) -> Any:
    settings = load_settings(options["config_file"])
    server = settings.server
    url = options["url"] or f"http://{reachable_host(server.host)}:{server.port}"
    target = find_target(url, find_key(settings, options["key_env"]), "header", "json")

    async def run() -> Any:
        async with Rest(target, None) as rest:
            return await rest.ask(method, path, params, kind)

    with waiting("asking the server"):
        return asyncio.run(run())


def _segment(text: str) -> str:
    return quoted(text, safe="")
