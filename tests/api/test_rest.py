from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from plugged import manager_of, serving
from scripted import EVERYTHING, ScriptedProvider, make_quote
from tickloom.errors import ProviderUnavailable, UnknownSymbol
from tickloom.model import Quote

BASE = "/api/v1/market-data"


def answer(symbol: str) -> Quote | UnknownSymbol:
    if symbol.startswith("NOPE"):
        return UnknownSymbol(f"no such thing as {symbol}")
    return make_quote(symbol, "189.410000000000000001")


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider("scripted", answer, **EVERYTHING)


@pytest.fixture
async def client(provider: ScriptedProvider) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving(manager_of(provider)) as address,
        httpx.AsyncClient(base_url=f"http://{address}", timeout=10) as http,
    ):
        yield http


async def test_a_quote_has_every_digit_as_a_json_number(client: httpx.AsyncClient) -> None:
    response = await client.get(f"{BASE}/quotes/aapl")

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert '"current_price":189.410000000000000001' in response.text
    assert response.json()["symbol"] == "AAPL"
    assert response.json()["is_real_time"] is False
    assert response.json()["sequence"] == 1


async def test_a_hundred_clients_that_miss_at_once_cost_one_question(
    client: httpx.AsyncClient, provider: ScriptedProvider
) -> None:
    provider.gate = asyncio.Event()
    asking = [asyncio.create_task(client.get(f"{BASE}/quotes/AAPL")) for _ in range(100)]
    await asyncio.sleep(0.2)
    provider.gate.set()
    responses = await asyncio.gather(*asking)

    assert {response.status_code for response in responses} == {200}
    assert provider.calls == [("AAPL",)]


async def test_many_quotes_come_in_order_with_reasons_for_those_missing(
    client: httpx.AsyncClient, provider: ScriptedProvider
) -> None:
    symbols = ["MSFT", "NOPE", "AAPL", "msft"]
    response = await client.post(f"{BASE}/quotes", json={"symbols": symbols})
    body = response.json()

    assert [quote["symbol"] for quote in body["quotes"]] == ["MSFT", "AAPL"]
    assert [(error["symbol"], error["code"]) for error in body["errors"]] == [
        ("NOPE", "unknown-symbol")
    ]
    assert provider.calls == [("MSFT", "NOPE", "AAPL")]


async def test_history_and_company_are_answered_and_cached(
    client: httpx.AsyncClient, provider: ScriptedProvider
) -> None:
    for _ in range(2):
        history = await client.get(
            f"{BASE}/historical/AAPL?start_date=2026-01-01&end_date=2026-01-02&interval=1d"
        )
        company = await client.get(f"{BASE}/company/AAPL")

    assert history.json()["data_points"][0]["close_price"] == 189.41
    assert company.json()["name"] == "Scripted Inc"
    assert provider.calls == [("history", "AAPL"), ("company", "AAPL")]


async def test_the_server_tells_how_it_is(client: httpx.AsyncClient) -> None:
    await client.get(f"{BASE}/quotes/AAPL")
    await client.get(f"{BASE}/quotes/AAPL")
    status = (await client.get(f"{BASE}/status")).json()
    providers = (await client.get(f"{BASE}/providers")).json()
    cache = (await client.get(f"{BASE}/cache/stats")).json()
    plugins = (await client.get(f"{BASE}/plugins")).json()

    assert status["overall_status"] == "healthy"
    assert set(status["components"]) == {"providers", "cache", "database", "streaming", "plugins"}
    assert providers["providers"]["scripted"]["healthy"] is True
    assert (cache["quotes"]["hits"], cache["quotes"]["misses"]) == (1, 1)
    assert plugins[0]["state"] == "active"


async def test_the_statistics_tell_what_became_of_the_quotes(client: httpx.AsyncClient) -> None:
    await client.get(f"{BASE}/quotes/AAPL")
    found = (await client.get(f"{BASE}/statistics")).json()

    assert found["pipeline"] == {"accepted": 1}
    assert found["requests"] == 1
    assert {"written", "dropped", "rejected", "lag_s"} <= set(found["storage"])
    assert {"cache", "streaming", "quality", "history", "live_bars", "jobs"} <= set(found)


async def test_an_invalidated_symbol_is_asked_for_again(
    client: httpx.AsyncClient, provider: ScriptedProvider
) -> None:
    await client.get(f"{BASE}/quotes/AAPL")
    gone = await client.delete(f"{BASE}/cache/AAPL")
    await client.get(f"{BASE}/quotes/AAPL")

    assert gone.json() == {"symbol": "AAPL", "answers": 1}
    assert provider.calls == [("AAPL",), ("AAPL",)]


async def test_the_feeds_can_be_stopped_and_started(client: httpx.AsyncClient) -> None:
    stopped = (await client.post(f"{BASE}/streaming/stop")).json()
    started = (await client.post(f"{BASE}/streaming/start", json={"symbols": ["AAPL"]})).json()
    again = (await client.post(f"{BASE}/streaming/start")).json()
    stats = (await client.get(f"{BASE}/streaming/stats")).json()

    assert stopped["streaming"] is False
    assert started["streaming"] is True
    assert started["watched"] == ["AAPL"]
    assert again["streaming"] is True
    assert stats["websocket_stats"]["connected_clients"] == 0


MISTAKES: list[tuple[str, str, Any, int, str, str]] = [
    ("GET", "/quotes/NOPE", None, 404, "unknown-symbol", "no such thing as NOPE"),
    ("GET", "/quotes/A%00B", None, 400, "invalid-symbol", "expected 1 to 32"),
    ("GET", "/quotes/A%0AB", None, 400, "invalid-symbol", "expected 1 to 32"),
    ("GET", "/quotes/" + "A" * 10_000, None, 400, "invalid-symbol", "10002 characters"),
    ("GET", "/quotes/%FF%FE", None, 400, "invalid-symbol", "expected 1 to 32"),
    ("POST", "/quotes", {"symbols": []}, 400, "invalid-request", "at least one symbol"),
    ("POST", "/quotes", {"symbols": ["A"] * 10_001}, 400, "too-many-symbols", "10001 symbols"),
    ("POST", "/quotes", {"symbols": ["A", 5]}, 400, "invalid-request", "str"),
    ("POST", "/quotes", {"symbols": "A"}, 400, "invalid-request", "array"),
    ("POST", "/quotes", {"simbols": ["A"]}, 400, "invalid-request", "simbols"),
    ("POST", "/quotes", {}, 400, "invalid-request", "symbols"),
    ("POST", "/quotes", b"{", 400, "invalid-request", "JSON"),
    ("POST", "/quotes", b"\xff", 400, "invalid-request", ""),
    ("POST", "/quotes", b'{"symbols":["\xff"]}', 400, "invalid-request", "UnicodeDecodeError"),
    ("POST", "/quotes", b"[" * 900_000, 400, "invalid-request", "RecursionError"),
    ("POST", "/quotes", b"", 400, "invalid-request", ""),
    ("GET", "/historical/AAPL", None, 400, "invalid-request", "start_date"),
    (
        "GET",
        "/historical/AAPL?start_date=2026-01-02&end_date=2026-01-01",
        None,
        400,
        "invalid-dates",
        "2026-01-02 to 2026-01-01",
    ),
    (
        "GET",
        "/historical/AAPL?start_date=2026-01-02&end_date=2999-01-01",
        None,
        400,
        "invalid-dates",
        "future",
    ),
    ("GET", "/historical/AAPL?start_date=yesterday", None, 400, "invalid-dates", "YYYY-MM-DD"),
    (
        "GET",
        "/historical/AAPL?start_date=2026-01-02&interval=7m",
        None,
        400,
        "invalid-interval",
        "one of 1s",
    ),
    (
        "GET",
        "/historical/AAPL?start_date=2026-01-02&interval=1s",
        None,
        404,
        "not-supported",
        "scripted has bars of 1d, 1m",
    ),
    (
        "GET",
        "/historical/AAPL?start_date=2026-01-02&adjusted=maybe",
        None,
        400,
        "invalid-request",
        "none, splits, all",
    ),
    ("POST", "/streaming/start", {"symbols": ["??"]}, 400, "invalid-symbol", "'??'"),
    ("DELETE", "/cache/??", None, 400, "invalid-symbol", ""),
    ("GET", "/historical/SIM.ACME?start_date=2026-W01-1", None, 400, "invalid-dates", "YYYY"),
    ("GET", "/historical/SIM.ACME?start_date=20260131", None, 400, "invalid-dates", "YYYY"),
    ("GET", "/stream/sse?symbols=A%00", None, 400, "invalid-symbol", ""),
    ("GET", "/stream/sse", None, 400, "invalid-request", "symbols"),
    ("GET", "/no/such/path", None, 404, "no-such-path", ""),
    ("PUT", "/quotes", None, 405, "method-not-allowed", ""),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "code", "part"), MISTAKES)
async def test_a_mistake_is_a_problem_document_with_a_stable_type(
    client: httpx.AsyncClient,
    method: str,
    path: str,
    body: Any,
    status: int,
    code: str,
    part: str,
) -> None:
    path = path.replace("/cache/??", "/cache/%3F%3F")
    content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    response = await client.request(
        method, BASE + path, content=content, headers={"Content-Type": "application/json"}
    )
    problem = response.json()

    assert response.status_code == status, problem
    assert response.headers["content-type"].startswith("application/problem+json")
    assert problem["type"] == f"urn:tickloom:problem:{code}"
    assert problem["status"] == status
    assert part in problem["detail"]
    assert problem["instance"].startswith(BASE)


async def test_a_provider_that_is_down_is_503_and_the_server_goes_on(
    client: httpx.AsyncClient, provider: ScriptedProvider
) -> None:
    provider.failure = ProviderUnavailable("the vendor is on holiday", retry_after_s=30)
    down = await client.get(f"{BASE}/quotes/AAPL")
    provider.failure = None
    again = await client.get(f"{BASE}/quotes/AAPL")
    up = await client.get(f"{BASE}/cache/stats")

    assert down.status_code == 503
    assert down.headers["retry-after"] == "30"
    assert down.json()["retry_after_s"] == 30
    # It said when to come back, so until then it is not asked again.
    assert again.status_code == 503
    assert len(provider.calls) == 1
    assert up.status_code == 200


async def test_a_search_is_answered_best_first(
    client: httpx.AsyncClient, provider: ScriptedProvider
) -> None:
    found = await client.get(f"{BASE}/search?q=tesco&limit=2")
    wrong = await client.get(f"{BASE}/search?q=%20")

    assert [match["symbol"] for match in found.json()] == ["S0", "S1"]
    assert provider.calls == [("search", "tesco")]
    assert wrong.status_code == 400


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        ("http://localhost:3000", 200),
        ("http://127.0.0.1:5173", 200),
        ("https://evil.example", 403),
        ("null", 403),
        ("http://[", 403),
    ],
)
async def test_a_page_of_another_site_may_not_stop_the_feeds(
    client: httpx.AsyncClient, origin: str | None, status: int
) -> None:
    headers = {} if origin is None else {"Origin": origin}
    for method, path in (("POST", "/streaming/stop"), ("DELETE", "/cache/AAPL")):
        response = await client.request(method, BASE + path, headers=headers)

        assert response.status_code == status
    if status == 403:
        assert response.json()["code"] == "not-allowed"


async def test_a_body_over_a_megabyte_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.post(f"{BASE}/quotes", content=b" " * 2_000_000)

    assert response.status_code == 413
    assert response.json()["code"] == "message-too-large"


async def test_with_keys_every_route_of_the_api_needs_one() -> None:
    from tickloom.roles import Secret

    auth = {"mode": "keys", "keys": {"alice": Secret("s3cret")}}
    async with (
        serving(manager_of(ScriptedProvider(), auth=auth)) as address,
        httpx.AsyncClient(base_url=f"http://{address}") as http,
    ):
        url = f"{BASE}/quotes/AAPL"
        none = await http.get(url)
        wrong = await http.get(url, headers={"X-API-Key": "guess"})
        header = await http.get(url, headers={"X-API-Key": "s3cret"})
        bearer = await http.get(url, headers={"Authorization": "Bearer s3cret"})

    assert [none.status_code, wrong.status_code] == [401, 401]
    assert none.json()["type"] == "urn:tickloom:problem:not-authenticated"
    assert none.headers["www-authenticate"].startswith("Bearer")
    assert [header.status_code, bearer.status_code] == [200, 200]
