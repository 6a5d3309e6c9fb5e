"""The cases of a validator of series, in order of their numbers."""

from __future__ import annotations

import asyncio
import inspect
import random
import re
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from tickloom.model import (
    Bar,
    Dividend,
    HistoricalData,
    Interval,
    Quality,
    Split,
    Timeliness,
    begin_of,
)
from tickloom.roles import Finding
from tickloom.testing.cases import Broken, Case, Need, Tier, case, require, shown
from tickloom.testing.cases_closing import require_no_task
from tickloom.testing.cases_trial import SeriesTrial

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_BARS = 250
_AT_ONCE = 4
_MOST_CPU_S = 0.0002

_BAD = Need[SeriesTrial](
    "series that deserve a complaint",
    lambda trial: None if trial.bad else "no series that deserves a complaint is told",
    withholds=True,
)


def _ordinary(trial: SeriesTrial) -> tuple[HistoricalData, ...]:
    """Return what must pass: what was told, else a year of a share without an event."""
    if trial.good:
        return trial.good
    # The same walk each time, so that a failure can be looked into.
    chance = random.Random(7)  # noqa: S311 - makes prices, guards nothing
    first = (trial.now - timedelta(days=_BARS + 10)).date()
    price, bars = Decimal(100), []
    for number in range(_BARS):
        before = price
        price = (before * (1 + Decimal(chance.randint(-100, 100)) / 10_000)).quantize(
            Decimal("0.01")
        )
        bars.append(
            Bar(
                timestamp=begin_of("EXA.ONE", first + timedelta(days=number)),
                open_price=before,
                high_price=max(before, price) + Decimal("0.10"),
                low_price=min(before, price) - Decimal("0.10"),
                close_price=price,
                adjusted_close=price,
                volume=100_000 + chance.randint(0, 50_000),
            )
        )
    return (
        HistoricalData(
            symbol="EXA.ONE",
            interval=Interval.DAY,
            start_date=first,
            end_date=first + timedelta(days=_BARS - 1),
            provider="example",
            received_at=trial.now,
            data_points=tuple(bars),
            timeliness=Timeliness.END_OF_DAY,
            currency="USD",
        ),
    )


def _odd(trial: SeriesTrial) -> Iterator[HistoricalData]:
    """Yield series that are well formed and yet strange."""
    series = _ordinary(trial)[0]
    bars = series.data_points
    for few in ((), bars[:1], bars[:2], bars[::-1], (*bars[:3], *bars[:3])):
        yield replace(series, data_points=tuple(few))
    for price in ("0", "-1", "1E-20", "1E+20", "100.000000000000000000000001"):
        names = ("open_price", "high_price", "low_price", "close_price", "adjusted_close")
        one = replace(bars[len(bars) // 2], **dict.fromkeys(names, Decimal(price)))
        yield replace(series, data_points=(*bars[:-1], replace(one, timestamp=bars[-1].timestamp)))
        yield replace(series, data_points=(one,))
    plain = tuple(replace(bar, volume=None, adjusted_close=None) for bar in bars)
    yield replace(series, data_points=plain, currency=None)
    yield replace(series, data_points=tuple(replace(bar, volume=0) for bar in bars))
    days = (series.start_date, series.end_date, series.end_date + timedelta(days=9))
    yield replace(
        series,
        splits=tuple(Split(day=day, ratio=Decimal(4)) for day in days),
        dividends=tuple(Dividend(day=day, amount=Decimal(900)) for day in days),
    )
    yield from trial.bad


def _check(trial: SeriesTrial, series: HistoricalData) -> Any:
    found: Any = trial.validator.check_series(series)
    if inspect.iscoroutine(found):
        found.close()
        raise Broken("check_series is async, but it is called in a thread")
    return found


def _calm(trial: SeriesTrial, series: HistoricalData) -> list[Any]:
    """Return the findings, none where it raises instead: that is the matter of S04."""
    try:
        return list(_check(trial, series))
    except Exception:  # noqa: BLE001 - foreign code
        return []


@case(
    "S01",
    "A validator of series has a proper name, and the same each time",
    Tier.BRONZE,
    "It is text of lower-case letters, digits, _ and -.",
)
async def name_is_proper(trial: SeriesTrial) -> None:
    """Ask for the name twice."""
    name: Any = trial.validator.name
    require(isinstance(name, str) and _NAME.fullmatch(name), f"the name is {shown(name)}")
    require(trial.validator.name == name, "the name was another one the second time")


@case(
    "S02",
    "A judgement of a series is a sequence of Findings, at once",
    Tier.BRONZE,
    "check_series is no coroutine and returns a list or tuple of Findings; empty = no complaint.",
)
async def judges_at_once(trial: SeriesTrial) -> None:
    """Show it ordinary series, and those that deserve a complaint."""
    for series in (*_ordinary(trial), *trial.bad):
        found = _check(trial, series)
        require(
            isinstance(found, Sequence) and not isinstance(found, str),
            f"check_series returned {shown(found)}",
        )
        for one in found:
            require(isinstance(one, Finding), f"{shown(one)} is no Finding")


@case(
    "S03",
    "The bars of an ordinary series go on",
    Tier.BRONZE,
    "None is quarantined.",
)
async def ordinary_goes_on(trial: SeriesTrial) -> None:
    """Show it ordinary series."""
    for series in _ordinary(trial):
        for one in _calm(trial, series):
            stopped = getattr(one, "quality", None) is Quality.QUARANTINED
            require(not stopped, f"a bar of an ordinary series was quarantined: {shown(one)}")


@case(
    "S04",
    "A strange series is judged, not choked on",
    Tier.BRONZE,
    "Nothing is raised.",
)
async def strange_is_judged(trial: SeriesTrial) -> None:
    """Show it series that are empty, short, reversed, doubled, zero, huge, or full of events."""
    for series in _odd(trial):
        try:
            _check(trial, series)
        except Broken:
            raise
        except Exception as error:  # noqa: BLE001 - this is the case
            raise Broken(
                f"a series of {len(series.data_points)} bars raised {shown(error)}"
            ) from None


@case(
    "S10",
    "A finding says what it is about",
    Tier.SILVER,
    "Its time is that of a bar, its code short and in lower case, its reason a text, its values "
    "Decimals, and its quality flagged or quarantined.",
)
async def findings_are_explained(trial: SeriesTrial) -> None:
    """Show it the same strange series and look at each finding."""
    for series in _odd(trial):
        times = {bar.timestamp for bar in series.data_points}
        for one in _calm(trial, series):
            if not isinstance(one, Finding):
                continue
            proper = one.quality in {Quality.FLAGGED, Quality.QUARANTINED}
            require(proper, f"the quality of a finding is {shown(one.quality)}")
            require(_NAME.fullmatch(one.code), f"the code is {one.code!r}")
            require(one.reason.strip(), f"{one.code} gives no reason")
            require(one.timestamp in times, f"{one.code} is told of {one.timestamp}, which is none")
            wrong = [value for value in one.values.values() if type(value) is not Decimal]
            require(not wrong, f"{one.code} has the value {shown(wrong[:1])}")


@case(
    "S11",
    "A series that deserves a complaint draws one",
    Tier.SILVER,
    "Each draws a Finding.",
    _BAD,
)
async def bad_is_complained_of(trial: SeriesTrial) -> None:
    """Show it each series that was told as deserving a complaint."""
    for series in trial.bad:
        require(_calm(trial, series), f"no complaint about {len(series.data_points)} bars")


@case(
    "S12",
    "The same series has the same findings, whatever came before",
    Tier.SILVER,
    "Both lists are equal.",
)
async def answers_the_same(trial: SeriesTrial) -> None:
    """Show it all strange series twice, the second time in the opposite order."""
    all_series = list(_odd(trial))
    first = [_calm(trial, series) for series in all_series]
    second = [_calm(trial, series) for series in reversed(all_series)][::-1]
    for one, other in zip(first, second, strict=True):
        require(one == other, f"first {shown(one)}, then {shown(other)}")


@case(
    "S13",
    "Findings come oldest bar first",
    Tier.SILVER,
    "Their times never go back where those of the bars do not.",
)
async def oldest_comes_first(trial: SeriesTrial) -> None:
    """Show it the strange series whose bars are in order."""
    for series in _odd(trial):
        times = [bar.timestamp for bar in series.data_points]
        if times != sorted(times):
            continue
        told = [one.timestamp for one in _calm(trial, series) if isinstance(one, Finding)]
        require(told == sorted(told), f"{shown(told)} is not in order")


@case(
    "S20",
    "A judgement of a series starts nothing",
    Tier.GOLD,
    "No task and no thread is left.",
)
async def starts_nothing(trial: SeriesTrial) -> None:
    """Show it ordinary series."""
    before = set(threading.enumerate())
    for series in _ordinary(trial):
        _calm(trial, series)
    left = set(threading.enumerate()) - before
    require(not left, f"{len(left)} threads were started")
    await require_no_task(None)


@case(
    "S21",
    "A judgement of a series is quick",
    Tier.GOLD,
    f"It takes at most {_MOST_CPU_S * 1_000:g} ms of CPU a bar.",
)
async def is_quick(trial: SeriesTrial) -> None:
    """Show it an ordinary series, and look at the CPU time of the fastest of three times."""
    series = _ordinary(trial)[0]
    took = []
    for _ in range(3):
        begin_s = time.thread_time()
        _calm(trial, series)
        took.append((time.thread_time() - begin_s) / max(1, len(series.data_points)))
    require(min(took) <= _MOST_CPU_S, f"a bar takes {min(took) * 1_000:.2f} ms of CPU")


@case(
    "S22",
    "Several series can be judged at the same time",
    Tier.GOLD,
    "The findings are those of one after the other.",
)
async def keeps_apart(trial: SeriesTrial) -> None:
    """Show it all strange series one after the other, and then four at a time in threads."""
    all_series = list(_odd(trial))
    alone = [_calm(trial, series) for series in all_series]
    room = asyncio.Semaphore(_AT_ONCE)

    async def judge(series: HistoricalData) -> list[Any]:
        async with room:
            return await asyncio.to_thread(_calm, trial, series)

    together = await asyncio.gather(*map(judge, all_series))
    for one, other in zip(alone, together, strict=True):
        require(one == other, f"alone {shown(one)}, together {shown(other)}")


SERIES_CASES: tuple[Case[SeriesTrial], ...] = (
    name_is_proper,
    judges_at_once,
    ordinary_goes_on,
    strange_is_judged,
    findings_are_explained,
    bad_is_complained_of,
    answers_the_same,
    oldest_comes_first,
    starts_nothing,
    is_quick,
    keeps_apart,
)
