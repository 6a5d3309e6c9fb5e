"""Which database the migration that runs now works on."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from piccolo.engine import Engine, engine_finder

# Piccolo looks its one engine up in a module that an environment variable names. tickloom knows
# its database only once the settings are read, and one process may open several.
current: ContextVar[Engine[Any] | None] = ContextVar("engine of the migration", default=None)


def find_engine() -> Engine[Any]:
    """Return the engine that the caller of the migration chose, else Piccolo's own.

    Raises:
        LookupError: There is neither.
    """
    engine = current.get() or engine_finder()
    if engine is None:
        raise LookupError("no Piccolo engine is configured for the migrations of tickloom")
    return engine
