"""The cases of a validator, in order of their numbers."""

from __future__ import annotations

import inspect
import re
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from tickloom.model import MarketState, Quality, Quote
from tickloom.roles import Verdict
from tickloom.testing.cases import Broken, Case, Need, Tier, case, require, shown
from tickloom.testing.cases_closing import require_no_task
from tickloom.testing.cases_trial import ValidatorTrial

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_CHECKS = 200
_MOST_CPU_S = 0.001

_BAD = Need[ValidatorTrial](
    "quotes that deserve a complaint",
    lambda trial: None if trial.bad else "no quote that deserves a complaint is told",
    withholds=True,
)


def _ordinary(trial: ValidatorTrial) -> tuple[tuple[Quote, Quote | None], ...]:
    """Return what must pass: what was told, else a quiet day of a share."""
    if trial.good:
        return trial.good
    before = Quote(
        symbol="EXA.ONE",
        provider="example",
        timestamp=trial.now - timedelta(seconds=2),
        received_at=trial.now - timedelta(seconds=2),
        is_real_time=True,
        current_price=Decimal("100.00"),
        open_price=Decimal("99.50"),
        high_price=Decimal("100.75"),
        low_price=Decimal("99.25"),
        previous_close=Decimal("99.00"),
        volume=1_000,
        bid=Decimal("99.99"),
        ask=Decimal("100.02"),
        currency="USD",
        market_state=MarketState.REGULAR,
    )
    quote = replace(
        before,
        timestamp=trial.now,
        received_at=trial.now,
        current_price=Decimal("100.01"),
        volume=1_100,
    )
    return ((before, None), (quote, before))


def _odd(trial: ValidatorTrial) -> Iterator[tuple[Quote, Quote | None]]:
    """Yield quotes that are well formed and yet strange."""
    quote, before = _ordinary(trial)[-1]
    bare = Quote(
        symbol=quote.symbol,
        provider=quote.provider,
        timestamp=quote.timestamp,
        received_at=quote.received_at,
        is_real_time=False,
        current_price=quote.current_price,
    )
    yield from ((bare, None), (bare, quote), (quote, bare), (quote, None))
    for price in ("0", "-1", "1E-20", "1E+20", "100.000000000000000000000001"):
        yield replace(quote, current_price=Decimal(price)), before
        yield quote, replace(quote, current_price=Decimal(price))
    zero = Decimal(0)
    yield replace(quote, bid=Decimal(2), ask=Decimal(1)), before
    yield replace(quote, high_price=zero, low_price=zero, open_price=zero), before
    yield replace(quote, previous_close=zero, volume=0), before
    yield replace(quote, volume=-1, bid_size=0, ask_size=0), before
    for days in (-36_500, 36_500):
        yield replace(quote, timestamp=quote.timestamp + timedelta(days=days)), before
    yield from trial.bad


def _check(trial: ValidatorTrial, quote: Quote, before: Quote | None) -> Any:
    verdict: Any = trial.validator.check(quote, before)
    if inspect.iscoroutine(verdict):
        verdict.close()
        raise Broken("check is async, but it is called on the hot path")
    return verdict


def _calm(trial: ValidatorTrial, quote: Quote, before: Quote | None) -> Any:
    """Return the verdict, ``None`` where it raises instead: that is the matter of V04."""
    try:
        return _check(trial, quote, before)
    except Exception:  # noqa: BLE001 - foreign code
        return None


@case(
    "V01",
    "A validator has a proper name, and the same each time",
    Tier.BRONZE,
    "It is text of lower-case letters, digits, _ and -.",
)
async def name_is_proper(trial: ValidatorTrial) -> None:
    """Ask for the name twice."""
    name: Any = trial.validator.name
    require(isinstance(name, str) and _NAME.fullmatch(name), f"the name is {shown(name)}")
    require(trial.validator.name == name, "the name was another one the second time")


@case(
    "V02",
    "A judgement is a Verdict or nothing, at once",
    Tier.BRONZE,
    "check is no coroutine and returns a Verdict or None.",
)
async def judges_at_once(trial: ValidatorTrial) -> None:
    """Show it ordinary quotes, with and without the one before."""
    for quote, before in _ordinary(trial):
        verdict = _check(trial, quote, before)
        proper = verdict is None or isinstance(verdict, Verdict)
        require(proper, f"check returned {shown(verdict)}")


@case(
    "V03",
    "An ordinary quote goes on",
    Tier.BRONZE,
    "None is quarantined.",
)
async def ordinary_goes_on(trial: ValidatorTrial) -> None:
    """Show it ordinary quotes, in order."""
    for quote, before in _ordinary(trial):
        verdict = _check(trial, quote, before)
        stopped = getattr(verdict, "quality", None) is Quality.QUARANTINED
        require(not stopped, f"an ordinary quote was quarantined: {shown(verdict)}")


@case(
    "V04",
    "A strange quote is judged, not choked on",
    Tier.BRONZE,
    "Nothing is raised.",
)
async def strange_is_judged(trial: ValidatorTrial) -> None:
    """Show it bare, zero, negative, tiny, huge, crossed, ancient and future quotes."""
    for quote, before in _odd(trial):
        try:
            _check(trial, quote, before)
        except Broken:
            raise
        except Exception as error:  # noqa: BLE001 - this is the case
            raise Broken(f"{shown(quote)} raised {shown(error)}") from None


@case(
    "V10",
    "A complaint says what it is about",
    Tier.SILVER,
    "Its quality is flagged or quarantined, its code short and in lower case, its reason a text.",
)
async def complaints_are_explained(trial: ValidatorTrial) -> None:
    """Show it the same strange quotes and look at each complaint."""
    for quote, before in _odd(trial):
        verdict = _calm(trial, quote, before)
        if isinstance(verdict, Verdict):
            proper = verdict.quality in {Quality.FLAGGED, Quality.QUARANTINED}
            require(proper, f"the quality of a complaint is {shown(verdict.quality)}")
            require(_NAME.fullmatch(verdict.code), f"the code is {verdict.code!r}")
            require(verdict.reason.strip(), f"{verdict.code} gives no reason")


@case(
    "V11",
    "What deserves a complaint draws one",
    Tier.SILVER,
    "Each draws a Verdict.",
    _BAD,
)
async def bad_is_complained_of(trial: ValidatorTrial) -> None:
    """Show it each quote that was told as deserving a complaint."""
    for quote, before in trial.bad:
        verdict = _calm(trial, quote, before)
        require(verdict is not None, f"no complaint about {shown(quote)}")


@case(
    "V12",
    "The same question has the same answer",
    Tier.SILVER,
    "Both verdicts are equal.",
)
async def answers_the_same(trial: ValidatorTrial) -> None:
    """Show it each strange quote twice in a row."""
    for quote, before in _odd(trial):
        first = _calm(trial, quote, before)
        second = _calm(trial, quote, before)
        require(first == second, f"first {shown(first)}, then {shown(second)}")


@case(
    "V20",
    "A judgement starts nothing",
    Tier.GOLD,
    "No task and no thread is left.",
)
async def starts_nothing(trial: ValidatorTrial) -> None:
    """Show it ordinary quotes."""
    before = set(threading.enumerate())
    for quote, previous in _ordinary(trial):
        _calm(trial, quote, previous)
    left = set(threading.enumerate()) - before
    require(not left, f"{len(left)} threads were started")
    await require_no_task(None)


@case(
    "V21",
    "A judgement is quick",
    Tier.GOLD,
    f"It takes at most {_MOST_CPU_S * 1_000:g} ms of CPU on average.",
)
async def is_quick(trial: ValidatorTrial) -> None:
    """Show it an ordinary quote 200 times."""
    quote, before = _ordinary(trial)[-1]
    begin_s = time.process_time()
    for _ in range(_CHECKS):
        _calm(trial, quote, before)
    each_s = (time.process_time() - begin_s) / _CHECKS
    require(each_s <= _MOST_CPU_S, f"a check takes {each_s * 1_000:.2f} ms of CPU")


VALIDATOR_CASES: tuple[Case[ValidatorTrial], ...] = (
    name_is_proper,
    judges_at_once,
    ordinary_goes_on,
    strange_is_judged,
    complaints_are_explained,
    bad_is_complained_of,
    answers_the_same,
    starts_nothing,
    is_quick,
)
