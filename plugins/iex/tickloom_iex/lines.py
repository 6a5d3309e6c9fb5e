"""Which symbols each request of a stream names: its URL cannot be changed, and must not be long."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

MOST_SYMBOLS = 50
"""Symbols of one request; with names of 32 letters its URL stays below 2,000 characters."""
MOST_LINES = 20
"""Requests of one stream, of the hundred connections that the host's client may hold."""


class Change(Struct, frozen=True):
    """One step from the open requests to the wanted ones.

    Attributes:
        line: Place of the request that is replaced; ``None`` = there was none.
        symbols: What the new request names; empty = there is none.
    """

    line: int | None
    symbols: frozenset[str]


def rearrange(
    lines: Sequence[frozenset[str]], wanted: frozenset[str], most: int = MOST_SYMBOLS
) -> list[Change]:
    """Return the steps after which the requests name ``wanted`` and nothing else.

    New symbols go where there is room; where requests would be more than half empty, those with
    the fewest symbols are given up and theirs go elsewhere.
    """
    kept = [line & wanted for line in lines]
    pool = sorted(wanted.difference(*kept))
    needed = -(-len(wanted) // most)
    for place in sorted(range(len(kept)), key=lambda place: len(kept[place])):
        if sum(map(bool, kept)) <= 2 * needed or not kept[place]:
            continue
        pool.extend(sorted(kept[place]))
        kept[place] = frozenset()
    changes = []
    for place, (line, stays) in enumerate(zip(lines, kept, strict=True)):
        room = most - len(stays) if stays else 0
        symbols = stays.union(pool[:room])
        del pool[:room]
        if symbols != line:
            changes.append(Change(place, symbols))
    changes.extend(
        Change(None, frozenset(pool[start : start + most])) for start in range(0, len(pool), most)
    )
    # What goes away goes last: its symbols may have moved.
    return sorted(changes, key=lambda change: not change.symbols)
