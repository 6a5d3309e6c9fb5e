"""Runs the series validators over the bars of a symbol."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from loguru import logger
from msgspec.structs import replace

from tickloom.errors import BadRecord
from tickloom.model import HistoricalData, Quality, day_of
from tickloom.quality.keeper import Keeper
from tickloom.roles import Finding, HistoryRequest, SeriesValidator, Verdict

_MOST_WAITING = 8
_LONGEST_S = 10.0

Ask = Callable[[HistoryRequest], Awaitable[HistoricalData]]


class SeriesInspector:
    """Asks every series validator and collects what they find.

    A validator that raises is counted as ``failed`` and left out: a fault in a check must not cost
    the bars. Nothing is changed here; what to do about a finding is up to who asks. It takes some
    milliseconds for a thousand bars, so long series belong in a thread.
    """

    def __init__(self, validators: Mapping[str, SeriesValidator]) -> None:
        self._validators = list(validators.items())
        self.inspected_bars = 0
        self.codes: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()

    @property
    def checks(self) -> bool:
        """False where there is no validator."""
        return bool(self._validators)

    def inspect(self, history: HistoricalData) -> list[Finding]:
        """Return all findings, oldest bar first; of one bar those of the first validator first."""
        self.inspected_bars += len(history.data_points)
        found: list[Finding] = []
        for name, validator in self._validators:
            try:
                told = [one for one in validator.check_series(history) if _is_complaint(one)]
            except Exception as error:  # noqa: BLE001 - foreign code
                if not self.failures[name]:
                    logger.warning("series validator {} failed: {!r}", name, error)
                self.failures[name] += 1
                continue
            found.extend(told)
        self.codes.update(finding.code for finding in found)
        return sorted(found, key=lambda finding: finding.timestamp)

    def stats(self) -> dict[str, Any]:
        """Return counts of what was inspected and found."""
        return {
            "inspected_bars": self.inspected_bars,
            "codes": dict(self.codes),
            "failed_validators": dict(self.failures),
        }


class SeriesGate:
    """Inspects what providers answer before it is served and stored.

    A flagged bar goes on and is told; one that can be no bar goes into quarantine, as a quote
    would: an average or an alert over it would be as wrong as over a price of zero. One answer at a
    time is inspected, in a thread; where too many wait, or it takes too long, the answer goes on
    as it came and is counted.

    Args:
        inspector: Judges.
        keeper: Keeps bars back and takes note of findings.
        ask: Asks the providers.
    """

    def __init__(self, inspector: SeriesInspector, keeper: Keeper, ask: Ask) -> None:
        self.inspector = inspector
        self._keeper = keeper
        self._ask = ask
        self._thread: ThreadPoolExecutor | None = None
        self._waiting = 0
        self.skipped = 0
        self.quarantined = 0

    async def history(self, request: HistoryRequest) -> HistoricalData:
        """Return what a provider answers, without the bars that can be none.

        Raises:
            BadRecord: No bar is left.
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

    async def findings(self, history: HistoricalData) -> list[Finding] | None:
        """Return what the checks find, oldest bar first; ``None`` = they had no time for it."""
        if not self.inspector.checks or not history.data_points:
            return []
        if self._waiting >= _MOST_WAITING:
            self.skipped += 1
            return None
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="tickloom-quality")
        self._waiting += 1
        loop = asyncio.get_running_loop()
        judging = loop.run_in_executor(self._thread, self.inspector.inspect, history)
        # Who gives up waiting does not make the thread free.
        judging.add_done_callback(self._judged)
        done, _ = await asyncio.wait([judging], timeout=_LONGEST_S)
        if not done:
            self.skipped += 1
            return None
        return judging.result()

    def _judged(self, _: object) -> None:
        self._waiting -= 1

    def stats(self) -> dict[str, Any]:
        """Return counts since the start; ``skipped`` answers were not inspected."""
        return {
            **self.inspector.stats(),
            "skipped": self.skipped,
            "quarantined": self.quarantined,
        }

    async def aclose(self) -> None:
        """End the thread; may be called twice."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.to_thread(thread.shutdown, wait=True, cancel_futures=True)

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


def _is_complaint(finding: Finding) -> bool:
    return finding.quality is not Quality.OK


def _keeps_back(finding: Finding) -> bool:
    return finding.quality is Quality.QUARANTINED


def _verdict(finding: Finding) -> Verdict:
    return Verdict(finding.quality, finding.code, finding.reason, finding.values)
