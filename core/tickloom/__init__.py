"""tickloom: a market data server.

Providers are read once; every quote is validated, cached, stored and streamed to any number of
WebSocket and REST clients. :class:`MarketDataManager` is the Python API; ``tickloom serve`` runs
the server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tickloom.model import (
    Bar,
    Company,
    DataProvider,
    HistoricalData,
    Interval,
    MarketState,
    Quote,
    Trade,
)

if TYPE_CHECKING:
    from tickloom.manager import MarketDataManager

__version__ = "0.1.0"

__all__ = [
    "Bar",
    "Company",
    "DataProvider",
    "HistoricalData",
    "Interval",
    "MarketDataManager",
    "MarketState",
    "Quote",
    "Trade",
    "__version__",
]


def __getattr__(name: str) -> Any:
    # Plugins import tickloom.model and the like; they should not pay for the whole host.
    if name == "MarketDataManager":
        from tickloom.manager import MarketDataManager  # noqa: PLC0415 - see above

        return MarketDataManager
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
