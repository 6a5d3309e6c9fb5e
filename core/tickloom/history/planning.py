"""Which days a question is about, which must be asked for, and what the answer says. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from msgspec import Struct
from msgspec.structs import replace

from tickloom.calendars import Calendar
from tickloom.errors import NoSession
from tickloom.history.reading import Recipe, Stretch
from tickloom.history.rolling import period_of
from tickloom.model import (
    Dividend,
    HistoricalData,
    HistorySource,
    Interval,
    PriceAdjustment,
    Split,
    day_of,
)
from tickloom.roles import HistoryRequest
from tickloom.store.bars import StoredRange
from tickloom.store.days import Days, overlap, trim, without
from tickloom.store.keeping import asked_days, bounds, is_kept

PERIODS = (Interval.WEEK, Interval.MONTH)
_DAY = timedelta(days=1)
SETTLED = timedelta(days=7)
"""A provider may publish the bar of a day so late."""


class Look(Struct, frozen=True, kw_only=True):
    """What is stored of a question.

    Attributes:
        request: The question.
        days: Those whose bars are wanted.
        stretches: What is there, in order, no day twice.
        missing: What must be asked for, in order; days without a session do not count.
        calendar: Of the venue.
    """

    request: HistoryRequest
    days: Days
    stretches: tuple[Stretch, ...]
    missing: tuple[Days, ...]
    calendar: Calendar

    @property
    def provider(self) -> str | None:
        """Whose all of it is; ``None`` = there is nothing, or it is of several."""
        providers = {one.provider for one in self.stretches}
        return providers.pop() if len(providers) == 1 else None

    def is_settled(self, today: date) -> bool:
        """True where something is there, and only of the newest days something may be missing."""
        return bool(self.stretches) and all(days.first > today - SETTLED for days in self.missing)

    def recipe(self, interval: Interval | None = None) -> Recipe:
        """Return how bars are made of what is there; ``None`` = they are as they are."""
        return Recipe(
            days=self.days,
            interval=interval or self.request.interval,
            source=self.request,
            stretches=self.stretches,
            calendar=self.calendar,
        )


def wanted_days(request: HistoryRequest) -> Days | None:
    """Return the days of the bars that are wanted; ``None`` = no such bar begins in the range.

    A week or a month is wanted where its first day is in the range, and then with all its days.
    """
    days = asked_days(Interval.DAY, request.start, request.end)
    if request.interval not in PERIODS:
        return days
    begin, after = period_of(request.interval, days.first)
    first = begin if begin == days.first else after
    last = period_of(request.interval, days.last)[1] - _DAY
    return Days(first, last) if first <= days.last else None


def asked_part(request: HistoryRequest, days: Days, today: date) -> HistoryRequest:
    """Return the question to a provider for some of the days."""
    last = days.last
    if request.interval in PERIODS:
        # Whole periods, or they would not be known to be complete; but nothing of the future.
        last = min(last, max(today, days.first))
    return replace(request, start=days.first, end=last)


def look_at(
    request: HistoryRequest,
    days: Days,
    ranges: Iterable[StoredRange],
    calendar: Calendar,
    today: date,
) -> Look:
    """Return what the stored ranges mean for a question."""
    stretches = tuple(
        Stretch(
            days=one.days,
            provider=one.provider,
            received_at=one.received_at,
            timeliness=one.timeliness,
            currency=one.currency,
            exchange=one.exchange,
            is_stale=one.is_rewritten and day_of(request.symbol, one.received_at) != today,
            has_actions=one.has_actions,
        )
        for one in ranges
    )
    # Nobody has bars of days that are yet to come.
    begun = overlap(days, Days(date.min, today))
    left = [] if begun is None else without(begun, (one.days for one in stretches))
    trimmed = (trim(gap, calendar.is_session) for gap in left)
    missing = tuple(_whole(request.interval, gap) for gap in trimmed if gap is not None)
    return Look(request=request, days=days, stretches=stretches, missing=missing, calendar=calendar)


def check_session(request: HistoryRequest, days: Days, calendar: Calendar, today: date) -> None:
    """Refuse days of which nobody can have a bar, so that nobody is asked.

    Raises:
        NoSession: The venue is closed on all of them, or they are yet to come.
    """
    if not is_kept(request.interval):
        # One that begins before the range may be given.
        return
    begun = overlap(days, Days(date.min, today))
    if begun is None:
        raise NoSession(
            f"days from {days.first} to {days.last} are yet to come",
            expected=f"days up to {today}, which runs at the venue of {request.symbol}",
        )
    if trim(begun, calendar.is_session) is None:
        raise NoSession(
            f"the venue of {request.symbol} is closed from {begun.first} to {begun.last}",
            fix="Ask for days with a session.",
        )


def _whole(interval: Interval, gap: Days) -> Days:
    if interval not in PERIODS:
        return gap
    # The bar stands on its first day, whether that is a session or not.
    return Days(period_of(interval, gap.first)[0], period_of(interval, gap.last)[1] - _DAY)


def given_stretch(answer: HistoricalData, days: Days) -> Stretch:
    """Return what a provider just gave for some days."""
    return Stretch(
        days=days,
        provider=answer.provider,
        received_at=answer.received_at,
        timeliness=answer.timeliness,
        currency=answer.currency,
        exchange=answer.exchange,
        bars=answer.data_points,
    )


def clip(answer: HistoricalData, days: Days) -> tuple[HistoricalData, int]:
    """Return an answer without bars and events of other days, and how many bars those were.

    Its bars are in order, oldest first, and of no time there are two.
    """
    if is_kept(answer.interval):
        since, until = bounds(answer.symbol, days)
    else:
        # Where such bars begin is the provider's choice, so that one may begin before the range.
        span = answer.interval.duration
        since, until = bounds(
            answer.symbol, Days(max(days.first, date.min + span) - span, days.last)
        )
    inside = [bar for bar in answer.data_points if since <= bar.timestamp < until]
    # Of two bars of one time the later one counts, as in the database.
    newest = {bar.timestamp: bar for bar in inside}
    clipped = replace(
        answer,
        data_points=tuple(newest[time] for time in sorted(newest)),
        splits=within(answer.splits, days),
        dividends=within_dividends(answer.dividends, days),
    )
    return clipped, len(answer.data_points) - len(inside)


def edges_of(
    answer: HistoricalData, days: Days, calendar: Calendar, today: date
) -> tuple[Days, ...]:
    """Return the days before the first and after the last bar of an answer, in order.

    Days without a session do not count, nor does what lies within the last week: it may still
    come. Minutes before the first one are left out, since the same provider may have them.

    Args:
        answer: With at least one bar, oldest first.
        days: Those that it was asked for.
        calendar: Of the venue.
        today: The venue's day.
    """
    symbol, interval = answer.symbol, answer.interval
    if not answer.data_points or not is_kept(interval):
        return ()
    begin, end = (day_of(symbol, answer.data_points[place].timestamp) for place in (0, -1))
    if interval.is_intraday:
        begin = days.first
    # A bar of a week or a month stands for all of its days.
    bars = Days(asked_days(interval, begin, begin).first, asked_days(interval, end, end).last)
    trimmed = (trim(edge, calendar.is_session) for edge in without(days, [bars]))
    edges = (_whole(interval, edge) for edge in trimmed if edge is not None)
    return tuple(edge for edge in edges if edge.first <= today - SETTLED)


def within(splits: Iterable[Split], days: Days) -> tuple[Split, ...]:
    """Return the splits of some days, oldest first."""
    return tuple(sorted((one for one in splits if one.day in days), key=lambda one: one.day))


def within_dividends(dividends: Iterable[Dividend], days: Days) -> tuple[Dividend, ...]:
    """Return the dividends of some days, oldest first."""
    return tuple(sorted((one for one in dividends if one.day in days), key=lambda one: one.day))


def is_one_unit(stretches: Iterable[Stretch]) -> bool:
    """True where all prices are in one currency: pence after pounds would look like a crash."""
    return len({one.currency for one in stretches}) <= 1


def sources_of(recipe: Recipe, asked: Days, today: date) -> tuple[HistorySource, ...]:
    """Return where the bars of a recipe come from.

    A range reaches over the days without a session beside it, and is one with its neighbour where
    they say the same. What reaches to today stands by itself, as it is not over.
    """
    derived_from = recipe.source.interval if recipe.is_rolled else None
    joined: list[HistorySource] = []
    for stretch in _spread(recipe.stretches, asked, recipe.calendar):
        source = HistorySource(
            first_day=stretch.days.first,
            last_day=stretch.days.last,
            provider=stretch.provider,
            received_at=stretch.received_at,
            timeliness=stretch.timeliness,
            currency=stretch.currency,
            exchange=stretch.exchange,
            derived_from=derived_from,
        )
        if joined and source.last_day < today and _is_same(joined[-1], source):
            before = joined.pop()
            oldest = min(before.received_at, source.received_at)
            source = replace(source, first_day=before.first_day, received_at=oldest)
        joined.append(source)
    return tuple(joined)


def _spread(stretches: Sequence[Stretch], asked: Days, calendar: Calendar) -> list[Stretch]:
    spread: list[Stretch] = []
    for stretch in stretches:
        days = overlap(stretch.days, asked)
        if days is None:
            continue
        before = spread[-1].days.last + _DAY if spread else asked.first
        if before < days.first and _is_rest(Days(before, days.first - _DAY), calendar):
            if spread:
                last = Days(spread[-1].days.first, days.first - _DAY)
                spread[-1] = replace(spread[-1], days=last)
            else:
                days = Days(before, days.last)
        spread.append(replace(stretch, days=days))
    if spread and spread[-1].days.last < asked.last:
        last = spread[-1].days
        if _is_rest(Days(last.last + _DAY, asked.last), calendar):
            spread[-1] = replace(spread[-1], days=Days(last.first, asked.last))
    return spread


def _is_rest(days: Days, calendar: Calendar) -> bool:
    return trim(days, calendar.is_session) is None


def _is_same(one: HistorySource, other: HistorySource) -> bool:
    touch = one.last_day + _DAY == other.first_day
    return touch and one == replace(
        other, first_day=one.first_day, last_day=one.last_day, received_at=one.received_at
    )


def head_of(
    request: HistoryRequest,
    recipe: Recipe,
    splits: Sequence[Split],
    dividends: Sequence[Dividend],
    today: date,
) -> HistoricalData:
    """Return what an answer says before its bars.

    Args:
        request: The question.
        recipe: What the bars are made of; at least one stretch.
        splits: Of the days asked for, among others.
        dividends: The same, in the shares that the adjustment means.
        today: The venue's day.
    """
    asked = asked_days(Interval.DAY, request.start, request.end)
    sources = sources_of(recipe, asked, today)
    days: dict[str, int] = {}
    for source in sources:
        length = (source.last_day - source.first_day).days + 1
        days[source.provider] = days.get(source.provider, 0) + length
    # Of two with as many days the later one, as for stored ranges.
    most = max(sources, key=lambda source: (days[source.provider], source.last_day))
    return HistoricalData(
        symbol=request.symbol,
        interval=request.interval,
        start_date=request.start,
        end_date=request.end,
        provider=most.provider,
        received_at=max(source.received_at for source in sources),
        data_points=(),
        timeliness=most.timeliness,
        adjustment=PriceAdjustment(request.adjustment),
        currency=most.currency,
        exchange=most.exchange,
        splits=within(splits, asked),
        dividends=within_dividends(dividends, asked),
        sources=sources,
    )
