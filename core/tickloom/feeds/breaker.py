"""Leaves a provider in peace that fails, and tries it again with single probes."""

from __future__ import annotations

import random
from typing import Literal

from tickloom.clock import Clock
from tickloom.errors import CredentialsError, RateLimited, TickloomError, Unavailable

BreakerState = Literal["closed", "open", "half-open"]

_FAILURES = 3
_FIRST_PAUSE_S = 2.0
_LONGEST_PAUSE_S = 120.0
_LIMITED_S = 60.0
_REFUSED_S = 300.0


class Breaker:
    """Closed lets all requests pass; open, none; half-open, one probe whose outcome decides.

    It opens after three failures in a row. Each failed probe doubles the pause, from two seconds up
    to two minutes, spread by half so that replicas don't probe together. A vendor that says when to
    come back is obeyed at once, and a refused key is tried again after five minutes only.

    Args:
        clock: Measures the pauses.
        jitter: Random numbers in [0, 1).
    """

    def __init__(self, clock: Clock, jitter: random.Random) -> None:
        self._clock = clock
        self._jitter = jitter
        self._failures = 0
        self._pause_s = _FIRST_PAUSE_S
        self._until_s: float | None = None
        self._probing = False

    @property
    def state(self) -> BreakerState:
        """What would happen to a request now."""
        if self._until_s is None:
            return "closed"
        return "open" if self._clock.monotonic() < self._until_s else "half-open"

    def admit(self) -> float | None:
        """Let a request pass with ``None``, else return the seconds after which to try again.

        Who is let pass says afterwards :meth:`succeeded`, :meth:`failed` or :meth:`abandoned`.
        """
        if self._until_s is None:
            return None
        wait_s = self._until_s - self._clock.monotonic()
        if wait_s > 0:
            return wait_s
        if self._probing:
            return _FIRST_PAUSE_S
        self._probing = True
        return None

    def succeeded(self) -> None:
        """Close: the provider answered.

        An answer to what was asked before the breaker opened changes nothing: a vendor that has
        said since then when to come back means it.
        """
        if self._until_s is not None and not self._probing:
            return
        self._failures = 0
        self._pause_s = _FIRST_PAUSE_S
        self._until_s = None
        self._probing = False

    def abandoned(self) -> None:
        """Take back a request that was given up before it was answered."""
        self._probing = False

    def failed(self, error: TickloomError) -> None:
        """Count a failure, and open where it was one too many or says how long to wait."""
        probed, self._probing = self._probing, False
        self._failures += 1
        asked_s = error.retry_after_s if isinstance(error, Unavailable) else None
        if isinstance(error, CredentialsError):
            self._open(_REFUSED_S)
        elif isinstance(error, RateLimited):
            self._open(_LIMITED_S if asked_s is None else asked_s)
        elif probed or self._failures >= _FAILURES:
            self._open(max(asked_s or 0.0, self._pause_s * (0.5 + self._jitter.random())))
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        elif asked_s is not None:
            self._open(asked_s)

    def _open(self, pause_s: float) -> None:
        self._until_s = self._clock.monotonic() + pause_s
