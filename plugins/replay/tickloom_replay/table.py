"""Tables of bars with a header: CSV here; any other form that gives rows of values reads alike."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, tzinfo
from operator import itemgetter
from pathlib import Path
from threading import Event as Flag

from tickloom.errors import BadRecord, InvalidSymbol, verbatim
from tickloom_replay.columns import HEADER, Columns, Row, find_columns
from tickloom_replay.event import DAY, MONTH, WEEK, Event, Series, end_of
from tickloom_replay.lines import open_plain, read_lines
from tickloom_replay.tally import Reading, Tally

Rows = Callable[[Path, Reading, Flag], Generator[Row, None, None]]

_SORT_LIMIT = 100_000
_DELTA_LIMIT = 1_000


def read_csv_rows(path: Path, reading: Reading, halt: Flag) -> Generator[Row, None, None]:
    """Yield the header and then the rows; a row takes one line."""
    with open_plain(path) as stream:
        lines = read_lines(stream, reading, halt)
        yield from split_lines(lines, reading)


def split_lines(lines: Iterator[bytes], reading: Reading) -> Iterator[Row]:
    """Yield the fields of each line; the header tells whether ``,``, ``;`` or tab divides them."""
    first = next(lines, b"").decode("utf-8-sig")
    delimiter = max(",;\t", key=first.count)
    header = _split(first, delimiter)
    yield header
    for line in lines:
        try:
            row = _split(line.decode(), delimiter)
        except (UnicodeDecodeError, csv.Error) as error:
            reading.skip(error)
            continue
        if len(row) == len(header):
            yield row
        else:
            found = verbatim(f"{len(row)} fields")
            reading.skip(BadRecord("not a row", found=found, expected=str(len(header))))


def _split(line: str, delimiter: str) -> list[str]:
    if '"' not in line:
        return line.split(delimiter)
    return next(csv.reader([line], delimiter=delimiter))


class _Span:
    """What is known of one symbol after a first pass."""

    def __init__(self, begin: datetime) -> None:
        self.first = self.last = self._before = begin
        self._deltas: Counter[timedelta] = Counter()
        self._only_midnights = True

    def take(self, begin: datetime) -> None:
        delta = abs(begin - self._before)
        if delta and (delta in self._deltas or len(self._deltas) < _DELTA_LIMIT):
            self._deltas[delta] += 1
        self._only_midnights &= (begin.hour, begin.minute, begin.second) == (0, 0, 0)
        self.first, self.last = min(self.first, begin), max(self.last, begin)
        self._before = begin

    @property
    def step(self) -> timedelta:
        """The length of a bar: the commonest distance of two rows, the shorter at a draw."""
        if not self._deltas:
            return DAY if self._only_midnights else timedelta(minutes=1)
        step = min(self._deltas, key=lambda delta: (-self._deltas[delta], delta))
        # Weekends, clock changes and months of unequal length stretch and shrink the distance.
        for calendar, shortest in ((MONTH, 27), (WEEK, 6)):
            if step > timedelta(days=shortest):
                return calendar
        return DAY if step >= timedelta(hours=23) else step


class TableSource:
    """A table on disk.

    Args:
        path: The file.
        symbol: For tables that have no column for it; empty = the file's name is no symbol.
        zone: For times without an offset.
        tally: Counts the rows that cannot be used.
        rows: Yields the header and then the rows.
    """

    def __init__(
        self, path: Path, symbol: str, zone: tzinfo, tally: Tally, rows: Rows = read_csv_rows
    ) -> None:
        self.tally = tally
        self._path = path
        self._symbol = symbol
        self._zone = zone
        self._rows = rows
        self._is_ordered = True
        self._steps: dict[str, timedelta] = {}

    def scan(self) -> list[Series]:
        """Read times and symbols through once; only the ends of each symbol are kept.

        Raises:
            BadRecord: There is no usable header or row, or it is too long for being out of order.
        """
        spans: dict[str, _Span] = {}
        before: datetime | None = None
        count, has_trades = 0, False
        with self.tally.reading() as reading, closing(self._open(reading, Flag())) as rows:
            columns = self._columns(rows)
            has_trades = columns.close_price is not None
            for count, (begin, symbol, _) in enumerate(self._placed(rows, columns, reading), 1):  # noqa: B007 - used below
                self._is_ordered &= before is None or begin >= before
                before = begin
                spans.setdefault(symbol, _Span(begin)).take(begin)
        if not spans:
            raise self.tally.unusable(HEADER)
        if not self._is_ordered and count > _SORT_LIMIT:
            raise BadRecord(
                f"{self.tally.name} is not in order of time and too long to be sorted here",
                found=verbatim(f"{count} rows"),
                expected=f"at most {_SORT_LIMIT} rows, or rows in order",
                fix="Sort the file by time, or split it by symbol.",
            )
        self._steps = {symbol: span.step for symbol, span in spans.items()}
        return [self._series(symbol, span, has_trades=has_trades) for symbol, span in spans.items()]

    def _series(self, symbol: str, span: _Span, *, has_trades: bool) -> Series:
        return Series(
            symbol=symbol,
            step=span.step,
            first=end_of(span.first, span.step).astimezone(UTC),
            last=end_of(span.last, span.step).astimezone(UTC),
            zone=self._zone,
            has_trades=has_trades,
            source=self,
        )

    def read(self, symbols: frozenset[str], halt: Flag) -> Generator[Event, None, None]:
        """Yield the events; rows out of order are sorted first, in memory."""
        with self.tally.reading() as reading, closing(self._open(reading, halt)) as rows:
            columns = self._columns(rows)
            placed = self._placed(rows, columns, reading)
            wanted = (item for item in placed if item[1] in symbols)
            for begin, symbol, row in wanted if self._is_ordered else _sorted(wanted):
                try:
                    yield self._event(columns, row, begin, symbol)
                except BadRecord as error:
                    reading.skip(error)

    def _open(self, reading: Reading, halt: Flag) -> Generator[Row, None, None]:
        return self._rows(self._path, reading, halt)

    def _columns(self, rows: Iterator[Row]) -> Columns:
        columns = find_columns(next(rows, ()))
        if columns.symbol is None and not self._symbol:
            raise BadRecord(
                "neither a column nor the file's name tells the symbol",
                found=self._path.name,
                expected="a column symbol, or a name such as AAPL.csv",
            )
        return columns

    def _placed(
        self, rows: Iterator[Row], columns: Columns, reading: Reading
    ) -> Iterator[tuple[datetime, str, Row]]:
        for row in rows:
            try:
                begin = columns.read_begin(row, self._zone)
                symbol = columns.read_symbol(row, self._symbol)
            except (BadRecord, InvalidSymbol) as error:
                reading.skip(error)
            else:
                yield begin, symbol, row

    def _event(self, columns: Columns, row: Row, begin: datetime, symbol: str) -> Event:
        start = begin.astimezone(UTC)
        bar, book = columns.read_bar(row, start), columns.read_book(row)
        if bar is None and book is None:
            raise BadRecord("the row has no price")
        return Event(
            symbol=symbol,
            begin=start,
            due=end_of(begin, self._steps[symbol]).astimezone(UTC),
            session=begin.date(),
            bar=bar,
            book=book,
        )


def _sorted(
    placed: Iterator[tuple[datetime, str, Row]],
) -> list[tuple[datetime, str, Row]]:
    return sorted(placed, key=itemgetter(0))
