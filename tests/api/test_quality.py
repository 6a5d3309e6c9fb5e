"""Quarantine, events, comparison, scores and alerts over REST, and what clients see of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from plugged import serving
from quality.keeping import keeping
from scripted import EVERYTHING, ScriptedProvider, make_quote
from tickloom.manager import MarketDataManager

BASE = "/api/v1/market-data"
QUARANTINE = f"{BASE}/quality/quarantine"


@pytest.fixture
def providers() -> list[ScriptedProvider]:
    cheap = make_quote("PENNY", "5", provider="scripted")
    dear = make_quote("AAPL", provider="scripted")
    more = EVERYTHING | {"has_stream": False}
    return [
        ScriptedProvider("scripted", {"PENNY": cheap, "AAPL": dear}, **more),
        ScriptedProvider("second", {"PENNY": make_quote("PENNY", "6")}, **more),
    ]


@pytest.fixture
def manager(tmp_path: Path, providers: list[ScriptedProvider]) -> MarketDataManager:
    order = {"primary": "scripted", "fallback": ("second",)}
    return keeping(f"sqlite:///{tmp_path / 'q.db'}", *providers, providers=order)


@pytest.fixture
async def client(manager: MarketDataManager) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving(manager) as address,
        httpx.AsyncClient(base_url=f"http://{address}", timeout=10) as http,
    ):
        yield http


async def held(client: httpx.AsyncClient, **params: Any) -> list[dict[str, Any]]:
    answer = await client.get(QUARANTINE, params=params)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["rows"]
    return rows


async def test_a_quarantined_quote_is_listed_and_released_once(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"{BASE}/quotes/AAPL")).status_code == 503
    [row] = await held(client, symbol="aapl", state="held")
    assert (row["code"], row["quote"]["current_price"]) == ("too-dear", 189.41)

    for _ in range(2):
        answer = await client.post(f"{QUARANTINE}/{row['id']}/release")
        assert (answer.status_code, answer.json()["state"]) == (200, "released")
        assert answer.json()["decided_by"] == "anonymous"
    quote = (await client.get(f"{BASE}/quotes/AAPL")).json()
    assert (quote["quality"], quote["quality_codes"]) == ("flagged", ["released"])
    assert quote["sequence"] == 1


async def test_a_row_is_dropped_and_then_not_released(client: httpx.AsyncClient) -> None:
    await client.get(f"{BASE}/quotes/AAPL")
    [row] = await held(client)
    assert (await client.post(f"{QUARANTINE}/{row['id']}/drop")).json()["state"] == "dropped"
    refused = await client.post(f"{QUARANTINE}/{row['id']}/release")
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid-request")
    assert await held(client, state="held") == []


async def test_pages_follow_each_other_by_their_token(
    client: httpx.AsyncClient, manager: MarketDataManager
) -> None:
    for number in range(5):
        manager.pipeline.accept(make_quote(f"S{number}"))
    found, params = [], {"limit": "2"}
    while True:
        page = (await client.get(QUARANTINE, params=params)).json()
        found += [row["symbol"] for row in page["rows"]]
        if page.get("next") is None:
            break
        params["page"] = page["next"]
    assert sorted(found) == ["S0", "S1", "S2", "S3", "S4"]


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "state=lost", "page=x", "symbol=a+b"])
async def test_a_question_that_cannot_be_answered_says_why(
    client: httpx.AsyncClient, query: str
) -> None:
    answer = await client.get(f"{QUARANTINE}?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (
        400,
        "application/problem+json",
    )


async def test_a_row_that_is_not_there_is_not_found(client: httpx.AsyncClient) -> None:
    answer = await client.post(f"{QUARANTINE}/00000000-0000-0000-0000-000000000000/release")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


async def test_the_page_of_another_site_decides_nothing(client: httpx.AsyncClient) -> None:
    headers = {"Origin": "https://elsewhere.example"}
    answer = await client.post(f"{QUARANTINE}/x/drop", headers=headers)
    assert answer.status_code == 403


async def test_events_tell_what_was_flagged(client: httpx.AsyncClient) -> None:
    await client.get(f"{BASE}/quotes/PENNY")
    [event] = (await client.get(f"{BASE}/quality/events?code=cheap")).json()["rows"]
    assert (event["symbol"], event["provider"], event["kind"]) == ("PENNY", "scripted", "quote")
    assert event["found"] == {"current_price": 5}


async def test_providers_that_differ_are_told_in_the_answer_as_event_and_as_alert(
    client: httpx.AsyncClient,
) -> None:
    found = (await client.get(f"{BASE}/quality/compare/penny?bars=5")).json()
    [pair] = found["pairs"]
    assert (found["verdict"], pair["code"]) == ("differ", "providers-differ")
    assert "current_price is 5 by scripted and 6 by second: 16.67 % apart" in pair["reason"]
    assert (pair["bars"], pair["bars_agreed"]) == (1, 1)
    [event] = (await client.get(f"{BASE}/quality/events?kind=comparison")).json()["rows"]
    assert event["found"] == {"scripted": 5, "second": 6}
    [alert] = (await client.get(f"{BASE}/status")).json()["alerts"]
    assert alert["symbols"] == ["PENNY"]
    assert (await client.get(f"{BASE}/quality/alerts")).json()["current"] == [alert]


async def test_a_symbol_of_one_provider_has_nobody_to_be_compared_with(tmp_path: Path) -> None:
    manager = keeping(f"sqlite:///{tmp_path / 'q.db'}", ScriptedProvider("scripted"))
    async with serving(manager) as address, httpx.AsyncClient() as http:
        answer = await http.get(f"http://{address}{BASE}/quality/compare/AAPL")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-supported")


async def test_scores_tell_how_each_provider_does(
    client: httpx.AsyncClient, manager: MarketDataManager
) -> None:
    await client.get(f"{BASE}/quality/compare/PENNY")
    await client.get(f"{BASE}/quotes/PENNY")
    await client.get(f"{BASE}/quotes/AAPL")
    scores = (await client.get(f"{BASE}/quality/scores?provider=scripted")).json()["scores"]
    told = {score["symbol"]: score for score in scores}
    assert told["PENNY"]["agreement"] == told["PENNY"]["validity"] == 0
    assert told["AAPL"]["completeness"] == 1
    assert told["AAPL"]["counts"]["judged"] == 1
    assert manager.get_system_stats()["quality"]["scores"]["scripted"]["completeness"] == 1


async def test_the_findings_of_a_series_are_told_on_demand(client: httpx.AsyncClient) -> None:
    dates = "start_date=2026-01-01&end_date=2026-01-02"
    answer = await client.get(f"{BASE}/quality/series/PENNY?{dates}")
    # Its one bar is too dear, so that nothing is left to be served.
    assert (answer.status_code, answer.json()["code"]) == (503, "bad-record")


@pytest.mark.parametrize("query", ["end_date=0001-01-01", "start_date=9999-12-31", "interval=x"])
async def test_a_series_of_impossible_dates_is_refused(
    client: httpx.AsyncClient, query: str
) -> None:
    answer = await client.get(f"{BASE}/quality/series/PENNY?{query}")
    assert answer.status_code == 400


async def test_clients_of_every_stream_see_that_a_quote_was_released(
    client: httpx.AsyncClient, manager: MarketDataManager
) -> None:
    address = str(client.base_url).removeprefix("http://").rstrip("/")
    events = f"{BASE}/stream/sse?symbols=DEAR,PENNY"
    async with (
        websockets.connect(f"ws://{address}/ws") as socket,
        client.stream("GET", events) as stream,
    ):
        await socket.send(json.dumps({"type": "subscribe", "symbols": ["DEAR", "PENNY"]}))
        while json.loads(await socket.recv())["type"] != "subscribed":
            pass
        lines = stream.aiter_lines()
        async for line in lines:
            if line.startswith("data:") and '"subscribed"' in line:
                break
        manager.pipeline.accept(make_quote("DEAR"))
        [row] = await held(client, symbol="DEAR")
        await client.post(f"{QUARANTINE}/{row['id']}/release")
        manager.pipeline.accept(make_quote("PENNY", "4.5"))
        assert await _codes(_messages(socket), 2) == {"DEAR": ["released"], "PENNY": ["cheap"]}
        assert await _codes(_data(lines), 2) == {"DEAR": ["released"], "PENNY": ["cheap"]}


async def _messages(socket: websockets.ClientConnection) -> AsyncIterator[dict[str, Any]]:
    while True:
        yield json.loads(await socket.recv())


async def _data(lines: AsyncIterator[str]) -> AsyncIterator[dict[str, Any]]:
    async for line in lines:
        if line.startswith("data:"):
            yield json.loads(line.removeprefix("data:"))


async def _codes(messages: AsyncIterator[dict[str, Any]], count: int) -> dict[str, list[str]]:
    found = {}
    async for message in messages:
        if message.get("type") == "market_data":
            assert message["data"]["quality"] == "flagged"
            found[message["symbol"]] = message["data"]["quality_codes"]
        if len(found) == count:
            break
    return found
