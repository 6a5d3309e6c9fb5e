"""Removes old rows from PostgreSQL: past partitions as a whole, the rest page by page."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from typing import Any, Self

import asyncpg  # type: ignore[import-untyped]  # it ships no types
from msgspec import Struct

from tickloom.clock import Clock
from tickloom.errors import StoreUnavailable, TickloomError, verbatim
from tickloom.store.failures import explain_postgres
from tickloom.store.retention_kinds import Tally, Target, first_claims

_CONNECT_LIMIT_S = 5.0
_ANSWER_LIMIT_S = 60.0
_CLOSE_LIMIT_S = 3.0
# To count or to sweep a large table.
_SCAN_LIMIT_S = 1_800.0
# For the ranges, which writers hold for one write.
_RANGES_LIMIT_S = 10
# A count of a table of more rows would take longer than anybody wants to wait.
_COUNTED_ROWS = 2_000_000
# About 4 MiB, which is some thousand rows.
_BATCH_PAGES = 512
_PAUSE_S = 0.02
# To drop a partition its parent is locked for a moment. Whoever comes while we wait for the lock
# waits behind us, so that we give up soon and come back.
_LOCK_LIMIT_MS = 200
_LOCK_TRIES = 25
_LOCK_PAUSE_S = 0.4
_NOT_NOW = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)

_BOUND = "substring(pg_get_expr(relpartbound, oid) from '{} \\(''([^'']+)''\\)')::timestamptz"
_LEAVES = (
    f"SELECT oid::regclass::text AS name, {_BOUND.format('FROM')} AS begin, "  # noqa: S608 - own names
    f"{_BOUND.format('TO')} AS end, reltuples::bigint AS rows, "
    "pg_total_relation_size(oid) AS bytes FROM pg_class "
    "WHERE oid IN (SELECT relid FROM pg_partition_tree(to_regclass($1)) WHERE isleaf) "
    "OR (oid = to_regclass($1) AND relkind = 'r') ORDER BY begin NULLS LAST, name"
)
_PAGES = "SELECT pg_relation_size(to_regclass($1)) / current_setting('block_size')::int"


class _Leaf(Struct, frozen=True):
    name: str
    begin: datetime | None
    end: datetime | None
    rows: int
    bytes: int


class PostgresExpirer:
    """One connection for one pass; to be entered as a context.

    Args:
        url: ``postgresql://user@host/name``.
        clock: For the pauses.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._connection: Any = None

    async def __aenter__(self) -> Self:
        try:
            self._connection = await asyncpg.connect(
                self._url, timeout=_CONNECT_LIMIT_S, command_timeout=_ANSWER_LIMIT_S
            )
            # The bounds of partitions are told, and days are compared with times, in this zone.
            await self._connection.execute("SET TIME ZONE 'UTC'")
        except Exception as error:
            raise self.explain(error) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._connection is None:
            return
        try:
            await self._connection.close(timeout=_CLOSE_LIMIT_S)
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self._connection.terminate()

    def explain(self, error: Exception) -> TickloomError:
        """Return the error of ours for what a method raised."""
        return explain_postgres(error, self._url)

    async def columns(self, table: str) -> set[str]:
        """Return the names of a table's columns; empty = there is no such table."""
        rows = await self._connection.fetch(
            "SELECT attname FROM pg_attribute "
            "WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped",
            table,
        )
        return {row["attname"] for row in rows}

    async def measure(self, target: Target, cutoff: date, tally: Tally) -> None:
        """Count what is older than ``cutoff``, and look for the oldest that is not."""
        before = _midnight(cutoff)
        leaves = await self._leaves(target)
        for leaf in leaves:
            if _is_past(leaf, before):
                tally.partitions.append(leaf.name)
                tally.rows += await self._rows(leaf, tally)
                tally.bytes += leaf.bytes
            elif leaf.begin is None or leaf.begin < before:
                old, all_rows = await self._connection.fetchrow(
                    f"SELECT count(*) FILTER (WHERE {_old(target)}), count(*) FROM {leaf.name}",  # noqa: S608 - own names
                    before,
                    timeout=_SCAN_LIMIT_S,
                )
                tally.rows += old
                tally.bytes += leaf.bytes * old // all_rows if all_rows else 0
        await self._look_for_oldest(target, leaves, before, tally)

    async def _rows(self, leaf: _Leaf, tally: Tally) -> int:
        if leaf.rows > _COUNTED_ROWS:
            tally.is_about = True
            return leaf.rows
        return int(await self._connection.fetchval(f"SELECT count(*) FROM {leaf.name}"))  # noqa: S608 - own names

    async def _look_for_oldest(
        self, target: Target, leaves: list[_Leaf], before: datetime, tally: Tally
    ) -> None:
        kept = f"{target.column} >= $1" + (f" AND {target.where}" if target.where else "")
        is_found = False
        for leaf in leaves:
            # What has bounds comes in their order, so that one answer is enough.
            if _is_past(leaf, before) or (is_found and leaf.begin is not None):
                continue
            time_ = await self._connection.fetchval(
                f"SELECT min({target.column}) FROM {leaf.name} WHERE {kept}",  # noqa: S608 - own names
                before,
                timeout=_SCAN_LIMIT_S,
            )
            is_found = is_found or time_ is not None
            tally.keep(time_)

    async def expire(self, target: Target, cutoff: date, tally: Tally) -> None:
        """Remove what is older than ``cutoff``; the tally counts what is gone so far."""
        before = _midnight(cutoff)
        for leaf in await self._leaves(target):
            if _is_past(leaf, before):
                rows = await self._rows(leaf, tally)
                await self._drop(leaf, target, cutoff)
                tally.partitions.append(leaf.name)
                tally.rows += rows
                tally.bytes += leaf.bytes
            elif leaf.begin is None or leaf.begin < before:
                await self._thin_out(leaf, target, cutoff, tally)

    async def _leaves(self, target: Target) -> list[_Leaf]:
        rows = await self._connection.fetch(_LEAVES, target.root or target.table)
        return [_Leaf(**dict(row)) for row in rows]

    async def _drop(self, leaf: _Leaf, target: Target, cutoff: date) -> None:
        for _ in range(_LOCK_TRIES):
            try:
                async with self._connection.transaction():
                    await self._connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_LIMIT_MS}ms'")
                    # DETACH CONCURRENTLY is refused beside a default partition.
                    await self._connection.execute(f"DROP TABLE IF EXISTS {leaf.name}")
                    await self._cut_ranges(target, cutoff)
            except _NOT_NOW:
                await self._clock.sleep(_LOCK_PAUSE_S)
            else:
                return
        raise StoreUnavailable(
            f"the partition {leaf.name} cannot be dropped now",
            found=verbatim("others use its table all the time"),
            fix="The next cleanup tries again.",
        )

    async def _thin_out(self, leaf: _Leaf, target: Target, cutoff: date, tally: Tally) -> None:
        # Page by page, since no index leads to the old bars and each search from the start would
        # pass by all that is dead already. Rows that somebody writes now are left for the next
        # time, so that neither waits for the other.
        delete = (
            f"DELETE FROM ONLY {leaf.name} WHERE ctid = ANY(ARRAY(SELECT ctid "  # noqa: S608 - own names
            f"FROM ONLY {leaf.name} WHERE ctid >= $2::text::tid AND ctid < $3::text::tid "
            f"AND {_old(target)} FOR UPDATE SKIP LOCKED))"
        )
        before = _midnight(cutoff)
        pages = await self._connection.fetchval(_PAGES, leaf.name)
        gone = 0
        for page in range(0, pages, _BATCH_PAGES):
            async with self._connection.transaction():
                status = await self._connection.execute(
                    delete, before, f"({page},0)", f"({page + _BATCH_PAGES},0)"
                )
                rows = int(status.split()[-1])
                if rows:
                    await self._connection.execute(f"SET LOCAL lock_timeout = '{_RANGES_LIMIT_S}s'")
                    await self._cut_ranges(target, cutoff)
            gone += rows
            tally.rows += rows
            await self._clock.sleep(_PAUSE_S if rows else 0)
        if gone:
            # The share that autovacuum waits for is never reached by a day out of many.
            await self._connection.execute(f"VACUUM (ANALYZE) {leaf.name}", timeout=_SCAN_LIMIT_S)
            left = await self._rows(leaf, Tally())
            tally.bytes += leaf.bytes * gone // (gone + left)

    async def _cut_ranges(self, target: Target, cutoff: date) -> None:
        if not target.intervals:
            return
        # As those who write ranges: bars first, then this lock, so that nobody waits in a circle.
        await self._connection.execute("LOCK TABLE history_ranges IN SHARE ROW EXCLUSIVE MODE")
        for day, intervals in first_claims(target.intervals, cutoff).items():
            await self._connection.execute(
                "DELETE FROM history_ranges WHERE interval = ANY($1) AND last_day < $2",
                *(intervals, day),
            )
            await self._connection.execute(
                "UPDATE history_ranges SET first_day = $2 "
                "WHERE interval = ANY($1) AND first_day < $2",
                *(intervals, day),
            )

    async def tidy(self, tables: Iterable[str]) -> None:
        """Let the planner know those tables that are partitioned; autovacuum never does."""
        rows = await self._connection.fetch(
            "SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'p' "
            "AND oid IN (SELECT to_regclass(name) FROM unnest($1::text[]) AS name)",
            list(tables),
        )
        for row in rows:
            await self._connection.execute(f"ANALYZE {row['name']}", timeout=_SCAN_LIMIT_S)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _is_past(leaf: _Leaf, before: datetime) -> bool:
    return leaf.end is not None and leaf.end <= before


def _old(target: Target) -> str:
    # The intervals are known by the partition.
    return f"{target.column} < $1" + (f" AND {target.where}" if target.where else "")
