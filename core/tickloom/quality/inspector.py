"""Runs the validators over each quote: accept, flag, or quarantine with a reason."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

from loguru import logger
from msgspec import Struct
from msgspec.structs import replace

from tickloom.model import Quality, Quote
from tickloom.roles import Validator, Verdict

_KEPT = 100


class Quarantined(Struct, frozen=True):
    """A quote that went no further, and why."""

    quote: Quote
    code: str
    reason: str


class Inspector:
    """Asks every validator; the worst verdict counts.

    A validator that raises is counted as ``failed`` and left out of this quote's judgement: a
    fault in a check must not stop the prices. That fields have the types they promise was checked
    where the quote came in, at its source.
    """

    def __init__(self, validators: Mapping[str, Validator]) -> None:
        self._validators = list(validators.items())
        self.inspected = 0
        self.codes: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.quarantined = 0
        self._told: Counter[str] = Counter()
        self.recent: deque[Quarantined] = deque(maxlen=_KEPT)

    def inspect(self, quote: Quote, previous: Quote | None) -> Quote | None:
        """Return the quote, flagged where a validator says so, or ``None`` if quarantined."""
        self.inspected += 1
        codes: tuple[str, ...] = ()
        for name, validator in self._validators:
            try:
                verdict = validator.check(quote, previous)
            except Exception as error:  # noqa: BLE001 - foreign code
                self._failed(name, error)
                continue
            if verdict is None or verdict.quality is Quality.OK:
                continue
            self.codes[verdict.code] += 1
            if verdict.quality is Quality.QUARANTINED:
                self._quarantine(quote, verdict)
                return None
            codes = (*codes, verdict.code)
        if not codes:
            return quote
        return replace(quote, quality=Quality.FLAGGED, quality_codes=(*quote.quality_codes, *codes))

    def stats(self) -> dict[str, Any]:
        """Return counts of what was inspected, complained of and kept back."""
        return {
            "inspected": self.inspected,
            "quarantined": self.quarantined,
            "codes": dict(self.codes),
            "failed_validators": dict(self.failures),
        }

    def _quarantine(self, quote: Quote, verdict: Verdict) -> None:
        self.quarantined += 1
        self.recent.append(Quarantined(quote, verdict.code, verdict.reason))
        self._told[verdict.code] += 1
        # One bad feed must not fill the disk; the count tells the rest.
        level = "WARNING" if self._told[verdict.code] == 1 else "DEBUG"
        logger.log(
            level, "{} by {} is quarantined: {}", quote.symbol, quote.provider, verdict.reason
        )

    def _failed(self, name: str, error: Exception) -> None:
        if not self.failures[name]:
            logger.warning("validator {} failed: {!r}", name, error)
        self.failures[name] += 1
