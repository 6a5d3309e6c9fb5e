"""The page lists the cases as they are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tickloom.testing.cases import Case
from tickloom.testing.cases_notifier import NOTIFIER_CASES
from tickloom.testing.cases_provider import PROVIDER_CASES
from tickloom.testing.cases_series import SERIES_CASES
from tickloom.testing.cases_validator import VALIDATOR_CASES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "testing-plugins.md"


def told(case: Case[Any]) -> str:
    needs = f" Needs {', '.join(need.text for need in case.needs)}." if case.needs else ""
    return f"({case.tier}) {case.title}. {case.action}{needs} *{case.passes}*"


def test_every_case_stands_in_the_page_as_it_is_and_no_other() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").partition("## The cases")[2].split())
    text = re.sub(r" ### [\w ]+$|### [\w ]+? (?=\*\*)", "", text)
    found = dict(re.findall(r"\*\*([PNSV]\d\d)\*\* (.*?)(?= \*\*[PNSV]\d\d|$)", text))
    cases = (*PROVIDER_CASES, *NOTIFIER_CASES, *VALIDATOR_CASES, *SERIES_CASES)
    assert found == {case.number: told(case) for case in cases}
