"""For those who write plugins: contracts, a server that plays faults, a probe of the event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tickloom.testing.faults import FAULTS
from tickloom.testing.lag import LoopLag
from tickloom.testing.server import Fault, FaultServer, Handler, Reply, Request

if TYPE_CHECKING:
    from tickloom.feeds.checks import check_quote
    from tickloom.testing.contract import (
        NotifierContract,
        ProviderContract,
        SeriesValidatorContract,
        ValidatorContract,
    )

__all__ = [
    "FAULTS",
    "Fault",
    "FaultServer",
    "Handler",
    "LoopLag",
    "NotifierContract",
    "ProviderContract",
    "Reply",
    "Request",
    "SeriesValidatorContract",
    "ValidatorContract",
    "check_quote",
]


def __getattr__(name: str) -> Any:
    # pytest imports this package wherever tickloom is installed, and most tests need no contract.
    if name in __all__ and name.endswith("Contract"):
        from tickloom.testing import contract  # noqa: PLC0415 - see above

        return getattr(contract, name)
    if name == "check_quote":
        from tickloom.feeds import checks  # noqa: PLC0415 - see above

        return checks.check_quote
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
