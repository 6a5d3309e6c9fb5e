"""Holds the series checks against recorded faulty series and their repairs.

``python -m tickloom_validators.evaluation FOLDER`` prints what was found, missed and told without
need for each ``X.csv`` and its repair ``X-fixed.csv``; one without a repair has no fault. ``-v``
adds the reasons. The columns are those of yfinance.
"""

from __future__ import annotations

import csv
import math
import sys
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from msgspec import Struct

from tickloom.clock import SystemClock
from tickloom.model import (
    Bar,
    Dividend,
    HistoricalData,
    Interval,
    PriceAdjustment,
    Split,
    Timeliness,
)
from tickloom_validators import make_series_validators
from tickloom_validators.options import ValidatorOptions

# How far two numbers may be apart and still be the same; some recordings are floats of 32 bits.
SAME = 1e-4
EVENTS = ("Dividends", "Stock Splits", "Capital Gains")
PRICES = ("Open", "High", "Low", "Close")


class Outcome(Struct):
    """One recording.

    Attributes:
        name: Of the file, without its ending.
        rows: How many bars it has.
        faults: The bars that the repair changes.
        told: The codes of each bar that the checks told.
        reasons: All complaints, one a line.
    """

    name: str
    rows: int
    faults: set[datetime]
    told: dict[datetime, set[str]]
    reasons: list[str]

    @property
    def missed(self) -> set[datetime]:
        """The faults that no check told."""
        return self.faults - self.told.keys()

    @property
    def needless(self) -> dict[datetime, set[str]]:
        """What was told of bars that the repair leaves as they are."""
        return {moment: codes for moment, codes in self.told.items() if moment not in self.faults}


def _number(text: str | None) -> float:
    return float(text) if text else math.nan


def _read(path: Path) -> dict[datetime, dict[str, str]]:
    """Return the rows by time, oldest first, without those that have no close."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    key = "Date" if "Date" in rows[0] else "Datetime"
    sound = {
        datetime.fromisoformat(row[key]): row
        for row in rows
        if not math.isnan(_number(row["Close"]))
    }
    return dict(sorted(sound.items()))


def _price(text: str) -> Decimal:
    # What was written is a float; beyond nine digits it holds nothing.
    return Decimal(f"{float(text):.9g}")


def history_of(path: Path) -> HistoricalData:
    """Return a recording as a history; a row without a close is left out, as by every provider."""
    rows = _read(path)
    symbol, interval = _symbol_of(path)
    bars = tuple(
        Bar(
            timestamp=moment.astimezone(UTC),
            open_price=_price(row["Open"]),
            high_price=_price(row["High"]),
            low_price=_price(row["Low"]),
            close_price=_price(row["Close"]),
            adjusted_close=_price(row["Adj Close"]),
            volume=int(_number(row["Volume"])),
        )
        for moment, row in rows.items()
    )
    moments = list(rows)
    return HistoricalData(
        symbol=symbol,
        interval=interval,
        start_date=moments[0].date(),
        end_date=moments[-1].date(),
        provider="recorded",
        received_at=datetime.now(UTC),
        data_points=bars,
        timeliness=Timeliness.END_OF_DAY,
        adjustment=PriceAdjustment.SPLITS,
        splits=tuple(
            Split(day=moment.date(), ratio=_price(row["Stock Splits"]))
            for moment, row in rows.items()
            if _number(row["Stock Splits"])
        ),
        dividends=tuple(
            Dividend(day=moment.date(), amount=_price(row["Dividends"]))
            for moment, row in rows.items()
            if _number(row["Dividends"])
        ),
    )


def _symbol_of(path: Path) -> tuple[str, Interval]:
    parts = path.stem.split("-")
    place = next(place for place, part in enumerate(parts) if part[0].isdigit() and place)
    return ".".join(parts[:place]), Interval(parts[place])


def _differs(one: str | None, other: str | None) -> bool:
    a, b = _number(one), _number(other)
    return not math.isclose(a, b, rel_tol=SAME, abs_tol=1e-9) and not (
        math.isnan(a) and math.isnan(b)
    )


def faults_of(path: Path, repaired: Path) -> set[datetime]:
    """Return the rows whose prices or events the repair changes.

    The adjusted closes of all rows before a dividend follow from it, so a row counts where the
    adjustment changes, not where its sum does.
    """
    rows, fixed = _read(path), _read(repaired)
    faults = set()
    before = None
    for moment, row in rows.items():
        if moment not in fixed:
            continue
        now = fixed[moment]
        changed = any(
            _differs(row.get(name), now.get(name)) for name in (*PRICES, *EVENTS) if name in row
        )
        if before is not None and not changed:
            changed = _differs(_step(rows, before, moment), _step(fixed, before, moment))
        if changed or _number(row["Adj Close"]) <= 0:
            faults.add(moment.astimezone(UTC))
        before = moment
    return faults


def _step(rows: dict[datetime, dict[str, str]], before: datetime, after: datetime) -> str:
    shares = [_number(rows[at]["Adj Close"]) / _number(rows[at]["Close"]) for at in (before, after)]
    return str(shares[0] / shares[1])


def judge(path: Path) -> Outcome:
    """Return what the checks say of one recording, beside what its repair says."""
    repaired = path.with_name(f"{path.stem}-fixed.csv")
    history = history_of(path)
    told: dict[datetime, set[str]] = {}
    reasons = []
    for check in make_series_validators(ValidatorOptions()):
        for finding in check.check_series(history):
            told.setdefault(finding.timestamp, set()).add(finding.code)
            reasons.append(f"{finding.timestamp:%Y-%m-%d %H:%M} {finding.code}: {finding.reason}")
    faults = faults_of(path, repaired) if repaired.exists() else set()
    return Outcome(path.stem, len(history.data_points), faults, told, reasons)


def evaluate(folder: Path) -> list[Outcome]:
    """Return the outcome of every recording of a folder."""
    return [judge(path) for path in sorted(folder.glob("*.csv")) if "-fixed" not in path.stem]


def table_of(outcomes: list[Outcome]) -> str:
    """Return the confusion table, one recording a line."""
    head = (
        f"{'recording':34}{'rows':>7}{'faults':>8}{'found':>7}{'missed':>8}{'needless':>10}  codes"
    )
    lines = [head]
    for one in outcomes:
        codes = Counter(code for found in one.told.values() for code in found)
        extra = Counter(code for found in one.needless.values() for code in found)
        shown = ", ".join(f"{code} {count}" for code, count in sorted(codes.items()))
        more = ", ".join(f"{code} {count}" for code, count in sorted(extra.items()))
        lines.append(
            f"{one.name:34}{one.rows:7}{len(one.faults):8}"
            f"{len(one.faults) - len(one.missed):7}{len(one.missed):8}{len(one.needless):10}  "
            f"{shown}{f' (needless: {more})' if more else ''}"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table of the folder that the command line names."""
    begin = SystemClock().monotonic()
    paths = [Path(word) for word in sys.argv[1:] if not word.startswith("-")]
    if len(paths) != 1 or not paths[0].is_dir():
        sys.exit("expected one folder of recordings, as in: evaluation FOLDER [-v]")
    outcomes = evaluate(paths[0])
    if not outcomes:
        sys.exit(f"{paths[0]} holds no recording: expected files such as AAPL-1d-x.csv")
    sys.stdout.write(f"{table_of(outcomes)}\n{SystemClock().monotonic() - begin:.2f} s\n")
    if "-v" in sys.argv:
        for one in outcomes:
            sys.stdout.write(f"\n{one.name}\nmissed: {sorted(map(str, one.missed))}\n")
            sys.stdout.write("\n".join(one.reasons[:30]) + "\n")


if __name__ == "__main__":
    main()
