"""Which series are played together, and their events in one order."""

from __future__ import annotations

import heapq
from collections.abc import Generator, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from threading import Event as Flag

from msgspec import Struct

from tickloom_replay.event import Event, Series, Source

_MOMENT_LIMIT = 1_024


class Moment(Struct, frozen=True):
    """The events that are due at the same time, in the order of their files."""

    due: datetime
    events: list[Event]


class Timeline(Struct, frozen=True):
    """Series of one step whose times overlap, so that their order can be kept.

    Attributes:
        step: Length of a bar, zero = ticks.
        symbols: All that are played on it.
        series: All of its series.
    """

    step: timedelta
    symbols: frozenset[str]
    series: tuple[Series, ...]


def arrange(series: Iterable[Series]) -> list[Timeline]:
    """Return the timelines of ``series``: of each symbol its finest step alone."""
    everything = list(series)
    finest: dict[str, timedelta] = {}
    for one in everything:
        finest[one.symbol] = min(finest.get(one.symbol, one.step), one.step)
    chosen: dict[str, list[Series]] = {}
    for one in everything:
        if one.step == finest[one.symbol]:
            chosen.setdefault(one.symbol, []).append(one)
    spans = sorted(
        (finest[symbol], min(one.first for one in mine), max(one.last for one in mine), symbol)
        for symbol, mine in chosen.items()
    )
    groups: list[list[str]] = []
    reach: tuple[timedelta, datetime] | None = None
    for step, first, last, symbol in spans:
        if reach is None or reach[0] != step or first > reach[1]:
            groups.append([])
            reach = step, last
        groups[-1].append(symbol)
        reach = step, max(reach[1], last)
    return [
        Timeline(
            finest[group[0]],
            frozenset(group),
            tuple(one for symbol in group for one in chosen[symbol]),
        )
        for group in groups
    ]


def merge_events(series: Sequence[Series], halt: Flag) -> Generator[Event, None, None]:
    """Yield the events of ``series`` by ``due``; a file is opened when its first one can be next.

    A source that is slightly out of order keeps its own order.
    """
    symbols: dict[Source, set[str]] = {}
    starts: dict[Source, datetime] = {}
    for one in series:
        symbols.setdefault(one.source, set()).add(one.symbol)
        starts[one.source] = min(starts.get(one.source, one.first), one.first)
    heap: list[tuple[datetime, int, Event | None, Generator[Event, None, None]]] = [
        (starts[source], place, None, source.read(frozenset(wanted), halt))
        for place, (source, wanted) in enumerate(symbols.items())
    ]
    heapq.heapify(heap)
    try:
        while heap:
            _, place, event, events = heap[0]
            if event is not None:
                yield event
            following = next(events, None)
            if following is None:
                heapq.heappop(heap)
            else:
                heapq.heapreplace(heap, (following.due, place, following, events))
    finally:
        for *_, events in heap:
            events.close()


def group_moments(events: Iterator[Event]) -> Iterator[Moment]:
    """Yield ``events`` by the time at which they are due; time never goes back."""
    moment: Moment | None = None
    for event in events:
        if moment is None:
            moment = Moment(event.due, [event])
        elif event.due <= moment.due and len(moment.events) < _MOMENT_LIMIT:
            moment.events.append(event)
        else:
            yield moment
            moment = Moment(max(event.due, moment.due), [event])
    if moment is not None:
        yield moment
