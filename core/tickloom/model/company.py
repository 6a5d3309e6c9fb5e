"""Who stands behind a symbol, and what a search for one finds."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct


class Company(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A company, fund or instrument as a provider describes it.

    Attributes:
        symbol: Canonical, in capitals.
        name: The full name.
        provider: Name of the provider that answered.
        received_at: When we got the answer, aware UTC.
        description: Prose, in the provider's language.
        asset_type: ``stock``, ``fund``, ``index``, ``fx``, ``crypto`` … as the provider says.
        exchange: The venue as the provider names it.
        currency: ISO 4217 code, or GBp, ILA, ZAc for minor units.
        country: As the provider names it.
        sector: As the provider names it.
        industry: As the provider names it.
        website: A URL.
        employees: Number of people employed.
        market_cap: In ``currency``.
        shares_outstanding: Number of shares.
        fallback_from: The provider that should have answered, where another one did.
        fallback_reason: Why it did not.
        additional_data: What the provider says beyond these fields; JSON values.
    """

    symbol: str
    name: str
    provider: str
    received_at: datetime
    description: str | None = None
    asset_type: str | None = None
    exchange: str | None = None
    currency: str | None = None
    country: str | None = None
    sector: str | None = None
    industry: str | None = None
    website: str | None = None
    employees: int | None = None
    market_cap: Decimal | None = None
    shares_outstanding: int | None = None
    fallback_from: str | None = None
    fallback_reason: str | None = None
    additional_data: dict[str, Any] | None = None


class SymbolMatch(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that a search found.

    Attributes:
        symbol: Canonical.
        name: The full name.
        provider: Name of the provider that found it.
        asset_type: ``stock``, ``fund``, ``index``, ``fx``, ``crypto`` … as the provider says.
        exchange: The venue as the provider names it.
        currency: ISO 4217 code, or GBp, ILA, ZAc for minor units.
        country: As the provider names it.
        score: How well it fits, from 0 to 1, as the provider says.
    """

    symbol: str
    name: str
    provider: str
    asset_type: str | None = None
    exchange: str | None = None
    currency: str | None = None
    country: str | None = None
    score: Decimal | None = None
