"""Where on the clock a recorded time falls."""

from __future__ import annotations

from datetime import datetime, timedelta

from tickloom.clock import Clock
from tickloom_iex.capture.options import CaptureOptions

_SECOND = 1e9


class Pace:
    """Places recorded times on the clock; it begins with the first one.

    A time before the one that came last is played at once, and the next one counts from there: a
    damaged time does not hold up what follows.
    """

    def __init__(self, options: CaptureOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._start: tuple[float, datetime] | None = None
        self._played_s = 0.0
        self._before_ns: int | None = None

    def place(self, due_ns: int) -> float:
        """Return the monotonic time at which ``due_ns`` is played."""
        if self._start is None:
            self._start = self._clock.monotonic(), self._clock.now()
        if self._before_ns is not None:
            gap_s = max(0.0, (due_ns - self._before_ns) / _SECOND)
            limit_s = self._options.max_gap_s
            self._played_s += min(gap_s, limit_s) if limit_s else gap_s
        self._before_ns = due_ns
        if not self._options.speed:
            return self._start[0]
        return self._start[0] + self._played_s / self._options.speed

    def rewind(self) -> None:
        """Let the next time follow after the longest gap, a second where gaps are kept."""
        self._played_s += self._options.max_gap_s or 1.0
        self._before_ns = None

    def stamp(self, at: float) -> datetime | None:
        """Return the timestamp of what is played at ``at``; ``None`` = the venue's."""
        if not self._options.shift_to_now:
            return None
        now = self._clock.now()
        if not self._options.speed or self._start is None:
            return now
        return min(now, self._start[1] + timedelta(seconds=at - self._start[0]))
