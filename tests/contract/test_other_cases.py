"""Every case of a notifier and of a validator can fail, and fails for its own reason alone."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from contract.acme import SECRET, AcmeNotifier, AcmeValidator
from tickloom.errors import ConfigError, Unavailable
from tickloom.model import Quality, Quote
from tickloom.roles import Notification, Verdict
from tickloom.testing.cases import Tier
from tickloom.testing.cases_notifier import NOTIFIER_CASES
from tickloom.testing.cases_running import Outcome, reached, run_case
from tickloom.testing.cases_trial import NotifierTrial, ValidatorTrial
from tickloom.testing.cases_validator import VALIDATOR_CASES

NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)


class Shouting(AcmeNotifier):
    name = "ACME"


class Refusing(AcmeNotifier):
    async def send(self, notification: Notification) -> None:
        if notification.key == "n02":
            raise Unavailable("not today")
        await super().send(notification)


class Hopeful(AcmeNotifier):
    async def send(self, notification: Notification) -> None:
        try:
            await super().send(notification)
        except ConfigError:
            raise Unavailable("perhaps later") from None


class ClosesOnce(AcmeNotifier):
    async def aclose(self) -> None:
        if self.closed and not self.keys:
            raise Unavailable("closed already")
        await super().aclose()


class Untitled(AcmeNotifier):
    async def send(self, notification: Notification) -> None:
        await super().send(notification)
        if notification.key == "n10":
            self.box[-1] = notification.body


class Stripping(AcmeNotifier):
    async def send(self, notification: Notification) -> None:
        await super().send(notification)
        self.box[-1] = self.box[-1].replace("<b>", "")


class OneAtATime(AcmeNotifier):
    busy = False

    async def send(self, notification: Notification) -> None:
        if self.busy:
            return
        self.busy = True
        try:
            await super().send(notification)
        finally:
            self.busy = False


class Repeating(AcmeNotifier):
    async def send(self, notification: Notification) -> None:
        self.keys.clear()
        await super().send(notification)


class Deaf(AcmeNotifier):
    async def send(self, notification: Notification) -> None:
        await super().send(notification)
        if notification.key == "n14-cancelled":
            try:
                await asyncio.sleep(5)
            except asyncio.CancelledError:
                await asyncio.sleep(1.5)


class Crashing(AcmeNotifier):
    async def send(self, notification: Notification) -> None:
        if self.closed:
            raise RuntimeError("the client has been closed")
        await super().send(notification)


class Leaving(AcmeNotifier):
    async def send(self, notification: Notification) -> None:
        await super().send(notification)
        self.task = asyncio.ensure_future(asyncio.Event().wait())


class Telling(AcmeNotifier):
    def __repr__(self) -> str:
        return f"Telling(key={self.key})"


NOTIFIERS: dict[str, type[AcmeNotifier]] = {
    "N01": Shouting,
    "N02": Refusing,
    "N03": Hopeful,
    "N04": ClosesOnce,
    "N10": Untitled,
    "N11": Stripping,
    "N12": OneAtATime,
    "N13": Repeating,
    "N14": Deaf,
    "N20": Crashing,
    "N21": Leaving,
    "N22": Telling,
}


class Nameless(AcmeValidator):
    name = None


class Yes(AcmeValidator):
    def check(self, quote: Quote, previous: Quote | None) -> Any:
        return super().check(quote, previous) or True


class Harsh(AcmeValidator):
    def check(self, quote: Quote, previous: Quote | None) -> Verdict | None:
        if previous is None:
            return Verdict(Quality.QUARANTINED, "first", "nothing came before it")
        return super().check(quote, previous)


class Choking(AcmeValidator):
    def check(self, quote: Quote, previous: Quote | None) -> Verdict | None:
        if previous is not None and previous.current_price == 0:
            raise ZeroDivisionError("the price before was 0")
        return super().check(quote, previous)


class Terse(AcmeValidator):
    def check(self, quote: Quote, previous: Quote | None) -> Verdict | None:
        verdict = super().check(quote, previous)
        return verdict and Verdict(verdict.quality, verdict.code)


class Mild(AcmeValidator):
    def check(self, quote: Quote, previous: Quote | None) -> Verdict | None:
        return None


class Moody(AcmeValidator):
    def __init__(self) -> None:
        self.count = itertools.count()

    def check(self, quote: Quote, previous: Quote | None) -> Verdict | None:
        verdict = super().check(quote, previous)
        return verdict and Verdict(verdict.quality, f"mood-{next(self.count)}", verdict.reason)


class Forking(AcmeValidator):
    def check(self, quote: Quote, previous: Quote | None) -> Verdict | None:
        if previous is None and quote.volume == 1_000:
            threading.Thread(target=time.sleep, args=(0.2,), daemon=True).start()
        return super().check(quote, previous)


class Pondering(AcmeValidator):
    def check(self, quote: Quote, previous: Quote | None) -> Verdict | None:
        until = time.process_time() + 0.003
        while time.process_time() < until:
            pass
        return super().check(quote, previous)


VALIDATORS: dict[str, type[AcmeValidator]] = {
    "V01": Nameless,
    "V02": Yes,
    "V03": Harsh,
    "V04": Choking,
    "V10": Terse,
    "V11": Mild,
    "V12": Moody,
    "V20": Forking,
    "V21": Pondering,
}


def notifier_outcomes(kind: type[AcmeNotifier], **changes: Any) -> list[Outcome]:
    told: dict[str, Any] = {"recipient": "me@example.org", "bad_recipient": "nobody"}

    @asynccontextmanager
    async def trial() -> AsyncIterator[NotifierTrial]:
        box: list[str] = []
        fields = told | {"received": lambda: box, "tells_twins": True} | changes
        yield NotifierTrial(notifier=kind(box), secrets=(SECRET,), **fields)

    return [run_case(case, trial) for case in NOTIFIER_CASES]


def validator_outcomes(kind: type[AcmeValidator], **changes: Any) -> list[Outcome]:
    bad = Quote(
        symbol="EXA.ONE",
        provider="example",
        timestamp=NOW,
        received_at=NOW,
        is_real_time=False,
        current_price=Decimal(-1),
    )

    @asynccontextmanager
    async def trial() -> AsyncIterator[ValidatorTrial]:
        yield ValidatorTrial(validator=kind(), now=NOW, **({"bad": ((bad, None),)} | changes))

    return [run_case(case, trial) for case in VALIDATOR_CASES]


def failed(outcomes: list[Outcome]) -> dict[str, str]:
    return {one.case.number: one.reason for one in outcomes if one.state == "failed"}


@pytest.mark.parametrize("cases", [NOTIFIER_CASES, VALIDATOR_CASES], ids=["N", "V"])
def test_numbers_are_unique_and_every_case_says_what_it_does(cases) -> None:
    numbers = [case.number for case in cases]
    assert numbers == sorted(set(numbers))
    assert all(case.action and case.passes for case in cases)


def test_a_notifier_without_a_fault_reaches_gold() -> None:
    outcomes = notifier_outcomes(AcmeNotifier)
    assert {one.state for one in outcomes} == {"passed"}
    assert reached(outcomes) is Tier.GOLD


def test_a_validator_without_a_fault_reaches_gold() -> None:
    outcomes = validator_outcomes(AcmeValidator)
    assert {one.state for one in outcomes} == {"passed"}
    assert reached(outcomes) is Tier.GOLD


@pytest.mark.parametrize("case", NOTIFIER_CASES, ids=lambda case: case.number)
def test_a_broken_notifier_fails_its_case_and_no_other(case) -> None:
    found = failed(notifier_outcomes(NOTIFIERS[case.number]))
    assert list(found) == [case.number], found


@pytest.mark.parametrize("case", VALIDATOR_CASES, ids=lambda case: case.number)
def test_a_broken_validator_fails_its_case_and_no_other(case) -> None:
    found = failed(validator_outcomes(VALIDATORS[case.number]))
    assert list(found) == [case.number], found


def test_a_validator_that_is_async_is_told_so() -> None:
    class Async(AcmeValidator):
        async def check(self, quote: Quote, previous: Quote | None) -> Any:
            return None

    outcomes = {one.case.number: one for one in validator_outcomes(Async, bad=())}
    assert outcomes["V02"].reason == "check is async, but it is called on the hot path"


def test_without_a_recipient_nothing_is_sent_and_nothing_proven() -> None:
    outcomes = notifier_outcomes(AcmeNotifier, recipient="", received=None)
    skipped = {one.case.number: one.reason for one in outcomes if one.state == "skipped"}
    assert skipped["N02"] == "no recipient of test messages is told"
    assert failed(outcomes) == {}
    assert reached(outcomes) is None
