"""Writes to a SQLite file from one thread of its own."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from tickloom.errors import StoreUnavailable
from tickloom.model import Company, Interval, PriceAdjustment, encode_json
from tickloom.settings import redact_url
from tickloom.store import companies, sqlite_bars, sqlite_columns
from tickloom.store.address import sqlite_path
from tickloom.store.bars import BarBatch, BarQuery, BarSpan, ProviderBar, StoredAction, StoredRange
from tickloom.store.columns import Reach, TextForm, TextPiece, before, sizes
from tickloom.store.days import Days
from tickloom.store.failures import explain_sqlite
from tickloom.store.reading import COLUMN_LIST, NEWEST, oldest_first, to_sqlite_record
from tickloom.store.rows import COLUMNS, DECIMALS, KEY, REPLACED, TIMES, Record, Row, to_row
from tickloom.store.schema import RAN, migrate, version_of

T = TypeVar("T")

# Short, because the thread cannot be called back from this wait; the writer tries again.
_LOCK_WAIT_S = 1.0

_NOW = "strftime('%Y-%m-%d %H:%M:%f', 'now') || '000+00:00'"
_UPSERT = (
    f"INSERT INTO market_data ({', '.join(COLUMNS)}) "  # noqa: S608 - only our own column names
    f"VALUES ({', '.join('?' * len(COLUMNS))}) ON CONFLICT ({', '.join(KEY)}) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in REPLACED)
    + f", updated_at = {_NOW}"
)
_NEWEST = f"SELECT {COLUMN_LIST} FROM market_data WHERE {NEWEST.format(*'???')}"  # noqa: S608 - own names
_PUT_COMPANY = companies.upsert(", ".join("?" * len(companies.COLUMNS)), _NOW)
_COMPANY = companies.newest("?")
_FIRST_TIME = COLUMNS.index(TIMES[0])
_FIRST_DECIMAL = COLUMNS.index(DECIMALS[0])
_FIRST_INTEGER = _FIRST_DECIMAL + len(DECIMALS)


class SqliteBackend:
    """One connection in one thread; each write is one transaction.

    Args:
        url: ``sqlite:///file`` or ``sqlite:////folder/file``.

    Raises:
        ConfigError: The URL names no file.
    """

    name = "sqlite"

    def __init__(self, url: str) -> None:
        self._url = url
        self._path = sqlite_path(url)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tickloom-sqlite")
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._is_closed = False

    @property
    def url(self) -> str:
        """The URL, fit to be shown."""
        return redact_url(self._url)

    async def open(self) -> None:
        """Migrate and connect; an older connection is closed first."""
        await self._call(self._disconnect)
        await migrate(self._url)
        await self._call(self._connect)

    async def write(self, records: Sequence[Record]) -> int:
        """Insert or replace rows, all or none; of two with one key the last wins."""
        return await self._call(lambda: self._write(records))

    async def read_quotes(self, symbol: str, since: datetime, most: int) -> list[Record]:
        """Return the newest quotes of a symbol from a time on, oldest first."""
        return await self._call(lambda: self._read(symbol, since, most))

    async def write_bars(self, batches: Sequence[BarBatch]) -> int:
        """Insert or replace bars with their actions and ranges, all or nothing."""
        return await self._call(lambda: sqlite_bars.write_bars(self._opened(), batches))

    async def read_bars(self, query: BarQuery, most: int) -> AsyncIterator[list[ProviderBar]]:
        """Yield bars oldest first, ``most`` at a time."""
        after = (query.since, "")
        while True:
            piece = await self._call(partial(self._read_piece, query, after, most))
            if piece:
                yield piece
            if len(piece) < most:
                return
            provider, bar = piece[-1]
            after = (bar.timestamp, provider)

    async def read_text(self, query: BarQuery, form: TextForm) -> AsyncGenerator[TextPiece, None]:
        """Yield the bars of one provider as text, oldest first, in pieces that begin small."""
        after = before(query.since)
        for most in sizes():
            piece = await self._call(partial(self._read_text, query, form, after, most))
            if piece is not None:
                yield piece
            if piece is None or piece.count < most:
                return
            after = piece.last

    async def read_reach(self, query: BarQuery, most: int, *, newest_first: bool) -> Reach:
        """Return how far the first bars of one provider go."""
        return await self._call(
            lambda: sqlite_columns.read_reach(
                self._opened(), query, most, newest_first=newest_first
            )
        )

    async def read_ranges(
        self, symbol: str, interval: Interval, adjustment: PriceAdjustment
    ) -> list[StoredRange]:
        """Return what is stored of a series, by provider and day."""
        key = (symbol, interval.value, adjustment.value)
        return await self._call(lambda: sqlite_bars.read_ranges(self._opened(), key))

    async def read_spans(self, query: BarQuery) -> list[BarSpan]:
        """Return what there is of a series, by currency."""
        return await self._call(lambda: sqlite_bars.read_spans(self._opened(), query))

    async def read_actions(self, symbol: str, days: Days) -> list[StoredAction]:
        """Return splits and dividends of the days, oldest first."""
        return await self._call(lambda: sqlite_bars.read_actions(self._opened(), symbol, days))

    async def write_company(self, company: Company) -> None:
        """Insert or replace the description of a symbol by its provider."""
        row = [sqlite_bars.plain(value) for value in companies.to_row(company)]
        await self._call(lambda: self._opened().execute(_PUT_COMPANY, row))

    async def read_company(self, symbol: str) -> Company | None:
        """Return the newest description of a symbol."""
        row = await self._call(lambda: self._opened().execute(_COMPANY, (symbol,)).fetchone())
        if row is None:
            return None
        return companies.to_company(dict(zip(companies.COLUMNS, row, strict=True)))

    async def ping(self) -> str | None:
        """Return the schema version."""
        return await self._call(self._ask_version)

    async def aclose(self) -> None:
        """Close the file and end the thread; may be called twice."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            await self._call(self._disconnect)
        finally:
            self._thread.shutdown(wait=True)

    async def _call(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except Exception as error:
            raise explain_sqlite(error, self._path) from error

    def _connect(self) -> None:
        connection = sqlite3.connect(self._path, timeout=_LOCK_WAIT_S, isolation_level=None)
        try:
            # Readers and the writer do not wait for each other. Each commit waits for the disk, so
            # that a power cut costs nothing that was reported as stored.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        self._file = self._identity()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _identity(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreUnavailable(f"the database file {self._path} is not open")
        # SQLite writes on happily into a file that was removed, where nobody will find it.
        if self._identity() != self._file:
            raise StoreUnavailable(f"the database file {self._path} was removed or replaced")
        return self._connection

    def _write(self, records: Sequence[Record]) -> int:
        rows = [_bind(to_row(record)) for record in records]
        connection = self._opened()
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.executemany(_UPSERT, rows)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return len(rows)

    def _read(self, symbol: str, since: datetime, most: int) -> list[Record]:
        values = (symbol, _time_text(since.astimezone(UTC)), most)
        rows = self._opened().execute(_NEWEST, values).fetchall()
        return oldest_first([to_sqlite_record(row) for row in rows])

    def _read_piece(
        self, query: BarQuery, after: tuple[datetime, str], most: int
    ) -> list[ProviderBar]:
        return sqlite_bars.read_piece(self._opened(), query, after, most)

    def _read_text(
        self, query: BarQuery, form: TextForm, after: datetime, most: int
    ) -> TextPiece | None:
        return sqlite_columns.read_text(self._opened(), query, form, after, most)

    def _ask_version(self) -> str | None:
        return version_of([name for (name,) in self._opened().execute(RAN)])


def _bind(row: Row) -> list[Any]:
    # Plain text and integers only: adapters are shared by the whole process, and Piccolo registers
    # one that makes a float of every Decimal.
    bound = list(row)
    bound[_FIRST_TIME:_FIRST_DECIMAL] = [_time_text(at) for at in row[_FIRST_TIME:_FIRST_DECIMAL]]
    bound[_FIRST_DECIMAL:_FIRST_INTEGER] = [
        None if number is None else str(number) for number in row[_FIRST_DECIMAL:_FIRST_INTEGER]
    ]
    flag, codes = row[-3:-1]
    bound[-3:-1] = int(flag), encode_json(codes).decode() if codes else "[]"
    return bound


def _time_text(time: datetime) -> str:
    return time.isoformat(" ", "microseconds")
