"""Where the feeds put what they read, and which part of the reading is theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from tickloom.model import Quote
from tickloom.stream import StatusState


class Intake(Protocol):
    """The begin of the straight line."""

    def accept(self, quote: Quote) -> object:
        """Take a quote as its provider gave it."""
        ...

    def confirm(self, symbol: str) -> None:
        """Take note that a provider was asked, and the symbol's newest quote still holds."""
        ...


class Announcer(Protocol):
    """Tells clients how their feeds are."""

    def publish_status(
        self,
        provider: str,
        state: StatusState,
        since: datetime,
        symbols: Collection[str],
        reason: str = "",
    ) -> None:
        """Tell the state of a feed to those who want any of ``symbols``."""
        ...

    def publish_failure(self, symbol: str, code: int, message: str) -> None:
        """Tell that a symbol has trouble to those who named it."""
        ...


class Wanted(Protocol):
    """What somebody wants, and which part of it this process reads.

    ``changed`` is set at every change; whoever reads clears it first.
    """

    @property
    def changed(self) -> asyncio.Event:
        """Set at every change."""
        ...

    @property
    def streamed(self) -> set[str]:
        """The symbols and patterns that somebody streams."""
        ...

    @property
    def watched(self) -> set[str]:
        """The symbols and patterns that are only to be kept fresh."""
        ...

    def owns(self, symbol: str) -> bool:
        """True where this process reads a symbol."""
        ...
