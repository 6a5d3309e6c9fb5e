"""Splits and dividends."""

from __future__ import annotations

from decimal import Decimal

from tickloom.model import Dividend, Split, parse_currency
from tickloom_iex.fields import day_of, price, read_list
from tickloom_iex.records import DividendRecord, SplitRecord

_PLACES = 4


def parse_splits(body: bytes) -> tuple[Split, ...]:
    """Return what ``/splits`` lists, oldest first; rows that cannot be read are left out.

    Raises:
        ProviderUnavailable: It is no such answer.
    """
    records, _ = read_list(body, SplitRecord, "list of splits")
    found = {}
    for record in records:
        day, ratio = day_of(record.ex_date), _ratio(record)
        if day is not None and ratio is not None:
            found[day] = Split(day=day, ratio=ratio)
    return tuple(found[day] for day in sorted(found))


def _ratio(record: SplitRecord) -> Decimal | None:
    new, old = price(record.to_factor), price(record.from_factor or record.for_factor)
    if new is not None and old is not None:
        return new / old
    # The vendor's ratio is the other way round, and rounded: 0.25 for four to one.
    ratio = price(record.ratio)
    return None if ratio is None else round(1 / ratio, _PLACES).normalize() + 0


def parse_dividends(body: bytes) -> tuple[Dividend, ...]:
    """Return what ``/dividends`` lists, oldest first; rows that cannot be read are left out.

    Raises:
        ProviderUnavailable: It is no such answer.
    """
    records, _ = read_list(body, DividendRecord, "list of dividends")
    found = []
    for record in records:
        day, amount = day_of(record.ex_date), price(record.amount)
        if day is not None and amount is not None:
            currency = parse_currency(record.currency) or "USD"
            found.append(Dividend(day=day, amount=amount, currency=currency))
    return tuple(sorted(dict.fromkeys(found), key=lambda one: one.day))
