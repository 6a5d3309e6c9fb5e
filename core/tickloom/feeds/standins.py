"""Whose stream brings the symbols of a provider that is away."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tickloom.feeds.router import Router


def find_stand_ins(
    serving: Mapping[str, set[str]], router: Router, is_away: Callable[[str], bool]
) -> dict[str, dict[str, str]]:
    """Return by provider the symbols that its stream brings for another, with that one's name.

    The next provider in order that is there serves a symbol; where it has no stream the symbol is
    polled, as it is where nobody is there.

    Args:
        serving: The symbols of each first provider.
        router: Knows the order.
        is_away: True where a provider neither streams nor answers.
    """
    found: dict[str, dict[str, str]] = {}
    for first, symbols in serving.items():
        if not is_away(first):
            continue
        for symbol in symbols:
            there = [one for one in router.candidates(symbol)[1:] if not is_away(one.name)]
            if there and there[0].info.has_stream:
                found.setdefault(there[0].name, {})[symbol] = first
    return found
