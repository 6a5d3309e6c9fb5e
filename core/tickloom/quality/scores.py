"""How each provider does with each symbol: counts, four shares of them, and one score."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from tickloom.clock import Clock
from tickloom.model import MarketState, Quote, Timeliness
from tickloom.store.quality_rows import Counts

_MOST = 50_000
# With fewer of them a share says nothing yet.
_ENOUGH = 10
# Beyond it the older half of what was counted weighs half as much.
_WINDOW = 200
_PASSED_OVER_S = 600.0
_PAIRS = {
    "completeness": ("answered", "asked"),
    "timeliness": ("timely", "dated"),
    "agreement": ("agreed", "compared"),
    "validity": ("valid", "judged"),
}
_OLDEST = {
    Timeliness.REAL_TIME: timedelta(minutes=1),
    Timeliness.DELAYED: timedelta(minutes=25),
    Timeliness.SIMULATED: timedelta(minutes=1),
    Timeliness.END_OF_DAY: timedelta(days=5),
}
_BY_SESSION = {Timeliness.REAL_TIME, Timeliness.DELAYED}
_OPEN = {MarketState.PRE, MarketState.REGULAR, MarketState.POST}

Subject = tuple[str, str]


class Scores:
    """Counts of each ``(provider, symbol)``, bounded.

    Counts since the start are shown; what was counted lately, about the last 200 of each kind,
    decides whether a provider is passed over.

    Args:
        clock: Ends the time for which a provider is passed over.
        min_score: Providers below it are passed over; 0 = none is.
        changed: Called when a provider begins or ends to be passed over for a symbol.

    Attributes:
        dropped: Counts of a subject that were forgotten before :meth:`take` returned them, since
            too many waited; since the start.
    """

    def __init__(
        self, clock: Clock, min_score: float = 0.0, changed: Callable[[], None] = lambda: None
    ) -> None:
        self._clock = clock
        self._min_score = min_score
        self._tell_change = changed
        self._timeliness: dict[str, Timeliness] = {}
        self._total: dict[Subject, Counts] = {}
        self._recent: dict[Subject, Counts] = {}
        self._unsaved: dict[Subject, Counts] = {}
        self._new: dict[Subject, Counts] = {}
        self._passed: dict[Subject, tuple[float, float]] = {}
        self.dropped = 0

    @property
    def changed(self) -> bool:
        """True where something was counted that :meth:`take` did not return yet."""
        return bool(self._new or self._unsaved)

    def declare(self, provider: str, timeliness: Timeliness) -> None:
        """Say how fresh a provider's quotes should be; until then their age is not counted."""
        self._timeliness[provider] = timeliness

    def judged(self, quote: Quote, *, valid: bool) -> None:
        """Count a quote that the checks saw. Its age counts while its venue is open."""
        new = self._counts(quote.provider, quote.symbol)
        new.judged += 1
        if valid:
            new.valid += 1
        timeliness = self._timeliness.get(quote.provider)
        oldest = None if timeliness is None else _OLDEST.get(timeliness)
        if oldest is None:
            return
        # A closed venue has no younger price, and where the phase is not told nobody knows.
        if timeliness in _BY_SESSION and quote.market_state not in _OPEN:
            return
        new.dated += 1
        if quote.received_at - quote.timestamp <= oldest:
            new.timely += 1

    def asked(self, provider: str, symbol: str, *, answered: bool) -> None:
        """Count a question for a quote."""
        new = self._counts(provider, symbol)
        new.asked += 1
        new.answered += answered

    def compared(self, provider: str, symbol: str, *, agreed: bool) -> None:
        """Count a comparison with another provider."""
        new = self._counts(provider, symbol)
        new.compared += 1
        new.agreed += agreed

    def take(self) -> dict[Subject, Counts]:
        """Return what was counted since the last call, and begin anew."""
        self._settle()
        unsaved, self._unsaved = self._unsaved, {}
        return unsaved

    def give_back(self, counts: dict[Subject, Counts]) -> None:
        """Take what could not be stored, to be returned by the next :meth:`take`."""
        for subject, one in counts.items():
            self._leave_unsaved(subject, one)

    def shares(self, provider: str, symbol: str) -> dict[str, float | None]:
        """Return the four shares and their mean as ``score``; ``None`` = nothing was counted."""
        self._settle()
        return _shares(self._total.get((provider, symbol)) or Counts(), 1)

    def passed_over(self, provider: str, symbol: str) -> float | None:
        """Return the score for which a provider is passed over, ``None`` where it is not.

        It is for ten minutes; then it is tried again, and what was counted before is forgotten.
        """
        if not self._passed:
            return None
        found = self._passed.get((provider, symbol))
        return None if found is None or found[0] <= self._clock.monotonic() else found[1]

    def judge(self) -> None:
        """Decide anew who is passed over; called every few seconds."""
        if not self._min_score:
            return
        self._settle()
        now_s = self._clock.monotonic()
        over = [subject for subject, (until_s, _) in self._passed.items() if until_s <= now_s]
        for subject in over:
            del self._passed[subject]
            self._recent.pop(subject, None)
        found = bool(over)
        for subject, recent in self._recent.items():
            if subject in self._passed:
                continue
            score = _shares(recent, _ENOUGH)["score"]
            if score is not None and score < self._min_score:
                self._passed[subject] = (now_s + _PASSED_OVER_S, score)
                found = True
        if found:
            self._tell_change()

    def stats(self, symbol: str | None = None) -> list[dict[str, Any]]:
        """Return counts and shares of all providers and symbols, or of one symbol, since the start.

        At most 1,000, in order of symbol and provider.
        """
        self._settle()
        subjects = [one for one in self._total if symbol is None or one[1] == symbol]
        told = []
        for provider, name in sorted(subjects, key=lambda subject: subject[::-1])[:1_000]:
            counts = self._total[provider, name]
            shares = _shares(counts, 1)
            told.append(
                {
                    "provider": provider,
                    "symbol": name,
                    **shares,
                    "passed_over": self.passed_over(provider, name) is not None,
                    "counts": counts,
                }
            )
        return told

    def by_provider(self) -> dict[str, dict[str, float | None]]:
        """Return the shares of each provider over all its symbols, since the start."""
        self._settle()
        sums: dict[str, Counts] = {}
        for (provider, _), one in self._total.items():
            _add(sums.setdefault(provider, Counts()), one)
        return {provider: _shares(one, 1) for provider, one in sorted(sums.items())}

    def _counts(self, provider: str, symbol: str) -> Counts:
        subject = (provider, symbol)
        new = self._new.get(subject)
        if new is None:
            if len(self._new) >= _MOST:
                self._settle()
            new = self._new[subject] = Counts()
        return new

    def _leave_unsaved(self, subject: Subject, counts: Counts) -> None:
        if subject not in self._unsaved and len(self._unsaved) >= _MOST:
            del self._unsaved[next(iter(self._unsaved))]
            self.dropped += 1
        _add(self._unsaved.setdefault(subject, Counts()), counts)

    def _settle(self) -> None:
        new, self._new = self._new, {}
        for subject, one in new.items():
            self._leave_unsaved(subject, one)
            for book in (self._total, self._recent):
                if subject not in book and len(book) >= _MOST:
                    del book[next(iter(book))]
                _add(book.setdefault(subject, Counts()), one)
            recent = self._recent[subject]
            for good, all_ in _PAIRS.values():
                while getattr(recent, all_) > _WINDOW:
                    setattr(recent, good, getattr(recent, good) // 2)
                    setattr(recent, all_, getattr(recent, all_) // 2)


def _add(counts: Counts, more: Counts) -> None:
    for name in Counts.__struct_fields__:
        setattr(counts, name, getattr(counts, name) + getattr(more, name))


def _shares(counts: Counts, enough: int) -> dict[str, float | None]:
    shares: dict[str, float | None] = {}
    for name, (good, all_) in _PAIRS.items():
        count = getattr(counts, all_)
        shares[name] = getattr(counts, good) / count if count >= enough else None
    known = [share for share in shares.values() if share is not None]
    shares["score"] = sum(known) / len(known) if known else None
    return shares
