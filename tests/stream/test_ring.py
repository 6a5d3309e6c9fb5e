from __future__ import annotations

from itertools import permutations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scripted import make_quote
from tickloom.clock import FakeClock
from tickloom.stream import Demand, Hub, Ring, WireFormat


def make_hub(clock: FakeClock | None = None, **limits: Any) -> Hub:
    values: dict[str, Any] = {"count": 100, "max_bytes": 10_000_000, "age_s": 300.0}
    return Hub("e1", Demand(), Ring(clock or FakeClock(), **(values | limits)))


def publish(hub: Hub, symbol: str = "AAPL", times: int = 1) -> None:
    for _ in range(times):
        hub.publish(hub.number(make_quote(symbol)))


def missed(hub: Hub, sequence: int, symbol: str = "AAPL", epoch: str = "e1") -> list[int] | None:
    found = hub.missed(symbol, epoch, sequence)
    return None if found is None else [tick.sequence for tick in found]


async def test_what_was_missed_comes_in_order_and_whole() -> None:
    hub = make_hub()
    publish(hub, times=5)

    assert missed(hub, 2) == [3, 4, 5]
    assert missed(hub, 5) == []


async def test_what_is_partly_gone_is_not_given_at_all() -> None:
    hub = make_hub(count=3)
    publish(hub, times=5)

    assert missed(hub, 1) is None
    assert missed(hub, 2) == [3, 4, 5]


async def test_another_epoch_a_future_number_and_an_unknown_symbol_are_not_known() -> None:
    hub = make_hub()
    publish(hub)

    assert missed(hub, 1, epoch="e0") is None
    assert missed(hub, 7) is None
    assert missed(hub, 1, symbol="MSFT") is None


async def test_ticks_leave_by_age_but_the_newest_can_always_be_resumed() -> None:
    clock = FakeClock()
    hub = make_hub(clock, age_s=10.0)
    publish(hub, times=3)
    await clock.advance(60)
    publish(hub, "MSFT")

    assert missed(hub, 0) is None
    assert missed(hub, 1) is None
    assert missed(hub, 2) == [3]
    assert missed(hub, 3) == []


async def test_all_symbols_together_keep_to_the_bytes() -> None:
    ring = Ring(FakeClock(), count=1_000, max_bytes=160_000, age_s=300.0)
    hub = Hub("e1", Demand(), ring)
    for number in range(400):
        publish(hub, f"S{number % 7}")

    assert 50 <= len(ring) <= 100


async def test_a_new_epoch_of_a_symbol_begins_anew() -> None:
    hub = make_hub()
    hub.relay(make_quote("AAPL", sequence=8), "other")
    hub.relay(make_quote("AAPL", sequence=1), "next")

    assert missed(hub, 7, epoch="other") is None
    assert missed(hub, 0, epoch="next") == [1]


@given(
    st.lists(st.sampled_from(["A", "B", "C", 1.0, 4.0]), max_size=120),
    st.integers(min_value=1, max_value=20),
    st.integers(min_value=1_600, max_value=60_000),
)
def test_whatever_is_given_is_exactly_what_was_missed(
    steps: list[Any], count: int, max_bytes: int
) -> None:
    clock = FakeClock()
    hub = make_hub(clock, count=count, max_bytes=max_bytes, age_s=8.0)
    ends: list[tuple[int, dict[str, int]]] = [(0, {})]
    numbers: dict[str, int] = {}
    for step in steps:
        if isinstance(step, str):
            publish_without_loop(hub, step)
            numbers[step] = numbers.get(step, 0) + 1
            ends.append((hub.published, dict(numbers)))
        else:
            clock._elapsed_s += step
    for symbol, last in numbers.items():
        for seen in range(last + 1):
            assert missed(hub, seen, symbol) in (None, list(range(seen + 1, last + 1)))
        for position, then in ends:
            found = hub.missed_after(symbol, position)
            if found is not None:
                wanted = list(range(then.get(symbol, 0) + 1, last + 1))
                assert [tick.sequence for tick in found] == wanted


def publish_without_loop(hub: Hub, symbol: str) -> None:
    # Nobody is subscribed, so nothing waits for a turn of an event loop.
    hub.publish(hub.number(make_quote(symbol)))


async def test_clients_that_each_want_other_fields_make_no_tick_larger_than_a_few() -> None:
    hub = make_hub()
    publish(hub)
    tick = hub.newest("AAPL")
    assert tick is not None
    names = ["current_price", "provider", "timestamp", "received_at", "symbol"]
    orders = list(permutations(names))
    messages = [tick.encoded(WireFormat.JSON, fields=order) for order in orders]

    assert len(set(messages)) == len(orders)
    assert tick._others is not None
    assert len(tick._others) < 10
