"""Checks of quotes that do not keep to their contract."""

from __future__ import annotations

from typing import Any

import pytest

from scripted import make_quote
from tickloom.model import Quality, Quote
from tickloom.quality import Inspector
from tickloom.roles import Verdict


class Saying:
    name = "saying"

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def check(self, quote: Quote, previous: Quote | None) -> Any:
        return self._answer


ODD = Verdict(Quality.FLAGGED, "odd", "it is odd")


@pytest.mark.parametrize(
    "rubbish",
    [
        *("odd", 1, [ODD], {"quality": "flagged"}),
        *(Verdict("flagged", "odd", "it is odd"), Verdict(Quality.FLAGGED, "odd", None)),  # type: ignore[arg-type]
        *(Verdict(Quality.FLAGGED, ["odd"]), Verdict(Quality.QUARANTINED, None)),  # type: ignore[arg-type]
        Verdict(Quality.FLAGGED, "odd", "it is odd", ["bid", 1]),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_verdict_counts_as_a_failure_and_the_others_are_heard(rubbish: Any) -> None:
    inspector = Inspector({"rubbish": Saying(rubbish), "odd": Saying(ODD)})
    judged = inspector.inspect(make_quote(), None)
    assert judged is not None
    assert judged.quality_codes == ("odd",)
    assert inspector.stats()["failed_validators"] == {"rubbish": 1}
    assert inspector.stats()["codes"] == {"odd": 1}


def test_a_check_that_tries_to_end_the_process_counts_as_a_failure() -> None:
    class Leaving(Saying):
        def check(self, quote: Quote, previous: Quote | None) -> Any:
            raise SystemExit(self._answer)

    inspector = Inspector({"leaving": Leaving(3)})
    assert inspector.inspect(make_quote(), None) == make_quote()
    assert inspector.stats()["failed_validators"] == {"leaving": 1}
