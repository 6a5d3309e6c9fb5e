"""Checks what a caller asks for before anybody is bothered with it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from tickloom.errors import InvalidDates, RequestError, TooManySymbols, verbatim
from tickloom.model import PriceAdjustment, parse_interval, parse_symbol
from tickloom.roles import HistoryRequest

# Somewhere on earth it is already tomorrow.
_AHEAD = timedelta(hours=14)
_EARLIEST = date(1800, 1, 1)
_MAX_SEARCH_LENGTH = 64
_MAX_MATCHES = 50

PROVIDER_PATTERN = "[a-z][a-z0-9_-]{0,49}"
"""What the name of a provider looks like."""


def check_symbols(symbols: Sequence[object], most: int) -> list[str]:
    """Return canonical symbols in the order given, each once.

    Raises:
        RequestError: There is none, there are more than ``most``, or one is malformed.
    """
    if not symbols:
        raise RequestError("no symbol was named", found=[], expected="at least one symbol")
    if len(symbols) > most:
        raise TooManySymbols(
            "too many symbols in one request",
            found=verbatim(f"{len(symbols)} symbols"),
            expected=f"at most {most}",
            fix="Split the request.",
        )
    return list(dict.fromkeys(parse_symbol(symbol) for symbol in symbols))


def check_history(
    symbol: str,
    start: date,
    end: date,
    interval: str,
    adjustment: str,
    now: datetime,
    provider: str | None = None,
) -> HistoryRequest:
    """Return a question for bars that can be answered.

    Raises:
        RequestError: The symbol, the dates, the interval or the adjustment is wrong, or
            ``provider`` can be no name of one.
    """
    start, end = _day(start), _day(end)
    if start > end:
        raise InvalidDates(
            "the dates are reversed",
            found=verbatim(f"{start} to {end}"),
            expected="start_date not after end_date",
        )
    latest = (now + _AHEAD).date()
    if end > latest:
        raise InvalidDates(
            "the dates are in the future",
            found=verbatim(str(end)),
            expected=f"no day after {latest}",
        )
    if start < _EARLIEST:
        raise InvalidDates(
            "the dates are too old",
            found=verbatim(str(start)),
            expected=f"no day before {_EARLIEST}",
        )
    return HistoryRequest(
        symbol=parse_symbol(symbol),
        start=start,
        end=end,
        interval=parse_interval(interval),
        adjustment=_adjustment(adjustment),
        provider=_provider(provider),
    )


def check_search(text: str, limit: int) -> str:
    """Return the text to search for, without spaces around it.

    Raises:
        RequestError: It is empty or too long, or the limit is out of range.
    """
    wanted = text.strip()
    if not wanted or len(wanted) > _MAX_SEARCH_LENGTH or not wanted.isprintable():
        raise RequestError(
            "nothing to search for",
            found=text,
            expected=f"1 to {_MAX_SEARCH_LENGTH} printable characters",
        )
    if not 1 <= limit <= _MAX_MATCHES:
        raise RequestError(
            "the limit is out of range", found=limit, expected=f"1 to {_MAX_MATCHES}"
        )
    return wanted


def parse_date(text: str, name: str) -> date:
    """Return the day that ``text`` names, as ``YYYY-MM-DD``.

    Raises:
        InvalidDates: It names none.
    """
    try:
        # Python reads weeks too, and days without dashes.
        day = date.fromisoformat(text) if text[4:8:3] == "--" else None
    except ValueError:
        day = None
    if day is None:
        raise InvalidDates(f"{name} is no date", found=text, expected="YYYY-MM-DD")
    return day


def _day(value: object) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    raise InvalidDates("not a date", found=value, expected="a datetime.date")


def _provider(name: object) -> str | None:
    if name is None or (isinstance(name, str) and re.fullmatch(PROVIDER_PATTERN, name)):
        return name
    raise RequestError(
        "not a name of a provider", found=name, expected="a name such as yahoo, or live"
    )


def _adjustment(text: str) -> PriceAdjustment:
    try:
        return PriceAdjustment(text)
    except ValueError:
        names = ", ".join(PriceAdjustment)
        raise RequestError("unknown adjustment", found=text, expected=f"one of {names}") from None
