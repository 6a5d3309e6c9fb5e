"""Quotes of shares and crypto: which price is the newest, when it was made, and how fresh it is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Raw, Struct

from tickloom.errors import BadRecord, NoData, TickloomError, UnknownSymbol
from tickloom.model import MarketState, Quote, parse_currency
from tickloom_iex.fields import (
    NEW_YORK,
    PROVIDER,
    count,
    decode,
    is_sane,
    moment,
    number,
    percent,
    price,
    read_record,
    size,
    venue_day,
)
from tickloom_iex.records import QuoteRecord

_REAL_TIME = "real time price"
# Without a trade at IEX for so long the vendor itself turns to prices that are 15 minutes late.
_FRESH = timedelta(minutes=15)
_CLOCKS_DIFFER = timedelta(minutes=1)
_DAY_MS = 86_400_000
_CLOSE = time(16, tzinfo=NEW_YORK)
_NOON = 12


class _Entry(Struct):
    quote: Raw = Raw(b"null")


class _Latest(Struct, frozen=True):
    """The newest price of a record. ``is_main`` = it is ``latestPrice``, which ``change`` is of."""

    price: Decimal
    at: datetime
    source: str
    is_main: bool = True


def parse_quote(
    body: bytes, symbol: str, vendor: str, received_at: datetime, *, scrambled: bool
) -> Quote:
    """Return the quote of ``/stock/…/quote`` or ``/crypto/…/quote``.

    Args:
        body: The answer.
        symbol: Canonical.
        vendor: What the vendor calls it.
        received_at: Now.
        scrambled: The values are a sandbox's.

    Raises:
        UnknownSymbol: The answer is ``null``.
        NoData: It has no price.
        BadRecord: A price or time cannot be used.
        ProviderUnavailable: It is no such answer.
    """
    raw = decode(body, Raw, "quote")
    if bytes(raw).lstrip().startswith(b"["):
        rows = decode(body, list[Raw], "quote")
        raw = rows[0] if rows else Raw(b"null")
    if bytes(raw) == b"null":
        raise UnknownSymbol(f"provider {PROVIDER} does not know {symbol}")
    record = _read_own(raw, vendor)
    return to_quote(record, symbol, received_at, scrambled=scrambled)


def _read_own(raw: Raw, vendor: str) -> QuoteRecord:
    record = read_record(raw, QuoteRecord)
    if record.symbol is not None and record.symbol.upper() != vendor:
        raise BadRecord(
            f"provider {PROVIDER} answered for another symbol", found=record.symbol, expected=vendor
        )
    return record


def parse_batch(
    body: bytes, wanted: Mapping[str, str], received_at: datetime, *, scrambled: bool
) -> dict[str, Quote | TickloomError]:
    """Return the quotes of ``/stock/market/batch`` by canonical symbol; unknown ones are not there.

    Args:
        body: The answer.
        wanted: The vendor's symbol to ours.
        received_at: Now.
        scrambled: The values are a sandbox's.

    Raises:
        ProviderUnavailable: It is no such answer.
    """
    found: dict[str, Quote | TickloomError] = {}
    for vendor, raw in decode(body, dict[str, Raw], "batch of quotes").items():
        symbol = wanted.get(vendor.upper())
        if symbol is None:
            continue
        try:
            quote = msgspec.json.decode(raw, type=_Entry).quote
            if bytes(quote) != b"null":
                record = _read_own(quote, vendor.upper())
                found[symbol] = to_quote(record, symbol, received_at, scrambled=scrambled)
        except TickloomError as error:
            found[symbol] = error
        except (ValueError, RecursionError):
            found[symbol] = BadRecord(f"provider {PROVIDER} sent something else for {symbol}")
    return found


def to_quote(record: QuoteRecord, symbol: str, received_at: datetime, *, scrambled: bool) -> Quote:
    """Return a record as a quote.

    Raises:
        NoData: It has no price.
        BadRecord: A price or time cannot be used.
    """
    is_crypto = (record.primary_exchange or "").lower() == "crypto"
    latest = _latest(record, symbol)
    at = plausible_time(latest.at, received_at, symbol, scrambled=scrambled)
    day = at.astimezone(NEW_YORK).date()
    closes = not is_crypto and not record.is_market_open and _is_of(day, record.close_time)
    return Quote(
        symbol=symbol,
        provider=PROVIDER,
        timestamp=at,
        received_at=received_at,
        is_real_time=(
            not scrambled
            and _REAL_TIME in latest.source.lower()
            and received_at - at <= _FRESH
            and (is_crypto or record.is_market_open is not False)
        ),
        current_price=latest.price,
        open_price=_of_session(record.open, record.open_time, day, is_crypto=is_crypto),
        high_price=_of_session(record.high, record.high_time, day, is_crypto=is_crypto),
        low_price=_of_session(record.low, record.low_time, day, is_crypto=is_crypto),
        close_price=price(record.close) if closes else None,
        previous_close=price(record.previous_close),
        volume=count(record.latest_volume or record.volume),
        market_cap=price(record.market_cap),
        price_change=number(record.change) if latest.is_main else None,
        price_change_percent=percent(record.change_percent) if latest.is_main else None,
        bid=(bid := price(record.iex_bid_price) or price(record.bid_price)),
        ask=(ask := price(record.iex_ask_price) or price(record.ask_price)),
        bid_size=size(record.iex_bid_size or record.bid_size) if bid else None,
        ask_size=size(record.iex_ask_size or record.ask_size) if ask else None,
        last_size=size(record.iex_realtime_size) if _is_iex(record, latest) else None,
        currency=parse_currency(record.currency) or (None if is_crypto else "USD"),
        exchange=record.primary_exchange or None,
        market_state=None if is_crypto else _state(record, received_at),
        additional_data=_rest(record, latest, scrambled=scrambled),
    )


def plausible_time(at: datetime, now: datetime, symbol: str, *, scrambled: bool) -> datetime:
    """Return the time of a price, at most now; clocks may differ by a minute, a sandbox's by more.

    Raises:
        BadRecord: It is later.
    """
    if at <= now:
        return at
    if not scrambled and at - now > _CLOCKS_DIFFER:
        raise BadRecord(f"provider {PROVIDER} sent a price of {symbol} from the future", found=at)
    return now


def _latest(record: QuoteRecord, symbol: str) -> _Latest:
    source = record.latest_source or ""
    for value, ms, name in (
        (record.latest_price, record.latest_update, source),
        (record.iex_realtime_price, record.iex_last_updated, "IEX real time price"),
        (record.delayed_price, record.delayed_price_time, "15 minute delayed price"),
        (record.close, record.close_time, "Close"),
    ):
        # Zero stands for what is missing.
        if not value:
            continue
        if not is_sane(value) or value < 0:
            raise BadRecord(
                f"provider {PROVIDER} sent a price of {symbol} that is none", found=value
            )
        at = _made_at(record, ms) if value is record.latest_price else moment(ms)
        if at is None:
            raise BadRecord(
                f"provider {PROVIDER} sent a price of {symbol} without a time", found=ms
            )
        return _Latest(value, at, name, is_main=value is record.latest_price)
    raise NoData(f"provider {PROVIDER} has no price of {symbol}")


def _made_at(record: QuoteRecord, ms: int | None) -> datetime | None:
    at = moment(ms)
    if at is None or ms is None or ms % _DAY_MS:
        return at
    # Midnight in UTC stands for a day: the price is that of its close.
    day = at.astimezone(UTC).date()
    if _is_of(day, record.close_time):
        return moment(record.close_time)
    return datetime.combine(day, _CLOSE).astimezone(UTC)


def _is_of(day: date, ms: int | None) -> bool:
    return ms is not None and moment(ms) is not None and venue_day(ms) == day


def _of_session(
    value: Decimal | None, ms: int | None, day: date, *, is_crypto: bool
) -> Decimal | None:
    # Before the first trade of a day the vendor still shows the day before.
    known = ms is not None and moment(ms) is not None
    return price(value) if is_crypto or not known or _is_of(day, ms) else None


def _is_iex(record: QuoteRecord, latest: _Latest) -> bool:
    return _REAL_TIME in latest.source.lower() and price(record.iex_realtime_price) == latest.price


def _state(record: QuoteRecord, now: datetime) -> MarketState | None:
    if record.is_market_open is None:
        return None
    if record.is_market_open:
        return MarketState.REGULAR
    extended_at = moment(record.extended_price_time)
    if extended_at is None or not -_CLOCKS_DIFFER <= now - extended_at <= _FRESH:
        return MarketState.CLOSED
    morning = extended_at.astimezone(NEW_YORK).hour < _NOON
    return MarketState.PRE if morning else MarketState.POST


def _rest(record: QuoteRecord, latest: _Latest, *, scrambled: bool) -> dict[str, Any]:
    rest: dict[str, Any] = {"latest_source": latest.source} if latest.source else {}
    for name in ("delayed_price", "extended_price"):
        value = price(getattr(record, name))
        if value is not None:
            rest[name] = value
    if scrambled:
        rest["scrambled"] = True
    return rest
