from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickloom.model import major_of, parse_currency, to_major, to_unit_of


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("GBp", "GBp"),
        ("GBX", "GBp"),
        ("gbx", "GBp"),
        ("GBP", "GBP"),
        ("gbp", "GBP"),
        ("ZAc", "ZAc"),
        ("ZAX", "ZAc"),
        ("ILA", "ILA"),
        ("usd", "USD"),
        (" EUR ", "EUR"),
        ("", None),
        ("$", None),
        (None, None),
    ],
)
def test_pence_and_pounds_are_never_confused(text: str | None, code: str | None) -> None:
    assert parse_currency(text) == code


def test_a_minor_unit_is_a_hundredth_of_its_major_currency() -> None:
    assert to_major(Decimal(250), "GBp") == Decimal("2.5")
    assert to_unit_of(Decimal("2.5"), "GBp") == Decimal(250)
    assert to_major(Decimal(250), "GBP") == Decimal(250)
    assert major_of("ZAc") == "ZAR"
    assert major_of("USD") == "USD"


@given(st.decimals(-(10**9), 10**9, places=4), st.sampled_from(["GBp", "ZAc", "ILA", "USD"]))
def test_converting_there_and_back_changes_nothing(amount: Decimal, currency: str) -> None:
    assert to_unit_of(to_major(amount, currency), currency) == amount
