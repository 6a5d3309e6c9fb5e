"""Content negotiation."""

from __future__ import annotations

import pytest

from tickloom.api.media_types import best_of

OFFERED = ["application/json", "text/csv", "application/vnd.apache.parquet"]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "application/json"),
        (" , ", "application/json"),
        ("*/*", "application/json"),
        ("text/*", "text/csv"),
        ("text/csv, */*", "text/csv"),
        ("*/*, text/csv", "text/csv"),
        ("Text/CSV ; Q=0.5, application/json;q=0.4", "text/csv"),
        ("text/csv, application/json", "text/csv"),
        ("application/json;charset=utf-8", "application/json"),
        ("application/json;q=nonsense", "application/json"),
        ("application/json;q=nan", None),
        ("application/json;q=0", None),
        ("*/*;q=0", None),
        ("application/json;q=0, */*", "text/csv"),
        ("application/json;q=0, application/*", "application/vnd.apache.parquet"),
        ("image/png, text/plain", None),
        ("nonsense", None),
    ],
)
def test_the_type_that_the_client_likes_best_is_chosen(accept: str, expected: str | None) -> None:
    assert best_of(accept, OFFERED) == expected
