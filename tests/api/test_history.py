"""History over a real server: formats, pages, what breaks in the midst, who leaves early."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # it ships no types
import pytest

from barsamples import answer, bar
from plugged import manager_of, serving
from scripted import EVERYTHING, ScriptedProvider
from tickloom.client import Client
from tickloom.errors import NotSupported, ProviderUnavailable, RequestError, UnknownProvider
from tickloom.history.formats import FORMATS
from tickloom.manager import MarketDataManager
from tickloom.model import HistoricalData, Interval, decode_json, encode_history
from tickloom.store import LIVE, BarBatch, Days

if TYPE_CHECKING:
    from databases import Database

PATH = "/api/v1/market-data/historical/BTC-USD"
START = datetime(2025, 1, 1, tzinfo=UTC)
# More than are held and cached.
COUNT = 21_000
# More than sockets hold.
MANY = 110_000
LAST = START + timedelta(minutes=COUNT - 1)
LAST_OF_MANY = START + timedelta(minutes=MANY - 1)
LONG = {"start_date": "2025-01-01", "end_date": str(LAST.date()), "interval": "1m"}
LONGER = LONG | {"end_date": str(LAST_OF_MANY.date())}
SHORT = {"start_date": "2026-01-01", "end_date": "2026-01-05", "interval": "1d"}


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider("scripted", **EVERYTHING)


@asynccontextmanager
async def client_of(manager: MarketDataManager) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving(manager) as address,
        httpx.AsyncClient(base_url=f"http://{address}", timeout=20) as http,
    ):
        yield http


@pytest.fixture
async def client(provider: ScriptedProvider) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(manager_of(provider)) as http:
        yield http


async def fill(manager: MarketDataManager, count: int, provider: str = "scripted") -> None:
    last = (START + timedelta(minutes=count - 1)).date()
    points = tuple(bar(START + timedelta(minutes=n), f"{n}.50") for n in range(count))
    history = answer(
        points,
        symbol="BTC-USD",
        interval=Interval.MINUTE,
        start_date=START.date(),
        end_date=last,
        provider=provider,
    )
    backend = await manager.histories._store._open()
    days = (Days(START.date(), last),) if provider != LIVE else ()
    await backend.write_bars([BarBatch(history=history, complete=days)])


@asynccontextmanager
async def holding(
    count: int, database: Database, provider: ScriptedProvider
) -> AsyncIterator[tuple[MarketDataManager, httpx.AsyncClient]]:
    provider.failure = ProviderUnavailable("unplugged")
    manager = manager_of(provider, database={"url": database.url})
    async with client_of(manager) as http:
        await fill(manager, count)
        yield manager, http


@pytest.fixture
async def stored(
    database: Database, provider: ScriptedProvider
) -> AsyncIterator[tuple[MarketDataManager, httpx.AsyncClient]]:
    """A server with minutes in its database, and a provider that is away."""
    async with holding(COUNT, database, provider) as server:
        yield server


@pytest.fixture
async def stored_many(
    database: Database, provider: ScriptedProvider
) -> AsyncIterator[tuple[MarketDataManager, httpx.AsyncClient]]:
    async with holding(MANY, database, provider) as server:
        yield server


@pytest.mark.parametrize("by_header", [False, True])
@pytest.mark.parametrize("name", FORMATS)
async def test_each_format_has_its_media_type_and_the_bars(
    client: httpx.AsyncClient, name: str, by_header: bool
) -> None:
    media_type = FORMATS[name].media_type
    if by_header:
        response = await client.get(PATH, params=SHORT, headers={"Accept": media_type})
    else:
        response = await client.get(PATH, params=SHORT | {"format": name})

    assert response.status_code == 200
    assert response.headers["content-type"] == media_type
    if name == "json":
        closes: list[Any] = [one["close_price"] for one in response.json()["data_points"]]
    elif name == "csv":
        closes = [float(row["close_price"]) for row in csv.DictReader(io.StringIO(response.text))]
    elif name == "arrow":
        closes = pa.ipc.open_stream(response.content).read_all()["close_price"].to_pylist()
    else:
        closes = pq.read_table(io.BytesIO(response.content))["close_price"].to_pylist()
    assert [float(close) for close in closes] == [189.41]
    if name != "json":
        assert f"BTC-USD-1d-2026-01-01-2026-01-05.{name}" in response.headers["content-disposition"]


async def test_the_parameter_wins_over_the_header(client: httpx.AsyncClient) -> None:
    response = await client.get(
        PATH, params=SHORT | {"format": "csv"}, headers={"Accept": "image/png"}
    )
    assert response.headers["content-type"] == "text/csv"


async def test_a_browser_gets_json(client: httpx.AsyncClient) -> None:
    response = await client.get(PATH, params=SHORT, headers={"Accept": ""})
    assert response.headers["content-type"] == "application/json"
    accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    response = await client.get(PATH, params=SHORT, headers={"Accept": accept})
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("params", "accept", "status", "code", "part"),
    [
        ({"format": "xml"}, "*/*", 400, "invalid-request", "one of json, csv, arrow, parquet"),
        ({}, "image/png", 406, "not-acceptable", "text/csv"),
        ({}, "application/json;q=0", 406, "not-acceptable", "text/csv"),
        ({"fields": "close"}, "*/*", 400, "invalid-request", "some of timestamp, open_price"),
        ({"limit": "0"}, "*/*", 400, "invalid-request", "1 to 50000"),
        ({"limit": "many"}, "*/*", 400, "invalid-request", "limit"),
        ({"order": "up"}, "*/*", 400, "invalid-request", "asc or desc"),
        ({"page": "x"}, "*/*", 400, "invalid-request", "page token"),
        ({"decimals": "half"}, "*/*", 400, "invalid-request", "decimal, string, float"),
    ],
)
async def test_a_wrong_choice_is_a_problem_that_names_the_right_ones(
    client: httpx.AsyncClient,
    params: dict[str, str],
    accept: str,
    status: int,
    code: str,
    part: str,
) -> None:
    response = await client.get(PATH, params=SHORT | params, headers={"Accept": accept})
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert part in response.json()["detail"]


async def test_without_pyarrow_it_is_501_and_names_the_extra(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    response = await client.get(PATH, params=SHORT | {"format": "arrow"})
    assert (response.status_code, response.json()["code"]) == (501, "missing-dependency")
    assert "tickloom[arrow]" in response.json()["detail"]


@pytest.mark.parametrize("name", FORMATS)
async def test_a_long_history_comes_from_the_database_in_chunks(
    stored: tuple[MarketDataManager, httpx.AsyncClient], name: str
) -> None:
    _, client = stored
    async with client.stream("GET", PATH, params=LONG | {"format": name}) as response:
        data = b"".join([piece async for piece in response.aiter_raw()])

    assert response.headers["transfer-encoding"] == "chunked"
    if name == "json":
        assert len(decode_json(data, HistoricalData).data_points) == COUNT
    elif name == "csv":
        assert data.count(b"\n") == COUNT + 1
        assert data.splitlines()[-1].startswith(b"2025-01-15T13:59:00Z,20999.50,")
    elif name == "arrow":
        assert pa.ipc.open_stream(data).read_all().num_rows == COUNT
    else:
        assert pq.read_table(io.BytesIO(data)).num_rows == COUNT


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_are_followed_by_the_link_and_by_the_last_field(
    stored: tuple[MarketDataManager, httpx.AsyncClient], order: str
) -> None:
    _, client = stored
    params: Any = LONG | {"limit": "8000", "order": order, "fields": "timestamp"}
    url: str | None = PATH
    times: list[str] = []
    while url is not None:
        response = await client.get(url, params=params)
        body = response.json()
        times += [point["timestamp"] for point in body["data_points"]]
        params = None
        link = response.links.get("next")
        url = None if link is None else link["url"]
        assert ("next_page" in body) == (link is not None)

    assert len(times) == COUNT
    assert times == sorted(set(times), reverse=order == "desc")


async def test_an_error_in_the_midst_cuts_the_response_off_and_is_counted(
    stored_many: tuple[MarketDataManager, httpx.AsyncClient],
    database: Database,
    warnings_told: list[str],
) -> None:
    manager, client = stored_many
    with pytest.raises(httpx.RemoteProtocolError):
        async with client.stream("GET", PATH, params=LONGER) as response:
            assert response.status_code == 200
            pieces = response.aiter_raw(1_000)
            await anext(pieces)
            await database.execute("ALTER TABLE bars RENAME TO elsewhere")
            async for _ in pieces:
                pass

    assert manager.histories.stats()["cut_off"] == 1
    assert any("cut off" in told for told in warnings_told)


async def test_a_database_that_fails_before_the_first_bar_leaves_it_to_the_provider(
    stored: tuple[MarketDataManager, httpx.AsyncClient],
    database: Database,
    provider: ScriptedProvider,
) -> None:
    _, client = stored
    await database.execute("ALTER TABLE bars RENAME TO elsewhere")
    provider.failure = None
    # The provider's only bar is of that January.
    response = await client.get(PATH, params=LONG | {"end_date": "2026-01-05"})
    assert response.status_code == 200
    assert response.json()["provider"] == "scripted"


@pytest.mark.parametrize("name", ["json", "arrow"])
async def test_a_client_that_leaves_in_the_midst_leaves_nothing_behind(
    stored_many: tuple[MarketDataManager, httpx.AsyncClient], name: str
) -> None:
    manager, client = stored_many
    async with (
        httpx.AsyncClient(base_url=client.base_url) as other,
        other.stream("GET", PATH, params=LONGER | {"format": name}) as response,
    ):
        await anext(response.aiter_raw(100))
    ours = {"watch a download", "read history ahead"}
    while ours & {task.get_name() for task in asyncio.all_tasks()}:
        await asyncio.sleep(0.01)

    backend: Any = await manager.histories._store._open()
    if backend.name == "sqlite":
        assert backend._thread._work_queue.empty()
    else:
        assert backend._pool.get_idle_size() == backend._pool.get_size()
    assert (await client.get(PATH, params=LONG | {"limit": "1"})).status_code == 200


async def test_the_second_time_has_the_same_bytes(
    database: Database, provider: ScriptedProvider
) -> None:
    manager = manager_of(provider, database={"url": database.url})
    async with client_of(manager) as client:
        first = await client.get(PATH, params=SHORT)
        provider.failure = ProviderUnavailable("unplugged")
        second = await client.get(PATH, params=SHORT)
    assert first.content == second.content
    assert date.fromisoformat(first.json()["start_date"]) == date(2026, 1, 1)


async def test_a_short_history_that_is_stored_comes_from_the_database_and_not_from_the_cache(
    stored: tuple[MarketDataManager, httpx.AsyncClient],
) -> None:
    manager, client = stored
    days = START.date(), START.date() + timedelta(days=9)
    wish = {"start_date": str(days[0]), "end_date": str(days[1]), "interval": "1m"}

    async with client.stream("GET", PATH, params=wish) as response:
        pieces = [piece async for piece in response.aiter_raw()]
    assert len(pieces) > 1
    assert (await client.get(PATH, params=wish)).content == b"".join(pieces)
    assert manager.cache_manager.history.hits == 0
    # This one is cached, and so is an object for each bar.
    whole = await manager.get_historical_data("BTC-USD", *days, "1m")
    assert b"".join(pieces) == b"".join(encode_history(whole))
    assert (await client.get(PATH, params=wish)).content == b"".join(pieces)
    page = await client.get(PATH, params=wish | {"limit": "2", "order": "desc"})
    assert decode_json(page.content, HistoricalData).data_points == whole.data_points[:-3:-1]


async def test_what_was_computed_is_cached_once_it_was_sent(
    stored: tuple[MarketDataManager, httpx.AsyncClient],
) -> None:
    manager, client = stored
    wish = {"start_date": "2025-01-01", "end_date": "2025-01-10", "interval": "1h"}

    page = await client.get(PATH, params=wish | {"limit": "5"})
    assert len(page.json()["data_points"]) == 5
    first, second = [await client.get(PATH, params=wish) for _ in range(2)]

    assert manager.cache_manager.history.hits == 1
    assert manager.histories.stats()["rolled_up"] == 3
    assert len(first.json()["data_points"]) == 240
    assert second.content == first.content


async def test_a_page_of_what_was_just_given_asks_no_provider_again(
    database: Database, provider: ScriptedProvider
) -> None:
    manager = manager_of(provider, database={"url": database.url})
    async with client_of(manager) as client:
        for order in ("asc", "desc", "asc"):
            page = await client.get(PATH, params=SHORT | {"limit": "1", "order": order})
            assert len(page.json()["data_points"]) == 1

    assert provider.calls == [("history", "BTC-USD")]


async def test_bars_of_the_stream_come_over_rest_the_python_api_and_the_client(
    database: Database, provider: ScriptedProvider
) -> None:
    manager = manager_of(provider, database={"url": database.url})
    days = START.date(), START.date()
    wish = {"start_date": str(days[0]), "end_date": str(days[1]), "interval": "1m"}
    async with client_of(manager) as http, Client(str(http.base_url)) as client:
        await fill(manager, 3, LIVE)
        response = await http.get(PATH, params=wish | {"provider": "live"})
        direct = await manager.get_historical_data("BTC-USD", *days, "1m", provider="live")
        asked = await client.history("BTC-USD", *days, "1m", provider="live")
        pages = [
            page
            async for page in client.history_pages("BTC-USD", *days, "1m", limit=2, provider="live")
        ]

    body = response.json()
    assert (body["provider"], len(body["data_points"])) == ("live", 3)
    assert "missing" in body["incomplete_reason"]
    assert direct.data_points == asked.data_points
    assert [len(page.data_points) for page in pages] == [2, 1]
    assert ("history", "BTC-USD") not in provider.calls


async def test_a_provider_is_named_over_rest_the_python_api_and_the_client() -> None:
    first, second = (ScriptedProvider(name, **EVERYTHING) for name in ("first", "second"))
    manager = manager_of(first, second, providers={"primary": "first"})
    days = date(2026, 1, 1), date(2026, 1, 5)
    async with client_of(manager) as http, Client(str(http.base_url)) as client:
        usual = await http.get(PATH, params=SHORT)
        named = await http.get(PATH, params=SHORT | {"provider": "second"})
        direct = await manager.get_historical_data("BTC-USD", *days, provider="second")
        asked = await client.history("BTC-USD", *days, provider="second")
        unknown = await http.get(PATH, params=SHORT | {"provider": "third"})
        wrong = await http.get(PATH, params=SHORT | {"provider": "No Name"})
        with pytest.raises(UnknownProvider, match="first, live, second"):
            await client.history("BTC-USD", *days, provider="third")
        with pytest.raises(RequestError):
            await manager.get_historical_data("BTC-USD", *days, provider="")
        with pytest.raises(NotSupported, match="no database"):
            await client.history("BTC-USD", *days, provider="live")

    assert usual.json()["provider"] == "first"
    assert {named.json()["provider"], direct.provider, asked.provider} == {"second"}
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown-provider")
    assert unknown.json()["expected"] == "one of first, live, second"
    assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid-request")
