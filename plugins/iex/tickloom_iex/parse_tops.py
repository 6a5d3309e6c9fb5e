"""IEX's own book and last trades, and rates of currencies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from tickloom.errors import BadRecord, NoData, TickloomError
from tickloom.model import Quote, split_symbol
from tickloom_iex.fields import PROVIDER, count, is_sane, moment, price, read_list, size
from tickloom_iex.parse_quote import plausible_time
from tickloom_iex.records import RateRecord, TopsRecord

_FRESH = timedelta(minutes=15)


def to_tops_quote(
    record: TopsRecord, symbol: str, received_at: datetime, *, scrambled: bool
) -> Quote:
    """Return a record of ``tops`` or ``last`` as a quote of IEX alone.

    Its volume is IEX's, a few per cent of the session's, and therefore no ``volume``.

    Raises:
        NoData: There was no trade at IEX.
        BadRecord: A price or time cannot be used.
    """
    last = record.price if record.price is not None else record.last_sale_price
    if not last:
        raise NoData(f"provider {PROVIDER} has no trade of {symbol}")
    if not is_sane(last) or last < 0:
        raise BadRecord(f"provider {PROVIDER} sent a price of {symbol} that is none", found=last)
    times = (record.time, record.last_updated, record.last_sale_time)
    made = [at for at in map(moment, times) if at is not None]
    if not made:
        raise BadRecord(f"provider {PROVIDER} sent a price of {symbol} without a time")
    at = plausible_time(max(made), received_at, symbol, scrambled=scrambled)
    bid, ask = price(record.bid_price), price(record.ask_price)
    volume = count(record.volume)
    rest: dict[str, Any] = {"latest_source": "IEX real time price"}
    if volume:
        rest["iex_volume"] = volume
    if scrambled:
        rest["scrambled"] = True
    return Quote(
        symbol=symbol,
        provider=PROVIDER,
        timestamp=at,
        received_at=received_at,
        is_real_time=not scrambled and received_at - at <= _FRESH,
        current_price=last,
        bid=bid,
        ask=ask,
        bid_size=size(record.bid_size) if bid else None,
        ask_size=size(record.ask_size) if ask else None,
        last_size=size(record.size if record.price is not None else record.last_sale_size),
        currency="USD",
        exchange="IEX",
        additional_data=rest,
    )


def parse_rates(
    body: bytes, wanted: Mapping[str, str], received_at: datetime, *, scrambled: bool
) -> dict[str, Quote | TickloomError]:
    """Return the rates of ``/fx/latest`` by canonical symbol; unknown ones are not there.

    The vendor does not say how late they are, so they are never real-time.

    Raises:
        ProviderUnavailable: It is no such answer.
    """
    records, _ = read_list(body, RateRecord, "list of rates")
    return dict(_rates(records, wanted, received_at, scrambled=scrambled))


def _rates(
    records: Iterable[RateRecord], wanted: Mapping[str, str], now: datetime, *, scrambled: bool
) -> Iterable[tuple[str, Quote | TickloomError]]:
    for record in records:
        symbol = wanted.get((record.symbol or "").upper())
        if symbol is None:
            continue
        rate, at = price(record.rate), moment(record.timestamp)
        if rate is None or at is None:
            yield symbol, NoData(f"provider {PROVIDER} has no rate of {symbol}")
            continue
        try:
            at = plausible_time(at, now, symbol, scrambled=scrambled)
        except BadRecord as error:
            yield symbol, error
            continue
        yield (
            symbol,
            Quote(
                symbol=symbol,
                provider=PROVIDER,
                timestamp=at,
                received_at=now,
                is_real_time=False,
                current_price=rate,
                currency=split_symbol(symbol).counter or None,
                additional_data={"scrambled": True} if scrambled else None,
            ),
        )
