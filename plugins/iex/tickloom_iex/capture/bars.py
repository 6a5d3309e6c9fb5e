"""Bars made of trades."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Context, Decimal

from tickloom.errors import InvalidDates, NoData, NotSupported
from tickloom.model import Bar, Interval, PriceAdjustment
from tickloom.roles import HistoryRequest
from tickloom_iex.capture.days import Days, midnight, nanoseconds
from tickloom_iex.capture.eligibility import Rank, rank_of
from tickloom_iex.capture.prices import Prices, time_of
from tickloom_iex.capture.session import Tally
from tickloom_iex.capture.spool import Row

# Where bars of the others begin, each vendor says differently.
_VENDORS_OWN = {Interval.MINUTES_90, Interval.DAYS_5, Interval.QUARTER}
INTERVALS = tuple(one for one in Interval if one not in _VENDORS_OWN)
_FIRST_DAY, _LAST_DAY = date(1970, 1, 2), date(2199, 12, 31)
_LONGEST = timedelta(days=31)
_ONE_DAY = timedelta(days=1)
_PLACES = Decimal("0.0001")
_WIDE = Context(prec=60)


class _Sum:
    """The trades of one bar."""

    __slots__ = ("amount", "tally", "trades")

    def __init__(self) -> None:
        self.tally = Tally()
        self.amount = 0
        self.trades = 0


def check_request(request: HistoryRequest) -> None:
    """Make sure that ``request`` can be answered from trades.

    Raises:
        InvalidDates: The range is reversed.
        NotSupported: Captures tell of no splits and dividends, or not where such bars begin.
    """
    if request.start > request.end:
        raise InvalidDates(
            "the date range is reversed",
            found=f"{request.start} to {request.end}",
            expected="a start not after the end",
        )
    if request.adjustment is not PriceAdjustment.NONE:
        raise NotSupported(
            f"prices of {request.symbol} cannot be adjusted: captures tell of no splits",
            fix="Ask for unadjusted prices.",
        )
    if request.interval not in INTERVALS:
        raise NotSupported(
            f"captures give no bars of {request.interval}",
            expected=f"one of {', '.join(INTERVALS)}",
        )


def reach_of(request: HistoryRequest) -> tuple[int, int]:
    """Return from when to before when trades belong to the bars asked for, in nanoseconds."""
    start = min(max(request.start, _FIRST_DAY), _LAST_DAY)
    end = min(max(request.end, _FIRST_DAY), _LAST_DAY)
    # A week or month that begins in the range is whole.
    is_long = request.interval.duration > _ONE_DAY
    after = end + _ONE_DAY + (_LONGEST if is_long else timedelta())
    return nanoseconds(midnight(start)), nanoseconds(midnight(after))


def make_bars(rows: Iterable[Row], request: HistoryRequest) -> tuple[Bar, ...]:
    """Return the bars that ``request`` asks for, oldest first.

    Prices come of trades that make a last price; in bars below a day those of extended hours do,
    too, as long as there is none of the regular session in the same bar. Every trade counts to the
    volume. What has no price is no bar. A bar belongs to the range if it begins on a day of it;
    below a day bars begin at multiples of their length in UTC.

    Raises:
        NoData: There is no such bar.
    """
    sums: dict[int, _Sum] = {}
    days = Days()
    length_ns = request.interval.duration // timedelta(microseconds=1) * 1_000
    is_intraday = request.interval.is_intraday
    for time_ns, _, price, size, _, flags in rows:
        if is_intraday:
            begin_ns = time_ns // length_ns * length_ns
        else:
            day = _first_day(days.find(time_ns).day, request.interval)
            if not request.start <= day <= request.end:
                continue
            begin_ns = nanoseconds(midnight(day))
        one = sums.get(begin_ns)
        if one is None:
            one = sums[begin_ns] = _Sum()
        rank = rank_of(flags)
        one.tally.add(price, size, rank if is_intraday or rank == Rank.REGULAR else Rank.VOLUME)
        one.amount += price * size
        one.trades += 1
    prices = Prices()
    bars = tuple(
        _make_bar(begin_ns, one, prices) for begin_ns, one in sorted(sums.items()) if one.tally.rank
    )
    if not bars:
        raise NoData(
            f"the captures have no bars of {request.symbol} from {request.start} to {request.end}"
        )
    return bars


def _first_day(day: date, interval: Interval) -> date:
    if interval is Interval.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if interval is Interval.MONTH else day


def _make_bar(begin_ns: int, one: _Sum, prices: Prices) -> Bar:
    tally = one.tally
    average = _WIDE.divide(Decimal(one.amount).scaleb(-4, context=_WIDE), Decimal(tally.volume))
    return Bar(
        timestamp=time_of(begin_ns),
        open_price=prices[tally.open],
        high_price=prices[tally.high],
        low_price=prices[tally.low],
        close_price=prices[tally.last],
        volume=tally.volume,
        trade_count=one.trades,
        vwap=average.quantize(_PLACES, context=_WIDE),
    )
