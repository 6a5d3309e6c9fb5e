"""A manager with a database, and checks that keep some prices back."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

from plugged import Point, point_of, settings_of
from scripted import ScriptedProvider
from tickloom.clock import Clock
from tickloom.hookspecs import hookimpl
from tickloom.manager import MarketDataManager
from tickloom.model import HistoricalData, Quality, Quote
from tickloom.roles import Finding, Verdict


class Picky:
    """Keeps back what costs more than 100 and flags what costs less than 10."""

    name = "picky"

    def check(self, quote: Quote, previous: Quote | None) -> Verdict | None:
        price = quote.current_price
        if price > 100:
            return Verdict(
                Quality.QUARANTINED, "too-dear", f"{price} is too much", {"price": price}
            )
        return Verdict(Quality.FLAGGED, "cheap", f"{price} is little") if price < 10 else None


class PickySeries:
    """The same of the closes of bars."""

    name = "picky_series"

    def check_series(self, history: HistoricalData) -> list[Finding]:
        return [
            Finding(
                timestamp=bar.timestamp,
                code="bar-dear" if bar.close_price > 100 else "bar-cheap",
                reason=f"the close is {bar.close_price}",
                quality=Quality.QUARANTINED if bar.close_price > 100 else Quality.FLAGGED,
                values={"close": bar.close_price},
            )
            for bar in history.data_points
            if bar.close_price > 100 or bar.close_price < 10
        ]


def picky() -> Point:
    @hookimpl
    def tickloom_validators() -> list[Picky]:
        return [Picky()]

    @hookimpl
    def tickloom_series_validators() -> list[PickySeries]:
        return [PickySeries()]

    hooks = SimpleNamespace(
        tickloom_api=(1,),
        tickloom_validators=tickloom_validators,
        tickloom_series_validators=tickloom_series_validators,
    )
    return Point("picky", hooks)


def keeping(
    url: str, *providers: ScriptedProvider, clock: Clock | None = None, **tables: object
) -> MarketDataManager:
    """Return a manager that stores at ``url`` and is picky."""
    database: dict[str, object] = {"url": url}
    if url.startswith("postgresql"):
        # It would be in the working directory, for all tests together.
        database["journal_bytes"] = 0
    settings = settings_of(**({"database": database} | tables))
    points = [point_of(*providers), picky()]
    return MarketDataManager(settings, clock=clock, entry_points=points)


DEAR = Decimal("189.41")
