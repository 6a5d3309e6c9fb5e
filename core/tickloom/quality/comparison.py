"""The same symbol from several providers: whether their prices agree. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import combinations
from typing import Literal

from msgspec import Struct

from tickloom.model import HistoricalData, Quote, day_of
from tickloom.model.currency import major_of

DIFFERS = "providers-differ"
"""The code of prices that are further apart than the tolerance."""

Verdict = Literal["agree", "differ", "not-compared"]
_MOST_TOLD = 20


class Difference(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One value as two providers give it.

    Attributes:
        field: Such as ``current_price`` or ``close_price``.
        first: What the first one of the pair says.
        second: What the second one says.
        relative: How far apart they are, as a share of the larger one.
        agrees: Whether that is within the tolerance.
        day: Of a bar, in the venue's calendar; ``None`` = it is a quote's.
    """

    field: str
    first: Decimal
    second: Decimal
    relative: Decimal
    agrees: bool
    day: date | None = None


class Pair(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Two providers beside each other.

    Attributes:
        first: The one that is asked first.
        second: The other.
        verdict: What all that could be compared comes to.
        code: Why they differ or were not compared: ``providers-differ``, ``other-times``,
            ``other-unit``, ``other-currency`` or ``no-values``; empty where they agree.
        reason: The same in words.
        differences: What was compared; of bars those that differ, at most 20.
        bars: How many bars both have.
        bars_agreed: How many of them agree.
    """

    first: str
    second: str
    verdict: Verdict
    code: str = ""
    reason: str = ""
    differences: tuple[Difference, ...] = ()
    bars: int = 0
    bars_agreed: int = 0


class Answer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one provider said; ``error`` says why it did not."""

    provider: str
    quote: Quote | None = None
    bars: int = 0
    error: str = ""


class Comparison(Struct, frozen=True, kw_only=True):
    """What the providers of a symbol say.

    Attributes:
        symbol: Canonical.
        at: When they were asked, aware UTC.
        tolerance: How far apart two values may be, as a share.
        verdict: ``differ`` where any pair does, ``agree`` where one agrees and none differs.
        answers: One for each provider, first choice first.
        pairs: Each with each.
    """

    symbol: str
    at: datetime
    tolerance: Decimal
    verdict: Verdict
    answers: tuple[Answer, ...]
    pairs: tuple[Pair, ...]


class Rules(Struct, frozen=True, kw_only=True):
    """When two values are the same: ``tolerance`` is a share, ``window`` that of their times."""

    tolerance: Decimal
    window: timedelta


def compare(
    quotes: Mapping[str, Quote], series: Mapping[str, HistoricalData], rules: Rules
) -> tuple[Pair, ...]:
    """Return each pair of providers, in their order.

    Args:
        quotes: By provider, first choice first.
        series: Bars of days by provider; empty = only quotes are compared.
        rules: When two values are the same.
    """
    names = dict.fromkeys((*quotes, *series))
    return tuple(
        _pair(
            (first, second),
            (quotes.get(first), quotes.get(second)),
            (series.get(first), series.get(second)),
            rules,
        )
        for first, second in combinations(names, 2)
    )


def verdict_of(pairs: Sequence[Pair]) -> Verdict:
    """Return what all pairs come to."""
    verdicts = {pair.verdict for pair in pairs}
    if "differ" in verdicts:
        return "differ"
    return "agree" if "agree" in verdicts else "not-compared"


def _pair(
    names: tuple[str, str],
    quotes: tuple[Quote | None, Quote | None],
    series: tuple[HistoricalData | None, HistoricalData | None],
    rules: Rules,
) -> Pair:
    obstacles: list[tuple[str, str]] = []
    found: list[Difference] = []
    one, other = quotes
    if one is not None and other is not None:
        obstacle = _other_currency(one.currency, other.currency) or _other_times(one, other, rules)
        if obstacle is None:
            found.append(
                _difference("current_price", one.current_price, other.current_price, rules)
            )
        else:
            obstacles.append(obstacle)
    days: list[Difference] = []
    past, others = series
    if past is not None and others is not None:
        obstacle = _other_currency(past.currency, others.currency)
        if obstacle is None:
            days = list(_days(past, others, rules))
        else:
            obstacles.append(obstacle)
    apart = [one for one in (*found, *days) if not one.agrees]
    verdict: Verdict = "not-compared"
    code, reason = obstacles[0] if obstacles else ("no-values", "there is nothing to compare")
    if found or days:
        verdict, code, reason = "agree", "", ""
    if apart:
        verdict, code, reason = "differ", DIFFERS, _reason(names, apart, rules)
    return Pair(
        first=names[0],
        second=names[1],
        verdict=verdict,
        code=code,
        reason=reason,
        differences=(*found, *[day for day in days if not day.agrees][:_MOST_TOLD]),
        bars=len(days),
        bars_agreed=sum(day.agrees for day in days),
    )


def _other_currency(one: str | None, other: str | None) -> tuple[str, str] | None:
    if one is None or other is None or one == other:
        return None
    if major_of(one) == major_of(other):
        return "other-unit", f"one is in {one}, the other in {other}"
    return "other-currency", f"one is in {one}, the other in {other}"


def _other_times(one: Quote, other: Quote, rules: Rules) -> tuple[str, str] | None:
    apart = abs(one.timestamp - other.timestamp)
    if apart <= rules.window:
        return None
    return "other-times", f"their times are {apart.total_seconds():.0f} s apart"


def _days(
    past: HistoricalData, others: HistoricalData, rules: Rules
) -> Iterator[Difference]:  # fmt: skip
    theirs = {day_of(others.symbol, bar.timestamp): bar for bar in others.data_points}
    for bar in past.data_points:
        day = day_of(past.symbol, bar.timestamp)
        if day in theirs:
            second = theirs[day].close_price
            yield _difference("close_price", bar.close_price, second, rules, day)


def _difference(
    field: str, first: Decimal, second: Decimal, rules: Rules, day: date | None = None
) -> Difference:
    largest = max(abs(first), abs(second))
    relative = abs(first - second) / largest if largest else Decimal(0)
    return Difference(
        field=field,
        first=first,
        second=second,
        relative=relative.quantize(Decimal("0.000001")),
        agrees=relative <= rules.tolerance,
        day=day,
    )


def _reason(names: tuple[str, str], apart: Sequence[Difference], rules: Rules) -> str:
    worst = max(apart, key=lambda one: one.relative)
    where = f" of {worst.day}" if worst.day else ""
    more = f", and {len(apart) - 1} more" if len(apart) > 1 else ""
    most = f"{(rules.tolerance * 100).normalize():f}"
    return (
        f"{worst.field}{where} is {worst.first} by {names[0]} and {worst.second} by {names[1]}: "
        f"{worst.relative * 100:.2f} % apart, at most {most} % are allowed{more}"
    )
