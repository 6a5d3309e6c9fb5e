"""The OpenAPI document, its page and the first page, all without anything from another host."""

from __future__ import annotations

from decimal import Decimal
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.openapi.spec import Components, License, Reference, Schema, SecurityScheme, Tag
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import FromPath
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition

from tickloom import __version__
from tickloom.errors import NotFound

_ASSETS = {
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui-standalone-preset.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
}
_ASSET_PATH = "/schema/assets"

_DESCRIPTION = """Prices are JSON numbers with all their digits, in the currency that `currency`
names. Times are ISO 8601 in UTC. A field that is absent is not known.

The same data streams over a WebSocket at `/`, `/ws` and `/api/v1/market-data/stream`: send
`{"type":"subscribe","symbols":["SIM.ACME"]}` and receive `market_data` messages.

Errors are RFC 9457 problem documents; `type` is stable."""


class DecimalSchemas(OpenAPISchemaPlugin):
    """Describes a ``Decimal`` as what it is on the wire: a JSON number."""

    @staticmethod
    def is_plugin_supported_type(value: Any) -> bool:
        """True for ``Decimal``."""
        return value is Decimal

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: Any) -> Schema:  # noqa: ARG002 - the plugin's interface
        """Return the schema of a number."""
        return Schema(type=OpenAPIType.NUMBER)


def openapi_config(*, with_keys: bool) -> OpenAPIConfig:
    """Return how the document at ``/schema/openapi.json`` and its page at ``/schema`` are made.

    Args:
        with_keys: Whether requests need an API key.
    """
    schemes: dict[str, SecurityScheme | Reference] = {
        "key": SecurityScheme(type="apiKey", name="X-API-Key", security_scheme_in="header"),
        "bearer": SecurityScheme(type="http", scheme="bearer"),
    }
    return OpenAPIConfig(
        title="tickloom",
        version=__version__,
        description=_DESCRIPTION,
        license=License(name="MIT", identifier="MIT"),
        path="/schema",
        components=Components(security_schemes=schemes) if with_keys else Components(),
        security=[{"key": []}, {"bearer": []}] if with_keys else None,
        tags=[
            Tag(name="market data", description="Quotes, history and companies."),
            Tag(name="streaming", description="The stream and the feeds behind it."),
            Tag(name="quality", description="What the checks say, and what was kept back."),
            Tag(name="system", description="How the server is."),
        ],
        render_plugins=[
            SwaggerRenderPlugin(
                path=["/", "/swagger"],
                js_url=f"{_ASSET_PATH}/swagger-ui-bundle.js",
                css_url=f"{_ASSET_PATH}/swagger-ui.css",
                standalone_preset_js_url=f"{_ASSET_PATH}/swagger-ui-standalone-preset.js",
                favicon='<link rel="icon" href="data:,">',
            )
        ],
    )


def docs_routes() -> list[HTTPRouteHandler]:
    """Return the routes of the first page and of the page's scripts."""

    @get("/", include_in_schema=False, sync_to_thread=False)
    def home() -> Response[dict[str, Any]]:
        return Response(
            {
                "name": "tickloom",
                "version": __version__,
                "documentation": "/schema",
                "openapi": "/schema/openapi.json",
                "status": "/api/v1/market-data/status",
                "quote": "/api/v1/market-data/quotes/SIM.ACME",
                "events": "/api/v1/market-data/stream/sse?symbols=SIM.*",
                "websocket": ["/", "/ws", "/api/v1/market-data/stream"],
            },
            media_type=MediaType.JSON,
        )

    @get(f"{_ASSET_PATH}/{{name:str}}", include_in_schema=False, sync_to_thread=True)
    def asset(name: FromPath[str]) -> Response[bytes]:
        if name not in _ASSETS:
            raise NotFound("no such file", found=name, expected="one of " + ", ".join(_ASSETS))
        file = distribution("swagger-ui-py").locate_file(f"swagger_ui/static/{name}")
        return Response(
            Path(str(file)).read_bytes(),
            media_type=_ASSETS[name],
            headers={"Cache-Control": "max-age=86400"},
        )

    return [home, asset]
