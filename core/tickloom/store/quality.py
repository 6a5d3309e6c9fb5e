"""Writes and reads what was kept back, what was told, and how providers did."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TypeVar

from msgspec import Struct

from tickloom.errors import BadRecord, TickloomError
from tickloom.model import HistoricalData, Quality, Quote
from tickloom.store.door import Door, moment
from tickloom.store.quality_rows import (
    Counts,
    Held,
    HeldState,
    HourScore,
    QualityEvent,
    fit_event,
    payload_of,
    read_payload,
)

T = TypeVar("T")

_COUNTS = tuple(Counts.__struct_fields__)
_HELD = (
    "id, symbol, provider, interval, timestamp, received_at, code, reason, found, payload, state, "
    "decided_at, decided_by, created_at"
)
_HOLD = (
    "INSERT INTO quarantine (id, symbol, provider, interval, timestamp, received_at, code, reason, "
    "found, payload, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) "
    "ON CONFLICT (id) DO NOTHING"
)
_DECIDE = (
    "UPDATE quarantine SET state = $2, decided_at = $3, decided_by = $4 "  # noqa: S608 - own names
    f"WHERE id = $1 AND state = 'held' RETURNING {_HELD}"
)
_EVENT = (
    "id, at, last_at, symbol, provider, interval, kind, code, quality, reason, found, timestamp, "
    "times"
)
_TELL = (
    f"INSERT INTO quality_events ({_EVENT}) "  # noqa: S608 - only our own column names
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (id) DO UPDATE "
    "SET times = quality_events.times + excluded.times, last_at = excluded.last_at"
)
_SHARES = "completeness, timeliness, agreement, validity"
_COUNT = (
    f"INSERT INTO quality_scores (provider, symbol, hour, {', '.join(_COUNTS)}) "  # noqa: S608 - own names
    f"VALUES ({', '.join(f'${number}' for number in range(1, 4 + len(_COUNTS)))}) "
    "ON CONFLICT (provider, symbol, hour) DO UPDATE SET "
    + ", ".join(f"{name} = quality_scores.{name} + excluded.{name}" for name in _COUNTS)
)


class Page(Struct, frozen=True, kw_only=True):
    """Which rows are wanted, newest first.

    Attributes:
        most: At most so many.
        symbol: Canonical; ``None`` = of all.
        provider: Its name; ``None`` = of all.
        code: ``None`` = all.
        state: Of the quarantine; ``None`` = all.
        kind: Of events; ``None`` = all.
        before: Time and identity of the last row of the page before; ``None`` = the first page.
    """

    most: int
    symbol: str | None = None
    provider: str | None = None
    code: str | None = None
    state: HeldState | None = None
    kind: str | None = None
    before: tuple[datetime, str] | None = None


class QualityStore:
    """The tables of quality.

    Args:
        door: Opened when it is first needed, and again after a failure; owned from now on.
    """

    def __init__(self, door: Door) -> None:
        self._door = door
        self._opening = asyncio.Lock()
        self._is_open = False

    @property
    def keeps(self) -> bool:
        """False where there is no database."""
        return self._door.name != "none"

    async def open(self) -> None:
        """Connect, unless that was done; everything else here does so by itself.

        Raises:
            TickloomError: The database is away.
        """
        async with self._opening:
            if not self._is_open:
                await self._door.open()
                self._is_open = True

    async def hold(self, rows: Sequence[Held]) -> None:
        """Keep rows; those that are there already are left as they are.

        Raises:
            BadRecord: The database takes at least one of them not.
            TickloomError: The database is away.
        """
        bound = [
            (
                *(row.id, row.symbol, row.provider, row.interval, row.timestamp, row.received_at),
                *(row.code, row.reason, payload_of(row.found)),
                *(payload_of(row.quote or row.series), row.created_at),
            )
            for row in rows
        ]
        await self._with(lambda: self._door.run(_HOLD, bound))

    async def held(self, page: Page) -> list[Held]:
        """Return what was kept back, newest first.

        Raises:
            TickloomError: The database is away.
        """
        filters = {"symbol": page.symbol, "provider": page.provider, "code": page.code}
        query, values = _paged(
            "quarantine", _HELD, "created_at", filters | {"state": page.state}, page
        )
        return [_to_held(row) for row in await self._with(lambda: self._door.fetch(query, *values))]

    async def find_held(self, identity: str) -> Held | None:
        """Return one row; ``None`` = there is none.

        Raises:
            TickloomError: The database is away.
        """
        query = f"SELECT {_HELD} FROM quarantine WHERE id = $1"  # noqa: S608 - own names
        rows = await self._with(lambda: self._door.fetch(query, identity))
        return _to_held(rows[0]) if rows else None

    async def decide(
        self, identity: str, state: Literal["released", "dropped"], by: str, now: datetime
    ) -> Held | None:
        """Decide on a row that is held; of several who try at once one gets the row.

        Returns the row as it is now, ``None`` where it is not held (any more).

        Raises:
            TickloomError: The database is away.
        """
        rows = await self._with(lambda: self._door.fetch(_DECIDE, identity, state, now, by[:100]))
        return _to_held(rows[0]) if rows else None

    async def undo(self, identity: str) -> None:
        """Make a row held again whose release failed.

        Raises:
            TickloomError: The database is away.
        """
        statement = (
            "UPDATE quarantine SET state = 'held', decided_at = NULL, decided_by = NULL "
            "WHERE id = $1"
        )
        await self._with(lambda: self._door.run(statement, [(identity,)]))

    async def tell(self, events: Sequence[QualityEvent]) -> None:
        """Add events; what was told in the same minute already is counted there.

        Raises:
            BadRecord: The database takes at least one of them not.
            TickloomError: The database is away.
        """
        bound = [
            (
                *(event.id, event.at, event.last_at, event.symbol, event.provider, event.interval),
                *(event.kind, event.code, event.quality.value, event.reason),
                *(payload_of(event.found), event.timestamp, event.times),
            )
            for event in map(fit_event, events)
        ]
        await self._with(lambda: self._door.run(_TELL, bound))

    async def events(self, page: Page) -> list[QualityEvent]:
        """Return what was told, newest first.

        Raises:
            TickloomError: The database is away.
        """
        filters = {"symbol": page.symbol, "provider": page.provider, "code": page.code}
        query, values = _paged("quality_events", _EVENT, "at", filters | {"kind": page.kind}, page)
        rows = await self._with(lambda: self._door.fetch(query, *values))
        return [_to_event(row) for row in rows]

    async def count(self, hour: datetime, counts: dict[tuple[str, str], Counts]) -> None:
        """Add to the counts of an hour, by provider and symbol.

        Raises:
            TickloomError: The database is away.
        """
        bound = [
            (provider, symbol, hour, *(getattr(one, name) for name in _COUNTS))
            # In one order, so that two replicas never wait for each other.
            for (provider, symbol), one in sorted(counts.items())
        ]
        await self._with(lambda: self._door.run(_COUNT, bound))

    async def scores(
        self, since: datetime, symbol: str | None, provider: str | None, most: int
    ) -> list[HourScore]:
        """Return the scores of each hour from ``since`` on, newest hour first.

        Raises:
            TickloomError: The database is away.
        """
        filters = {"symbol": symbol, "provider": provider}
        where, values = _where(filters)
        values.append(since)
        where.append(f"hour >= ${len(values)}")
        query = (
            f"SELECT provider, symbol, hour, {', '.join(_COUNTS)}, {_SHARES} "  # noqa: S608 - own names
            f"FROM quality_scores WHERE {' AND '.join(where)} "
            f"ORDER BY hour DESC, symbol, provider LIMIT {int(most)}"
        )
        rows = await self._with(lambda: self._door.fetch(query, *values))
        return [_to_score(row) for row in rows]

    async def aclose(self) -> None:
        """Let go of the database; may be called twice."""
        self._is_open = False
        await self._door.aclose()

    async def _with(self, work: Callable[[], Awaitable[T]]) -> T:
        await self.open()
        try:
            return await work()
        except BadRecord:
            raise
        except TickloomError:
            self._is_open = False
            raise


def _where(filters: dict[str, str | None]) -> tuple[list[str], list[Any]]:
    wanted = {name: value for name, value in filters.items() if value is not None}
    where = [f"{name} = ${number}" for number, name in enumerate(wanted, 1)]
    return where, list(wanted.values())


def _paged(
    table: str, columns: str, time: str, filters: dict[str, str | None], page: Page
) -> tuple[str, list[Any]]:
    where, values = _where(filters)
    if page.before is not None:
        where.append(f"({time}, id) < (${len(values) + 1}, ${len(values) + 2})")
        values += page.before
    condition = f"WHERE {' AND '.join(where)} " if where else ""
    order = f"ORDER BY {time} DESC, id DESC LIMIT {int(page.most)}"
    return f"SELECT {columns} FROM {table} {condition}{order}", values  # noqa: S608 - own names


def _to_held(row: Sequence[Any]) -> Held:
    identity, symbol, provider, interval, timestamp, received_at, code, reason, *rest = row
    found, payload, state, decided_at, decided_by, created_at = rest
    return Held(
        id=str(identity),
        symbol=symbol,
        provider=provider,
        timestamp=moment(timestamp),
        received_at=moment(received_at),
        code=code,
        reason=reason,
        created_at=moment(created_at),
        interval=interval,
        found=read_payload(found, dict[str, Decimal]) or {},
        state=state,
        decided_at=None if decided_at is None else moment(decided_at),
        decided_by=decided_by,
        quote=read_payload(payload, Quote) if interval is None else None,
        series=None if interval is None else read_payload(payload, HistoricalData),
    )


def _to_event(row: Sequence[Any]) -> QualityEvent:
    identity, at, last_at, symbol, provider, interval, kind, code, quality, reason, *rest = row
    found, timestamp, times = rest
    return QualityEvent(
        id=str(identity),
        at=moment(at),
        last_at=moment(last_at),
        symbol=symbol,
        provider=provider,
        kind=kind,
        code=code,
        quality=Quality(quality),
        reason=reason,
        interval=interval,
        found=read_payload(found, dict[str, Decimal]) or {},
        timestamp=None if timestamp is None else moment(timestamp),
        times=times,
    )


def _to_score(row: Sequence[Any]) -> HourScore:
    provider, symbol, hour, *numbers = row
    shares = numbers[len(_COUNTS) :]
    return HourScore(
        provider=provider,
        symbol=symbol,
        hour=moment(hour),
        counts=Counts(**dict(zip(_COUNTS, numbers, strict=False))),
        completeness=shares[0],
        timeliness=shares[1],
        agreement=shares[2],
        validity=shares[3],
    )
