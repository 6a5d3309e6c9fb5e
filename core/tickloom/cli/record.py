"""``tickloom record``: live prices of a running server, in a file that replay plays."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rich_click as click
from msgspec.json import encode
from msgspec.structs import replace
from rich.status import Status

from tickloom.cli.listening import Listening, listen, listening_options, read_options
from tickloom.cli.notices import describe_notice
from tickloom.cli.options import json_option
from tickloom.cli.output import make_console, print_json
from tickloom.cli.recording import Recording
from tickloom.cli.subscription import Message
from tickloom.client import Tick
from tickloom.clock import SystemClock
from tickloom.settings import redact_url
from tickloom.stream.protocol import Gap, Welcome


class _Tally:
    """Counts what is written, and shows the count on a terminal.

    Args:
        symbols: What is recorded.
    """

    def __init__(self, symbols: list[str]) -> None:
        self.quotes: Counter[str] = Counter()
        self.gaps = 0
        self._symbols = symbols
        self._connections = 0
        self._status: Status | None = None

    @contextmanager
    def showing(self) -> Iterator[None]:
        console = make_console(stderr=True)
        if not console.is_terminal:
            yield
            return
        with console.status("connecting") as self._status:
            yield

    def take(self, batch: list[Message]) -> list[bytes]:
        """Count a batch and return the lines of it that belong into the file."""
        lines = []
        for message in batch:
            for notice in describe_notice(message.body):
                click.echo(notice, err=True)
            match message.body:
                case Tick(symbol=symbol):
                    self.quotes[symbol] += 1
                    lines.append(message.data)
                case Gap():
                    self.gaps += 1
                    lines.append(message.data)
                case Welcome():
                    lines += self._note_connection()
        if self._status is not None:
            self._status.update(f"{self.quotes.total()} prices of {len(self.quotes)} symbols")
        return lines

    def _note_connection(self) -> list[bytes]:
        self._connections += 1
        if self._connections == 1:
            return []
        # Nobody can tell how much came while there was no connection, or whether anything did.
        self.gaps += 1
        lost = {"type": "gap", "symbols": self._symbols, "reason": "the connection was lost"}
        return [encode(lost)]


@click.command()
@click.argument("symbols", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    "path",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write; packed with gzip if it ends in .gz.",
)
@click.option("--force", is_flag=True, help="Overwrite the file if there is one.")
@listening_options
@json_option
def record(
    *,
    symbols: tuple[str, ...],
    path: Path,
    force: bool,
    config_file: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Write live prices of SYMBOLS to FILE, as JSON Lines. Ctrl-C ends.

    The plugin replay plays such a file as if it were live. A gap that the server told of is a line
    of its own.
    """
    # A recording begins now: an old value in front would be played as a long silence.
    listening = replace(read_options(symbols, options, config_file), snapshot=False)
    source = redact_url(listening.target.url)
    recording = Recording(path, source, SystemClock(), overwrite=force)
    tally = _Tally(listening.symbols)
    try:
        with tally.showing():
            asyncio.run(_write_all(listening, recording, tally))
    finally:
        recording.close()
    _summarize(path, tally, as_json=as_json)


async def _write_all(listening: Listening, recording: Recording, tally: _Tally) -> None:
    async with listen(listening, lambda text: click.echo(text, err=True)) as batches:
        async for batch in batches:
            await asyncio.to_thread(recording.write, tally.take(batch))


def _summarize(path: Path, tally: _Tally, *, as_json: bool) -> None:
    if as_json:
        quotes = dict(sorted(tally.quotes.items()))
        print_json({"file": str(path) if quotes else None, "quotes": quotes, "gaps": tally.gaps})
        return
    if not tally.quotes:
        click.echo(f"no price came: {path} was not written", err=True)
        return
    gaps = f", {tally.gaps} gaps" if tally.gaps else ""
    click.echo(
        f"{tally.quotes.total()} prices of {len(tally.quotes)} symbols in {path}{gaps}", err=True
    )
