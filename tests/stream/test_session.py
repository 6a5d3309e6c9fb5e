"""What a client subscribes to, and what it is answered."""

from __future__ import annotations

from stream.clients import Client, kinds


async def test_the_server_speaks_first() -> None:
    client = Client()

    assert await client.got() == [
        {
            "type": "welcome",
            "version": 1,
            "server": "tickloom test",
            "epoch": "e1",
            "auth_required": False,
        }
    ]


async def test_a_subscription_is_answered_with_the_whole_set_and_its_id() -> None:
    client = Client()
    client.session.handle('{"type":"subscribe","symbols":["msft"]}')
    answer = (await client.ask({"type": "subscribe", "symbols": ["AAPL", "SIM.*"], "id": 7}))[-1]

    assert answer == {"type": "subscribed", "symbols": ["AAPL", "MSFT", "SIM.*"], "id": 7}


async def test_the_newest_value_comes_at_once_and_the_stream_goes_on_from_it() -> None:
    client = Client()
    client.publish("AAPL")
    client.publish("AAPL")
    client.session.handle('{"type":"subscribe","symbols":["AAPL"]}')
    client.publish("AAPL")
    got = await client.got()

    assert [message["sequence"] for message in got if message["type"] == "market_data"] == [2, 3]


async def test_a_pattern_brings_the_newest_value_of_every_symbol_that_it_fits() -> None:
    client = Client()
    for symbol in ("SIM.A", "SIM.B", "AAPL"):
        client.publish(symbol)
    got = await client.ask({"type": "subscribe", "symbols": ["SIM.*", "SIM.A"]})

    assert sorted(m["symbol"] for m in got if m["type"] == "market_data") == ["SIM.A", "SIM.B"]


async def test_a_client_can_do_without_the_snapshot() -> None:
    client = Client()
    client.publish("AAPL")
    got = await client.ask({"type": "subscribe", "symbols": ["AAPL"], "snapshot": False})

    assert [message["type"] for message in got] == ["welcome", "subscribed"]


async def test_a_bad_symbol_is_rejected_and_the_others_are_taken() -> None:
    client = Client()
    bad = ["", "A\u0000B", "x" * 10_000, 5, None, "NOPE"]
    got = await client.ask({"type": "subscribe", "symbols": ["AAPL", *bad]})
    answer = got[-1]

    assert answer["symbols"] == ["AAPL"]
    assert [item["code"] for item in answer["rejected"]] == [400, 400, 400, 400, 400, 404]
    assert all(len(item["symbol"]) <= 80 for item in answer["rejected"])
    assert all("expected" in item["message"] for item in answer["rejected"][:5])


async def test_more_symbols_than_allowed_are_rejected_one_by_one() -> None:
    client = Client()
    symbols = [f"S{number}" for number in range(12)]
    answer = (await client.ask({"type": "subscribe", "symbols": symbols}))[-1]

    assert len(answer["symbols"]) == 10
    assert [item["code"] for item in answer["rejected"]] == [405, 405]


async def test_unsubscribing_without_symbols_leaves_nothing() -> None:
    client = Client()
    await client.ask({"type": "subscribe", "symbols": ["AAPL", "MSFT"]})

    assert (await client.ask({"type": "unsubscribe", "symbols": ["AAPL"]}))[-1]["symbols"] == [
        "MSFT"
    ]
    assert (await client.ask({"type": "unsubscribe"}))[-1]["symbols"] == []


async def test_options_of_a_symbol_change_with_the_next_subscription_and_others_stay() -> None:
    client = Client()
    await client.ask({"type": "subscribe", "symbols": ["AAPL", "MSFT"], "fields": ["volume"]})
    await client.ask({"type": "subscribe", "symbols": ["AAPL"], "interval_ms": 500})
    wishes = client.connection.patterns

    assert (wishes["AAPL"].fields, wishes["AAPL"].interval_s) == (("volume",), 0.5)
    assert (wishes["MSFT"].fields, wishes["MSFT"].interval_s) == (("volume",), 0.0)

    await client.ask({"type": "subscribe", "symbols": ["AAPL"], "fields": [], "interval_ms": 0})

    assert wishes["AAPL"].is_plain


async def test_who_wants_states_only_gets_no_quotes() -> None:
    client = Client()
    client.publish("AAPL")
    got = await client.ask({"type": "subscribe", "symbols": ["AAPL"], "channels": ["status"]})
    client.publish("AAPL")
    client.hub.publish_status("first", "down", client.clock.now(), ["AAPL"])
    got += await client.got()

    assert [one["type"] for one in got] == ["welcome", "subscribed", "status"]


async def test_a_batch_is_asked_for_and_given_up_for_the_whole_connection() -> None:
    client = Client()
    await client.ask({"type": "subscribe", "symbols": ["AAPL"], "batch": True})
    client.publish("AAPL")
    [array] = await client.got()

    assert kinds(array) == [("market_data", 1)]  # type: ignore[arg-type]

    await client.ask({"type": "subscribe", "symbols": ["AAPL"], "batch": False, "snapshot": False})
    client.publish("AAPL")

    assert kinds(await client.got()) == [("market_data", 2)]


async def test_patterns_have_a_small_limit_of_their_own() -> None:
    client = Client(max_symbols=1_000)
    patterns = [f"S{number}*" for number in range(60)]
    answer = (await client.ask({"type": "subscribe", "symbols": [*patterns, "AAPL"]}))[-1]

    assert len(answer["symbols"]) == 51
    assert {item["code"] for item in answer["rejected"]} == {405}
    assert "patterns" in answer["rejected"][0]["message"]


async def test_the_answer_says_what_a_symbol_is_called_here() -> None:
    client = Client()

    _, answer = await client.ask({"type": "subscribe", "symbols": ["eur/usd", "AAPL"]})

    assert answer["symbols"] == ["AAPL", "EURUSD=X"]
    assert answer["renamed"] == {"eur/usd": "EURUSD=X"}


async def test_a_second_subscription_does_not_let_the_newest_value_overtake_what_waits() -> None:
    client = Client()
    client.session.handle('{"type":"subscribe","symbols":["AAPL"]}')
    for _ in range(3):
        client.publish("AAPL")
    client.publish("AMZN")
    client.session.handle('{"type":"subscribe","symbols":["A*"]}')
    client.session.handle('{"type":"subscribe","symbols":["AAPL"]}')
    got = [one for one in await client.got() if one["type"] == "market_data"]

    assert [one["sequence"] for one in got if one["symbol"] == "AAPL"] == [1, 2, 3]
    assert [one["sequence"] for one in got if one["symbol"] == "AMZN"] == [1]
