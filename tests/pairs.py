"""Paired timings: each round of ours comes right after one of what it is compared with."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

from msgspec import Struct


class Pairs(Struct):
    """Medians of the rounds.

    Attributes:
        bare_ms: Of what ours is compared with.
        own_ms: Of ours.
        ratio: Of the rates, round by round; above one = ours is faster.
    """

    bare_ms: float
    own_ms: float
    ratio: float

    def __str__(self) -> str:
        return f"{self.own_ms:.0f} ms beside {self.bare_ms:.0f} ms bare, ratio {self.ratio:.2f}"


def timed(work: Callable[..., Any], *arguments: Any) -> float:
    """Return how many seconds ``work`` takes."""
    before_s = perf_counter()
    work(*arguments)
    return perf_counter() - before_s


def measure_pairs(
    benchmark: Any, bare: Callable[[], float], own: Callable[[], float], rounds: int
) -> Pairs:
    """Measure two works that return how long they took, after one round that does not count."""
    pairs: list[tuple[float, float]] = []
    benchmark.pedantic(lambda: pairs.append((bare(), own())), rounds=rounds, warmup_rounds=1)
    counted = pairs[1:] or pairs
    return Pairs(
        bare_ms=median(raw for raw, _ in counted) * 1e3,
        own_ms=median(own for _, own in counted) * 1e3,
        ratio=median(raw / own for raw, own in counted),
    )
