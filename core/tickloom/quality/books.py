"""What the checks write into: the store, the queue before it, and the scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from tickloom.clock import Clock
from tickloom.quality.keeper import Keeper
from tickloom.quality.scores import Scores
from tickloom.roles import ProviderInfo
from tickloom.settings import Settings
from tickloom.store import QualityStore, open_door, open_quality_journal


class Books:
    """Made first, because everything else of quality writes into them.

    Args:
        settings: Of the database, the queue, and who is passed over.
        clock: For times.
        changed: Called when a provider begins or ends to be passed over for a symbol.

    Raises:
        ConfigError: ``database.url`` names no database that can be used.
    """

    def __init__(
        self, settings: Settings, clock: Clock, changed: Callable[[], None] = lambda: None
    ) -> None:
        self.store = QualityStore(open_door(settings.database.url))
        self.scores = Scores(clock, settings.providers.min_score, changed)
        journal = open_quality_journal(settings.database)
        room = settings.quality.quarantine_queue
        self.keeper = Keeper(self.store, self.scores, clock, room, journal)

    def declare(self, infos: Iterable[ProviderInfo]) -> None:
        """Say how fresh the quotes of each provider should be."""
        for info in infos:
            self.scores.declare(info.name, info.timeliness)


def previous_hours(now: datetime, hours: int) -> datetime:
    """Return the begin of the hour ``hours`` before the one that runs at ``now``."""
    return now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours)
