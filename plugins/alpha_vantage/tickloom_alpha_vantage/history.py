"""Which function answers a question for bars, and the bars of the range out of its answers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from tickloom.errors import InvalidDates, NotSupported, verbatim
from tickloom.model import Bar, Interval, PriceAdjustment, SymbolKind, split_symbol
from tickloom.roles import HistoryRequest
from tickloom_alpha_vantage.symbols import home_of, to_vendor

INTRADAY = {
    Interval.MINUTE: "1min",
    Interval.MINUTES_5: "5min",
    Interval.MINUTES_15: "15min",
    Interval.MINUTES_30: "30min",
    Interval.HOUR: "60min",
}
_LONG = {Interval.DAY: "DAILY", Interval.WEEK: "WEEKLY", Interval.MONTH: "MONTHLY"}
INTERVALS = (*INTRADAY, *_LONG)

_COMPACT_DAYS = 140
_MOST_MONTHS = 24


class Plan(Struct, frozen=True):
    """What to ask for a range of bars.

    Attributes:
        function: The vendor's.
        queries: The parameters of each request, in order of time.
        zone: Of the times, and of the days of the range.
    """

    function: str
    queries: tuple[dict[str, str], ...]
    zone: str


def plan_history(request: HistoryRequest, today: date, *, premium: bool) -> Plan:
    """Return the requests that bring the bars of ``request``.

    Raises:
        NotSupported: The vendor has no such bars, or not with this adjustment.
        InvalidDates: It would take more requests than one question may cost.
    """
    if request.interval not in INTERVALS:
        raise NotSupported(f"provider alpha_vantage has no bars of {request.interval}")
    if split_symbol(request.symbol).kind in {SymbolKind.FX, SymbolKind.CRYPTO}:
        return _plan_pair(request)
    symbol, zone = to_vendor(request.symbol), home_of(request.symbol).zone
    if request.interval in INTRADAY:
        return _plan_intraday(request, symbol, zone, today)
    adjusted = request.adjustment is not PriceAdjustment.NONE
    if request.interval is not Interval.DAY:
        if request.adjustment is PriceAdjustment.SPLITS:
            raise _no_adjustment(request)
        function = f"TIME_SERIES_{_LONG[request.interval]}{'_ADJUSTED' if adjusted else ''}"
        return Plan(function, ({"symbol": symbol},), zone)
    function = "TIME_SERIES_DAILY_ADJUSTED" if adjusted or premium else "TIME_SERIES_DAILY"
    recent = (today - request.start).days < _COMPACT_DAYS
    # Coefficients of later splits are needed too, so adjusted prices begin with today's.
    query = {"symbol": symbol, "outputsize": "compact" if recent else "full"}
    return Plan(function, (query,), zone)


def _plan_intraday(request: HistoryRequest, symbol: str, zone: str, today: date) -> Plan:
    if request.adjustment is PriceAdjustment.SPLITS:
        raise _no_adjustment(request)
    adjusted = request.adjustment is PriceAdjustment.ALL
    query = {
        "symbol": symbol,
        "interval": INTRADAY[request.interval],
        "adjusted": "true" if adjusted else "false",
        "outputsize": "full",
    }
    if (today - request.start).days < _RECENT_DAYS:
        # Without a month it is the last thirty days.
        return Plan("TIME_SERIES_INTRADAY", (query,), zone)
    months = list(_months(request.start, min(request.end, today)))
    if len(months) > _MOST_MONTHS:
        raise InvalidDates(
            "the range is too long for bars of minutes",
            found=verbatim(f"{len(months)} months"),
            expected=f"at most {_MOST_MONTHS}, each is one request",
        )
    queries = tuple(query | {"month": month} for month in months)
    return Plan("TIME_SERIES_INTRADAY", queries, zone)


_RECENT_DAYS = 30


def _months(start: date, end: date) -> list[str]:
    first, last = start.year * 12 + start.month - 1, end.year * 12 + end.month - 1
    return [f"{month // 12:04}-{month % 12 + 1:02}" for month in range(first, last + 1)]


def _plan_pair(request: HistoryRequest) -> Plan:
    if request.adjustment is not PriceAdjustment.NONE:
        raise _no_adjustment(request)
    parts = split_symbol(request.symbol)
    fx = parts.kind is SymbolKind.FX
    names = ("from_symbol", "to_symbol") if fx else ("symbol", "market")
    query = dict(zip(names, (parts.root, parts.counter), strict=True)) | {"outputsize": "full"}
    if request.interval in INTRADAY:
        query["interval"] = INTRADAY[request.interval]
        return Plan("FX_INTRADAY" if fx else "CRYPTO_INTRADAY", (query,), "UTC")
    begin = "FX" if fx else "DIGITAL_CURRENCY"
    return Plan(f"{begin}_{_LONG[request.interval]}", (query,), "UTC")


def _no_adjustment(request: HistoryRequest) -> NotSupported:
    return NotSupported(
        f"provider alpha_vantage has no bars of {request.symbol}, {request.interval}, "
        f"adjusted for {request.adjustment}"
    )


def cut(bars: tuple[Bar, ...], request: HistoryRequest, zone: str) -> tuple[Bar, ...]:
    """Return the bars that begin in the range; those of weeks and months moved to their begin.

    The vendor names a week or a month by its last day.
    """
    there = ZoneInfo(zone)
    kept = {}
    for bar in bars:
        day = bar.timestamp.astimezone(there).date()
        begin = _begin_of(day, request.interval)
        if begin is not None:
            midnight = datetime(begin.year, begin.month, begin.day, tzinfo=there)
            bar = replace(bar, timestamp=midnight.astimezone(UTC))  # noqa: PLW2901 - moved
            day = begin
        if request.start <= day <= request.end:
            kept[bar.timestamp] = bar
    return tuple(kept[time] for time in sorted(kept))


def _begin_of(day: date, interval: Interval) -> date | None:
    if interval is Interval.WEEK:
        return day - timedelta(days=day.weekday())
    if interval is Interval.MONTH:
        return day.replace(day=1)
    return None
