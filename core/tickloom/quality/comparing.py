"""Asks the providers of a symbol for the same and looks whether they agree."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Protocol

from loguru import logger
from msgspec.structs import replace

from tickloom.clock import Clock
from tickloom.errors import ConfigError, InvalidSymbol, NotSupported, RequestError, TickloomError
from tickloom.model import HistoricalData, Interval, Quality, Quote, day_of, parse_symbol
from tickloom.quality.comparison import (
    DIFFERS,
    Answer,
    Comparison,
    Pair,
    Rules,
    compare,
    verdict_of,
)
from tickloom.quality.keeper import Keeper
from tickloom.quality.scores import Scores
from tickloom.roles import HistoryRequest, ProviderInfo, Verdict
from tickloom.settings import QualitySettings

MOST_BARS = 250
_DAY = timedelta(days=1)
_SLACK = timedelta(days=10)
_FIRST_LOOK_S = 5.0
# For how many intervals prices may go without being compared, and what counts without a schedule.
_MOST_MISSED = 3
_INTERVAL_S = 300.0


class Asked(Protocol):
    """A provider that may be asked, within its budget."""

    @property
    def info(self) -> ProviderInfo:
        """What it declares."""
        ...

    async def quotes(self, symbols: Sequence[str]) -> dict[str, Quote | TickloomError]:
        """Return a quote or an error for each symbol."""
        ...

    async def history(self, request: HistoryRequest) -> HistoricalData:
        """Return bars."""
        ...


class Told(Protocol):
    """Hears of what lasts."""

    def begin(self, key: str, reason: str, symbols: Sequence[str] = (), provider: str = "") -> None:
        """Something is wrong from now on."""
        ...

    def end(self, key: str, why: str = "") -> None:
        """It is right again, or over because of ``why``; one that is not known is ignored."""
        ...


class Comparer:
    """Compares on demand, and some symbols by schedule.

    Args:
        candidates: Who may serve a symbol, first choice first.
        owns: Whether this replica compares a symbol by schedule.
        keeper: Takes note of what differs.
        scores: Count who agrees.
        alerts: Hear of what differs until it agrees again, or is not compared any more.
        settings: When values are the same, and the schedule.
        clock: For times.

    Raises:
        ConfigError: A symbol of the schedule is malformed.
    """

    def __init__(
        self,
        candidates: Callable[[str], Sequence[Asked]],
        owns: Callable[[str], bool],
        keeper: Keeper,
        scores: Scores,
        alerts: Told,
        settings: QualitySettings,
        clock: Clock,
    ) -> None:
        self._candidates = candidates
        self._owns = owns
        self._keeper = keeper
        self._scores = scores
        self._alerts = alerts
        self._settings = settings
        self._clock = clock
        # The setting is a share, no price; its text is what was written.
        self._rules = Rules(
            tolerance=Decimal(str(settings.compare_tolerance)),
            window=timedelta(seconds=settings.compare_window_s),
        )
        self._symbols = _scheduled(settings)
        self._task: asyncio.Task[None] | None = None
        # When those that differ were compared last, by alert.
        self._differing: dict[str, float] = {}
        self._counts = {"comparisons": 0, "agreed": 0, "differed": 0, "not_compared": 0}

    async def compare(self, symbol: str, bars: int = 0) -> Comparison:
        """Ask every able provider of a canonical symbol, and return what they say.

        Args:
            symbol: Canonical.
            bars: How many daily bars are compared besides; 0 = none.

        Raises:
            RequestError: There are too many bars.
            UnknownSymbol: Nobody serves it.
            NotSupported: Only one provider serves it.
        """
        if not 0 <= bars <= MOST_BARS:
            raise RequestError("bars is out of range", found=bars, expected=f"0 to {MOST_BARS}")
        sources = self._candidates(symbol)
        if len(sources) < 2:  # noqa: PLR2004 - one has nobody to be compared with
            raise NotSupported(
                f"only provider {sources[0].info.name} serves {symbol}",
                expected="two at least, to be compared",
            )
        at = self._clock.now()
        told = await asyncio.gather(*(self._ask(source, symbol, bars) for source in sources))
        quotes = {answer.provider: answer.quote for answer, _ in told if answer.quote is not None}
        series = {answer.provider: history for answer, history in told if history is not None}
        pairs = compare(quotes, series, self._rules)
        found = Comparison(
            symbol=symbol,
            at=at,
            tolerance=self._rules.tolerance,
            verdict=verdict_of(pairs),
            answers=tuple(answer for answer, _ in told),
            pairs=pairs,
        )
        self._counts["comparisons"] += 1
        for pair in pairs:
            self._note(symbol, pair)
        return found

    def start(self) -> None:
        """Begin the schedule, if there is one; calling it twice is allowed."""
        if self._task is None and self._settings.compare_interval_s and self._symbols:
            self._task = asyncio.create_task(self._run(), name="compare the providers")

    def look(self) -> None:
        """End the alerts of what is not compared any more; called every few seconds."""
        now_s = self._clock.monotonic()
        most_s = _MOST_MISSED * (self._settings.compare_interval_s or _INTERVAL_S)
        for key, last_s in list(self._differing.items()):
            if now_s - last_s >= most_s:
                del self._differing[key]
                self._alerts.end(key, f"nothing has been compared for {now_s - last_s:.0f} s")

    def stats(self) -> dict[str, int]:
        """Return counts since the start; of the last three one for each pair."""
        return dict(self._counts)

    async def aclose(self) -> None:
        """End the schedule; may be called twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        await self._clock.sleep(min(_FIRST_LOOK_S, self._settings.compare_interval_s))
        while True:
            for symbol in filter(self._owns, self._symbols):
                try:
                    await self.compare(symbol)
                except TickloomError as error:
                    logger.warning("{} cannot be compared: {}", symbol, error)
                except Exception as error:  # noqa: BLE001 - the next one may go well
                    logger.opt(exception=error).error("{} could not be compared", symbol)
            await self._clock.sleep(self._settings.compare_interval_s)

    async def _ask(
        self, source: Asked, symbol: str, bars: int
    ) -> tuple[Answer, HistoricalData | None]:
        name = source.info.name
        wanted: list[Any] = [source.quotes([symbol])]
        if bars and Interval.DAY in source.info.intervals:
            # Today's bar still changes.
            last = day_of(symbol, self._clock.now()) - _DAY
            first = last - timedelta(days=bars * 7 // 5) - _SLACK
            wanted.append(source.history(HistoryRequest(symbol=symbol, start=first, end=last)))
        answers: list[Any] = await asyncio.gather(*wanted, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, TickloomError):
                raise answer
        quote = answers[0].get(symbol)
        self._scores.asked(name, symbol, answered=isinstance(quote, Quote))
        past = answers[1] if len(answers) > 1 else None
        errors = [str(one) for one in (quote, past) if isinstance(one, TickloomError)]
        history = past if isinstance(past, HistoricalData) else None
        if history is not None:
            history = _newest(history, bars)
        return (
            Answer(
                provider=name,
                quote=quote if isinstance(quote, Quote) else None,
                bars=len(history.data_points) if history is not None else 0,
                error="; ".join(errors),
            ),
            history,
        )

    def _note(self, symbol: str, pair: Pair) -> None:
        key = f"{DIFFERS} {symbol} {pair.first} {pair.second}"
        if pair.verdict == "not-compared":
            self._counts["not_compared"] += 1
            return
        agrees = pair.verdict == "agree"
        for name in (pair.first, pair.second):
            self._scores.compared(name, symbol, agreed=agrees)
        if agrees:
            self._counts["agreed"] += 1
            self._differing.pop(key, None)
            self._alerts.end(key)
            return
        self._counts["differed"] += 1
        worst = max(pair.differences, key=lambda one: one.relative)
        subject = (symbol, pair.second, None if worst.day is None else Interval.DAY.value)
        values = {pair.first: worst.first, pair.second: worst.second}
        verdict = Verdict(Quality.FLAGGED, DIFFERS, pair.reason, values)
        self._keeper.tell("comparison", subject, verdict)
        if not self._is_told_elsewhere(symbol):
            self._differing[key] = self._clock.monotonic()
            self._alerts.begin(key, pair.reason, [symbol], pair.second)

    def _is_told_elsewhere(self, symbol: str) -> bool:
        """Whether another replica compares the symbol by schedule, and so knows when it is over."""
        is_scheduled = self._settings.compare_interval_s > 0 and symbol in self._symbols
        return is_scheduled and not self._owns(symbol)


def _scheduled(settings: QualitySettings) -> list[str]:
    try:
        return [parse_symbol(symbol) for symbol in settings.compare_symbols]
    except InvalidSymbol as error:
        raise ConfigError(f"quality.compare_symbols cannot be used: {error}") from None


def _newest(history: HistoricalData, bars: int) -> HistoricalData:
    return replace(history, data_points=history.data_points[-bars:])
