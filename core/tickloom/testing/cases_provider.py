"""The cases of a provider, in order of their numbers."""

from __future__ import annotations

from tickloom.testing.cases import Case
from tickloom.testing.cases_closing import CLOSING_CASES, closes_twice
from tickloom.testing.cases_history import HISTORY_CASES, refuses_the_rest
from tickloom.testing.cases_quotes import QUOTE_CASES
from tickloom.testing.cases_stream import STREAM_CASES
from tickloom.testing.cases_trial import ProviderTrial

PROVIDER_CASES: tuple[Case[ProviderTrial], ...] = tuple(
    sorted(
        (
            *QUOTE_CASES,
            refuses_the_rest,
            closes_twice,
            *HISTORY_CASES,
            *STREAM_CASES,
            *CLOSING_CASES,
        ),
        key=lambda case: case.number,
    )
)
