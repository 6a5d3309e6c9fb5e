"""Splits and dividends of a chart."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

from msgspec import Raw, Struct

from tickloom.errors import BadRecord
from tickloom.model import Dividend, Split, parse_currency
from tickloom_yahoo.fields import day_of, moment, positive
from tickloom_yahoo.records import read_record


class _SplitEvent(Struct):
    date: int | None = None
    numerator: Decimal | None = None
    denominator: Decimal | None = None


class _DividendEvent(Struct):
    date: int | None = None
    amount: Decimal | None = None
    currency: str | None = None


class Events(Struct):
    """What happened in the time of a chart, by the seconds of its bar.

    Attributes:
        splits: Records of splits.
        dividends: Records of dividends.
    """

    splits: dict[str, Raw] | None = None
    dividends: dict[str, Raw] | None = None


def splits_of(events: Events, zone: ZoneInfo) -> tuple[Split, ...]:
    """Return the splits, oldest first; what cannot be one is left out."""
    found: dict[date, Split] = {}
    for raw in (events.splits or {}).values():
        event = read_record(raw, _SplitEvent)
        new, old = positive(event.numerator), positive(event.denominator)
        day = _event_day(event.date, zone)
        # The key is the begin of the bar, which in a chart of months is another day.
        if day is not None and new is not None and old is not None and new != old:
            found[day] = Split(day=day, ratio=new / old)
    return tuple(found[day] for day in sorted(found))


def dividends_of(events: Events, zone: ZoneInfo, currency: str | None) -> tuple[Dividend, ...]:
    """Return the dividends, oldest first, in their own currency or else in ``currency``."""
    found: list[Dividend] = []
    for raw in (events.dividends or {}).values():
        event = read_record(raw, _DividendEvent)
        amount, day = positive(event.amount), _event_day(event.date, zone)
        if day is not None and amount is not None:
            own = parse_currency(event.currency) or currency
            found.append(Dividend(day=day, amount=amount, currency=own))
    return tuple(sorted(found, key=lambda one: one.day))


def _event_day(seconds: int | None, zone: ZoneInfo) -> date | None:
    if seconds is None:
        return None
    try:
        return day_of(moment(seconds), zone)
    except BadRecord:
        return None
