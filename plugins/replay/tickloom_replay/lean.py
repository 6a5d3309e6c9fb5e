"""Lean archives: csv in zip, no header, prices times 10000, milliseconds of a New York day."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Generator, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Event as Flag
from typing import BinaryIO, Literal, cast
from zoneinfo import ZoneInfo

from msgspec import Struct

from tickloom.errors import BadRecord, InvalidSymbol
from tickloom.model import Bar, parse_symbol
from tickloom_replay.event import DAY, TICK, Book, Event, Series, end_of
from tickloom_replay.fields import read_count, read_price, read_time
from tickloom_replay.lines import read_lines
from tickloom_replay.tally import Reading, Tally

NEW_YORK = ZoneInfo("America/New_York")
_HOUR = timedelta(hours=1)
_STEPS = {"minute": timedelta(minutes=1), "second": timedelta(seconds=1), "tick": TICK}
_DAY_MS = 86_400_000
# 20140605_aapl_minute_trade.csv, in older archives 20131007_ibm_Trade_Tick.csv
_DATED = re.compile(r"(\d{8})_([^_/]+)_([a-z]+)_([a-z]+)\.csv", re.ASCII)
_PLAIN = re.compile(r"([^_/]+)\.csv")
_EXPECTED = "a member such as 20140605_aapl_minute_trade.csv, or aapl.csv with days or hours"


class Member(Struct, frozen=True):
    """What the name of an archive's member tells.

    Attributes:
        name: Inside the archive.
        symbol: Canonical, in capitals.
        kind: Whether it holds trades or bid and ask.
        step: Length of a bar, zero = ticks; ``None`` = days or hours, as the rows tell.
        midnight: Begin of its day, New York's wall clock; ``None`` = the rows carry their dates.
    """

    name: str
    symbol: str
    kind: Literal["trade", "quote"]
    step: timedelta | None
    midnight: datetime | None


def read_member_name(name: str) -> Member:
    """Return what the name of a csv in an archive tells.

    Raises:
        BadRecord: It is not a name that equities have.
    """
    short = name.rpartition("/")[2].lower()
    try:
        if found := _DATED.fullmatch(short):
            day, symbol, *words = found.groups()
            step = next(word for word in words if word in _STEPS)
            kind = next(word for word in words if word in {"trade", "quote"})
            midnight = read_time(day, NEW_YORK).replace(tzinfo=None)
            literal: Literal["trade", "quote"] = "trade" if kind == "trade" else "quote"
            return Member(name, parse_symbol(symbol), literal, _STEPS[step], midnight)
        if found := _PLAIN.fullmatch(short):
            return Member(name, parse_symbol(found[1]), "trade", None, None)
    except (StopIteration, InvalidSymbol):
        pass
    raise BadRecord("the archive's member is not known", found=name, expected=_EXPECTED)


def read_rows(member: Member, lines: Iterable[bytes], reading: Reading) -> Iterator[Event]:
    """Yield an event for each row; those that cannot be read are skipped and counted."""
    parse = _parser(member)
    for line in lines:
        try:
            yield parse(line.decode("ascii").split(","))
        except (BadRecord, UnicodeDecodeError, IndexError) as error:
            reading.skip(error)


def _parser(member: Member) -> Callable[[list[str]], Event]:
    midnight, step = member.midnight, member.step
    if midnight is None or step is None:
        return lambda row: _parse_dated_bar(row, member.symbol)
    parse = {
        (True, "trade"): _parse_trade,
        (True, "quote"): _parse_book,
        (False, "trade"): _parse_bar,
        (False, "quote"): _parse_book_bar,
    }[step == TICK, member.kind]

    def parse_at(row: list[str]) -> Event:
        begin = _time(row[0], midnight)
        return parse(row, member.symbol, begin, begin + step, midnight.date())

    return parse_at


def _parse_dated_bar(row: list[str], symbol: str) -> Event:
    local = read_time(row[0], NEW_YORK)
    step = DAY if (local.hour, local.minute) == (0, 0) else _HOUR
    due = end_of(local, step).astimezone(UTC)
    return _parse_bar(row, symbol, local.astimezone(UTC), due, local.date())


def _parse_bar(row: list[str], symbol: str, begin: datetime, due: datetime, day: date) -> Event:
    bar = Bar(
        timestamp=begin,
        open_price=_price(row[1]),
        high_price=_price(row[2]),
        low_price=_price(row[3]),
        close_price=_price(row[4]),
        volume=read_count(row[5]),
    )
    return Event(symbol=symbol, begin=begin, due=due, session=day, bar=bar)


def _parse_trade(row: list[str], symbol: str, begin: datetime, due: datetime, day: date) -> Event:
    _refuse_suspicious(row[5:6])
    price, size = _price(row[1]), read_count(row[2])
    bar = Bar(
        timestamp=begin,
        open_price=price,
        high_price=price,
        low_price=price,
        close_price=price,
        volume=size,
    )
    return Event(symbol=symbol, begin=begin, due=due, session=day, bar=bar, last_size=size)


def _parse_book(row: list[str], symbol: str, begin: datetime, due: datetime, day: date) -> Event:
    _refuse_suspicious(row[7:8])
    bid, ask = _side(row[1], row[2]), _side(row[3], row[4])
    if bid[0] is None and ask[0] is None:
        raise BadRecord("neither bid nor ask", found=",".join(row), expected="one of them")
    # Each row reports one side of one exchange; the other side stands.
    book = Book(bid=bid[0], ask=ask[0], bid_size=bid[1], ask_size=ask[1], partial=True)
    return Event(symbol=symbol, begin=begin, due=due, session=day, book=book)


def _parse_book_bar(
    row: list[str], symbol: str, begin: datetime, due: datetime, day: date
) -> Event:
    bid, ask = _side(row[4], row[5]), _side(row[9], row[10])
    book = Book(bid=bid[0], ask=ask[0], bid_size=bid[1], ask_size=ask[1])
    return Event(symbol=symbol, begin=begin, due=due, session=day, book=book)


def _refuse_suspicious(mark: list[str]) -> None:
    if mark == ["1"]:
        raise BadRecord("the recording marks the tick as suspicious")


def _time(text: str, midnight: datetime) -> datetime:
    # Wall clock: half past nine is 34200000 on the days of the clock change too.
    try:
        elapsed_ms = int(text) if len(text) <= len(str(_DAY_MS)) else -1
    except ValueError:
        elapsed_ms = -1
    if not 0 <= elapsed_ms <= _DAY_MS:
        raise BadRecord("not a time", found=text, expected="milliseconds since midnight")
    local = midnight + timedelta(milliseconds=elapsed_ms)
    return local.replace(tzinfo=NEW_YORK).astimezone(UTC)


def _price(text: str) -> Decimal:
    return read_price(text).scaleb(-4)


def _side(price: str, size: str) -> tuple[Decimal | None, int | None]:
    if not price or not (found := _price(price)):
        return None, None
    return found, read_count(size)


class LeanSource:
    """One member of an archive."""

    def __init__(self, path: Path, member: Member, tally: Tally) -> None:
        self.tally = tally
        self._path = path
        self._member = member

    def scan(self) -> list[Series]:
        """Return the one series; a member with a date in its name is not even opened."""
        member = self._member
        if member.midnight is not None and member.step is not None:
            local = member.midnight.replace(tzinfo=NEW_YORK)
            first, last = local.astimezone(UTC), end_of(local, DAY).astimezone(UTC)
            return [self._series(member.step, first, last)]
        return self._scan_rows()

    def _scan_rows(self) -> list[Series]:
        first: Event | None = None
        last: Event | None = None
        for last in self.read(frozenset({self._member.symbol}), Flag()):
            first = first or last
        if first is None or last is None:
            raise self.tally.unusable("rows such as 20140605 00:00,6460500,6501000,6440000,…")
        hours = first.due - first.begin == _HOUR
        return [self._series(_HOUR if hours else DAY, first.due, last.due)]

    def _series(self, step: timedelta, first: datetime, last: datetime) -> Series:
        return Series(
            symbol=self._member.symbol,
            step=step,
            first=first,
            last=last,
            zone=NEW_YORK,
            has_trades=self._member.kind == "trade",
            source=self,
        )

    def read(self, symbols: frozenset[str], halt: Flag) -> Generator[Event, None, None]:
        """Yield the events in the order of the file, which is that of their times."""
        if self._member.symbol not in symbols:
            return
        with (
            self.tally.reading() as reading,
            zipfile.ZipFile(self._path) as archive,
            archive.open(self._member.name) as packed,
            io.BufferedReader(cast("io.RawIOBase", packed)) as stream,
        ):
            lines = read_lines(cast("BinaryIO", stream), reading, halt)
            yield from read_rows(self._member, lines, reading)


def list_sources(path: Path, tally: Tally) -> list[LeanSource]:
    """Return the members of the archive at ``path``.

    Raises:
        BadRecord: It is no zip, or no member has a name that equities have.
    """
    members: list[Member] = []
    with tally.reading() as reading, zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            try:
                members.append(read_member_name(info.filename))
            except BadRecord as error:
                reading.skip(error)
    if not members:
        raise tally.unusable(_EXPECTED)
    if len(members) == 1:
        return [LeanSource(path, members[0], tally)]
    return [LeanSource(path, one, Tally(f"{tally.name}/{one.name}")) for one in members]
