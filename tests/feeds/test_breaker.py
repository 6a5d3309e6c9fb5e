from __future__ import annotations

import random

import pytest

from tickloom.clock import FakeClock
from tickloom.errors import CredentialsError, ProviderUnavailable, RateLimited
from tickloom.feeds.breaker import Breaker


@pytest.fixture
def breaker(clock: FakeClock) -> Breaker:
    return Breaker(clock, random.Random(1))


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.failed(ProviderUnavailable("away"))


def test_two_failures_are_forgiven_and_the_third_in_a_row_opens(breaker: Breaker) -> None:
    fail(breaker, 2)
    assert breaker.admit() is None

    breaker.succeeded()
    fail(breaker, 2)
    assert breaker.state == "closed"

    fail(breaker, 1)
    assert breaker.state == "open"
    assert 1 <= (breaker.admit() or 0) <= 3


async def test_a_late_answer_does_not_cut_short_the_pause_that_a_vendor_asked_for(
    breaker: Breaker, clock: FakeClock
) -> None:
    assert breaker.admit() is None
    assert breaker.admit() is None
    breaker.failed(RateLimited("slow down", retry_after_s=60.0))
    breaker.succeeded()

    assert breaker.admit() == 60.0
    await clock.advance(60)
    assert breaker.admit() is None
    breaker.succeeded()
    assert breaker.state == "closed"


async def test_after_the_pause_one_probe_passes_and_the_others_wait(
    breaker: Breaker, clock: FakeClock
) -> None:
    fail(breaker, 3)
    await clock.advance(3)

    assert breaker.state == "half-open"
    assert breaker.admit() is None
    assert breaker.admit() is not None

    breaker.succeeded()
    assert breaker.state == "closed"
    assert breaker.admit() is None


async def test_a_probe_that_was_given_up_leaves_its_place_to_the_next(
    breaker: Breaker, clock: FakeClock
) -> None:
    fail(breaker, 3)
    await clock.advance(3)
    assert breaker.admit() is None
    breaker.abandoned()

    assert breaker.admit() is None


async def test_pauses_double_up_to_two_minutes(breaker: Breaker, clock: FakeClock) -> None:
    fail(breaker, 3)
    pauses = []
    for _ in range(12):
        wait_s = breaker.admit()
        assert wait_s is not None
        pauses.append(wait_s)
        await clock.advance(wait_s)
        assert breaker.admit() is None
        fail(breaker, 1)

    assert pauses[0] <= 3
    assert 60 <= pauses[-1] <= 180
    assert max(pauses) <= 180


def test_a_vendor_that_says_when_to_come_back_is_obeyed_at_once(breaker: Breaker) -> None:
    breaker.failed(RateLimited("slow down", retry_after_s=7.0))

    assert breaker.admit() == 7.0


def test_a_refused_key_is_left_for_minutes(breaker: Breaker) -> None:
    breaker.failed(CredentialsError("no"))

    assert breaker.admit() == 300.0
