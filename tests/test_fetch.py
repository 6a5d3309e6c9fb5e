"""One guarded request, over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import threading
import traceback
from collections.abc import AsyncIterator

import httpx
import pytest

from tickloom.clock import FakeClock
from tickloom.errors import (
    CredentialsError,
    PluginError,
    ProviderUnavailable,
    RateLimited,
    TickloomError,
)
from tickloom.fetch import (
    Answer,
    check_status,
    fetch,
    open_answer,
    parse_off_loop,
    retry_after_s,
)
from tickloom.testing import FAULTS, FaultServer, Reply, Request

SECRET = "TOPSECRET99"


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=0.5) as client:
        yield client


def echo(request: Request) -> Reply:
    return Reply(body=b'{"path": "%b", "price": 1.5}' % request.path.encode())


@pytest.mark.parametrize("fault", sorted(FAULTS))
async def test_every_fault_is_an_answer_or_an_error_that_hides_the_query(
    http: httpx.AsyncClient, fault: str
) -> None:
    async with FaultServer(echo) as server:
        server.fault = FAULTS[fault]
        try:
            async with asyncio.timeout(2):
                await fetch(http, "acme", f"{server.url}/q", {"token": SECRET})
        except (TickloomError, TimeoutError) as error:
            text = "".join(traceback.format_exception(error)) + repr(error)
            assert SECRET not in text


async def test_a_good_answer_comes_whole_and_with_its_status(http: httpx.AsyncClient) -> None:
    async with FaultServer(echo) as server:
        answer = await fetch(http, "acme", f"{server.url}/q", {"a": "b c"})
        assert answer.status == 200
        assert answer.body == b'{"path": "/q", "price": 1.5}'
        assert server.requests[0].query == {"a": "b c"}


async def test_a_stream_may_be_quiet_for_longer_than_an_answer(http: httpx.AsyncClient) -> None:
    http.timeout = httpx.Timeout(0.05)
    async with FaultServer(lambda _: Reply(body=b"abc", drip_s=0.15)) as server:
        async with open_answer(http, "acme", server.url, read_timeout_s=5) as response:
            assert [piece async for piece in response.aiter_bytes()] == [b"a", b"b", b"c"]
        with pytest.raises(ProviderUnavailable, match="in time"):
            async with open_answer(http, "acme", server.url) as response:
                await response.aread()


async def test_an_answer_that_is_too_long_is_refused(http: httpx.AsyncClient) -> None:
    async with FaultServer(echo) as server:
        server.fault = FAULTS["fifty megabytes"]
        with pytest.raises(ProviderUnavailable, match="sent too much"):
            await fetch(http, "acme", server.url)


async def test_a_small_answer_that_unpacks_to_a_huge_one_is_refused(
    http: httpx.AsyncClient,
) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    async with FaultServer(
        lambda _: Reply(body=bomb, headers={"Content-Encoding": "gzip"})
    ) as server:
        with pytest.raises(ProviderUnavailable, match="sent too much"):
            await fetch(http, "acme", server.url)


async def test_a_redirect_is_followed_on_the_same_host_only(http: httpx.AsyncClient) -> None:
    def answer(request: Request) -> Reply:
        if request.path == "/old":
            return Reply(status=301, headers={"Location": "/new"})
        if request.path == "/away":
            return Reply(status=302, headers={"Location": "http://localhost:9/"})
        if request.path == "/round":
            return Reply(status=302, headers={"Location": "/round"})
        return echo(request)

    async with FaultServer(answer) as server:
        assert b"/new" in (await fetch(http, "acme", f"{server.url}/old")).body
        with pytest.raises(ProviderUnavailable, match="redirects elsewhere: found"):
            await fetch(http, "acme", f"{server.url}/away")
        with pytest.raises(ProviderUnavailable, match="again and again"):
            await fetch(http, "acme", f"{server.url}/round")


async def test_nobody_there_no_trust_and_no_url_are_told_apart(http: httpx.AsyncClient) -> None:
    with pytest.raises(ProviderUnavailable, match="cannot be reached"):
        await fetch(http, "acme", "http://127.0.0.1:1/")
    with pytest.raises(PluginError, match="URL"):
        await fetch(http, "acme", "nonsense://x")
    async with FaultServer(echo, tls=True) as server:
        with pytest.raises(ProviderUnavailable, match="no trusted connection"):
            await fetch(http, "acme", server.url)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, None),
        (401, CredentialsError),
        (403, CredentialsError),
        (429, RateLimited),
        (404, ProviderUnavailable),
        (500, ProviderUnavailable),
    ],
)
def test_a_status_says_what_to_do_next(status: int, kind: type[TickloomError] | None) -> None:
    error = check_status(Answer(status, {"retry-after": "7"}, b""), "acme", FakeClock())
    assert type(error) is (kind or type(None))
    assert getattr(error, "retry_after_s", 7) == 7


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("9" * 400, 86_400.0),
        ("Fri, 02 Jan 2026 15:00:30 GMT", 30.0),
        ("Thu, 01 Jan 2026 15:00:30 GMT", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float | None) -> None:
    assert retry_after_s({"retry-after": text}, FakeClock().now()) == seconds


async def test_long_bodies_are_parsed_in_a_thread_and_short_ones_at_once() -> None:
    def where(body: bytes, _: int) -> int:
        return threading.get_ident()

    assert await parse_off_loop(where, b"short", 1) == threading.get_ident()
    assert await parse_off_loop(where, bytes(100_000), 1) != threading.get_ident()
