"""How cases are run, and what comes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from contract.acme import KNOWN, SECRET, Acme
from tickloom.errors import ProviderUnavailable, RateLimited
from tickloom.testing.cases import Case, Need, Tier, Unproven, case
from tickloom.testing.cases_running import Outcome, entered, reached, run_case
from tickloom.testing.cases_trial import ProviderTrial


def case_of(raised: BaseException | None, *needs: Need[ProviderTrial]) -> Case[ProviderTrial]:
    @case("P99", "A case", Tier.SILVER, "Something holds.", *needs)
    async def one(trial: ProviderTrial) -> None:
        """Raise."""
        if raised is not None:
            raise raised

    return one


def run(one: Case[ProviderTrial], limit_s: float = 5.0) -> Outcome:
    @asynccontextmanager
    async def trial() -> AsyncIterator[ProviderTrial]:
        yield ProviderTrial(provider=Acme(), known=KNOWN, secrets=(SECRET,))

    return run_case(one, trial, limit_s)


@pytest.mark.parametrize(
    ("raised", "state", "reason"),
    [
        (None, "passed", ""),
        (ProviderUnavailable("it is away"), "failed", "ProviderUnavailable: it is away"),
        (ValueError("oops"), "failed", "none of tickloom.errors: ValueError: oops"),
        (SystemExit("goodbye"), "failed", "SystemExit: goodbye"),
        (asyncio.CancelledError(), "failed", "CancelledError"),
        (Unproven("nothing was found"), "skipped", "nothing was found"),
        (RateLimited("slowly"), "skipped", "slowly"),
    ],
)
def test_whatever_a_case_raises_becomes_its_outcome(
    raised: BaseException | None, state: str, reason: str
) -> None:
    outcome = run(case_of(raised))
    assert outcome.state == state
    assert outcome.reason.endswith(reason)
    assert outcome.withholds is (state != "passed")


def test_a_secret_is_not_in_a_reason() -> None:
    assert run(case_of(ValueError(f"no entry with {SECRET}"))).reason.endswith("no entry with …")


def test_a_case_that_takes_too_long_fails() -> None:
    @case("P99", "A case", Tier.GOLD, "It ends.")
    async def endless(trial: ProviderTrial) -> None:
        """Wait for ever."""
        await asyncio.Event().wait()

    assert run(endless, 0.01).reason == "no result within 0.01 s"


def test_waiting_for_the_budget_does_not_count() -> None:
    async def take() -> None:
        await asyncio.sleep(0.1)

    @case("P99", "A case", Tier.GOLD, "It ends.")
    async def paced(trial: ProviderTrial) -> None:
        """Take a place."""
        trial.take = take
        await trial.quote()

    assert run(paced, 0.05).state == "passed"


def test_an_object_that_cannot_be_made_fails_the_case() -> None:
    @asynccontextmanager
    async def trial() -> AsyncIterator[ProviderTrial]:
        raise RuntimeError("no")
        yield

    outcome = run_case(case_of(None), trial)
    assert outcome.state == "failed"
    assert "cannot be made" in outcome.reason


@pytest.mark.parametrize("withholds", [False, True])
def test_what_is_missing_skips_the_case_with_its_reason(withholds: bool) -> None:
    need = Need[ProviderTrial]("luck", lambda trial: "no luck today", withholds)
    outcome = run(case_of(ValueError("never reached"), need))
    assert (outcome.state, outcome.reason) == ("skipped", "no luck today")
    assert outcome.withholds is withholds


@pytest.mark.parametrize(
    ("withheld", "tier"),
    [
        ([], Tier.GOLD),
        ([Tier.GOLD], Tier.SILVER),
        ([Tier.SILVER, Tier.GOLD], Tier.BRONZE),
        ([Tier.SILVER], Tier.BRONZE),
        ([Tier.BRONZE], None),
    ],
)
def test_a_tier_is_reached_where_nothing_up_to_it_is_withheld(
    withheld: list[Tier], tier: Tier | None
) -> None:
    outcomes = []
    for one in Tier:

        @case("P99", "A case", one, "…")
        async def any_case(trial: Any) -> None:
            """…"""

        outcomes.append(Outcome(case=any_case, state="failed", withholds=one in withheld))
    assert reached(outcomes) == tier


async def test_an_object_may_be_made_in_any_of_four_ways() -> None:
    @contextmanager
    def plainly() -> Any:
        yield "it"

    @asynccontextmanager
    async def waiting() -> AsyncIterator[str]:
        yield "it"

    async def later() -> str:
        return "it"

    for made in ("it", plainly(), waiting(), later()):
        async with entered(made) as inner:
            assert inner == "it"
