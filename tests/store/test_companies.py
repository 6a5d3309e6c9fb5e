"""Descriptions of companies in every database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from tickloom.clock import FakeClock
from tickloom.errors import BadRecord
from tickloom.model import Company
from tickloom.store import Backend, CompanyStore, open_backend

if TYPE_CHECKING:
    from databases import Database

AT = datetime(2026, 11, 24, 15, 0, 0, 123456, tzinfo=UTC)
FULL = Company(
    symbol="BRK.B",
    name="Berkshire 'Hathaway' ∞",
    provider="scripted",
    received_at=AT,
    description="Prose.",
    asset_type="stock",
    exchange="NYSE",
    currency="USD",
    country="US",
    sector="Finance",
    industry="Insurance",
    website="https://example.org",
    employees=396_500,
    market_cap=Decimal("1050000000000.1250"),
    shares_outstanding=2**40,
    fallback_from="other",
    fallback_reason="rate limited",
    additional_data={"deep": {"list": [1, 2.5, None, True]}},
)


@pytest.fixture
async def backend(database: Database) -> AsyncIterator[Backend]:
    backend = open_backend(database.url)
    await backend.open()
    yield backend
    await backend.aclose()


@pytest.fixture
def store(backend: Backend, clock: FakeClock) -> CompanyStore:
    return CompanyStore(backend, clock)


async def test_every_field_comes_back_with_every_digit(store: CompanyStore) -> None:
    assert all(getattr(FULL, name) is not None for name in FULL.__struct_fields__)
    await store.put(FULL)

    found = await store.get("BRK.B")
    assert found == FULL
    assert str(found.market_cap) == "1050000000000.1250"


async def test_what_is_not_known_comes_back_as_none(store: CompanyStore) -> None:
    plain = Company(symbol="A", name="A", provider="x", received_at=AT)
    await store.put(plain)

    assert await store.get("A") == plain
    assert await store.get("B") is None


async def test_the_newest_description_is_answered_whoever_gave_it(store: CompanyStore) -> None:
    early = AT.astimezone(timezone(timedelta(hours=9))) - timedelta(days=1)
    await store.put(FULL)
    await store.put(replace(FULL, provider="late", name="Late", received_at=AT + timedelta(days=1)))
    await store.put(replace(FULL, provider="early", received_at=early))
    assert (await store.get("BRK.B") or FULL).name == "Late"

    await store.put(replace(FULL, name="Again", received_at=AT + timedelta(days=2)))
    assert (await store.get("BRK.B") or FULL).name == "Again"


@pytest.mark.parametrize(
    "fields",
    [
        {"symbol": "A\0"},
        {"description": "a\0b"},
        {"additional_data": {"a": "\0"}},
        {"additional_data": {"a": object()}},
        {"received_at": AT.replace(tzinfo=None)},
        {"symbol": "S" * 33},
        {"employees": 2**63},
    ],
)
async def test_a_description_that_cannot_be_stored_is_told_and_costs_nothing(
    store: CompanyStore, backend: Backend, fields: dict[str, Any], warnings_told: list[str]
) -> None:
    bad = replace(FULL, **fields)
    with pytest.raises(BadRecord):
        await backend.write_company(bad)
    await store.put(bad)

    assert "is not stored" in warnings_told[0]
    assert await store.get("BRK.B") is None


async def test_a_database_that_is_not_open_has_nothing_and_raises_nothing(
    database: Database, clock: FakeClock
) -> None:
    store = CompanyStore(open_backend(database.url), clock)
    await store.put(FULL)

    assert await store.get("BRK.B") is None


async def test_without_a_database_there_is_nothing(clock: FakeClock) -> None:
    store = CompanyStore(open_backend(""), clock)
    await store.put(FULL)

    assert await store.get("BRK.B") is None
