"""The provider: quotes, and what it leaves behind."""

from __future__ import annotations

import asyncio
import threading
from datetime import date
from decimal import Decimal

import pytest

from tickloom.errors import NoData, ProviderUnavailable, UnknownSymbol
from tickloom.model import Interval
from tickloom.roles import HistoryRequest
from tickloom_iex.capture import CaptureOptions, make_capture_provider
from tickloom_iex.capture.prices import time_of

_DAY = date(2024, 3, 5)


@pytest.fixture
def provider_of(tmp_path, clock):
    made = []

    def make(content: bytes, **options):
        path = tmp_path / "some.pcap"
        path.write_bytes(content)
        made.append(make_capture_provider(CaptureOptions(path=path, **options), clock))
        return made[-1]

    return make


async def test_before_a_playback_the_first_quote_with_a_price_is_given(forge, provider_of, clock):
    provider = provider_of(
        forge.capture(
            *forge.segments(
                [[forge.status("A", "T")], [forge.trade("A", 100)], [forge.trade("A", 200)]]
            )
        )
    )

    quote = (await provider.get_quotes(["A"]))["A"]

    assert quote.current_price == Decimal("0.01")
    assert quote.timestamp == quote.received_at == clock.now()
    await provider.aclose()


async def test_each_symbol_has_a_quote_or_an_error_of_its_own(forge, provider_of):
    provider = provider_of(
        forge.capture(forge.segment(forge.trade("A", 100), forge.quote("B", 5, 0, sizes=(1, 0))))
    )

    found = await provider.get_quotes(["A", "B", "C"])

    assert [type(found[one]) for one in "BC"] == [NoData, UnknownSymbol]
    assert found["A"].current_price == Decimal("0.01")
    await provider.aclose()


async def test_quotes_follow_the_playback_for_symbols_that_nobody_streams_too(
    forge, play, clock, asleep
):
    batches = [
        [forge.trade("A", 100 + n, key=n), forge.trade("B", 900 + n, key=n)] for n in range(3)
    ]
    provider, _, listener = await play(["A"], *forge.segments(batches))

    await listener.reach(1)
    await asleep()
    await clock.advance(1)
    await listener.reach(2)
    await asleep()
    found = await provider.get_quotes(["A", "B"])

    assert found["A"].current_price == Decimal("0.0101")
    assert found["B"].current_price == Decimal("0.0901")
    await provider.aclose()


async def test_a_quote_may_keep_the_venues_time(forge, provider_of, clock):
    provider = provider_of(forge.capture(forge.segment(forge.trade("A", 1))), shift_to_now=False)

    quote = (await provider.get_quotes(["A"]))["A"]

    assert (quote.timestamp, quote.received_at) == (time_of(forge.open_ns), clock.now())
    await provider.aclose()


async def test_a_namespace_stands_before_every_symbol(forge, provider_of):
    provider = provider_of(
        forge.capture(forge.segment(forge.trade("BRK.B", 100))), namespace="TAPE."
    )

    found = await provider.get_quotes(["TAPE.BRK.B", "BRK.B"])

    assert found["TAPE.BRK.B"].symbol == "TAPE.BRK.B"
    assert isinstance(found["BRK.B"], UnknownSymbol)
    assert provider.info.namespace == "TAPE."
    await provider.aclose()


async def test_captures_that_cannot_be_read_are_an_error_of_the_provider(provider_of, tmp_path):
    provider = provider_of(b"nonsense")

    with pytest.raises(ProviderUnavailable, match=r"some\.pcap is no capture"):
        await provider.get_quotes(["A"])
    await provider.aclose()


async def test_captures_that_come_later_are_found(forge, provider_of, tmp_path):
    provider = provider_of(b"")
    with pytest.raises(ProviderUnavailable):
        await provider.get_quotes(["A"])

    (tmp_path / "some.pcap").write_bytes(forge.capture(forge.segment(forge.trade("A", 100))))

    assert (await provider.get_quotes(["A"]))["A"].current_price == Decimal("0.01")
    await provider.aclose()


async def test_a_long_capture_says_when_to_ask_again(forge, provider_of, monkeypatch):
    monkeypatch.setattr("tickloom_iex.capture.directory._PATIENCE_S", 0.05)
    monkeypatch.setattr("tickloom_iex.capture.survey._STEP_SEGMENTS", 1)
    many = forge.segments([[forge.quote("A", n, 0) for n in range(1, 200)] for _ in range(3_000)])
    provider = provider_of(forge.capture(*many))
    request = HistoryRequest(symbol="A", start=_DAY, end=_DAY, interval=Interval.DAY)

    with pytest.raises(ProviderUnavailable, match="messages so far") as caught:
        await provider.get_history(request)

    assert caught.value.retry_after_s == 5
    await provider.aclose()


async def test_a_full_disk_is_told(forge, provider_of, monkeypatch):
    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tickloom_iex.capture.spool.TradeSpool.flush", full)
    provider = provider_of(forge.capture(forge.segment(forge.trade("A", 100))))

    with pytest.raises(ProviderUnavailable, match="No space left on device"):
        await provider.get_history(
            HistoryRequest(symbol="A", start=_DAY, end=_DAY, interval=Interval.DAY)
        )
    await provider.aclose()


async def test_closing_in_the_middle_leaves_no_task_and_no_thread_at_work(forge, play, provider_of):
    tasks, threads = asyncio.all_tasks(), threading.active_count()
    many = forge.segments(
        [[forge.quote("A", n, n + 1) for n in range(1, 100)] for _ in range(2_000)]
    )
    provider, _, listener = await play(["A"], *many, speed=0, loop=True)
    asking = asyncio.create_task(
        provider.get_history(
            HistoryRequest(symbol="A", start=_DAY, end=_DAY, interval=Interval.DAY)
        )
    )
    await listener.reach(1)

    await provider.aclose()
    await provider.aclose()
    await listener.task
    with pytest.raises((ProviderUnavailable, NoData)):
        await asking

    assert asyncio.all_tasks() == tasks
    await asyncio.get_running_loop().shutdown_default_executor()
    assert threading.active_count() <= threads


async def test_a_closed_provider_fails_in_a_typed_way(forge, provider_of):
    provider = provider_of(forge.capture(forge.segment(forge.trade("A", 100))))
    await provider.get_quotes(["A"])
    await provider.aclose()

    with pytest.raises(ProviderUnavailable, match="closed"):
        await provider.get_quotes(["A"])
    with pytest.raises(ProviderUnavailable, match="closed"):
        await provider.get_history(
            HistoryRequest(symbol="A", start=_DAY, end=_DAY, interval=Interval.DAY)
        )


async def test_a_cancelled_question_does_not_end_the_reading_for_others(forge, provider_of):
    many = forge.segments([[forge.trade("A", n) for n in range(1, 100)] for _ in range(1_000)])
    provider = provider_of(forge.capture(*many))
    request = HistoryRequest(symbol="A", start=_DAY, end=_DAY, interval=Interval.DAY)
    first = asyncio.create_task(provider.get_history(request))
    second = asyncio.create_task(provider.get_history(request))
    await asyncio.sleep(0.01)

    first.cancel()

    assert (await second).data_points[0].trade_count == 99_000
    assert first.cancelled()
    await provider.aclose()


async def test_what_was_skipped_is_counted(forge, provider_of):
    made = [
        forge.segment(forge.trade("A", 100), b"Z" * 9),
        forge.segment(forge.trade("A", 0), sequence=5),
    ]
    provider = provider_of(forge.capture(*made))
    empty = provider.counts

    await provider.get_history(
        HistoryRequest(symbol="A", start=_DAY, end=_DAY, interval=Interval.DAY)
    )

    counts = provider.counts
    assert empty.messages == 0
    assert (counts.messages, counts.unknown, counts.invalid, counts.lost) == (3, 1, 1, 2)
    await provider.aclose()
