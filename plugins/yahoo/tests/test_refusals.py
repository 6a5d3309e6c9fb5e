from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tickloom.errors import (
    NoData,
    ProviderUnavailable,
    RateLimited,
    RequestError,
    TickloomError,
    UnknownSymbol,
)
from tickloom_yahoo.refusals import check_answer, is_stale_crumb

NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)
NONE_OF = "No fundamentals data found for any of the summaryTypes="


def said(description: str, code: str = "Not Found", root: str = "chart") -> str:
    return json.dumps({root: {"result": None, "error": {"code": code, "description": description}}})


def check(status: int, content: str | bytes) -> TickloomError | None:
    body = content if isinstance(content, bytes) else content.encode()
    return check_answer(status, {}, body, "bars of ACME", NOW)


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (404, said("No data found, symbol may be delisted"), UnknownSymbol),
        (404, said("Quote not found for ticker symbol: X", root="quoteSummary"), UnknownSymbol),
        (
            404,
            said(f"{NONE_OF}price,assetProfile"),
            UnknownSymbol,
        ),
        (404, said(f"{NONE_OF}assetProfile"), NoData),
        (404, '{"quoteSummary": {"result": [], "error": null}}', UnknownSymbol),
        (404, "{}", ProviderUnavailable),
        (404, "<html>", ProviderUnavailable),
        (400, said("Missing required query parameter=symbols", "Bad Request"), RequestError),
        (400, "400 Bad Request: Data doesn't exist for startDate = 1, endDate = 2", NoData),
        (422, said("1m data not available for startTime=1", "Unprocessable Entity"), NoData),
        (422, said("The requested range must be within the last 60 days.", "x"), NoData),
        (401, said("Invalid Crumb", "Unauthorized", "finance"), ProviderUnavailable),
        (401, said("User is unable to access this feature", "Unauthorized"), ProviderUnavailable),
        (403, "Forbidden", ProviderUnavailable),
        (429, "Too Many Requests\r\n", RateLimited),
        (429, "Edge: Too Many Requests", RateLimited),
        (200, "Edge: Too Many Requests", RateLimited),
        (999, "", RateLimited),
        (404, said("Too Many Requests"), RateLimited),
        (500, said("Internal Server Error"), ProviderUnavailable),
        (503, "<html>", ProviderUnavailable),
        (302, "", ProviderUnavailable),
    ],
)
def test_what_yahoo_says_decides_what_to_do_next(
    status: int, content: str, kind: type[TickloomError]
) -> None:
    assert type(check(status, content)) is kind


def test_an_answer_with_data_passes() -> None:
    assert check(200, '{"chart": {"result": []}}') is None
    assert check(200, b"\xff\xfe") is None


def test_every_recorded_error_is_one_of_ours(
    recorded: Path, answer: Callable[[str], tuple[int, bytes]]
) -> None:
    names = [file.name for file in recorded.glob("errors/*.json")]
    bare = {"transcribed_errors.json", "bad_request_missing_symbols.json"}
    assert len(names) > 8
    for name in sorted({*names} - bare):
        status, body = answer(f"errors/{name}")
        error = check(status, body)
        # One of them is a 200 of another shape; its parser refuses it.
        assert isinstance(error, TickloomError) or status == 200
    for record in json.loads((recorded / "errors" / "transcribed_errors.json").read_bytes()):
        assert isinstance(check(record["status"], record["body"]), TickloomError)


def test_only_401_and_403_are_worth_another_crumb() -> None:
    assert [status for status in (200, 400, 401, 403, 404, 429, 500) if is_stale_crumb(status)] == [
        401,
        403,
    ]


def test_a_refusal_of_our_cookie_blames_no_key_and_waits() -> None:
    error = check(401, said("Invalid Cookie", "Unauthorized"))
    assert isinstance(error, ProviderUnavailable)
    assert error.retry_after_s == 60.0
