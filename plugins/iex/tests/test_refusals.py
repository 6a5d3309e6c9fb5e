from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tickloom.clock import FakeClock
from tickloom.errors import (
    CredentialsError,
    NotEntitled,
    NotSupported,
    ProviderUnavailable,
    RateLimited,
    TickloomError,
    UnknownSymbol,
)
from tickloom.fetch import Answer
from tickloom_iex.refusals import check_answer

Cassette = Callable[[str], tuple[int, bytes]]
BAD_KEY = "The API key provided is not valid."
DAY_S = 86_400.0


def explain(status: int, body: str, *, ranged: bool = False, key: str = "") -> TickloomError | None:
    return check_answer(Answer(status, {}, body.encode()), FakeClock(), key, ranged=ranged)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, "Unknown symbol", UnknownSymbol),
        (404, "Not Found", NotSupported),
        (403, BAD_KEY, CredentialsError),
        (401, "An API key is required", CredentialsError),
        (403, "Your plan does not include this", NotEntitled),
        (400, "You have supplied invalid values for this request", NotSupported),
        (400, '{"error": "\\"badOption\\" is not allowed"}', NotSupported),
        (413, "too many symbols", NotSupported),
        (402, "You have used all available credits for the month.", RateLimited),
        (402, "This needs something better", NotEntitled),
        (451, "The requested data requires permission to access.", NotEntitled),
        (429, "Too many requests", RateLimited),
        (500, "oops", ProviderUnavailable),
        (200, "Unknown symbol", UnknownSymbol),
        (200, "  ", ProviderUnavailable),
    ],
)
def test_a_refusal_is_told_apart_by_status_and_words(
    status: int, body: str, kind: type[TickloomError]
) -> None:
    assert type(explain(status, body)) is kind


def test_data_is_no_refusal() -> None:
    for body in ("[]", "119.36", '{"description": "an unknown symbol"}'):
        assert explain(200, body) is None


def test_a_refused_key_proves_nothing_about_the_key_where_a_range_was_asked_for() -> None:
    assert type(explain(403, BAD_KEY, ranged=True)) is NotEntitled


def test_used_up_credits_wait_for_a_day_or_for_the_month() -> None:
    error = explain(402, "You have used all available credits for the month.")
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == DAY_S


def test_a_key_that_is_echoed_is_not_shown() -> None:
    error = explain(400, "the token sk_TOPSECRET is odd", key="sk_TOPSECRET")
    assert error is not None
    assert "TOPSECRET" not in f"{error} {vars(error)}"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("quote/invalid", UnknownSymbol),
        ("company/invalid", UnknownSymbol),
        ("price/invalid", UnknownSymbol),
        ("chart/invalid", UnknownSymbol),
        ("advanced_stats/invalid", UnknownSymbol),
        ("historical_prices/invalid", UnknownSymbol),
        ("historical_prices/invalid_date", NotSupported),
        ("chart/bad_option", NotSupported),
        ("client/access_denied", CredentialsError),
    ],
)
def test_recorded_refusals_are_told_apart(
    cassette: Cassette, name: str, kind: type[TickloomError]
) -> None:
    status, body = cassette(name)
    assert type(explain(status, body.decode())) is kind


def test_a_recorded_refusal_of_a_range_is_not_taken_for_a_bad_key(cassette: Cassette) -> None:
    status, body = cassette("historical_prices/invalid_range")
    assert type(explain(status, body.decode(), ranged=True)) is NotEntitled


def test_transcribed_refusals_are_told_apart(recorded: Path) -> None:
    rows = json.loads((recorded / "errors" / "transcribed_errors.json").read_bytes())
    kinds = {row["status"]: type(explain(row["status"], row["body"])) for row in rows}
    assert kinds == {
        402: RateLimited,
        403: CredentialsError,
        451: NotEntitled,
        404: UnknownSymbol,
        429: RateLimited,
    }
