"""Answers that are made of the bars of the stream, which are stored as they were closed."""

from __future__ import annotations

from tickloom.calendars import Calendar
from tickloom.errors import NoData, NotSupported, verbatim
from tickloom.history.computing import Computed
from tickloom.history.planning import Look
from tickloom.history.reading import Stretch
from tickloom.history.supply import Gathered, Supply
from tickloom.model import PriceAdjustment, Timeliness, day_of
from tickloom.roles import HistoryRequest
from tickloom.store import LIVE, BarQuery
from tickloom.store.bars import BarSpan
from tickloom.store.days import Days
from tickloom.store.keeping import bounds

GAPS = (
    "built from the stream: what it did not bring, as while the server or the feed was away, is "
    "missing, and no provider was asked for it"
)
"""What every such answer says of itself."""


async def live_bars(supply: Supply, request: HistoryRequest, days: Days) -> Computed:
    """Return the stored bars of the stream, as they are; no provider is asked.

    Which intervals should have had one is not known, so that gaps are possible everywhere. Nor is
    it known how fresh the ticks were: the answer claims to be delayed, never real-time.

    Raises:
        NoData: There are none, or their prices are in several currencies.
        NotSupported: Adjusted ones are asked for, or there is no database.
        StoreUnavailable: The database is away.
    """
    span = await _span(supply, request, days)
    first, last = (day_of(request.symbol, time) for time in (span.first, span.last))
    stretch = Stretch(
        days=Days(first, last),
        provider=LIVE,
        received_at=span.received_at,
        timeliness=Timeliness.DELAYED,
        currency=span.currency,
    )
    look = Look(
        request=request,
        days=days,
        stretches=(stretch,),
        missing=(),
        calendar=Calendar(None, {}),
    )
    return Computed(recipe=look.recipe(), gathered=Gathered(look=look, incomplete=GAPS))


async def _span(supply: Supply, request: HistoryRequest, days: Days) -> BarSpan:
    symbol, interval = request.symbol, request.interval
    if request.adjustment is not PriceAdjustment.NONE:
        raise NotSupported(
            "bars of the stream are not adjusted",
            found=verbatim(f"adjusted {request.adjustment}"),
            expected="adjusted none",
        )
    since, until = bounds(symbol, days)
    spans = await supply.spans(
        BarQuery(
            symbol=symbol,
            interval=interval,
            adjustment=request.adjustment,
            since=since,
            until=until,
            provider=LIVE,
        )
    )
    if not spans:
        raise NoData(
            f"no bar of {interval} of the stream of {symbol} is stored "
            f"from {days.first} to {days.last}",
            fix="Those of the lengths in database.live_bars are stored, while somebody wants them.",
        )
    if len(spans) > 1:
        raise NoData(
            f"the bars of the stream of {symbol} from {days.first} to {days.last} "
            "are in several currencies",
            found=verbatim(", ".join(span.currency or "none stated" for span in spans)),
            fix="Ask for days on which it was one.",
        )
    return spans[0]
