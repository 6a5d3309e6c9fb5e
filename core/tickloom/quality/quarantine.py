"""What was kept back, and what somebody decides about it."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Literal, Protocol
from uuid import UUID

import msgspec
from loguru import logger
from msgspec import Struct

from tickloom.clock import Clock
from tickloom.errors import BadRecord, NotFound, NotSupported, RequestError
from tickloom.model import HistoricalData, Quote
from tickloom.quality.keeper import Keeper
from tickloom.store import QualityStore
from tickloom.store.quality import Page
from tickloom.store.quality_rows import NOT_STORABLE, Held, QualityEvent

MOST_ROWS = 1_000
"""Most rows of one page."""


class HeldPage(Struct, frozen=True, kw_only=True):
    """Rows of the quarantine, newest first; ``next`` asks for those after, ``None`` = no more."""

    rows: list[Held]
    next: str | None = None


class EventPage(Struct, frozen=True, kw_only=True):
    """Events, newest minute first; ``next`` asks for those after, ``None`` = no more."""

    rows: list[QualityEvent]
    next: str | None = None


class Readmit(Protocol):
    """Puts a released quote through the rest of the line."""

    def __call__(self, quote: Quote, *, was_published: bool = False) -> object:
        """Take the quote; one that was published before is only to be stored."""
        ...


class Quarantine:
    """Lists, releases and drops what was kept back.

    Args:
        store: Where it is.
        keeper: Asked to write what waits, before anything is listed.
        readmit: Puts a released quote through the rest of the line.
        put: Stores a released bar; returns how many bars were stored.
        clock: For the time of a decision.
    """

    def __init__(
        self,
        store: QualityStore,
        keeper: Keeper,
        readmit: Readmit,
        put: Callable[[HistoricalData], Awaitable[int]],
        clock: Clock,
    ) -> None:
        self._store = store
        self._keeper = keeper
        self._readmit = readmit
        self._put = put
        self._clock = clock
        self.released = 0
        self.dropped = 0

    async def held(self, page: Page) -> HeldPage:
        """Return a page of what was kept back.

        Raises:
            StoreUnavailable: The database is away.
        """
        await self._keeper.flush()
        rows = await self._store.held(page)
        last = rows[-1] if len(rows) == page.most else None
        return HeldPage(rows=rows, next=None if last is None else _token(last.created_at, last.id))

    async def events(self, page: Page) -> EventPage:
        """Return a page of what was told.

        Raises:
            StoreUnavailable: The database is away.
        """
        await self._keeper.flush()
        rows = await self._store.events(page)
        last = rows[-1] if len(rows) == page.most else None
        return EventPage(rows=rows, next=None if last is None else _token(last.at, last.id))

    async def release(self, identity: str, by: str) -> Held:
        """Let a row go on, flagged as ``released``; what was released before is left alone.

        Raises:
            NotFound: There is no such row.
            RequestError: It was dropped.
            BadRecord: It cannot be read, or its bar cannot be stored.
            StoreUnavailable: The database is away.
        """
        row = await self._find(identity)
        if row.state == "held" and row.quote is None and row.series is None:
            raise BadRecord(
                "the row in quarantine cannot be read any more", found=row.id, fix="Drop it."
            )
        await self._store_bar(row)
        row, is_ours = await self._decide(identity, "released", by)
        if is_ours:
            try:
                self._let_go(row)
            except BaseException:
                # Nobody shall think that it went on.
                await asyncio.shield(self._store.undo(row.id))
                raise
            self.released += 1
            logger.info("{} by {} was released by {}", row.symbol, row.provider, by)
        return row

    async def drop(self, identity: str, by: str) -> Held:
        """Decide that a row never goes on; it stays in the list as ``dropped``.

        Raises:
            NotFound: There is no such row.
            RequestError: It was released.
            StoreUnavailable: The database is away.
        """
        row, is_ours = await self._decide(identity, "dropped", by)
        self.dropped += is_ours
        return row

    async def _find(self, identity: str) -> Held:
        if not self._store.keeps:
            raise NotSupported(
                "nothing is kept in quarantine",
                fix="Name a database in database.url.",
            )
        try:
            identity = str(UUID(identity))
        except ValueError:
            raise RequestError(
                "not the id of a row in quarantine", found=identity, expected="a UUID"
            ) from None
        await self._keeper.flush()
        row = await self._store.find_held(identity)
        if row is None:
            raise NotFound("no such row in quarantine", found=identity)
        return row

    async def _decide(
        self, identity: str, state: Literal["released", "dropped"], by: str
    ) -> tuple[Held, bool]:
        row = await self._find(identity)
        ours = await self._store.decide(row.id, state, by, self._clock.now())
        if ours is not None:
            return ours, True
        row = await self._find(identity)
        if row.state != state:
            raise RequestError(
                f"the row in quarantine was {row.state} before",
                found=identity,
                expected="one that is held",
            )
        return row, False

    async def _store_bar(self, row: Held) -> None:
        # Before the decision, since to store it twice is no harm, and never would be a loss. Also
        # when it was released before: that may have been cut off in between.
        if row.series is None or row.state == "dropped":
            return
        if not await self._put(row.series):
            raise BadRecord("the bar in quarantine cannot be stored", found=row.id, fix="Drop it.")

    def _let_go(self, row: Held) -> None:
        if row.quote is not None:
            # The database refused it; clients had it long before.
            self._readmit(row.quote, was_published=row.code == NOT_STORABLE)


def page_of(
    most: int, token: str | None = None, **filters: str | None
) -> Page:  # fmt: skip
    """Return which rows a request wants.

    Args:
        most: At most so many.
        token: ``next`` of the page before; ``None`` = the first page.
        filters: Fields of :class:`tickloom.store.quality.Page`.

    Raises:
        RequestError: The number or the token cannot be used.
    """
    if not 1 <= most <= MOST_ROWS:
        raise RequestError("limit is out of range", found=most, expected=f"1 to {MOST_ROWS}")
    state = filters.get("state")
    if state is not None and state not in {"held", "released", "dropped"}:
        raise RequestError("no such state", found=state, expected="held, released or dropped")
    refuse_nul(**filters)
    before = None if token is None else _read_token(token)
    return msgspec.convert({"most": most, "before": before, **filters}, Page)


def refuse_nul(**filters: str | None) -> None:
    """Refuse texts that one of the databases would not take.

    Raises:
        RequestError: One holds a NUL character.
    """
    for name, text in filters.items():
        if text is not None and "\0" in text:
            raise RequestError(f"{name} cannot be looked for", found=text, expected="text")


def _token(at: datetime, identity: str) -> str:
    return base64.urlsafe_b64encode(f"{at.isoformat()} {identity}".encode()).decode().rstrip("=")


def _read_token(token: str) -> tuple[datetime, str]:
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
        at, _, identity = text.partition(" ")
        return datetime.fromisoformat(at).astimezone(UTC), str(UUID(identity))
    except (ValueError, OverflowError, binascii.Error):
        raise RequestError(
            "the page token cannot be used", found=token, expected="next of the page before"
        ) from None
