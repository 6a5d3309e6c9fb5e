from __future__ import annotations

import io
from datetime import timedelta
from decimal import Decimal

from rich.console import Console

from scripted import NOON, make_quote
from tickloom.cli.board import Board
from tickloom.cli.notices import describe_notice
from tickloom.clock import FakeClock
from tickloom.stream.protocol import Failure, Gap, Pong, Rejected, Status, Subscribed


def rendered(board: Board, height: int = 40, *, colour: bool = False) -> str:
    console = Console(
        file=io.StringIO(),
        width=120,
        height=height,
        force_terminal=True,
        color_system="standard" if colour else None,
    )
    console.print(board)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_row_shows_the_newest_price_its_age_and_its_number() -> None:
    board = Board(FakeClock(NOON + timedelta(seconds=2.5)))
    board.take(make_quote(price="1.10"), 7)
    board.take(make_quote(price="1.20", bid=Decimal("1.19"), volume=1_234), 8)
    [row] = [line for line in rendered(board).splitlines() if line.startswith("AAPL")]
    assert row.split() == [
        "AAPL", "1.20", "-", "1.19", "-", "1,234", "scripted", "2.5", "s", "8",
    ]  # fmt: skip


def test_the_colour_is_the_direction_of_the_last_change() -> None:
    board = Board(FakeClock(NOON))
    board.take(make_quote(price="1.10"), 1)
    board.take(make_quote(price="1.20"), 2)
    board.take(make_quote(price="1.20"), 3)
    assert "\x1b[1;32m" in rendered(board, colour=True)
    board.take(make_quote(price="1.15"), 4)
    assert "\x1b[1;31m" in rendered(board, colour=True)


def test_rows_that_do_not_fit_the_terminal_are_counted() -> None:
    board = Board(FakeClock(NOON))
    for number in range(100):
        board.take(make_quote(f"S{number:03}"), 1)
    lines = rendered(board, height=20).splitlines()
    assert len(lines) <= 20
    assert "89 more symbols do not fit" in lines[-1]


def test_notices_stand_below_the_table_until_newer_ones_push_them_out() -> None:
    board = Board(FakeClock(NOON))
    for number in range(7):
        board.tell(f"notice {number}")
    text = rendered(board)
    assert "notice 1" not in text
    assert "notice 2" in text


def test_everything_beside_prices_that_matters_is_put_into_words() -> None:
    rejected = Rejected(symbol="X", code=404, message="unknown")
    assert describe_notice(Subscribed(symbols=["A"], rejected=[rejected])) == [
        "rejected X: unknown"
    ]
    assert describe_notice(Gap(symbol="A", dropped=3, last_sequence=9)) == [
        "gap in A: 3 ticks up to sequence 9 left out"
    ]
    status = Status(provider="p", state="down", since=NOON, symbols=["A"], reason="gone")
    assert describe_notice(status) == ["provider p is down for A: gone"]
    assert describe_notice(Failure(code=429, message="slow down")) == [
        "the server says: slow down (429)"
    ]
    assert describe_notice(Pong()) == []
    assert describe_notice(None) == []
