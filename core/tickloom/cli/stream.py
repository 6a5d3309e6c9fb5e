"""``tickloom stream``: live prices of a running server."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import rich_click as click
from rich.live import Live

from tickloom.cli.board import Board, describe_tick
from tickloom.cli.listening import Listening, listen, listening_options, read_options
from tickloom.cli.notices import describe_notice
from tickloom.cli.options import json_option
from tickloom.cli.output import make_console
from tickloom.cli.subscription import Message
from tickloom.client import Tick
from tickloom.clock import SystemClock

_REFRESHES_PER_S = 10


@click.command()
@click.argument("symbols", nargs=-1, required=True)
@listening_options
@json_option
def stream(
    *, symbols: tuple[str, ...], config_file: str | None, as_json: bool, **options: Any
) -> None:
    """Watch live prices of SYMBOLS; patterns such as `'SIM.*'` work too. Ctrl-C ends.

    With `--json` every message of the server is printed as it comes, one on a line.
    """
    listening = read_options(symbols, options, config_file)
    console = make_console()
    if as_json:
        asyncio.run(_print_all(listening, _say, _raw))
    elif not console.is_terminal:
        asyncio.run(_print_all(listening, _say, _readable))
    else:
        asyncio.run(_show_board(listening, Live(console=console, auto_refresh=False)))


def _say(text: str) -> None:
    click.echo(text, err=True)


def _raw(message: Message) -> bytes:
    return message.data + b"\n"


def _readable(message: Message) -> bytes:
    if isinstance(message.body, Tick):
        return describe_tick(message.body.quote, message.body.sequence).encode() + b"\n"
    for notice in describe_notice(message.body):
        _say(notice)
    return b""


async def _print_all(
    listening: Listening, tell: Callable[[str], None], form: Callable[[Message], bytes]
) -> None:
    async with listen(listening, tell) as batches:
        async for batch in batches:
            # A reader that is slow holds up this thread only: pings are still answered.
            await asyncio.to_thread(_print, b"".join(form(message) for message in batch))


def _print(text: bytes) -> None:
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()


async def _show_board(listening: Listening, live: Live) -> None:
    board = Board(SystemClock())
    live.update(board)
    with live:
        async with listen(listening, board.tell) as batches:
            refreshing = asyncio.create_task(_refresh(live), name="refresh the table")
            try:
                async for batch in batches:
                    _take(board, batch)
            finally:
                refreshing.cancel()
                live.refresh()


def _take(board: Board, batch: list[Message]) -> None:
    for message in batch:
        if isinstance(message.body, Tick):
            board.take(message.body.quote, message.body.sequence)
        for notice in describe_notice(message.body):
            board.tell(notice)


async def _refresh(live: Live) -> None:
    while True:
        live.refresh()
        await asyncio.sleep(1 / _REFRESHES_PER_S)
