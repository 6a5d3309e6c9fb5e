"""What holds for bars whatever comes in whatever order."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from barroom import START, BarRoom
from tickloom.model import Interval

LENGTHS = {
    f"bars.{one}": one.duration.total_seconds()
    for one in (Interval.SECOND, Interval.MINUTE, Interval.MINUTES_5, Interval.HOUR)
}


class Trade(Struct, frozen=True):
    at_s: float
    price: int
    volume: int | None


@st.composite
def trades(draw: st.DrawFn, span_s: int) -> list[Trade]:
    """Return trades in the order in which they were made, no two of which are the same."""
    times = draw(st.lists(st.integers(0, span_s * 4 - 1), min_size=1, max_size=30))
    total = draw(st.integers(0, 1_000_000))
    has_volume = draw(st.booleans())
    found = []
    for quarter in sorted(times):
        total += draw(st.integers(1, 500))
        price = draw(st.integers(1, 50))
        found.append(Trade(quarter / 4, price, total if has_volume else None))
    return list(dict.fromkeys(found))


def expected(made: list[Trade], length_s: float) -> dict[str, dict[str, Any]]:
    """Return the bars of all trades at once, in the plainest way there is."""
    bars: dict[float, dict[str, Any]] = {}
    before: int | None = None
    for trade in made:
        begin_s = trade.at_s // length_s * length_s
        bar = bars.setdefault(begin_s, {"prices": [], "volume": None})
        bar["prices"].append(trade.price)
        if trade.volume is not None:
            grown = trade.volume - (trade.volume if before is None else before)
            bar["volume"] = (bar["volume"] or 0) + grown
            before = trade.volume
    return {
        (START + timedelta(seconds=begin_s)).isoformat().replace("+00:00", "Z"): {
            "open": bar["prices"][0],
            "high": max(bar["prices"]),
            "low": min(bar["prices"]),
            "close": bar["prices"][-1],
            "ticks": len(bar["prices"]),
            "volume": bar["volume"],
        }
        for begin_s, bar in bars.items()
    }


def arranged(made: list[Trade], order: list[int]) -> list[Trade]:
    """Return trades in another order, in which those of one moment without volume keep theirs.

    Nothing but the order of arrival tells which of them came first.
    """
    keys = dict(zip(range(len(made)), order, strict=False))
    mixed = sorted(range(len(made)), key=lambda place: keys.get(place, 0))
    places: dict[float, list[Trade]] = {}
    for trade in made:
        places.setdefault(trade.at_s, []).append(trade)
    if made and made[0].volume is not None:
        return [made[place] for place in mixed]
    return [places[made[place].at_s].pop(0) for place in mixed]


@settings(max_examples=60, deadline=None)
@given(
    trades(60),
    st.lists(st.integers(0, 100), min_size=30, max_size=30),
    st.lists(st.sampled_from([0.0, 0.0, 0.01, 0.3, 1.1, 20.0]), min_size=30, max_size=30),
    st.data(),
)
def test_the_last_told_of_each_bar_is_what_all_its_ticks_come_to(
    made: list[Trade], order: list[int], waits: list[float], data: st.DataObject
) -> None:
    arriving = arranged(made, order)
    if data.draw(st.booleans(), label="told again"):
        arriving += data.draw(st.lists(st.sampled_from(made), max_size=10))

    async def run() -> list[Any]:
        room = BarRoom()
        await room.until(60)
        _, outlet = room.client("AAPL", channels=tuple(LENGTHS))
        for number, trade in enumerate(arriving):
            room.tick(trade.at_s, str(trade.price), trade.volume)
            await room.clock.advance(waits[number % len(waits)])
        await room.clock.advance(10_000)
        room.hub.flush()
        assert "late" not in room.bars.stats()["left_out"]
        return outlet.messages()

    messages = asyncio.run(run())
    for channel, length_s in LENGTHS.items():
        mine = [one for one in messages if f"bars.{one['interval']}" == channel]
        last = {one["timestamp"]: one for one in mine}
        assert {
            begin: {name: bar.get(name) for name in next(iter(expected(made, 1).values()))}
            for begin, bar in last.items()
        } == expected(made, length_s)
        check_course(mine)


def check_course(messages: list[Any]) -> None:
    """Check numbers and states of one symbol and interval."""
    assert [one["sequence"] for one in messages] == list(range(1, len(messages) + 1))
    states: dict[str, list[str]] = {}
    for one in messages:
        states.setdefault(one["timestamp"], []).append(one["state"])
    rank = {"forming": 0, "closed": 1, "corrected": 2}
    for course in states.values():
        assert course.count("closed") == 1
        assert course == sorted(course, key=rank.__getitem__)
    last_told = {one["timestamp"]: one for one in messages}
    for earlier, later in pairwise(messages):
        if earlier["timestamp"] == later["timestamp"]:
            assert {**earlier, "sequence": 0} != {**later, "sequence": 0}
    assert all(one["state"] != "forming" for one in last_told.values())


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 600), st.integers(1, 9), st.sampled_from([0, 0, 1, 90])),
        max_size=40,
    )
)
# Bars of three minutes that came at once, and were held until they were told.
@example(
    [
        (277, 6, 0),
        (100, 4, 0),
        (323, 7, 0),
        (187, 6, 0),
        (466, 7, 1),
        (355, 3, 1),
        (403, 9, 0),
        (439, 2, 1),
        (70, 7, 0),
    ]
)
def test_every_tick_is_in_a_bar_or_counted_as_left_out(steps: list[tuple[int, int, int]]) -> None:
    async def run() -> None:
        room = BarRoom()
        await room.until(600)
        _, outlet = room.client("AAPL", channels=("bars.1m",))
        for at_s, price, wait_s in steps:
            room.tick(at_s, str(price))
            await room.clock.advance(wait_s)
        await room.clock.advance(10_000)
        room.hub.flush()
        messages = outlet.messages()
        last = {one["timestamp"]: one["ticks"] for one in messages}
        left_out = room.bars.stats()["left_out"]
        assert sum(last.values()) + sum(left_out.values()) == len(steps)
        assert room.bars.stats()["bars_held"] <= 4
        check_course(messages)

    asyncio.run(run())


@settings(max_examples=60, deadline=None)
@given(trades(7_200), st.sampled_from(["UTC", "+7"]))
def test_days_follow_the_function_of_the_venue_and_hold_all_their_ticks(
    made: list[Trade], zone: str
) -> None:
    turn = timedelta(hours=7 if zone == "+7" else 0, minutes=30)

    def day_of(_: str, moment: datetime) -> tuple[datetime, datetime]:
        # Days of half an hour, so that a few ticks lie in several.
        number = (moment - datetime(2026, 1, 1, tzinfo=UTC) - turn) // timedelta(minutes=30)
        begin = datetime(2026, 1, 1, tzinfo=UTC) + turn + number * timedelta(minutes=30)
        return begin, begin + timedelta(minutes=30)

    async def run() -> list[Any]:
        room = BarRoom(day_of=day_of)
        _, outlet = room.client("AAPL", channels=("bars.1d",))
        for trade in made:
            await room.at(trade.at_s, str(trade.price), trade.volume)
        await room.clock.advance(10_000)
        room.hub.flush()
        return outlet.messages()

    bars = {one["timestamp"]: one for one in asyncio.run(run())}
    days: dict[str, list[int]] = {}
    for trade in made:
        begin = day_of("", START + timedelta(seconds=trade.at_s))[0]
        days.setdefault(begin.isoformat().replace("+00:00", "Z"), []).append(trade.price)
    assert {begin: bar["close"] for begin, bar in bars.items()} == {
        begin: Decimal(prices[-1]) for begin, prices in days.items()
    }
    assert sum(bar["ticks"] for bar in bars.values()) == len(made)
