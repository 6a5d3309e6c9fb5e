"""The fair price of a symbol at any time: a pure function of seed, symbol and time.

Smoothed noise of several periods is added up, from a month down to a minute. History is read off
this function and the live walk stays near it, so that both tell of the same market.
"""

from __future__ import annotations

import hashlib
import math

_MASK = (1 << 64) - 1
# Period in seconds and amplitude as a share of the price; together a yearly volatility near 30 %.
_OCTAVES = (
    (30 * 86_400, 0.08),
    (5 * 86_400, 0.03),
    (86_400, 0.012),
    (4 * 3_600, 0.005),
    (3_600, 0.0025),
    (600, 0.001),
    (60, 0.0003),
)
_LOWEST_CENTS, _HIGHEST_CENTS = 1_500, 45_000


class Level:
    """The fair price of one symbol, in cents.

    Args:
        symbol: Any text.
        seed: Any whole number.
    """

    def __init__(self, symbol: str, seed: int) -> None:
        digest = hashlib.sha256(f"{seed}/{symbol}".encode()).digest()
        self._key = int.from_bytes(digest[:8])
        share = int.from_bytes(digest[8:12]) / 2**32
        self._base_cents: float = _LOWEST_CENTS * (_HIGHEST_CENTS / _LOWEST_CENTS) ** share

    def cents(self, at_s: float) -> float:
        """Return the price at ``at_s`` seconds of the Unix epoch."""
        share = 0.0
        for number, (period_s, amplitude) in enumerate(_OCTAVES):
            whole, part = divmod(at_s / period_s, 1.0)
            left = self.noise(number, int(whole))
            right = self.noise(number, int(whole) + 1)
            smooth = part * part * (3 - 2 * part)
            share += amplitude * (left + (right - left) * smooth)
        return self._base_cents * math.exp(share)

    def noise(self, kind: int, index: int) -> float:
        """Return a number in [-1, 1) that only ``kind`` and ``index`` decide."""
        value = (self._key + kind * 0x632BE59BD9B4E019 + index * 0x9E3779B97F4A7C15) & _MASK
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
        return (value ^ (value >> 31)) / 2**63 - 1.0
