"""What the clients of one replica want, as the others learn of it."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct


class Wishes(Struct, frozen=True):
    """Symbols and patterns of one replica, or of several together.

    Attributes:
        streamed: Somebody streams these.
        watched: These are only to be kept fresh.
    """

    streamed: frozenset[str] = frozenset()
    watched: frozenset[str] = frozenset()


def united(wishes: Iterable[Wishes]) -> Wishes:
    """Return all of them as one."""
    streamed: set[str] = set()
    watched: set[str] = set()
    for one in wishes:
        streamed |= one.streamed
        watched |= one.watched
    return Wishes(frozenset(streamed), frozenset(watched))
