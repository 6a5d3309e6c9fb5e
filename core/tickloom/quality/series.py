"""Runs the series validators over the bars of a symbol."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from loguru import logger

from tickloom.model import HistoricalData, Quality
from tickloom.roles import Finding, SeriesValidator

_KINDS = {
    "timestamp": datetime,
    "quality": Quality,
    "code": str,
    "reason": str,
    "values": Mapping,
}


class SeriesInspector:
    """Asks every series validator and collects what they find.

    A validator that raises, or says what is no finding, is counted as ``failed`` and left out of
    this judgement: a fault in a check must not cost the bars. Nothing is changed here; what to do
    about a finding is up to who asks. It takes some milliseconds for a thousand bars, so long
    series belong in a thread; see :class:`tickloom.quality.judging.Judge`.
    """

    def __init__(self, validators: Mapping[str, SeriesValidator]) -> None:
        self._validators = list(validators.items())
        self._asked: str | None = None
        self.left_out: tuple[str, ...] = ()
        self.inspected_bars = 0
        self.codes: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()

    @property
    def checks(self) -> bool:
        """False where there is no validator."""
        return bool(self._validators)

    def inspect(self, history: HistoricalData) -> list[Finding]:
        """Return all findings, oldest bar first; of one bar those of the first validator first."""
        found: list[Finding] = []
        for name, validator in self._validators:
            self._asked = name
            told: list[Finding] = []
            failure: BaseException | None = None
            try:
                told = [one for one in validator.check_series(history) if _is_complaint(one)]
            except (Exception, SystemExit) as error:  # noqa: BLE001 - foreign code
                failure = error
            if name in self.left_out:
                # Nobody waits for this any more, and another inspection may run.
                return []
            if failure is not None:
                self._failed(name, failure)
            found.extend(told)
        self._asked = None
        self.inspected_bars += len(history.data_points)
        self.codes.update(finding.code for finding in found)
        return sorted(found, key=lambda finding: finding.timestamp)

    def leave_out(self) -> bool:
        """Ask the validator that is asked now never again; false where none is asked."""
        name, self._asked = self._asked, None
        if name is None:
            return False
        self.left_out = (*self.left_out, name)
        self._validators = [one for one in self._validators if one[0] != name]
        self.failures[name] += 1
        return True

    def stats(self) -> dict[str, Any]:
        """Return counts of what was inspected and found."""
        return {
            "inspected_bars": self.inspected_bars,
            "codes": dict(self.codes),
            "failed_validators": dict(self.failures),
            "left_out": list(self.left_out),
        }

    def _failed(self, name: str, error: BaseException) -> None:
        if not self.failures[name]:
            logger.warning("series validator {} failed: {!r}", name, error)
        self.failures[name] += 1


def _is_complaint(finding: Any) -> bool:
    if not isinstance(finding, Finding) or not all(
        isinstance(getattr(finding, name), kind) for name, kind in _KINDS.items()
    ):
        raise TypeError(f"{finding!r} is no Finding")
    if finding.timestamp.tzinfo is None:
        raise ValueError(f"the time {finding.timestamp} has no zone")
    return finding.quality is not Quality.OK
