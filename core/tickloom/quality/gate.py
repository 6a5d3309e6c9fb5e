"""Lets through of the answers of providers what the series validators let through."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from loguru import logger
from msgspec.structs import replace

from tickloom.errors import BadRecord
from tickloom.model import HistoricalData, Quality, day_of
from tickloom.quality.judging import Judge
from tickloom.quality.keeper import Keeper
from tickloom.quality.series import SeriesInspector
from tickloom.roles import Finding, HistoryRequest, Verdict

Ask = Callable[[HistoryRequest], Awaitable[HistoricalData]]


class SeriesGate:
    """Inspects what providers answer before it is served and stored.

    A flagged bar goes on and is told; one that can be no bar goes into quarantine, as a quote
    would: an average or an alert over it would be as wrong as over a price of zero. No answer goes
    on without having been inspected.

    Args:
        inspector: Judges.
        keeper: Keeps bars back and takes note of findings.
        ask: Asks the providers.
    """

    def __init__(self, inspector: SeriesInspector, keeper: Keeper, ask: Ask) -> None:
        self.judge = Judge(inspector)
        self._keeper = keeper
        self._ask = ask
        self.quarantined = 0

    async def history(self, request: HistoryRequest) -> HistoricalData:
        """Return what a provider answers, without the bars that can be none.

        Raises:
            BadRecord: No bar is left.
            Unavailable: So many answers wait to be inspected that it did not get its turn.
            TickloomError: Nobody answered.
        """
        answer = await self._ask(request)
        findings = await self.findings(answer)
        if not findings:
            return answer
        self._tell(answer, findings)
        held = {one.timestamp: one for one in reversed(findings) if _keeps_back(one)}
        if not held:
            return answer
        return self._without(answer, held)

    async def findings(self, history: HistoricalData) -> list[Finding]:
        """Return what the checks find, oldest bar first.

        Raises:
            Unavailable: So many series wait that it did not get its turn.
        """
        return await self.judge.findings(history)

    def stats(self) -> dict[str, Any]:
        """Return counts since the start; ``refused`` answers had to be asked for again."""
        return {**self.judge.stats(), "quarantined": self.quarantined}

    async def aclose(self) -> None:
        """Give up what is inspected now; may be called twice."""
        await self.judge.aclose()

    def _tell(self, answer: HistoricalData, findings: Sequence[Finding]) -> None:
        times = Counter(finding.code for finding in findings)
        firsts = {finding.code: finding for finding in reversed(findings)}
        for code, first in firsts.items():
            subject = (answer.symbol, answer.provider, answer.interval.value)
            self._keeper.tell("series", subject, _verdict(first), first.timestamp, times[code])

    def _without(
        self, answer: HistoricalData, held: Mapping[datetime, Finding]
    ) -> HistoricalData:  # fmt: skip
        kept = []
        for bar in answer.data_points:
            finding = held.get(bar.timestamp)
            if finding is None:
                kept.append(bar)
                continue
            self.quarantined += 1
            day = day_of(answer.symbol, bar.timestamp)
            alone = replace(
                answer, data_points=(bar,), splits=(), dividends=(), start_date=day, end_date=day
            )
            self._keeper.hold(alone, _verdict(finding))
        logger.warning(
            "{} of {} bars of {} by {} are quarantined, the first as {}",
            len(answer.data_points) - len(kept),
            len(answer.data_points),
            answer.symbol,
            answer.provider,
            held[min(held)].code,
        )
        if not kept:
            raise BadRecord(
                f"every bar of {answer.symbol} by {answer.provider} was quarantined as implausible"
            )
        return replace(answer, data_points=tuple(kept))


def _keeps_back(finding: Finding) -> bool:
    return finding.quality is Quality.QUARANTINED


def _verdict(finding: Finding) -> Verdict:
    return Verdict(finding.quality, finding.code, finding.reason, finding.values)
