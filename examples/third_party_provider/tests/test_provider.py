import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import date
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tickloom.clock import FakeClock
from tickloom.errors import (
    ConfigError,
    CredentialsError,
    NoData,
    NotSupported,
    ProviderUnavailable,
    RateLimited,
    TickloomError,
    UnknownSymbol,
)
from tickloom.model import Interval, Quote, Timeliness
from tickloom.roles import HistoryRequest, PluginSettings, Provider
from tickloom_example.client import RatesClient
from tickloom_example.provider import SHIPPED, ExampleProvider, Options, tickloom_providers

BODY = b"Date,USD\n2026-01-05,1.1210\n2026-01-02,1.1187\n"


class RatesServer(ThreadingHTTPServer):
    """A real server on this machine that answers with ``status`` and ``body``."""

    status = 200
    body = BODY
    requests = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/rates.csv"


class Handler(BaseHTTPRequestHandler):
    server: RatesServer

    def do_GET(self) -> None:
        self.server.requests += 1
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[RatesServer]:
    with RatesServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def provider(http: httpx.AsyncClient, server: RatesServer, clock: FakeClock) -> ExampleProvider:
    return ExampleProvider(RatesClient(http, server.url, SHIPPED), clock, refresh_s=60)


def settings_of(**options: object) -> PluginSettings:
    return PluginSettings("example", FakeClock(), lambda kind: kind(**options))


def request(symbol: str, **fields: Any) -> HistoryRequest:
    days: dict[str, Any] = {"start": date(2026, 1, 1), "end": date(2026, 1, 31)}
    return HistoryRequest(symbol=symbol, **(days | fields))


def price_of(quotes: Mapping[str, Quote | TickloomError]) -> Decimal:
    quote = quotes["EXA.EURUSD"]
    assert isinstance(quote, Quote)
    return quote.current_price


async def test_quotes_come_from_the_url(provider: ExampleProvider) -> None:
    quotes = await provider.get_quotes(["EXA.EURUSD", "EXA.EURXXX", "EXA.OTHER"])
    assert list(quotes) == ["EXA.EURUSD"]
    assert price_of(quotes) == Decimal("1.1210")


async def test_one_read_serves_until_it_is_too_old(
    provider: ExampleProvider, server: RatesServer, clock: FakeClock
) -> None:
    await provider.get_quotes(["EXA.EURUSD"])
    await provider.get_history(request("EXA.EURUSD"))
    assert server.requests == 1
    await clock.advance(60)
    server.body = b"Date,USD\n2026-01-06,1.1300\n"
    quotes = await provider.get_quotes(["EXA.EURUSD"])
    assert price_of(quotes) == Decimal("1.1300")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (500, ProviderUnavailable),
        (404, ProviderUnavailable),
        (429, RateLimited),
        (403, CredentialsError),
    ],
)
async def test_an_answer_other_than_200_becomes_an_error_of_the_tree(
    provider: ExampleProvider, server: RatesServer, status: int, error: type[Exception]
) -> None:
    server.status = status
    with pytest.raises(error, match=f"HTTP {status}"):
        await provider.get_quotes(["EXA.EURUSD"])


async def test_an_answer_that_is_no_rates_file_makes_the_provider_unavailable(
    provider: ExampleProvider, server: RatesServer
) -> None:
    server.body = b"<html>down for maintenance</html>"
    with pytest.raises(ProviderUnavailable, match="the rates have no header"):
        await provider.get_quotes(["EXA.EURUSD"])


async def test_a_server_that_is_not_there_makes_the_provider_unavailable(
    http: httpx.AsyncClient, clock: FakeClock
) -> None:
    client = RatesClient(http, "http://127.0.0.1:1/rates.csv", SHIPPED)
    with pytest.raises(ProviderUnavailable, match="ConnectError"):
        await ExampleProvider(client, clock, 60).get_quotes(["EXA.EURUSD"])


async def test_history_holds_a_bar_for_each_day(provider: ExampleProvider) -> None:
    history = await provider.get_history(request("EXA.EURUSD"))
    assert [bar.close_price for bar in history.data_points] == [
        Decimal("1.1187"),
        Decimal("1.1210"),
    ]
    assert history.timeliness is Timeliness.END_OF_DAY


@pytest.mark.parametrize(
    ("question", "error"),
    [
        (request("EXA.EURXXX"), UnknownSymbol),
        (request("EXA.EURUSD", start=date(2020, 1, 1), end=date(2020, 1, 2)), NoData),
        (request("EXA.EURUSD", interval=Interval.MINUTE), NotSupported),
    ],
)
async def test_history_that_is_not_there_says_why(
    provider: ExampleProvider, question: HistoryRequest, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await provider.get_history(question)


async def test_it_describes_no_companies(provider: ExampleProvider) -> None:
    with pytest.raises(NotSupported):
        await provider.get_company("EXA.EURUSD")


async def test_without_settings_the_shipped_file_is_read_and_said_to_be_invented(
    http: httpx.AsyncClient,
) -> None:
    [provider] = tickloom_providers(settings_of(), http)
    assert isinstance(provider, Provider)
    assert "invented" in provider.info.notice
    assert "EXA.EURUSD" in await provider.get_quotes(["EXA.EURUSD"])


async def test_a_file_that_is_missing_is_named(http: httpx.AsyncClient, tmp_path: Path) -> None:
    [provider] = tickloom_providers(settings_of(path=tmp_path / "none.csv"), http)
    assert provider.info.notice == ""
    with pytest.raises(ProviderUnavailable, match=r"none\.csv cannot be read: found 'No such file"):
        await provider.get_quotes(["EXA.EURUSD"])


async def test_a_url_and_a_path_together_are_refused(
    http: httpx.AsyncClient, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="both url and path"):
        tickloom_providers(settings_of(url="http://localhost", path=tmp_path), http)


def test_the_defaults_are_those_of_the_readme() -> None:
    assert Options() == Options(url="", path=None, refresh_s=3_600)
