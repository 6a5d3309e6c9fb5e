"""Laws of the arithmetic with days and ranges."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickloom.model import Timeliness
from tickloom.store import Days, StoredRange
from tickloom.store.days import (
    merge,
    months_around,
    overlap,
    trim,
    weeks_around,
    whole_months,
    whole_weeks,
    without,
)
from tickloom.store.ranges import put_over, share_out

START = date(2026, 1, 1)
NUMBERS = st.integers(0, 120)


@st.composite
def stretches(draw: st.DrawFn) -> Days:
    first, last = sorted((draw(NUMBERS), draw(NUMBERS)))
    return Days(START + timedelta(first), START + timedelta(last))


@st.composite
def ranges(draw: st.DrawFn, providers: str = "abc") -> StoredRange:
    return StoredRange(
        days=draw(stretches()),
        provider=draw(st.sampled_from(providers)),
        received_at=datetime(2026, 6, draw(st.integers(1, 3)), tzinfo=UTC),
        timeliness=Timeliness.END_OF_DAY,
        currency=draw(st.sampled_from(["GBP", "GBp"])),
    )


LISTS = st.lists(stretches(), max_size=6)


def days_of(stretches: list[Days]) -> list[date]:
    return [
        date.fromordinal(day)
        for stretch in stretches
        for day in range(stretch.first.toordinal(), stretch.last.toordinal() + 1)
    ]


@given(LISTS)
def test_merged_days_are_the_same_days_in_as_few_stretches_as_can_be(given: list[Days]) -> None:
    merged = merge(given)

    assert days_of(merged) == sorted(set(days_of(given)))
    assert all(after.first - before.last > timedelta(days=1) for before, after in pairwise(merged))


@given(stretches(), LISTS)
def test_what_is_left_and_what_was_taken_make_the_whole(wanted: Days, taken: list[Days]) -> None:
    left = days_of(without(wanted, taken))

    assert left == sorted(set(days_of([wanted])) - set(days_of(taken)))


@given(stretches(), stretches())
def test_an_overlap_is_what_both_have(one: Days, other: Days) -> None:
    both = overlap(one, other)

    common = set(days_of([one])) & set(days_of([other]))
    assert set(days_of([both] if both else [])) == common


@given(stretches(), st.sets(NUMBERS))
def test_a_trimmed_stretch_begins_and_ends_with_a_session(days: Days, numbers: set[int]) -> None:
    sessions = {START + timedelta(number) for number in numbers}
    trimmed = trim(days, sessions.__contains__)

    inside = sorted(sessions & set(days_of([days])))
    assert (trimmed is None) == (not inside)
    assert trimmed is None or trimmed == Days(inside[0], inside[-1])


@pytest.mark.parametrize(
    ("within", "around", "begins"),
    [
        (whole_weeks, weeks_around, lambda day: day.weekday() == 0),
        (whole_months, months_around, lambda day: day.day == 1),
    ],
    ids=["weeks", "months"],
)
@given(days=stretches())
def test_whole_periods_lie_within_and_those_around_hold_the_days(
    within: object, around: object, begins: object, days: Days
) -> None:
    assert callable(within)
    assert callable(around)
    assert callable(begins)
    inner, outer = within(days), around(days)
    one = timedelta(days=1)

    assert outer.first <= days.first
    assert outer.last >= days.last
    assert within(outer) == outer
    for stretch in (outer, inner or outer):
        assert begins(stretch.first)
        assert begins(stretch.last + one)
    # Nothing was left out: the next period would begin or end outside.
    begun = [day for day in days_of([days]) if begins(day)]
    ended = [day for day in days_of([days]) if begins(day + one)]
    assert (inner is None) == (not (begun and ended and begun[0] < ended[-1]))
    assert inner is None or inner == Days(begun[0], ended[-1])


def test_the_ends_of_the_calendar_are_days_like_others() -> None:
    ever = Days(date.min, date.max)

    assert without(ever, []) == [ever]
    assert without(ever, [ever]) == []
    assert merge([ever, Days(date.max, date.max)]) == [ever]


@given(st.lists(ranges("a"), max_size=6), st.lists(ranges("a"), max_size=3))
def test_new_ranges_have_their_days_and_old_ones_the_rest(
    old: list[StoredRange], new: list[StoredRange]
) -> None:
    result = put_over(put_over([], old), new)

    days = days_of([one.days for one in result])
    assert days == sorted(set(days))
    assert set(days) == set(days_of([one.days for one in (*old, *new)]))
    for day in days:
        giver = next((one for one in reversed([*old, *new]) if day in one.days), None)
        [found] = [one for one in result if day in one.days]
        assert giver is not None
        assert found.currency == giver.currency
        assert found.received_at <= giver.received_at


@given(st.lists(ranges("a"), max_size=6))
def test_to_put_ranges_twice_changes_nothing(new: list[StoredRange]) -> None:
    once = put_over([], new)

    assert put_over(once, once) == once


@given(stretches(), st.lists(ranges(), max_size=8))
def test_no_day_is_answered_twice_nor_in_two_currencies(
    wanted: Days, new: list[StoredRange]
) -> None:
    stored = [one for name in "abc" for one in put_over([], [r for r in new if r.provider == name])]
    chosen = share_out(wanted, stored)

    days = days_of([one.days for one in chosen])
    assert days == sorted(set(days))
    assert set(days) <= set(days_of([wanted]))
    assert len({one.currency for one in chosen}) <= 1
    for one in chosen:
        assert any(
            one.provider == source.provider
            and one.days.first in source.days
            and one.days.last in source.days
            for source in stored
        )
    # Everything that is stored in that currency is used.
    unit = chosen[0].currency if chosen else None
    usable = [one.days for one in stored if chosen and one.currency == unit]
    assert set(days) == set(days_of(usable)) & set(days_of([wanted]))


def test_the_provider_that_has_most_of_the_days_comes_first() -> None:
    def stored(provider: str, first: int, last: int, hour: int = 1) -> StoredRange:
        return StoredRange(
            days=Days(date(2026, 1, first), date(2026, 1, last)),
            provider=provider,
            received_at=datetime(2026, 6, 1, hour, tzinfo=UTC),
            timeliness=Timeliness.END_OF_DAY,
        )

    wanted = Days(date(2026, 1, 1), date(2026, 1, 31))
    long, short = stored("a", 1, 20), stored("b", 15, 31, hour=2)

    assert share_out(wanted, [short, long]) == [long, stored("b", 21, 31, hour=2)]
    newer = stored("b", 1, 20, hour=2)
    assert share_out(wanted, [long, newer]) == [newer]
