"""How the server is: health, providers, plugins, caches, and control of the feeds."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from litestar import Response, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody, PathParameter
from msgspec import Meta, Struct

from tickloom.api.problems import may_fail
from tickloom.api.responses import json_response
from tickloom.manager import MarketDataManager
from tickloom.model import parse_symbol
from tickloom.monitoring.alerts import SystemAlert
from tickloom.plugins import PluginReport
from tickloom.security import refuse_foreign_pages


class Health(Struct, frozen=True, kw_only=True):
    """``healthy``, ``degraded`` (something is away, prices flow) or ``unhealthy``."""

    overall_status: str
    timestamp: datetime
    components: dict[str, dict[str, Any]]
    alerts: list[SystemAlert]


class ProviderStatus(Struct, frozen=True, kw_only=True):
    """One running provider; see ``GET /plugins`` for those that do not run."""

    healthy: bool
    title: str
    timeliness: str
    requests: int
    errors: int
    last_error: str | None
    last_error_at: datetime | None
    last_success_at: datetime | None
    namespace: str | None
    symbols: int | None
    intervals: list[str]
    has_company: bool
    has_stream: bool
    notice: str | None


class Providers(Struct, frozen=True, kw_only=True):
    """The running providers by name, and the order in which they are asked."""

    primary: str
    fallback: list[str]
    providers: dict[str, ProviderStatus]


class Invalidated(Struct, frozen=True, kw_only=True):
    """How many cached answers were forgotten."""

    symbol: str
    answers: int


class StreamingRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Symbols to be kept fresh even while nobody subscribes."""

    symbols: Annotated[list[str], Meta(description="May be empty.")] = []


class StreamingStats(Struct, frozen=True, kw_only=True):
    """Whether feeds are read, who listens, and how each feed is."""

    streaming: bool
    epoch: str
    websocket_stats: dict[str, int]
    cluster: dict[str, Any]
    watched: list[str]
    feeds: dict[str, dict[str, Any]]


def system_routes(manager: MarketDataManager) -> list[HTTPRouteHandler]:
    """Return the routes about the server itself."""
    return [*_health_routes(manager), *_cache_routes(manager)]


def _health_routes(manager: MarketDataManager) -> list[HTTPRouteHandler]:

    @get(
        "/status",
        operation_id="getStatus",
        summary="Health of the server and its parts",
        description="503 where the server is unhealthy, with the same document.",
        tags=["system"],
        responses={
            503: ResponseSpec(
                Health, generate_examples=False, description="The server is unhealthy"
            )
        },
    )
    async def get_status() -> Response[Health]:
        health = await manager.health_check()
        status = 503 if health["overall_status"] == "unhealthy" else 200
        return json_response(health, status)

    @get(
        "/statistics",
        operation_id="getStatistics",
        summary="Counts since the start, by room",
        description="Rows written, waiting, dropped and rejected, the lag of the database, answers "
        "by where they came from, verdicts, jobs; counts only grow.",
        tags=["system"],
    )
    async def get_statistics() -> Response[dict[str, Any]]:
        return json_response(manager.get_system_stats())

    @get("/providers", operation_id="getProviders", summary="Providers", tags=["system"])
    async def get_providers() -> Response[Providers]:
        order = manager.settings.providers
        return json_response(
            {
                "primary": order.primary,
                "fallback": order.fallback,
                "providers": manager.get_provider_status(),
            }
        )

    @get("/plugins", operation_id="getPlugins", summary="Plugins and their states", tags=["system"])
    async def get_plugins() -> Response[list[PluginReport]]:
        return json_response(manager.plugins.report)

    return [get_status, get_statistics, get_providers, get_plugins]


def _cache_routes(manager: MarketDataManager) -> list[HTTPRouteHandler]:
    @get("/cache/stats", operation_id="getCacheStats", summary="Cache counters", tags=["system"])
    async def get_cache_stats() -> Response[dict[str, Any]]:
        return json_response(await manager.cache_manager.get_detailed_stats())

    @delete(
        "/cache/{symbol:str}",
        operation_id="invalidateCache",
        summary="Forget all that is cached of a symbol",
        tags=["system"],
        status_code=200,
        guards=[refuse_foreign_pages],
        responses=may_fail(400, 403),
    )
    async def invalidate(
        symbol: Annotated[str, PathParameter(description="A symbol.")],
    ) -> Response[Invalidated]:
        symbol = parse_symbol(symbol)
        count = await manager.cache_manager.invalidate(symbol)
        return json_response(Invalidated(symbol=symbol, answers=count))

    return [get_cache_stats, invalidate]


def streaming_routes(manager: MarketDataManager) -> list[HTTPRouteHandler]:
    """Return the routes that control the feeds."""

    @post(
        "/streaming/start",
        operation_id="startStreaming",
        summary="Begin to read the feeds",
        tags=["streaming"],
        status_code=200,
        guards=[refuse_foreign_pages],
        responses=may_fail(400, 403, 404),
    )
    async def start(data: JSONBody[StreamingRequest | None] = None) -> Response[StreamingStats]:
        await manager.start_streaming(data.symbols if data else ())
        return json_response(manager.stream_manager.get_streaming_stats())

    @post(
        "/streaming/stop",
        operation_id="stopStreaming",
        summary="Stop reading the feeds; clients stay connected",
        tags=["streaming"],
        status_code=200,
        guards=[refuse_foreign_pages],
        responses=may_fail(403),
    )
    async def stop() -> Response[StreamingStats]:
        await manager.stop_streaming()
        return json_response(manager.stream_manager.get_streaming_stats())

    @get(
        "/streaming/stats",
        operation_id="getStreamingStats",
        summary="Stream counters",
        tags=["streaming"],
    )
    async def stats() -> Response[StreamingStats]:
        return json_response(manager.stream_manager.get_streaming_stats())

    return [start, stop, stats]
