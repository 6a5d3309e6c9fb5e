"""A client that comes back gets what it missed, or is told what is lost."""

from __future__ import annotations

import json

import pytest

from stream.clients import Client, kinds


async def test_a_client_that_comes_back_gets_all_that_it_missed_and_then_the_stream() -> None:
    client = Client()
    for _ in range(6):
        client.publish("AAPL")
    resume = {"aapl": {"epoch": "e1", "sequence": 3}}
    await client.got()
    client.session.handle(json.dumps({"type": "subscribe", "symbols": ["AAPL"], "resume": resume}))
    client.publish("AAPL")
    got = await client.got()

    assert kinds(got) == ["subscribed", *(("market_data", number) for number in (4, 5, 6, 7))]
    assert got[0]["recovered"] == {"AAPL": True}


async def test_what_cannot_be_resumed_is_told_and_the_newest_value_comes() -> None:
    client = Client()
    for _ in range(6):
        client.publish("AAPL")
    await client.got()
    resume = {"AAPL": {"epoch": "before", "sequence": 3}}
    got = await client.ask({"type": "subscribe", "symbols": ["AAPL"], "resume": resume})

    assert kinds(got) == ["subscribed", "gap", ("market_data", 6)]
    assert got[0]["recovered"] == {"AAPL": False}
    assert (got[1]["dropped"], got[1]["last_sequence"]) == (5, 5)


@pytest.mark.parametrize(
    ("epoch", "sequence", "recovered", "sequences", "dropped"),
    [
        ("e1", 5, True, [], None),
        ("e1", 4, True, [5], None),
        ("e1", 3, True, [4, 5], None),
        ("e1", 2, False, [5], 2),
        ("e0", 99, False, [5], 4),
    ],
)
async def test_resuming_recovers_all_or_says_what_is_lost(
    epoch: str, sequence: int, recovered: bool, sequences: list[int], dropped: int | None
) -> None:
    client = Client(ring_count=2)
    for _ in range(5):
        client.publish("AAPL")
    point = {"epoch": epoch, "sequence": sequence}
    got = await client.ask({"type": "subscribe", "symbols": ["AAPL"], "resume": {"AAPL": point}})
    answer = next(message for message in got if message["type"] == "subscribed")
    gaps = [message for message in got if message["type"] == "gap"]

    assert answer["recovered"] == {"AAPL": recovered}
    assert [m["sequence"] for m in got if m["type"] == "market_data"] == sequences
    assert [gap["dropped"] for gap in gaps] == ([] if dropped is None else [dropped])


async def test_resuming_finds_a_symbol_in_any_case() -> None:
    client = Client()
    client.publish("AAPL")
    point = {"epoch": "e1", "sequence": 1}
    got = await client.ask({"type": "subscribe", "symbols": ["aapl"], "resume": {"aapl": point}})

    assert got[-1]["recovered"] == {"AAPL": True}


async def test_resuming_finds_a_symbol_by_the_name_that_it_was_subscribed_by() -> None:
    client = Client()
    client.publish("BRK.B")
    point = {"epoch": "e1", "sequence": 1}
    got = await client.ask({"type": "subscribe", "symbols": ["BRK-B"], "resume": {"BRK-B": point}})

    assert got[-1]["recovered"] == {"BRK.B": True}


async def test_a_gap_names_the_epoch_in_which_it_counts() -> None:
    client = Client()
    for _ in range(3):
        client.publish("AAPL")
    resume = {"AAPL": {"epoch": "before", "sequence": 3}}
    got = await client.ask({"type": "subscribe", "symbols": ["AAPL"], "resume": resume})

    assert [one["epoch"] for one in got if one["type"] == "gap"] == ["e1"]
