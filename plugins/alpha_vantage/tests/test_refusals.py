"""Refusals in place of data are told apart and never show a key."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tickloom.errors import CredentialsError, NotEntitled, RateLimited, TickloomError, UnknownSymbol
from tickloom_alpha_vantage.quote import parse_bulk
from tickloom_alpha_vantage.refusals import check_refusal

NOW = datetime(2026, 5, 18, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "kind", "wait_s"),
    [
        ("error_bad_key", CredentialsError, None),
        ("error_bad_symbol_or_function", UnknownSymbol, None),
        ("information_25_per_day", RateLimited, 13 * 3600.0),
        ("information_burst", RateLimited, 1.5),
        ("information_premium", NotEntitled, None),
        ("note_5_per_minute", RateLimited, 60.0),
    ],
)
def test_a_recorded_refusal_is_told_apart(
    recorded: Path, name: str, kind: type[TickloomError], wait_s: float | None
) -> None:
    with pytest.raises(kind) as caught:
        check_refusal((recorded / "errors" / f"{name}.json").read_bytes(), NOW)
    assert type(caught.value) is kind
    assert getattr(caught.value, "retry_after_s", None) == wait_s


def test_a_sample_in_place_of_data_is_refused(recorded: Path) -> None:
    for name in ("REALTIME_BULK_QUOTES_2026_artificial", "REALTIME_OPTIONS_2026_premium"):
        with pytest.raises(NotEntitled):
            check_refusal((recorded / "json" / f"{name}.json").read_bytes(), NOW)


def test_a_key_that_the_vendor_echoes_is_not_shown() -> None:
    body = b'{"Information": "We have detected your API key as SECRETKEY1234 and our rate limit"}'
    with pytest.raises(TickloomError) as caught:
        check_refusal(body, NOW)
    assert "SECRETKEY1234" not in str(caught.value)
    assert "SECRETKEY1234" not in str(vars(caught.value))


def test_a_batch_that_says_success_is_data() -> None:
    row = {"symbol": "IBM", "timestamp": "2026-05-15 15:59:59", "close": "219.30"}
    for message in ("success", "", None):
        body = json.dumps({"endpoint": "Bulk", "message": message, "data": [row]}).encode()
        check_refusal(body, NOW)
        assert set(parse_bulk(body, {"IBM": "IBM"}, NOW, real_time=True)) == {"IBM"}


def test_a_key_that_is_echoed_in_other_words_is_not_shown() -> None:
    with pytest.raises(TickloomError) as caught:
        check_refusal(b'{"Information": "Hello apikey=SECRETKEY1234"}', NOW, "SECRETKEY1234")
    assert "SECRETKEY1234" not in str(vars(caught.value))
