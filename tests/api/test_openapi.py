"""The OpenAPI document is complete, and no request ends in a fault of the server."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from plugged import manager_of, serving
from scripted import EVERYTHING, ScriptedProvider, make_quote
from tickloom.errors import UnknownSymbol
from tickloom.history.formats import FORMATS
from tickloom.model import Interval, Quote


def answer(symbol: str) -> Quote | UnknownSymbol:
    return make_quote(symbol) if len(symbol) < 5 else UnknownSymbol(f"no {symbol}")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A server in a thread of its own, for callers that block."""
    found: list[str] = []
    ready, done = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with serving(manager_of(ScriptedProvider("scripted", answer, **EVERYTHING))) as at:
            found.append(at)
            ready.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=[serve()])
    thread.start()
    assert ready.wait(10)
    yield found[0]
    loop.call_soon_threadsafe(done.set)
    thread.join(20)
    loop.close()


@pytest.fixture(scope="module")
def document(address: str) -> dict[str, Any]:
    body: dict[str, Any] = httpx.get(f"http://{address}/schema/openapi.json").json()
    return body


@pytest.fixture(scope="module")
def api(address: str) -> Any:
    schema = schemathesis.openapi.from_url(f"http://{address}/schema/openapi.json")
    # It never ends by itself; tests/api/test_websocket.py has it.
    return schema.exclude(operation_id="streamEvents")


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.mark.timeout(240)
def test_every_answer_is_one_that_the_document_promises(api: Any) -> None:
    asked = 0
    for result in api.get_all_operations():
        operation = result.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @settings(
                max_examples=30,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def ask(case: Any) -> None:
                nonlocal asked
                asked += 1
                case.call_and_validate(checks=CHECKS)

            with contextlib.suppress(Unsatisfiable):  # Nothing can be wrong without parameters.
                ask()

    assert asked > 200


def test_every_operation_has_an_identity_a_summary_and_a_described_answer(
    document: dict[str, Any],
) -> None:
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    identities = [operation["operationId"] for operation in operations]

    assert len(set(identities)) == len(identities) == 23
    for operation in operations:
        assert operation["summary"]
        assert operation["tags"]
        assert operation["responses"]["200"]["content"]


def test_prices_are_numbers_and_what_is_always_there_is_required(document: dict[str, Any]) -> None:
    quote = document["components"]["schemas"]["Quote"]

    assert quote["properties"]["current_price"]["type"] == "number"
    assert "current_price" in quote["required"]
    assert "bid" not in quote["required"]


def test_history_names_its_media_types_the_allowed_values_and_its_errors(
    document: dict[str, Any],
) -> None:
    operation = document["paths"]["/api/v1/market-data/historical/{symbol}"]["get"]
    content = operation["responses"]["200"]["content"]
    schemas = {one["name"]: one["schema"] for one in operation["parameters"]}

    assert list(content) == [one.media_type for one in FORMATS.values()]
    whole, parts = content["application/json"]["schema"]["anyOf"]
    assert whole == {"$ref": "#/components/schemas/HistoricalData"}
    assert "data_points" in parts["required"]
    assert "next_page" in content["application/json"]["schema"]["properties"]
    assert {name: schema["enum"] for name, schema in schemas.items() if "enum" in schema} == {
        "interval": list(Interval),
        "adjusted": ["none", "splits", "all"],
        "format": list(FORMATS),
        "order": ["asc", "desc"],
        "decimals": ["decimal", "string", "float"],
    }
    assert (schemas["limit"]["minimum"], schemas["limit"]["maximum"]) == (1, 50_000)
    assert schemas["start_date"]["format"] == schemas["end_date"]["format"] == "date"
    assert re.fullmatch(schemas["fields"]["pattern"], "timestamp,close_price")
    assert not re.fullmatch(schemas["fields"]["pattern"], "timestamp,close")
    assert set(operation["responses"]) == {
        *("200", "400", "401", "404", "406", "500", "501", "503"),
    }
    for status, response in operation["responses"].items():
        assert response["description"]
        if status != "200":
            assert list(response["content"]) == ["application/problem+json"]


@pytest.mark.parametrize("path", ["/schema", "/schema/swagger"])
def test_the_documentation_page_needs_no_other_host(address: str, path: str) -> None:
    page = httpx.get(f"http://{address}{path}").text
    scripts = [part.partition('"')[0] for part in page.split('src="')[1:]]
    styles = [part.partition('"')[0] for part in page.split('<link href="')[1:]]

    assert scripts
    assert styles
    for url in (*scripts, *styles):
        assert url.startswith("/schema/assets/")
        asset = httpx.get(f"http://{address}{url}")
        assert asset.status_code == 200
        assert len(asset.content) > 10_000


def test_no_file_but_the_pages_own_is_handed_out(address: str) -> None:
    for name in ("..%2F__init__.py", "oauth2-redirect.html", "%2Fetc%2Fpasswd"):
        assert httpx.get(f"http://{address}/schema/assets/{name}").status_code == 404


def test_the_first_page_says_where_everything_is(address: str) -> None:
    links = httpx.get(f"http://{address}/").json()

    assert links["documentation"] == "/schema"
    assert httpx.get(f"http://{address}{links['openapi']}").status_code == 200
