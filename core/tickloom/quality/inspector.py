"""Runs the validators over each quote: accept, flag, or quarantine with a reason."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from loguru import logger
from msgspec import Struct
from msgspec.structs import replace

from tickloom.model import Quality, Quote
from tickloom.quality.keeper import Keeper
from tickloom.quality.scores import Scores
from tickloom.roles import Validator, Verdict

_KEPT = 100
RELEASED: Final = "released"
"""The code of a quote that was kept back and that somebody let go; it is not judged again."""


_KINDS = {"quality": Quality, "code": str, "reason": str, "values": Mapping}


class Quarantined(Struct, frozen=True):
    """A quote that went no further, and why."""

    quote: Quote
    code: str
    reason: str


class Inspector:
    """Asks every validator; the worst verdict counts.

    A validator that raises, or says what is no verdict, is counted as ``failed`` and left out of
    this quote's judgement: a fault in a check must not stop the prices. That fields have the types
    they promise was checked where the quote came in, at its source.

    Args:
        validators: By name, asked in this order.
        keeper: Keeps what goes no further and takes note of every complaint; ``None`` = nobody.
        scores: Counts what was judged; ``None`` = nobody does.
    """

    def __init__(
        self,
        validators: Mapping[str, Validator],
        keeper: Keeper | None = None,
        scores: Scores | None = None,
    ) -> None:
        self._validators = list(validators.items())
        self._keeper = keeper
        self._scores = scores
        self.inspected = 0
        self.codes: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.quarantined = 0
        self._told: set[str] = set()
        self.recent: deque[Quarantined] = deque(maxlen=_KEPT)

    def inspect(self, quote: Quote, previous: Quote | None) -> Quote | None:
        """Return the quote, flagged where a validator says so, or ``None`` if quarantined."""
        if quote.quality_codes and RELEASED in quote.quality_codes:
            return quote
        self.inspected += 1
        codes: tuple[str, ...] = ()
        for name, validator in self._validators:
            try:
                verdict = validator.check(quote, previous)
                if verdict is not None:
                    _refuse_rubbish(verdict)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - foreign code
                self._failed(name, error)
                continue
            if verdict is None or verdict.quality is Quality.OK:
                continue
            self.codes[verdict.code] += 1
            verdict = self._tell(quote, verdict)
            if verdict.quality is Quality.QUARANTINED:
                self._quarantine(quote, verdict)
                return None
            codes = (*codes, verdict.code)
        if self._scores is not None:
            self._scores.judged(quote, valid=not codes)
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

    def _tell(self, quote: Quote, verdict: Verdict) -> Verdict:
        """Return the verdict with values."""
        if not verdict.values:
            verdict = replace(verdict, values=_numbers_of(quote))
        if self._keeper is not None:
            subject = (quote.symbol, quote.provider, None)
            self._keeper.tell("quote", subject, verdict, quote.timestamp)
        return verdict

    def _quarantine(self, quote: Quote, verdict: Verdict) -> None:
        self.quarantined += 1
        if self._scores is not None:
            self._scores.judged(quote, valid=False)
        if self._keeper is not None:
            self._keeper.hold(quote, verdict)
        self.recent.append(Quarantined(quote, verdict.code, verdict.reason))
        # One bad feed must not fill the disk; the quarantine and the events have the rest.
        if verdict.code not in self._told:
            self._told.add(verdict.code)
            logger.warning(
                "{} by {} is quarantined: {}", quote.symbol, quote.provider, verdict.reason
            )

    def _failed(self, name: str, error: BaseException) -> None:
        if not self.failures[name]:
            logger.warning("validator {} failed: {!r}", name, error)
        self.failures[name] += 1


def _refuse_rubbish(verdict: Any) -> None:
    if not isinstance(verdict, Verdict) or not all(
        isinstance(getattr(verdict, name), kind) for name, kind in _KINDS.items()
    ):
        raise TypeError(f"{verdict!r} is no Verdict")


def _numbers_of(quote: Quote) -> dict[str, Decimal]:
    numbers = {"current_price": quote.current_price, "bid": quote.bid, "ask": quote.ask}
    return {name: number for name, number in numbers.items() if number is not None}
