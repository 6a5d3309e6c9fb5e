"""The live table of ``tickloom stream``."""

from __future__ import annotations

from collections import deque

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from tickloom.cli import cells
from tickloom.cli.output import make_table
from tickloom.clock import Clock
from tickloom.model import Quote

_NUMBERS = ("Price", "Change", "Bid", "Ask", "Volume", "Sequence")
# Header, the line of what is left out, and the notices.
_OTHER_LINES = 9
_NOTICES = 5
_COLOURS = {1: "bold green", -1: "bold red", 0: "bold"}


class Board:
    """The newest quote of each symbol; renders as many as fit the terminal.

    Args:
        clock: For the age of each quote.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._quotes: dict[str, tuple[Quote, int, int]] = {}
        self._notices: deque[str] = deque(maxlen=_NOTICES)
        self.received = 0

    def take(self, quote: Quote, sequence: int) -> None:
        """Show ``quote`` from now on."""
        before = self._quotes.get(quote.symbol)
        direction = 0
        if before is not None:
            old, _, direction = before
            if quote.current_price != old.current_price:
                direction = 1 if quote.current_price > old.current_price else -1
        self._quotes[quote.symbol] = quote, sequence, direction
        self.received += 1

    def tell(self, notice: str) -> None:
        """Show a notice below the table, until five newer ones came."""
        self._notices.append(notice)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height = options.max_height if console.is_terminal else len(self._quotes) + _OTHER_LINES
        shown = sorted(self._quotes.items())[: max(1, height - _OTHER_LINES)]
        yield self._table(shown)
        hidden = len(self._quotes) - len(shown)
        more = f"; {hidden} more symbols do not fit" if hidden else ""
        yield Text(f"{self.received} prices received{more}; Ctrl-C ends", style="dim")
        for notice in self._notices:
            yield Text(notice, style="yellow", overflow="ellipsis", no_wrap=True)

    def _table(self, shown: list[tuple[str, tuple[Quote, int, int]]]) -> Table:
        table = make_table(
            "Symbol", "Price", "Change", *_NUMBERS[2:5], "Provider", "Age", "Sequence",
            right=_NUMBERS,
        )  # fmt: skip
        now = self._clock.now()
        for symbol, (quote, sequence, direction) in shown:
            table.add_row(
                symbol,
                Text(cells.price(quote.current_price), style=_COLOURS[direction]),
                cells.change(quote.price_change_percent, " %"),
                cells.price(quote.bid),
                cells.price(quote.ask),
                cells.count(quote.volume),
                quote.provider,
                cells.age(quote.timestamp, now),
                str(sequence),
            )
        return table


def describe_tick(quote: Quote, sequence: int) -> str:
    """Return a quote as one line, for output that is no terminal."""
    return "  ".join(
        (
            cells.moment(quote.timestamp),
            f"{quote.symbol:<10}",
            cells.price(quote.current_price),
            cells.change(quote.price_change_percent, " %").plain,
            f"bid {cells.price(quote.bid)}",
            f"ask {cells.price(quote.ask)}",
            f"volume {cells.count(quote.volume)}",
            quote.provider,
            f"#{sequence}",
        )
    )
