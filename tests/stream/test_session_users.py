"""Who a client is, and what it may do before that is known."""

from __future__ import annotations

import json

from stream.clients import Client
from tickloom.stream import Connection, Session, WireFormat


async def test_a_user_holds_no_more_connections_than_allowed() -> None:
    client = Client(authenticate={"secret": "alice"}.get, max_user_connections=1)
    await client.ask({"type": "auth", "token": "secret"})
    other = Connection(WireFormat.JSON, 1_000_000)
    session = Session(client.hub, other, client.rules)
    session.open()
    session.handle('{"type":"auth","token":"secret"}')
    answer = [json.loads(frame) for frame in await other.take()][-1]

    assert answer["code"] == 406
    assert other.user is None

    client.session.close()
    session.handle('{"type":"auth","token":"secret"}')

    assert other.user == "alice"


async def test_nothing_but_ping_works_before_authentication() -> None:
    client = Client(authenticate={"secret": "alice"}.get)
    welcome = (await client.got())[0]
    refused = (await client.ask({"type": "subscribe", "symbols": ["AAPL"]}))[-1]
    pong = (await client.ask({"type": "ping"}))[-1]

    assert welcome["auth_required"] is True
    assert refused["code"] == 401
    assert '"type":"auth"' in refused["message"]
    assert pong["type"] == "pong"
    assert not client.connection.patterns


async def test_a_known_key_opens_the_stream_and_a_second_one_is_refused() -> None:
    client = Client(authenticate={"secret": "alice"}.get)
    wrong = (await client.ask({"type": "auth", "token": "guess"}))[-1]
    right = (await client.ask({"type": "auth", "token": "secret"}))[-1]
    again = (await client.ask({"type": "auth", "token": "secret"}))[-1]
    answer = (await client.ask({"type": "subscribe", "symbols": ["AAPL"]}))[-1]

    assert wrong["code"] == 401
    assert "guess" not in wrong["message"]
    assert right == {"type": "authenticated", "user": "alice"}
    assert again["code"] == 409
    assert answer["symbols"] == ["AAPL"]
