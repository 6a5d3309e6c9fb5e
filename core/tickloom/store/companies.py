"""Descriptions of companies as providers gave them, for when none of them answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, Protocol

import msgspec

from tickloom.clock import Clock
from tickloom.errors import BadRecord, TickloomError, verbatim
from tickloom.model import Company, encode_json
from tickloom.store.rows import Row
from tickloom.store.telling import Telling

# Who waits for the answer of a provider does not wait long for it to be stored.
_LIMIT_S = 2.0

_KEY = ("symbol", "provider")
_TEXTS = (
    *("name", "description", "asset_type", "exchange", "currency", "country", "sector"),
    *("industry", "website", "fallback_from", "fallback_reason"),
)
_PLAIN = ("employees", "market_cap", "shares_outstanding", "received_at")
COLUMNS = (*_KEY, *_TEXTS, *_PLAIN, "additional_data")
"""The columns that are written; ``created_at`` and ``updated_at`` are the database's own."""

_values = attrgetter(*COLUMNS)
_SET = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name not in _KEY)


def upsert(places: str, now: str) -> str:
    """Return the statement that stores one row.

    Args:
        places: For the values, in the order of :data:`COLUMNS`.
        now: The present time, in the words of the database.
    """
    return (
        f"INSERT INTO companies ({', '.join(COLUMNS)}) VALUES ({places}) "  # noqa: S608 - own names
        f"ON CONFLICT (symbol, provider) DO UPDATE SET {_SET}, updated_at = {now}"
    )


def newest(place: str) -> str:
    """Return the question for the newest row of a symbol, with a place for it."""
    return (
        f"SELECT {', '.join(COLUMNS)} FROM companies WHERE symbol = {place} "  # noqa: S608 - own names
        "ORDER BY received_at DESC, provider LIMIT 1"
    )


def to_row(company: Company) -> Row:
    """Return the row of a description, as PostgreSQL takes it.

    Raises:
        BadRecord: A text holds a NUL character, or a value is none that can be written.
    """
    *values, received_at, extra = _values(company)
    try:
        text = None if extra is None else encode_json(extra).decode()
        row = (*values, received_at.astimezone(UTC), text)
        if received_at.tzinfo is None or "\0" in _texts(row) or "\\u0000" in (text or ""):
            raise ValueError("a NUL character, or a time without a zone")  # noqa: TRY301
    except (AttributeError, TypeError, ValueError, ArithmeticError) as error:
        raise BadRecord(
            f"the description of {company.symbol!r} by {company.provider!r} cannot be stored",
            found=verbatim(f"{type(error).__name__}: {error}"),
        ) from error
    return row


def _texts(row: Row) -> str:
    return "".join(value for value in row if isinstance(value, str))


def to_company(row: Mapping[str, Any]) -> Company:
    """Return the description of a row, of either database."""
    values = {name: row[name] for name in COLUMNS}
    extra, cap, at = (values[name] for name in ("additional_data", "market_cap", "received_at"))
    values["additional_data"] = None if extra is None else msgspec.json.decode(extra)
    values["market_cap"] = None if cap is None else Decimal(cap)
    values["received_at"] = datetime.fromisoformat(at) if isinstance(at, str) else at
    return Company(**values)


class _Backend(Protocol):
    @property
    def name(self) -> str: ...

    async def write_company(self, company: Company) -> None: ...

    async def read_company(self, symbol: str) -> Company | None: ...


class CompanyStore:
    """The newest description of each symbol by each provider.

    A database that is away costs no answer: what cannot be stored is told, what cannot be read is
    not there.

    Args:
        backend: Another opens and closes it.
        clock: For the intervals of warnings.
    """

    def __init__(self, backend: _Backend, clock: Clock) -> None:
        self._backend = backend
        self._telling = Telling(clock)

    async def put(self, company: Company) -> None:
        """Store a description, within two seconds."""
        if self._backend.name == "none":
            return
        try:
            async with asyncio.timeout(_LIMIT_S):
                await self._backend.write_company(company)
        except (TickloomError, TimeoutError) as error:
            self._telling.warn(
                "put", "the description of {!r} is not stored: {}", company.symbol, error
            )

    async def get(self, symbol: str) -> Company | None:
        """Return the newest description of a canonical symbol, by whichever provider."""
        try:
            async with asyncio.timeout(_LIMIT_S):
                return await self._backend.read_company(symbol)
        except (TickloomError, TimeoutError) as error:
            self._telling.warn("get", "the description of {!r} is not read: {}", symbol, error)
            return None
