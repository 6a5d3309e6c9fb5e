"""Where the feeds put what they read."""

from __future__ import annotations

from typing import Protocol

from tickloom.model import Quote


class Intake(Protocol):
    """The begin of the straight line."""

    def accept(self, quote: Quote) -> object:
        """Take a quote as its provider gave it."""
        ...

    def confirm(self, symbol: str) -> None:
        """Take note that a provider was asked, and the symbol's newest quote still holds."""
        ...
