"""What the cases of a provider need before they can be tried."""

from __future__ import annotations

from tickloom.testing.cases import Need
from tickloom.testing.cases_trial import ProviderTrial


def _known(count: int) -> Need[ProviderTrial]:
    return Need(
        "a known symbol" if count == 1 else f"{count} known symbols",
        lambda trial: (
            None
            if len(trial.known) >= count
            else f"{count} known {'symbol is' if count == 1 else 'symbols are'} needed; "
            f"{len(trial.known) or 'none'} told"
        ),
        withholds=True,
    )


SYMBOL = _known(1)
TWO_SYMBOLS = _known(2)
BATCHES: Need[ProviderTrial] = Need(
    "batches", lambda trial: None if trial.info.max_batch > 1 else "takes one symbol at a time"
)
HISTORY: Need[ProviderTrial] = Need(
    "history", lambda trial: None if trial.info.intervals else "offers no history"
)
COMPANY: Need[ProviderTrial] = Need(
    "companies", lambda trial: None if trial.info.has_company else "describes no companies"
)
SEARCH: Need[ProviderTrial] = Need(
    "search", lambda trial: None if trial.info.has_search else "offers no search"
)
STREAM: Need[ProviderTrial] = Need(
    "a stream", lambda trial: None if trial.info.has_stream else "offers no stream"
)
