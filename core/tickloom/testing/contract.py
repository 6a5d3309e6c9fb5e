"""The contract as test classes: subclass one, say how your object is made, run pytest.

pytest itself is imported only where a test runs, so that the list of cases can be had without it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import Any, ClassVar

from tickloom.clock import Clock, SystemClock
from tickloom.model import HistoricalData, Quote
from tickloom.testing.cases import Case
from tickloom.testing.cases_notifier import NOTIFIER_CASES
from tickloom.testing.cases_provider import PROVIDER_CASES
from tickloom.testing.cases_running import LIMIT_S, entered, run_case
from tickloom.testing.cases_series import SERIES_CASES
from tickloom.testing.cases_trial import (
    NotifierTrial,
    ProviderTrial,
    SeriesTrial,
    ValidatorTrial,
)
from tickloom.testing.cases_validator import VALIDATOR_CASES


class Contract:
    """What the contracts share: a test for each case.

    Attributes:
        cases: What is tried.
        limit_s: Seconds that each case may take.
        secrets: Texts that must not be shown anywhere.
    """

    cases: ClassVar[tuple[Case[Any], ...]] = ()
    limit_s: float = LIMIT_S
    secrets: tuple[str, ...] = ()

    def make(self) -> Any:
        """Return a fresh object, an awaitable of one, or a context manager that gives one."""
        raise NotImplementedError(f"{type(self).__name__} needs a method make")

    def trial_of(self, made: Any) -> Any:
        """Return what the cases use, with ``made`` in it."""
        raise NotImplementedError

    @asynccontextmanager
    async def open_trial(self) -> AsyncIterator[Any]:
        """Give a trial of a fresh object."""
        async with entered(self.make()) as made:
            yield self.trial_of(made)

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Make a test of each case, named by number and title."""
        if "contract_case" in metafunc.fixturenames:
            ids = [f"{case.number} {case.title}" for case in self.cases]
            metafunc.parametrize("contract_case", self.cases, ids=ids)

    def test_contract(self, contract_case: Case[Any]) -> None:
        """Run one case."""
        import pytest  # noqa: PLC0415 - see the module's docstring

        # The frames of the case would hide the sentence that it failed with.
        __tracebackhide__ = True
        outcome = run_case(contract_case, self.open_trial, self.limit_s)
        if outcome.state == "skipped":
            pytest.skip(outcome.reason)
        if outcome.state == "failed":
            pytest.fail(
                f"{contract_case.number} {contract_case.title}: {outcome.reason}\n"
                f"it passes where: {contract_case.passes}",
                pytrace=False,
            )


class ProviderContract(Contract):
    """The cases of a provider.

    Attributes:
        clock: The clock that ``make`` gives to the provider.
        known: Symbols that it serves; two at least, for all cases.
        unknown: A symbol that it does not serve; empty = one is made up.
        days: First and last day with bars; ``None`` = they are looked for, back from today.
        query: What a search finds something for; empty = the first known symbol.
    """

    cases = PROVIDER_CASES
    clock: Clock = SystemClock()
    known: Sequence[str] = ()
    unknown: str = ""
    days: tuple[date, date] | None = None
    query: str = ""

    def trial_of(self, made: Any) -> ProviderTrial:
        """Return the trial of a provider."""
        return ProviderTrial(
            provider=made,
            clock=self.clock,
            known=tuple(self.known),
            unknown=self.unknown,
            days=self.days,
            query=self.query,
            secrets=self.secrets,
        )


class NotifierContract(Contract):
    """The cases of a notifier.

    Attributes:
        recipient: Somebody who may get test messages.
        bad_recipient: An address that the channel cannot have.
        tells_twins: Whether the channel can tell that a notification is the same.
    """

    cases = NOTIFIER_CASES
    recipient: str = ""
    bad_recipient: str = ""
    tells_twins: bool = False

    def received(self) -> Sequence[str]:
        """Return the texts that arrived since ``make``; override it where you can look."""
        raise NotImplementedError

    def trial_of(self, made: Any) -> NotifierTrial:
        """Return the trial of a notifier."""
        can_look = type(self).received is not NotifierContract.received
        return NotifierTrial(
            notifier=made,
            recipient=self.recipient,
            bad_recipient=self.bad_recipient,
            received=self.received if can_look else None,
            tells_twins=self.tells_twins,
            secrets=self.secrets,
        )


class ValidatorContract(Contract):
    """The cases of a validator.

    Attributes:
        clock: Where the time of made-up quotes comes from.
        good: Pairs of a quote and the one before it that must go on; empty = made-up ones.
        bad: Pairs that must draw a complaint.
    """

    cases = VALIDATOR_CASES
    clock: Clock = SystemClock()
    good: Sequence[tuple[Quote, Quote | None]] = ()
    bad: Sequence[tuple[Quote, Quote | None]] = ()

    def trial_of(self, made: Any) -> ValidatorTrial:
        """Return the trial of a validator."""
        return ValidatorTrial(
            validator=made,
            now=self.clock.now(),
            good=tuple(self.good),
            bad=tuple(self.bad),
            secrets=self.secrets,
        )


class SeriesValidatorContract(Contract):
    """The cases of a validator of series.

    Attributes:
        clock: Where the time of made-up series comes from.
        good: Series whose bars must go on; empty = a made-up one.
        bad: Series that must draw a complaint.
    """

    cases = SERIES_CASES
    clock: Clock = SystemClock()
    good: Sequence[HistoricalData] = ()
    bad: Sequence[HistoricalData] = ()

    def trial_of(self, made: Any) -> SeriesTrial:
        """Return the trial of a validator of series."""
        return SeriesTrial(
            validator=made,
            now=self.clock.now(),
            good=tuple(self.good),
            bad=tuple(self.bad),
            secrets=self.secrets,
        )
