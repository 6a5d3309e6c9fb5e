"""What is stored, by how long it is kept, and where one finds it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from msgspec import Struct

from tickloom.model import Interval
from tickloom.settings import RetentionSettings
from tickloom.store.days import Days, months_around, weeks_around

_DAY = timedelta(days=1)
_INTRADAY = tuple(interval.value for interval in Interval if interval.is_intraday)
_WHOLE_DAYS = tuple(interval.value for interval in Interval if not interval.is_intraday)
_BAR_SERIES = ("symbol", "interval", "adjustment")
_AROUND = {Interval.WEEK: weeks_around, Interval.MONTH: months_around}


class Target(Struct, frozen=True):
    """Rows of one table that grow old.

    Attributes:
        table: Its name.
        column: The time that counts.
        where: A condition more, in SQL that both databases understand; empty = all rows.
        intervals: Only bars of these lengths, whose days ``history_ranges`` claims; empty = they
            are no bars.
        series: What the primary key begins with before ``column``, where no index begins with
            ``column`` itself.
        root: On PostgreSQL the partitioned table that they are in; empty = ``table``.
    """

    table: str
    column: str = "timestamp"
    where: str = ""
    intervals: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    root: str = ""


class Kind(Struct, frozen=True):
    """What one setting of ``[retention]`` is about.

    Attributes:
        name: That of the setting without ``_days``.
        days: Whole days that are kept; 0 = for ever.
        targets: Where it is stored; a table that does not exist has none of it.
    """

    name: str
    days: int
    targets: tuple[Target, ...]

    def cutoff(self, now: datetime) -> date | None:
        """Return the first day, in UTC, that is kept; ``None`` = all are."""
        if not self.days:
            return None
        today = now.date().toordinal()
        return date.fromordinal(max(1, today - self.days))


class Tally(Struct):
    """What is past its time, or has been removed; counted up while one goes along.

    Attributes:
        rows: How many, also of partitions.
        is_about: The rows of a large table were not counted but estimated.
        bytes: About how much room they take, on PostgreSQL with their indexes.
        partitions: Names of those that go as a whole.
        oldest_kept: Time of the oldest row that stays; ``None`` = there is none, or not looked for.
    """

    rows: int = 0
    is_about: bool = False
    bytes: int = 0
    partitions: list[str] = []
    oldest_kept: datetime | None = None

    def keep(self, time: datetime | None) -> None:
        """Note a row that stays."""
        if time is not None and (self.oldest_kept is None or time < self.oldest_kept):
            self.oldest_kept = time


_TARGETS = {
    "ticks": (Target("market_data"), Target("trades", series=("symbol",))),
    "intraday_bars": (
        Target("bars", intervals=_INTRADAY, series=_BAR_SERIES, root="bars_intraday"),
    ),
    "daily_bars": (Target("bars", intervals=_WHOLE_DAYS, series=_BAR_SERIES, root="bars_days"),),
    "quarantine": (Target("quarantine", "created_at", "state = 'held'"),),
    "quality_events": (Target("quality_events", "at"),),
    "quality_scores": (Target("quality_scores", "hour"),),
    # Who decided on a row of the quarantine is written into that row.
    "audit": (
        Target("quarantine", "decided_at", "state <> 'held'"),
        Target("jobs", "started_at", "result <> 'running'"),
    ),
}


def kinds_of(settings: RetentionSettings) -> tuple[Kind, ...]:
    """Return all kinds in a fixed order, also those that are kept for ever."""
    return tuple(
        Kind(name, getattr(settings, f"{name}_days"), targets) for name, targets in _TARGETS.items()
    )


def first_claims(intervals: Iterable[str], cutoff: date) -> dict[date, list[str]]:
    """Return from which day on ranges may claim bars once those before ``cutoff`` are gone.

    Bars go by UTC, ranges are of the venue's days, which begin up to 14 hours before that day does
    in UTC; so the day of the cutoff itself may have lost some. A week or a month that lost its
    beginning lost its bar.

    Returns:
        Each day with the intervals that it is meant for.
    """
    found: dict[date, list[str]] = {}
    for interval in intervals:
        day = cutoff + _DAY
        around = _AROUND.get(Interval(interval))
        if around is not None:
            days = around(Days(day, day))
            day = day if days.first == day else days.last + _DAY
        found.setdefault(day, []).append(interval)
    return found
