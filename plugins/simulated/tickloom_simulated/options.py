"""The settings of the plugin, ``[plugins.simulated]``."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from tickloom.errors import ConfigError, InvalidSymbol
from tickloom.model import parse_symbol

NAMESPACE = "SIM."


class SimulatedOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is traded at the simulated venue, and how fast."""

    symbols: Annotated[tuple[str, ...], Meta(min_length=1, max_length=10_000)] = (
        "ACME",
        "GLOBEX",
        "INITECH",
    )
    """Without ``SIM.``, which is put before each."""
    ticks_per_s: Annotated[float, Meta(ge=0.001, le=50_000)] = 2.0
    """Ticks a second of each symbol."""
    seed: int = 7
    """Another seed is another market."""


def name_symbols(options: SimulatedOptions) -> tuple[str, ...]:
    """Return the symbols with their namespace, in capitals and each once.

    Raises:
        ConfigError: One is no symbol, or has the namespace already.
    """
    return tuple(dict.fromkeys(_name(symbol) for symbol in options.symbols))


def _name(text: str) -> str:
    try:
        symbol = parse_symbol(text)
        named = parse_symbol(NAMESPACE + symbol)
    except InvalidSymbol as error:
        raise ConfigError(
            "plugins.simulated.symbols cannot be used",
            found=text,
            expected=f"names that are symbols with {NAMESPACE} before them, such as ACME",
        ) from error
    if symbol.startswith(NAMESPACE):
        raise ConfigError(
            f"plugins.simulated.symbols has names with {NAMESPACE} before them already",
            found=text,
            expected=symbol.removeprefix(NAMESPACE) or "a name such as ACME",
        )
    return named
