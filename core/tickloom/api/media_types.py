"""Which of the forms of an answer a client takes, by its header ``Accept``."""

from __future__ import annotations

from collections.abc import Sequence


def best_of(accept: str, offered: Sequence[str]) -> str | None:
    """Return the media type that a client likes best; ``None`` = it takes none.

    Of types that it likes as much, one that it names comes before one that a wildcard stands for,
    then the one that is named or offered first. A type with ``q=0`` is refused also where a
    wildcard would take it. Other parameters do not count.

    Args:
        accept: The header; empty = anything is fine, as if it were absent.
        offered: Media types, the preferred one first.
    """
    ranges = [_range(part) for part in accept.split(",") if part.strip()]
    if not ranges:
        return offered[0]
    best: tuple[float, int] = (0.0, 0)
    found: str | None = None
    # The first of equals is kept, so that the order of the header decides before that of ours.
    for name, weight in ranges:
        for media_type in offered:
            matching = [one for one in ranges if _is_in(media_type, one[0])]
            if not _is_in(media_type, name) or _nearest(matching)[0] != name:
                continue
            rank = (weight, _closeness(name))
            if weight > 0 and rank > best:
                best, found = rank, media_type
    return found


def _range(text: str) -> tuple[str, float]:
    name, *parameters = (part.strip().lower() for part in text.split(";"))
    weight = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                weight = float(value)
            except ValueError:
                weight = 1.0
    return name, weight


def _is_in(media_type: str, name: str) -> bool:
    return name in {"*/*", media_type, f"{media_type.partition('/')[0]}/*"}


def _nearest(ranges: Sequence[tuple[str, float]]) -> tuple[str, float]:
    return max(ranges, key=lambda one: _closeness(one[0]))


def _closeness(name: str) -> int:
    return 2 - name.count("*")
