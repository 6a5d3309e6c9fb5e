"""A closed bar is told once it is stored, and nothing of the same bars overtakes it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from barroom import BarRoom, shown
from tickloom.stream import LiveBar


class SlowKeeper:
    """Says that a bar may be told when the test says so."""

    def __init__(self) -> None:
        self.kept: list[tuple[LiveBar, Callable[[], None]]] = []
        self.takes = True

    def keep(self, bar: LiveBar, then: Callable[[], None]) -> bool:
        if self.takes:
            self.kept.append((bar, then))
        return self.takes

    def let_go(self, number: int = 0) -> None:
        self.kept.pop(number)[1]()


@pytest.fixture
def keeper() -> SlowKeeper:
    return SlowKeeper()


@pytest.fixture
def room(keeper: SlowKeeper) -> BarRoom:
    return BarRoom(keeper=keeper)


async def test_a_closed_bar_is_not_told_before_it_is_stored(
    room: BarRoom, keeper: SlowKeeper
) -> None:
    _, outlet = room.client("AAPL")
    await room.at(1, "10")
    await room.until(90)
    assert [state for _, state, _ in shown(outlet.messages())] == ["forming"]

    keeper.let_go()
    await room.until(91)
    assert [state for _, state, _ in shown(outlet.messages())] == ["closed"]


async def test_a_forming_bar_waits_behind_the_closed_one_and_is_told_as_it_is_then(
    room: BarRoom, keeper: SlowKeeper
) -> None:
    _, outlet = room.client("AAPL")
    await room.at(1, "10")
    await room.at(61, "11")
    await room.at(62, "12")
    assert len(shown(outlet.messages())) == 1

    keeper.let_go()
    await room.until(63)
    assert shown(outlet.messages()) == [
        ("15:00:00", "closed", "10 10 10 10"),
        ("15:01:00", "forming", "11 12 11 12"),
    ]


async def test_a_bar_that_is_stored_first_does_not_overtake_an_older_one(
    room: BarRoom, keeper: SlowKeeper
) -> None:
    _, outlet = room.client("AAPL")
    await room.at(1, "10")
    await room.at(61, "11")
    keeper.let_go()
    await room.until(62)
    room.tick(62, "11.5")
    # A late tick corrects the first bar, and at once the second one is closed.
    room.tick(50, "9")
    room.tick(121, "12")
    await room.until(63)
    assert [bar.state for bar, _ in keeper.kept] == ["corrected", "closed"]
    told = outlet.messages()
    keeper.let_go(1)
    await room.until(64)
    assert outlet.messages() == []

    keeper.let_go(0)
    await room.until(65)
    last = outlet.messages()
    assert [one["state"] for one in last] == ["corrected", "closed", "forming"]
    numbers = [one["sequence"] for one in told + last]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_what_the_keeper_does_not_take_is_told_at_once(
    room: BarRoom, keeper: SlowKeeper
) -> None:
    keeper.takes = False
    _, outlet = room.client("AAPL")
    await room.at(1, "10")
    await room.until(70)
    assert [state for _, state, _ in shown(outlet.messages())] == ["forming", "closed"]


async def test_a_bar_that_is_stored_after_everybody_left_harms_nobody(
    room: BarRoom, keeper: SlowKeeper
) -> None:
    connection, _ = room.client("AAPL")
    await room.at(1, "10")
    await room.until(70)
    room.hub.detach(connection)
    keeper.let_go()
    _, outlet = room.client("AAPL")
    await room.at(131, "12")
    await room.until(132)
    assert [state for _, state, _ in shown(outlet.messages())] == ["forming"]


async def test_bars_of_another_symbol_do_not_wait(room: BarRoom, keeper: SlowKeeper) -> None:
    _, outlet = room.client("AAPL", "MSFT")
    await room.at(1, "10")
    await room.until(70)
    await room.at(75, "20", symbol="MSFT")
    await room.until(76)
    assert [one["symbol"] for one in outlet.messages()] == ["AAPL", "MSFT"]
