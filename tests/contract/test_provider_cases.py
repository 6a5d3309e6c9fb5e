"""Every case of a provider can fail, and fails for its own reason alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest

from contract.acme import KNOWN, SECRET, Acme
from contract.broken import TWINS
from tickloom.errors import TickloomError
from tickloom.model import Quote
from tickloom.testing.cases import Tier
from tickloom.testing.cases_provider import PROVIDER_CASES
from tickloom.testing.cases_running import Outcome, reached, run_case
from tickloom.testing.cases_trial import ProviderTrial

LOWER = {Tier.BRONZE: None, Tier.SILVER: Tier.BRONZE, Tier.GOLD: Tier.SILVER}


def outcomes_of(kind: type[Acme], known: tuple[str, ...] = KNOWN) -> list[Outcome]:
    @asynccontextmanager
    async def trial() -> AsyncIterator[ProviderTrial]:
        yield ProviderTrial(provider=kind(), known=known, secrets=(SECRET,))

    return [run_case(case, trial) for case in PROVIDER_CASES]


def test_numbers_are_unique_and_every_case_says_what_it_does() -> None:
    numbers = [case.number for case in PROVIDER_CASES]
    assert numbers == sorted(set(numbers))
    assert all(case.action and case.passes for case in PROVIDER_CASES)


def test_a_provider_without_a_fault_reaches_gold() -> None:
    outcomes = outcomes_of(Acme)
    assert [(one.case.number, one.reason) for one in outcomes if one.state != "passed"] == [
        ("P04", "offers everything")
    ]
    assert reached(outcomes) is Tier.GOLD


@pytest.mark.parametrize("case", PROVIDER_CASES, ids=lambda case: case.number)
def test_a_broken_twin_fails_its_case_and_no_other(case) -> None:
    outcomes = outcomes_of(TWINS[case.number])
    assert [(one.case.number) for one in outcomes if one.state == "failed"] == [case.number], {
        one.case.number: one.reason for one in outcomes if one.state == "failed"
    }
    assert reached(outcomes) == LOWER[case.tier]


def test_a_provider_that_answers_more_than_was_asked_is_found_out() -> None:
    class Talkative(Acme):
        async def get_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote | TickloomError]:
            return await super().get_quotes([*symbols, *KNOWN])

    failed = [one.case.number for one in outcomes_of(Talkative) if one.state == "failed"]
    assert failed == ["P12"]


def test_without_symbols_nothing_is_proven() -> None:
    outcomes = outcomes_of(Acme, known=())
    skipped = {one.case.number: one.reason for one in outcomes if one.state == "skipped"}
    assert skipped["P02"] == "1 known symbol is needed; none told"
    assert not [one for one in outcomes if one.state == "failed"]
    assert reached(outcomes) is None
