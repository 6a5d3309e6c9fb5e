"""Whether the parts of the server work, in one word each and one for all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

HealthStatus = Literal["healthy", "degraded", "unhealthy"]


def overall(components: Mapping[str, Mapping[str, Any]], now: datetime) -> dict[str, Any]:
    """Return the components under one status.

    ``unhealthy`` = prices cannot be served or stored; ``degraded`` = something is away, but prices
    flow; each component carries ``status`` and, where it is not healthy, a ``reason``.
    """
    states = {component["status"] for component in components.values()}
    status: HealthStatus = "healthy"
    if "unhealthy" in states:
        status = "unhealthy"
    elif states != {"healthy"}:
        status = "degraded"
    return {"overall_status": status, "timestamp": now, "components": dict(components)}


def providers_health(status: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the component that stands for all providers."""
    down = [name for name, info in status.items() if not info["healthy"]]
    if not status:
        return {"status": "unhealthy", "reason": "no provider is running"}
    if len(down) == len(status):
        return {"status": "unhealthy", "reason": "no provider answers", "down": down}
    if down:
        return {"status": "degraded", "reason": f"{', '.join(down)} down", "down": down}
    return {"status": "healthy", "down": []}
