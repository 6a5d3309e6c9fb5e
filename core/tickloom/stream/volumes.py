"""What was traded within an interval, from a volume that counts since the session's begin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

SessionKey: TypeAlias = tuple[str, float, bool]
"""Provider, begin of the venue's day, and whether the venue had opened.

Providers count differently (one venue, or all of them). Before the opening some still tell the
volume of the day before.
"""
Reach: TypeAlias = list[int]
"""The lowest and the highest volume of a session within an interval."""
Before: TypeAlias = dict[str, tuple[SessionKey, int]]
"""The last session of each provider before an interval, and how far its volume had come."""


def traded(reached: Mapping[SessionKey, Reach], before: Before, *, knows_begin: bool) -> int | None:
    """Return what was traded within an interval, and move ``before`` on to its end.

    A session of which nothing earlier is known counts from its lowest volume seen: what was traded
    before nobody watched belongs to no interval.

    Args:
        reached: How far the volume of each session came within the interval.
        before: How far it had come before; changed.
        knows_begin: The interval begins with the day, so that a session that opened begins at 0.

    Returns:
        Units; ``None`` where no volume was told.
    """
    total: int | None = None
    for session in sorted(reached):
        low, high = reached[session]
        earlier = before.get(session[0])
        if earlier is not None and earlier[0] == session:
            base = earlier[1]
        elif knows_begin and session[2]:
            base = 0
        elif earlier is None:
            base = low
        else:
            base = _begin(session, low, earlier)
        total = (total or 0) + max(0, high - base)
        if earlier is not None and earlier[0] == session:
            high = max(high, earlier[1])
        before[session[0]] = (session, high)
    return total


def _begin(session: SessionKey, low: int, earlier: tuple[SessionKey, int]) -> int:
    (_, day_s, _), reached = earlier
    _, this_day_s, is_open = session
    if is_open and this_day_s != day_s:
        return 0
    # The same day, or one that has not opened: the count goes on unless it fell.
    return reached if low >= reached else 0
