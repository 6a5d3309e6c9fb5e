"""Runs the series validators over the bars of a symbol."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from loguru import logger

from tickloom.model import HistoricalData, Quality
from tickloom.roles import Finding, SeriesValidator


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


def _is_complaint(finding: Finding) -> bool:
    return finding.quality is not Quality.OK
