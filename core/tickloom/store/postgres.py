"""Writes to PostgreSQL by COPY into a staging table, then one upsert."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime

import asyncpg  # type: ignore[import-untyped]  # it ships no types

from tickloom.errors import StoreUnavailable
from tickloom.model import Company, Interval, PriceAdjustment
from tickloom.settings import redact_url
from tickloom.store import companies, partitions, postgres_bars, postgres_columns
from tickloom.store.bars import BarBatch, BarQuery, BarSpan, ProviderBar, StoredAction, StoredRange
from tickloom.store.columns import Reach, TextForm, TextPiece, before, sizes
from tickloom.store.days import Days
from tickloom.store.failures import explain_postgres
from tickloom.store.reading import NEWEST, oldest_first, to_record
from tickloom.store.rows import COLUMNS, KEY, REPLACED, Record, Row, key_of_quote, to_row
from tickloom.store.schema import RAN, migrate, version_of

_CONNECT_LIMIT_S = 5.0
_ANSWER_LIMIT_S = 30.0
_CLOSE_LIMIT_S = 3.0
# Rows that are made and encoded before other tasks may run.
_SLICE_ROWS = 64
# After a partition could not be made: a try may wait for a lock, which would slow every write.
_PARTITION_PAUSE_S = 60.0

_STAGING = "market_data_staging"
# One for each connection: unlike a temporary table for each write it does not bloat the catalogue.
_MAKE_STAGING = (
    f"CREATE TEMPORARY TABLE IF NOT EXISTS {_STAGING} (LIKE market_data INCLUDING DEFAULTS) "
    "ON COMMIT DELETE ROWS"
)
_NAMES = ", ".join(COLUMNS)
_TIME = KEY.index("timestamp")
_UPSERT = (
    f"INSERT INTO market_data ({_NAMES}) SELECT {_NAMES} FROM {_STAGING} "  # noqa: S608 - own names
    f"ON CONFLICT ({', '.join(KEY)}) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in REPLACED)
    + ", updated_at = now()"
)

_NEWEST = f"SELECT {_NAMES} FROM market_data WHERE {NEWEST.format('$1', '$2', '$3')}"  # noqa: S608 - own names

_PUT_COMPANY = companies.upsert(
    ", ".join(f"${number}" for number in range(1, len(companies.COLUMNS) + 1)), "now()"
)
_COMPANY = companies.newest("$1")


class PostgresBackend:
    """A pool of two connections, one to write and one to ask; each write is one transaction.

    Args:
        url: ``postgresql://user@host/name``.
    """

    name = "postgresql"

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: asyncpg.Pool | None = None
        self._partitions: set[partitions.Partition] = set()
        self._days: set[date] = set()
        self._days_again_s = 0.0

    @property
    def url(self) -> str:
        """The URL, fit to be shown."""
        return redact_url(self._url)

    async def open(self) -> None:
        """Migrate and connect; an older pool is closed first."""
        await self.aclose()
        await migrate(self._url)
        self._partitions.clear()
        self._days.clear()
        self._days_again_s = 0.0
        try:
            self._pool = await asyncpg.create_pool(
                self._url,
                min_size=1,
                max_size=2,
                timeout=_CONNECT_LIMIT_S,
                command_timeout=_ANSWER_LIMIT_S,
                init=_make_staging,
            )
        except Exception as error:
            raise explain_postgres(error, self._url) from error

    async def write(self, records: Sequence[Record]) -> int:
        """Insert or replace rows, all or none; of two with one key the last wins."""
        # An upsert may touch a row but once.
        newest = {key_of_quote(record[0]): record for record in records}
        async with self._connection() as connection:
            await self._make_days(connection, newest)
            try:
                await self._upsert(connection, newest.values())
            except asyncpg.UniqueViolationError:
                # Another replica inserted one of the rows in the same moment: ON CONFLICT looks at
                # one index only, and the other one was the first to notice. Now both know it.
                await self._upsert(connection, newest.values())
        return len(records)

    async def _upsert(self, connection: asyncpg.Connection, records: Iterable[Record]) -> None:
        async with connection.transaction():
            await connection.copy_records_to_table(
                _STAGING, records=_rows(records), columns=COLUMNS, timeout=_ANSWER_LIMIT_S
            )
            await connection.execute(_UPSERT)

    async def _make_days(self, connection: asyncpg.Connection, keys: Iterable[Row]) -> None:
        # What is no time at all is refused with its row.
        times = {key[_TIME] for key in keys if isinstance(key[_TIME], datetime)}
        new = {time.astimezone(UTC).date() for time in times} - self._days
        now_s = asyncio.get_running_loop().time()
        if not new or now_s < self._days_again_s:
            return
        today = (await connection.fetchval("SELECT now()")).astimezone(UTC).date()
        wanted = partitions.quotes_partitions(new, today)
        if len(await partitions.make(connection, wanted)) < len(wanted):
            self._days_again_s = now_s + _PARTITION_PAUSE_S
        else:
            # A day that is too far ahead gets its partition later.
            self._days |= {day for day in new if day <= today}
            self._days |= {partition.begin.date() for partition in wanted}

    async def read_quotes(self, symbol: str, since: datetime, most: int) -> list[Record]:
        """Return the newest quotes of a symbol from a time on, oldest first."""
        async with self._connection() as connection:
            rows = await connection.fetch(_NEWEST, symbol, since, most, timeout=_ANSWER_LIMIT_S)
        return oldest_first([to_record(row) for row in rows])

    async def write_bars(self, batches: Sequence[BarBatch]) -> int:
        """Insert or replace bars with their actions and ranges, all or nothing."""
        async with self._connection() as connection:
            clock = asyncio.get_running_loop().time
            begun_s = clock()
            needed = await postgres_bars.partitions_for(batches) - self._partitions
            self._partitions.update(await partitions.make(connection, needed))
            return await postgres_bars.write_bars(connection, batches, clock() - begun_s)

    async def read_bars(self, query: BarQuery, most: int) -> AsyncIterator[list[ProviderBar]]:
        """Yield bars oldest first, ``most`` at a time."""
        after = (query.since, "")
        while True:
            # No connection is held while the caller works on what it got.
            async with self._connection() as connection:
                piece = await postgres_bars.read_piece(connection, query, after, most)
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
            async with self._connection() as connection:
                piece = await postgres_columns.read_text(connection, query, form, after, most)
            if piece is not None:
                yield piece
            if piece is None or piece.count < most:
                return
            after = piece.last

    async def read_reach(self, query: BarQuery, most: int, *, newest_first: bool) -> Reach:
        """Return how far the first bars of one provider go."""
        async with self._connection() as connection:
            return await postgres_columns.read_reach(
                connection, query, most, newest_first=newest_first
            )

    async def read_ranges(
        self, symbol: str, interval: Interval, adjustment: PriceAdjustment
    ) -> list[StoredRange]:
        """Return what is stored of a series, by provider and day."""
        async with self._connection() as connection:
            key = (symbol, interval.value, adjustment.value)
            return await postgres_bars.read_ranges(connection, key)

    async def read_spans(self, query: BarQuery) -> list[BarSpan]:
        """Return what there is of a series, by currency."""
        async with self._connection() as connection:
            return await postgres_bars.read_spans(connection, query)

    async def read_actions(self, symbol: str, days: Days) -> list[StoredAction]:
        """Return splits and dividends of the days, oldest first."""
        async with self._connection() as connection:
            return await postgres_bars.read_actions(connection, symbol, days)

    async def write_company(self, company: Company) -> None:
        """Insert or replace the description of a symbol by its provider."""
        async with self._connection() as connection:
            await connection.execute(_PUT_COMPANY, *companies.to_row(company))

    async def read_company(self, symbol: str) -> Company | None:
        """Return the newest description of a symbol."""
        async with self._connection() as connection:
            row = await connection.fetchrow(_COMPANY, symbol)
        return None if row is None else companies.to_company(row)

    async def ping(self) -> str | None:
        """Return the schema version."""
        async with self._connection() as connection:
            rows = await connection.fetch(RAN, timeout=_CONNECT_LIMIT_S)
        return version_of([row["name"] for row in rows])

    async def aclose(self) -> None:
        """Close the connections, in three seconds at most; may be called twice."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            async with asyncio.timeout(_CLOSE_LIMIT_S):
                await pool.close()
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            pool.terminate()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        if self._pool is None:
            raise StoreUnavailable(f"the database at {self.url} is not open")
        try:
            async with self._pool.acquire(timeout=_CONNECT_LIMIT_S) as connection:
                yield connection
        except Exception as error:
            raise explain_postgres(error, self._url) from error


async def _make_staging(connection: asyncpg.Connection) -> None:
    await connection.execute(_MAKE_STAGING)
    await connection.execute(postgres_bars.MAKE_STAGING)


async def _rows(records: Iterable[Record]) -> AsyncIterator[Row]:
    for number, record in enumerate(records, 1):
        yield to_row(record)
        if number % _SLICE_ROWS == 0:
            await asyncio.sleep(0)
