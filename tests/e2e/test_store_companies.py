"""A company is described from the store while every provider is away."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from plugged import manager_of
from scripted import EVERYTHING, NOON, ScriptedProvider
from tickloom.errors import ProviderUnavailable, UnknownSymbol

if TYPE_CHECKING:
    from databases import Database


async def test_a_company_is_described_by_the_store_while_all_providers_are_away(
    database: Database,
) -> None:
    provider = ScriptedProvider(**EVERYTHING)
    async with manager_of(provider, database={"url": database.url}) as manager:
        told = await manager.get_company_info("AAPL")

    provider = ScriptedProvider(**EVERYTHING)
    provider.failure = ProviderUnavailable("away")
    async with manager_of(provider, database={"url": database.url}) as manager:
        stored = await manager.get_company_info("AAPL")
        with pytest.raises(ProviderUnavailable):
            await manager.get_company_info("MSFT")
        asked = len(provider.calls)
        # It is old, so that a provider is asked again the next time.
        await manager.get_company_info("AAPL")
        assert len(provider.calls) > asked

    assert stored == told
    assert stored.received_at == NOON


async def test_a_company_that_a_provider_knows_no_more_is_not_told_from_the_store(
    database: Database,
) -> None:
    provider = ScriptedProvider(**EVERYTHING)
    async with manager_of(
        provider, database={"url": database.url}, cache={"company_ttl_s": 0.01}
    ) as manager:
        await manager.get_company_info("AAPL")
        provider.failure = UnknownSymbol("gone")
        await asyncio.sleep(0.05)
        with pytest.raises(UnknownSymbol):
            await manager.get_company_info("AAPL")
