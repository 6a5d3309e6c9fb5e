"""Puts a manager under Litestar."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar, Router
from litestar.types import ControllerRouterHandler

from tickloom.api.docs import DecimalSchemas, docs_routes, openapi_config
from tickloom.api.history import history_routes
from tickloom.api.problems import HANDLERS
from tickloom.api.quality import decision_routes, finding_routes, quality_routes, quarantine_routes
from tickloom.api.quotes import quote_routes, reference_routes
from tickloom.api.stream import StreamServer, event_routes, stream_routes
from tickloom.api.system import streaming_routes, system_routes
from tickloom.manager import MarketDataManager
from tickloom.security import KeyRing, require_key

API = "/api/v1/market-data"
_MAX_BODY_BYTES = 1_048_576


def create_app(manager: MarketDataManager) -> Litestar:
    """Return the ASGI application that serves ``manager`` and owns its life from start to end."""
    ring = KeyRing(manager.settings.auth)
    server = StreamServer(manager, ring)

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        app.state.stream_server = server
        try:
            await manager.initialize()
            await manager.start_streaming()
            server.start()
            yield
        finally:
            await server.stop()
            await manager.close()

    routes: list[ControllerRouterHandler] = [
        *quote_routes(manager),
        *history_routes(manager),
        *reference_routes(manager),
        *system_routes(manager),
        *streaming_routes(manager),
        *event_routes(server),
        *quarantine_routes(manager),
        *decision_routes(manager, ring),
        *quality_routes(manager),
        *finding_routes(manager),
    ]
    api = Router(API, route_handlers=routes, guards=require_key(ring))
    return Litestar(
        [api, *docs_routes(), *stream_routes(server)],
        lifespan=[lifespan],
        exception_handlers=HANDLERS,
        openapi_config=openapi_config(with_keys=ring.required),
        plugins=[DecimalSchemas()],
        request_max_body_size=_MAX_BODY_BYTES,
        logging_config=None,
    )
