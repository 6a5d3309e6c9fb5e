"""Bytes in, model out. The only place that knows the layout of the file; does no I/O."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TypeAlias

from tickloom.errors import BadRecord
from tickloom.model import Bar, Quote

Rates: TypeAlias = Mapping[str, Mapping[date, Decimal]]
"""For each currency its rates by day, oldest first, in units for one euro."""

# Such rates are fixed once a day, at this time.
_FIXED_AT = time(15, 0, tzinfo=UTC)
_RATE = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_MISSING = {"", "N/A"}


def parse_rates(data: bytes) -> Rates:
    """Return the rates of a CSV file with columns ``Date,USD,JPY,…``, days in any order.

    Raises:
        BadRecord: The file has another layout; the message names the line.
    """
    try:
        rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadRecord("the rates are no CSV text", found=str(error)) from error
    if not rows or rows[0][:1] != ["Date"]:
        raise BadRecord("the rates have no header", found=rows[:1], expected="Date,USD,JPY,…")
    currencies = [name.strip() for name in rows[0][1:]]
    table: dict[str, dict[date, Decimal]] = {
        name: {} for name in currencies if _CURRENCY.fullmatch(name)
    }
    for number, row in enumerate(rows[1:], 2):
        if not row:
            continue
        day = _day(row, number)
        for name, text in zip(currencies, row[1:], strict=False):
            if name in table and text.strip() not in _MISSING:
                table[name][day] = _rate(text.strip(), number)
    return {name: dict(sorted(days.items())) for name, days in table.items() if days}


def _day(row: list[str], number: int) -> date:
    try:
        return date.fromisoformat(row[0].strip())
    except ValueError:
        raise BadRecord(f"line {number} has no day", found=row[0], expected="2026-01-05") from None


def _rate(text: str, number: int) -> Decimal:
    # Decimal itself also takes NaN, Infinity and 1e999.
    if not _RATE.fullmatch(text) or not Decimal(text):
        raise BadRecord(f"line {number} has no rate", found=text, expected="1.1210 or N/A")
    return Decimal(text)


def quote_of(
    symbol: str, currency: str, days: Mapping[date, Decimal], received_at: datetime
) -> Quote:
    """Return the newest rate as a quote, with its change since the day before."""
    newest = max(days)
    rate = days[newest]
    before = next((days[day] for day in reversed(list(days)) if day != newest), None)
    change = percent = None
    if before is not None:
        change = rate - before
        percent = round(change / before * 100, 4)
    return Quote(
        symbol=symbol,
        provider="example",
        timestamp=datetime.combine(newest, _FIXED_AT),
        received_at=received_at,
        is_real_time=False,
        current_price=rate,
        close_price=rate,
        previous_close=before,
        price_change=change,
        price_change_percent=percent,
        currency=currency,
    )


def bars_of(days: Mapping[date, Decimal], start: date, end: date) -> tuple[Bar, ...]:
    """Return a bar for each day from ``start`` to ``end``; there is one price a day."""
    return tuple(
        Bar(
            timestamp=datetime.combine(day, time(0, tzinfo=UTC)),
            open_price=rate,
            high_price=rate,
            low_price=rate,
            close_price=rate,
        )
        for day, rate in days.items()
        if start <= day <= end
    )
