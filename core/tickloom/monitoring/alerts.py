"""What is wrong with the system, since when, and when it was right again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime

from loguru import logger
from msgspec import Struct
from msgspec.structs import replace

from tickloom.clock import Clock

_MOST = 200


class SystemAlert(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is or was wrong.

    Attributes:
        key: The same key is the same trouble.
        reason: A sentence with the values found.
        since: When it began, aware UTC.
        symbols: Which it is about; empty = no certain ones.
        provider: Which it is about; empty = none.
        resolved_at: When it was right again, aware UTC; ``None`` = it is not.
        times: How often it was told.
    """

    key: str
    reason: str
    since: datetime
    symbols: tuple[str, ...] = ()
    provider: str = ""
    resolved_at: datetime | None = None
    times: int = 1


class SystemAlerts:
    """The alerts that hold, and the last ones that do no more; each at most 200.

    Args:
        clock: For the times.
        changed: Called when an alert begins or ends.
    """

    def __init__(
        self, clock: Clock, changed: Callable[[SystemAlert], None] = lambda _alert: None
    ) -> None:
        self._clock = clock
        self._changed = changed
        self._held: dict[str, SystemAlert] = {}
        self._over: deque[SystemAlert] = deque(maxlen=_MOST)

    def begin(self, key: str, reason: str, symbols: Sequence[str] = (), provider: str = "") -> None:
        """Something is wrong; told again it is counted, and the newest reason holds."""
        known = self._held.get(key)
        if known is not None:
            self._held[key] = replace(known, reason=reason, times=known.times + 1)
            return
        if len(self._held) >= _MOST:
            # The oldest has been told.
            self.end(next(iter(self._held)), "too many others hold")
        alert = SystemAlert(
            key=key,
            reason=reason,
            since=self._clock.now(),
            symbols=tuple(symbols),
            provider=provider,
        )
        self._held[key] = alert
        logger.warning("system alert: {}", reason)
        self._changed(alert)

    def end(self, key: str, why: str = "") -> None:
        """Something is right again; one that is not known is ignored.

        ``why`` is added to the reason where it is over for another cause.
        """
        alert = self._held.pop(key, None)
        if alert is None:
            return
        reason = f"{alert.reason} ({why})" if why else alert.reason
        alert = replace(alert, reason=reason, resolved_at=self._clock.now())
        self._over.append(alert)
        logger.info("system alert is over: {}", alert.reason)
        self._changed(alert)

    def current(self) -> list[SystemAlert]:
        """Return what is wrong now, oldest first."""
        return list(self._held.values())

    def resolved(self) -> list[SystemAlert]:
        """Return what was wrong before, newest end first."""
        return list(reversed(self._over))
