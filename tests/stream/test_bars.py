"""Bars while they are built: what is told, when, and to whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from barroom import START, BarRoom, shown
from scripted import make_quote
from tickloom.model import MarketState


def hear(room: BarRoom, outlet: Any) -> list[Any]:
    room.hub.flush()
    messages: list[Any] = outlet.messages()
    return messages


def session(begin: str, high: str, low: str) -> dict[str, Decimal]:
    return {"open_price": Decimal(begin), "high_price": Decimal(high), "low_price": Decimal(low)}


async def test_a_bar_forms_and_is_closed_by_the_clock_after_a_grace() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.at(10, "10")
    await room.at(20, "12")
    await room.at(30, "9")
    await room.until(60)
    before = shown(hear(room, outlet))
    await room.until(60.6)

    assert before == [
        ("15:00:00", "forming", "10 10 10 10"),
        ("15:00:00", "forming", "10 12 10 12"),
        ("15:00:00", "forming", "10 12 9 9"),
    ]
    assert shown(hear(room, outlet)) == [("15:00:00", "closed", "10 12 9 9")]


async def test_the_first_tick_of_a_later_interval_closes_the_bar_at_once() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.at(10, "10")
    await room.at(60.1, "11")

    assert shown(hear(room, outlet))[1:] == [
        ("15:00:00", "closed", "10 10 10 10"),
        ("15:01:00", "forming", "11 11 11 11"),
    ]


async def test_silence_makes_no_bars() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.at(10)
    await room.at(600)
    await room.until(1_000)

    assert [one[:2] for one in shown(hear(room, outlet))] == [
        ("15:00:00", "forming"),
        ("15:00:00", "closed"),
        ("15:10:00", "forming"),
        ("15:10:00", "closed"),
    ]


async def test_a_late_tick_corrects_a_closed_bar() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.at(10, "10")
    await room.at(61, "11")
    hear(room, outlet)
    room.tick(50, "14")
    await room.until(62)

    assert shown(hear(room, outlet)) == [("15:00:00", "corrected", "10 14 10 14")]


async def test_a_tick_in_time_after_the_clock_closed_its_bar_corrects_it() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.at(10, "10")
    await room.until(61)
    room.tick(59, "8")

    assert [one[1] for one in shown(hear(room, outlet))] == ["forming", "closed", "corrected"]


async def test_a_late_tick_of_a_silent_interval_makes_a_closed_bar_of_its_own() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.at(10)
    await room.at(125, "11")
    hear(room, outlet)
    room.tick(70, "12")
    await room.until(126)

    assert shown(hear(room, outlet)) == [("15:01:00", "closed", "12 12 12 12")]


async def test_a_tick_that_is_far_too_late_is_counted_and_left_out() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.at(10)
    await room.at(180.5)
    hear(room, outlet)
    room.tick(30, "99")
    await room.until(182)

    assert shown(hear(room, outlet)) == []
    assert room.bars.stats()["left_out"] == {"late": 1}


async def test_a_tick_from_the_future_is_counted_and_left_out() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.at(10)
    room.tick(3_600)
    await room.at(20, "11")

    assert [one[2] for one in shown(hear(room, outlet))] == ["10 10 10 10", "10 11 10 11"]
    assert room.bars.stats()["left_out"] == {"ahead": 1}


async def test_an_older_tick_that_is_not_too_late_changes_neither_close_nor_open_wrongly() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.at(10, "10")
    await room.at(30, "11")
    room.tick(20, "12")
    room.tick(5, "13")
    await room.until(31)

    assert shown(hear(room, outlet))[-1] == ("15:00:00", "forming", "13 13 10 11")


async def test_a_trade_that_is_told_again_counts_once() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.at(10, "10", 100)
    await room.at(11, "10", 105)
    for _ in range(5):
        room.tick(10, "10", 100)
        room.tick(11, "10", 105, bid=room.tick(11, "10", 105).current_price)
    await room.until(12)
    last = hear(room, outlet)[-1]

    assert (last["ticks"], last["volume"]) == (2, 5)
    assert room.bars.stats()["left_out"] == {"repeated": 15}


async def test_volume_is_what_was_traded_since_the_bar_before() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    for at_s, volume in ((10, 1_000), (20, 1_010), (61, 1_025), (70, 1_030), (130, 1_100)):
        await room.at(at_s, volume=volume, last_size=77)
    await room.until(200)
    closed = [one for one in hear(room, outlet) if one["state"] == "closed"]

    assert [one["volume"] for one in closed] == [10, 20, 70]


async def test_without_a_volume_a_bar_has_none() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.at(10, last_size=5)

    assert "volume" not in hear(room, outlet)[-1]


async def test_a_late_tick_moves_volume_from_the_bar_after_it_into_its_own() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.at(10, volume=100)
    await room.at(61, volume=150)
    await room.at(121, volume=160)
    hear(room, outlet)
    room.tick(50, volume=130)
    await room.until(122)
    corrected = hear(room, outlet)

    assert [(one["timestamp"][11:16], one["state"], one["volume"]) for one in corrected] == [
        ("15:00", "corrected", 30),
        ("15:01", "corrected", 20),
    ]


async def test_a_new_day_counts_its_volume_from_nothing() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.at(10, volume=1_000_000)
    await room.at(86_400, volume=300)
    await room.at(86_410, volume=450)
    await room.until(86_461)

    assert hear(room, outlet)[-1]["volume"] == 450


async def test_the_day_before_that_is_still_told_before_the_opening_is_not_traded_again() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.at(10, volume=1_000)
    await room.at(80_000, volume=1_000, market_state=MarketState.PRE)
    await room.at(86_400, volume=40, market_state=MarketState.REGULAR)
    await room.until(86_461)
    closed = [one["volume"] for one in hear(room, outlet) if one["state"] == "closed"]

    assert closed == [0, 0, 40]


async def test_volumes_of_two_providers_are_not_mixed() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.at(10, volume=1_000_000)
    await room.at(65, volume=3_000, provider="other")
    await room.at(70, volume=3_100, provider="other")
    await room.at(80, volume=1_000_500)
    await room.until(121)

    assert hear(room, outlet)[-1]["volume"] == 600


async def test_prices_of_two_currencies_are_not_mixed() -> None:
    room = BarRoom()
    _, outlet = room.client("TSCO.L")
    await room.at(10, "281.5", symbol="TSCO.L", currency="GBp")
    await room.at(12, "2.815", symbol="TSCO.L", currency="GBP")
    await room.until(61)
    last = hear(room, outlet)[-1]

    assert (last["low"], last["currency"]) == (281.5, "GBp")
    assert room.bars.stats()["left_out"] == {"other_currency": 1}


async def test_prices_keep_every_digit() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    room.tick(0, "0.1000000000000000000001")
    room.hub.flush()

    assert b'"close":0.1000000000000000000001' in b"".join(outlet.writes)


async def test_delayed_values_keep_their_time_and_close_as_much_later() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    await room.until(910)
    room.tick(10)
    await room.until(960)
    before = shown(hear(room, outlet))
    await room.until(961)

    assert before == [("15:00:00", "forming", "10 10 10 10")]
    assert shown(hear(room, outlet)) == [("15:00:00", "closed", "10 10 10 10")]


async def test_a_fresh_tick_after_a_stale_one_lets_the_bar_close_in_time() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL", channels=("bars.1h",))
    await room.until(1_000)
    room.tick(10)
    await room.at(1_800, "11")
    await room.until(3_601)

    assert shown(hear(room, outlet))[-1] == ("15:00:00", "closed", "10 11 10 11")


async def test_a_value_of_a_whole_day_makes_a_closed_day_and_nothing_shorter() -> None:
    room = BarRoom(is_daily=lambda quote: quote.provider == "daily")
    _, outlet = room.client("AAPL", channels=("bars.1m", "bars.1d"))
    await room.until(40_000)
    room.tick(21_600, "12", 5_000, provider="daily", **session("9", "14", "8"))
    [bar] = hear(room, outlet)

    assert (bar["interval"], bar["state"], bar["volume"]) == ("1d", "closed", 5_000)
    assert shown([bar]) == [("05:00:00", "closed", "9 14 8 12")]
    assert "partial" not in bar


async def test_a_day_takes_the_prices_of_the_session_where_the_provider_tells_them() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL", channels=("bars.1d",))
    stale = session("999", "999", "999")
    room.tick(0, "10", 70, market_state=MarketState.PRE, **stale)
    partial = hear(room, outlet)[-1]
    told = session("9", "14", "8")
    room.tick(1, "11", 5_000, market_state=MarketState.REGULAR, **told)
    await room.until(2)
    whole = hear(room, outlet)[-1]

    assert partial["partial"]
    assert shown([partial]) == [("05:00:00", "forming", "10 10 10 10")]
    assert shown([whole]) == [("05:00:00", "forming", "9 14 8 11")]
    assert "partial" not in whole
    assert whole["volume"] == 5_000


async def test_a_day_is_that_of_the_venue() -> None:
    days: list[datetime] = []

    def day_of(symbol: str, moment: datetime) -> tuple[datetime, datetime]:
        days.append(moment)
        return START - timedelta(hours=1), START + timedelta(minutes=2)

    room = BarRoom(day_of=day_of)
    _, outlet = room.client("AAPL", channels=("bars.1d",))
    await room.at(1)
    await room.at(2)
    await room.until(121)

    assert [one[:2] for one in shown(hear(room, outlet))] == [
        ("14:00:00", "forming"),
        ("14:00:00", "forming"),
        ("14:00:00", "closed"),
    ]
    assert len(days) == 1


@pytest.mark.parametrize("channel", ["bars.1s", "bars.1m", "bars.5m", "bars.1h", "bars.1d"])
async def test_numbers_have_no_holes_and_go_on_after_nobody_wanted_bars(channel: str) -> None:
    room = BarRoom()
    seen = []
    for begin in (0, 100):
        connection, outlet = room.client("AAPL", channels=(channel,))
        for number in range(20):
            await room.at(begin + number, str(number + 1))
        seen += [one["sequence"] for one in hear(room, outlet)]
        room.hub.detach(connection)
        assert room.bars.stats()["series"] == 0

    assert seen == list(range(1, len(seen) + 1))


async def test_many_ticks_are_told_four_times_a_second() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL", channels=("bars.1h",))
    for number in range(100):
        await room.at(number / 100, str(number + 1))
    await room.until(2)
    bars = hear(room, outlet)

    assert len(bars) <= 6
    assert (bars[-1]["close"], bars[-1]["ticks"]) == (100, 100)


async def test_only_what_somebody_wants_is_built() -> None:
    room = BarRoom()
    first, _ = room.client("AAPL", channels=("bars.1m", "bars.1h"))
    second, _ = room.client("*", channels=("bars.1m",))
    for symbol in ("AAPL", "MSFT"):
        room.tick(1, symbol=symbol)
    both = room.bars.stats()["series"]
    room.hub.detach(first)
    one_each = room.bars.stats()["series"]
    room.hub.detach(second)
    room.tick(2)

    assert (both, one_each) == (3, 2)
    assert room.bars.stats()["series"] == room.bars.stats()["bars_held"] == 0


async def test_nothing_is_left_to_be_done_for_bars_that_nobody_wants() -> None:
    room = BarRoom()
    connection, outlet = room.client("AAPL", channels=("bars.1s", "bars.1d"))
    room.tick(0.5)
    room.tick(0.6, "11")
    room.hub.detach(connection)
    hear(room, outlet)
    await room.until(100_000)

    assert hear(room, outlet) == []
    assert room.bars.stats()["symbols"] == 0


async def test_a_bar_whose_begin_was_not_watched_is_partial_and_the_next_is_whole() -> None:
    room = BarRoom()
    room.tick(5)
    _, outlet = room.client("AAPL")
    await room.at(10)
    await room.at(61)
    bars = hear(room, outlet)

    assert [one.get("partial", False) for one in bars] == [True, True, False]


async def test_a_bar_begins_with_the_ticks_that_others_were_streaming() -> None:
    room = BarRoom()
    room.client("AAPL", channels=("quotes",))
    await room.at(50, "8", 70)
    await room.at(61, "9", 80)
    await room.at(65, "7", 85)
    connection, outlet = room.client("AAPL")
    room.bars.bring(connection, "AAPL", "bars.1m")
    [bar] = hear(room, outlet)

    assert shown([bar]) == [("15:01:00", "forming", "9 9 7 7")]
    assert (bar["ticks"], bar["volume"]) == (2, 15)
    assert "partial" not in bar


async def test_a_new_client_gets_the_forming_bar_at_once_and_no_number_twice() -> None:
    room = BarRoom()
    _, first = room.client("AAPL")
    await room.at(10, "10")
    await room.at(61, "11")
    room.tick(50, "15")
    await room.until(62)
    connection, outlet = room.client("AAPL")
    room.bars.bring(connection, "AAPL", "bars.1m")
    snapshot = hear(room, outlet)
    await room.at(70, "12")
    sequences = [one["sequence"] for one in snapshot + hear(room, outlet)]

    assert shown(snapshot) == [("15:01:00", "forming", "11 11 11 11")]
    assert sequences == [sequences[0], sequences[0] + 1]
    assert [one["sequence"] for one in hear(room, first)] == list(range(1, sequences[-1] + 1))


async def test_a_slow_client_is_told_which_channel_has_a_gap() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL", channels=("quotes", "bars.1s"), max_bytes=4_096)
    outlet.writable = False
    for number in range(100):
        await room.at(number, str(number + 1))
    room.hub.flush()
    outlet.drain()
    messages = outlet.messages()
    bars = [one for one in messages if one["type"] == "bar" or one.get("channel") == "bars.1s"]

    assert bars[0]["type"] == "gap"
    assert bars[0]["last_sequence"] == bars[0]["dropped"] == bars[1]["sequence"] - 1
    assert bars[-1]["close"] == 100


async def test_an_interval_holds_forming_bars_back_and_never_a_closed_one() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL", interval_s=10.0, clock=room.clock)
    for at_s in (1, 2, 3, 58, 59, 61):
        await room.at(at_s, str(at_s))
    await room.until(200)
    bars = hear(room, outlet)
    seen = 0
    for one in bars:
        seen += 1 + one.get("skipped", 0)
        assert one["sequence"] == seen

    assert [one[1] for one in shown(bars)].count("closed") == 2
    assert shown(bars)[-2][0] == shown(bars)[-1][0] == "15:01:00"


async def test_closing_leaves_no_timer_behind() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    room.tick(1)
    room.tick(2, "11")
    room.bars.close()
    room.bars.close()
    hear(room, outlet)
    await room.until(1_000)

    assert hear(room, outlet) == []


async def test_the_value_of_a_whole_day_is_there_for_those_who_come_later() -> None:
    room = BarRoom(is_daily=lambda _: True)
    await room.until(40_000)
    room.tick(21_600, "12", 5_000, **session("9", "14", "8"))
    connection, outlet = room.client("AAPL", channels=("bars.1d",))
    room.bars.bring(connection, "AAPL", "bars.1d")
    room.tick(21_600, "12", 5_000, **session("9", "14", "8"))

    assert shown(hear(room, outlet)) == [("05:00:00", "closed", "9 14 8 12")]


async def test_ticks_of_another_replica_make_bars_too() -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL")
    quote = room.tick(1)
    room.hub.relay(replace(quote, timestamp=START, current_price=Decimal(9)), "elsewhere")
    await room.until(1)

    assert shown(hear(room, outlet))[-1] == ("15:00:00", "forming", "9 10 9 10")


@pytest.mark.parametrize("moment", [datetime.min, datetime.max, datetime(1969, 12, 31)])  # noqa: DTZ001, DTZ901 - made aware below
async def test_a_time_that_cannot_be_is_left_out(moment: datetime) -> None:
    room = BarRoom()
    _, outlet = room.client("AAPL", channels=("bars.1d",))
    quote = make_quote(timestamp=moment.replace(tzinfo=UTC))
    room.hub.publish(room.hub.number(quote))
    room.hub.publish(room.hub.number(quote))

    assert shown(hear(room, outlet)) == []
    assert sum(room.bars.stats()["left_out"].values()) == 2
