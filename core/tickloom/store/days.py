"""Arithmetic with stretches of days: what is there, what is missing. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, timedelta

from msgspec import Struct

_DAY = timedelta(days=1)


class Days(Struct, frozen=True, order=True):
    """Consecutive days in the venue's calendar, never empty.

    Attributes:
        first: The first day.
        last: The last day, inclusive; not before ``first``.
    """

    first: date
    last: date

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


def overlap(one: Days, other: Days) -> Days | None:
    """Return the days that are in both; ``None`` = there are none."""
    first, last = max(one.first, other.first), min(one.last, other.last)
    return Days(first, last) if first <= last else None


def merge(stretches: Iterable[Days]) -> list[Days]:
    """Return the same days in order, as few stretches as can be: touching ones are joined."""
    merged: list[Days] = []
    for stretch in sorted(stretches):
        if merged and stretch.first.toordinal() <= merged[-1].last.toordinal() + 1:
            merged[-1] = Days(merged[-1].first, max(merged[-1].last, stretch.last))
        else:
            merged.append(stretch)
    return merged


def without(wanted: Days, taken: Iterable[Days]) -> list[Days]:
    """Return the days of ``wanted`` that are in none of ``taken``, in order."""
    left = []
    # As ordinals, since the day after the last one that Python knows does not exist.
    begin, end = wanted.first.toordinal(), wanted.last.toordinal()
    for stretch in merge(taken):
        first, last = stretch.first.toordinal(), stretch.last.toordinal()
        if last < begin or first > end:
            continue
        if first > begin:
            left.append(_days(begin, first - 1))
        begin = last + 1
    if begin <= end:
        left.append(_days(begin, end))
    return left


def trim(stretch: Days, is_session: Callable[[date], bool]) -> Days | None:
    """Return the stretch without the days before its first and after its last session.

    ``None`` = the venue has no session in it.
    """
    days = range(stretch.first.toordinal(), stretch.last.toordinal() + 1)
    first = next((day for day in days if is_session(date.fromordinal(day))), None)
    if first is None:
        return None
    last = next(day for day in reversed(days) if is_session(date.fromordinal(day)))
    return _days(first, last)


def whole_weeks(stretch: Days) -> Days | None:
    """Return the weeks from Monday to Sunday that lie within; ``None`` = there is none."""
    first = stretch.first + _DAY * (-stretch.first.weekday() % 7)
    last = stretch.last - _DAY * ((stretch.last.weekday() + 1) % 7)
    return Days(first, last) if first <= last else None


def whole_months(stretch: Days) -> Days | None:
    """Return the calendar months that lie within; ``None`` = there is none."""
    first, last = stretch.first, stretch.last
    if first.day > 1:
        first = (first.replace(day=1) + 32 * _DAY).replace(day=1)
    if (last + _DAY).day > 1:
        last = last.replace(day=1) - _DAY
    return Days(first, last) if first <= last else None


def weeks_around(stretch: Days) -> Days:
    """Return the weeks from Monday to Sunday that the days lie in."""
    first = stretch.first - _DAY * stretch.first.weekday()
    return Days(first, stretch.last + _DAY * (6 - stretch.last.weekday()))


def months_around(stretch: Days) -> Days:
    """Return the calendar months that the days lie in."""
    after = (stretch.last.replace(day=1) + 32 * _DAY).replace(day=1)
    return Days(stretch.first.replace(day=1), after - _DAY)


def _days(first: int, last: int) -> Days:
    return Days(date.fromordinal(first), date.fromordinal(last))
