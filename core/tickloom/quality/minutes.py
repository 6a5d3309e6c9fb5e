"""What was told lately, as one event for each minute, subject and code."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from msgspec.structs import replace

from tickloom.clock import Clock
from tickloom.roles import Verdict
from tickloom.store.quality_rows import EventKind, QualityEvent, identity, numbers_of

_MOST_EVENTS = 10_000
_MINUTE_S = 60

Subject = tuple[str, str, str | None]
_Key = tuple[int, str, str, str | None, str, str]


class Minutes:
    """Events that wait to be stored, bounded.

    Args:
        clock: For the times.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._events: dict[_Key, QualityEvent] = {}

    def __len__(self) -> int:
        return len(self._events)

    def add(
        self,
        kind: EventKind,
        subject: Subject,
        verdict: Verdict,
        timestamp: datetime | None,
        times: int,
    ) -> bool:
        """Take note of a complaint; false where there is no room."""
        now = self._clock.now()
        minute = int(now.timestamp()) // _MINUTE_S
        key = (minute, *subject, kind, verdict.code)
        known = self._events.get(key)
        if known is not None:
            self._events[key] = replace(known, times=known.times + times, last_at=now)
            return True
        if len(self._events) >= _MOST_EVENTS:
            return False
        symbol, provider, interval = subject
        self._events[key] = QualityEvent(
            id=identity(*map(str, key)),
            at=datetime.fromtimestamp(minute * _MINUTE_S, UTC),
            last_at=now,
            symbol=symbol,
            provider=provider,
            kind=kind,
            code=verdict.code,
            quality=verdict.quality,
            reason=verdict.reason,
            interval=interval,
            found=numbers_of(verdict.values),
            timestamp=timestamp,
            times=times,
        )
        return True

    def take(self, *, only_over: bool = False) -> list[QualityEvent]:
        """Return the events and forget them; ``only_over`` = those of minutes that are over."""
        until = self._clock.now().timestamp() - _MINUTE_S
        taken = [
            one for one in self._events.values() if not only_over or one.at.timestamp() <= until
        ]
        for one in taken:
            del self._events[_key_of(one)]
        # In one order, so that two replicas never wait for each other.
        return sorted(taken, key=lambda event: event.id)

    def give_back(self, events: Iterable[QualityEvent]) -> None:
        """Take events that could not be stored; what was told since is added to them."""
        for event in events:
            key = _key_of(event)
            newer = self._events.get(key)
            if newer is None:
                self._events[key] = event
            else:
                times = event.times + newer.times
                self._events[key] = replace(event, times=times, last_at=newer.last_at)


def _key_of(event: QualityEvent) -> _Key:
    minute = int(event.at.timestamp()) // _MINUTE_S
    return (minute, event.symbol, event.provider, event.interval, event.kind, event.code)
