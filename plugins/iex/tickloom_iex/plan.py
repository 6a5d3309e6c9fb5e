"""Which charts answer a question for bars, at the least cost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from urllib.parse import quote

from msgspec import Struct

from tickloom.errors import InvalidDates, NoData, NotSupported, verbatim
from tickloom.model import Interval, PriceAdjustment
from tickloom.roles import HistoryRequest
from tickloom_iex.symbols import share_to_vendor

INTERVALS = (Interval.MINUTE, Interval.MINUTES_30, Interval.DAY)

# A range reaches back at least so many days; weekends and holidays make it longer.
_RANGES = (
    (5, "5d"),
    (28, "1m"),
    (89, "3m"),
    (180, "6m"),
    (364, "1y"),
    (729, "2y"),
    (1_825, "5y"),
)
_LONGEST = "max"
_EVENTS_LONGEST = "5y"
_HALF_HOURS_REACH = 28
_MOST_DAYS = 31
_SATURDAY = 5


class Chart(Struct, frozen=True):
    """One request.

    Attributes:
        path: Below the version.
        params: The query without the token.
    """

    path: str
    params: dict[str, str] = {}


class Plan(Struct, frozen=True):
    """What to ask for a range of bars.

    Attributes:
        charts: In order of time.
        events: Paths of ``dividends`` and ``splits``; empty = none.
    """

    charts: tuple[Chart, ...]
    events: tuple[str, ...] = ()


def stock_path(symbol: str, rest: str) -> str:
    """Return the path below ``/stock`` of a canonical symbol.

    Raises:
        NotSupported: The vendor has no such share.
    """
    return f"/stock/{quote(share_to_vendor(symbol), safe='')}/{rest}"


def plan_history(request: HistoryRequest, today: date) -> Plan:
    """Return the requests that bring the bars of ``request``.

    Args:
        request: The question.
        today: In New York.

    Raises:
        NotSupported: The vendor has no such bars, or not with this adjustment.
        NoData: The range is yet to come.
        InvalidDates: It would take more requests than one question may cost.
    """
    if request.interval not in INTERVALS:
        raise NotSupported(f"provider iex has no bars of {request.interval}")
    path = stock_path(request.symbol, "")
    if request.start > today:
        raise NoData(f"provider iex has no bars of {request.symbol} from days to come")
    if request.interval is Interval.DAY:
        return _plan_days(path, request, today)
    return _plan_intraday(path, request, today)


def _plan_days(path: str, request: HistoryRequest, today: date) -> Plan:
    age = (today - request.start).days
    reach = next((name for days, name in _RANGES if age <= days), _LONGEST)
    events = _EVENTS_LONGEST if reach == _LONGEST else reach.replace("5d", "1m")
    chart = Chart(f"{path}chart/{reach}")
    if request.start == request.end < today:
        chart = Chart(f"{path}chart/date/{request.start:%Y%m%d}", {"chartByDay": "true"})
    return Plan((chart,), (f"{path}dividends/{events}", f"{path}splits/{events}"))


def _plan_intraday(path: str, request: HistoryRequest, today: date) -> Plan:
    if request.interval is Interval.MINUTES_30:
        if (today - request.start).days > _HALF_HOURS_REACH:
            raise NoData("provider iex has bars of half hours for the last four weeks only")
        if request.adjustment is PriceAdjustment.ALL:
            raise _no_adjustment(request)
        # They are adjusted for splits; whether there was one says the list of them.
        return Plan((Chart(f"{path}chart/1mm"),), (f"{path}splits/1m",))
    if request.adjustment is not PriceAdjustment.NONE:
        raise _no_adjustment(request)
    days = list(_sessions(request.start, min(request.end, today)))
    if len(days) > _MOST_DAYS:
        raise InvalidDates(
            "the range is too long for bars of minutes",
            found=verbatim(f"{len(days)} days of trading"),
            expected=f"at most {_MOST_DAYS}, each is one request",
        )
    return Plan(
        tuple(
            Chart(f"{path}chart/1d" if day == today else f"{path}chart/date/{day:%Y%m%d}")
            for day in days
        )
    )


def _sessions(start: date, end: date) -> Iterator[date]:
    # A range of a lifetime is refused after its first days.
    for number in range(min((end - start).days, 2 * _MOST_DAYS) + 1):
        day = start + timedelta(days=number)
        if day.weekday() < _SATURDAY:
            yield day


def _no_adjustment(request: HistoryRequest) -> NotSupported:
    return NotSupported(
        f"provider iex has no bars of {request.interval} adjusted for {request.adjustment}"
    )
