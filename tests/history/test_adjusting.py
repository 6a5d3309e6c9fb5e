"""Prices that account for splits and dividends."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barsamples import bar
from tickloom.history.adjusting import Factors
from tickloom.model import Dividend, Split

DAY = date(2020, 8, 31)
BEFORE = date(2020, 8, 28)
NOON = datetime(2020, 8, 28, 12, tzinfo=UTC)


def factors(
    *events: Split | Dividend, closes: dict[date, Decimal] | None = None, currency: str = "USD"
) -> Factors:
    return Factors(
        [one for one in events if isinstance(one, Split)],
        [one for one in events if isinstance(one, Dividend)],
        closes or {},
        currency,
    )


def test_a_split_divides_earlier_prices_and_multiplies_their_volume() -> None:
    # What Apple closed at before four for one, and what vendors make of it.
    made = factors(Split(day=DAY, ratio=Decimal(4))).adjust(bar(NOON, "499.23"), BEFORE)

    assert str(made.close_price) == "124.8075"
    assert made.volume == 400


def test_the_day_of_the_split_itself_is_left_as_it_is() -> None:
    made = factors(Split(day=DAY, ratio=Decimal(4)))

    assert made.adjust(bar(NOON, "129.040"), DAY) == bar(NOON, "129.040")


def test_several_splits_are_multiplied() -> None:
    splits = [Split(day=date(2014, 6, 9), ratio=Decimal(7)), Split(day=DAY, ratio=Decimal(4))]

    made = factors(*splits).adjust(bar(NOON, "645.57"), date(2014, 6, 6))
    assert (str(made.close_price), made.volume) == ("23.056071", 2_800)
    after = factors(*splits).adjust(bar(NOON, "93.70"), date(2014, 6, 9))
    assert str(after.close_price) == "23.425"


def test_a_reverse_split_raises_earlier_prices() -> None:
    made = factors(Split(day=DAY, ratio=Decimal("0.1"))).adjust(bar(NOON, "1.5"), BEFORE)

    assert (made.close_price, made.volume) == (Decimal(15), 10)


def test_a_dividend_lowers_earlier_prices_as_yahoo_says() -> None:
    dividend = Dividend(day=DAY, amount=Decimal("0.08"), currency="USD")

    made = factors(dividend, closes={DAY: Decimal("24.96")}).adjust(bar(NOON, "24.96"), BEFORE)
    assert (str(made.close_price), made.volume) == ("24.88", 100)


def test_a_dividend_on_the_day_of_a_split_is_of_the_new_shares() -> None:
    events = (Dividend(day=DAY, amount=Decimal(1)), Split(day=DAY, ratio=Decimal(2)))

    made = factors(*events, closes={DAY: Decimal(40)}).adjust(bar(NOON, "40"), BEFORE)
    assert made.close_price == Decimal(19)


def test_a_dividend_is_told_in_todays_shares() -> None:
    paid = Dividend(day=BEFORE, amount=Decimal("0.82"), currency="USD")

    assert str(factors(Split(day=DAY, ratio=Decimal(4))).amount_of(paid)) == "0.205"


def test_pounds_are_paid_for_shares_quoted_in_pence() -> None:
    dividend = Dividend(day=DAY, amount=Decimal("0.1"), currency="GBP")
    made = factors(dividend, closes={DAY: Decimal(400)}, currency="GBp")

    assert made.adjust(bar(NOON, "400"), BEFORE).close_price == Decimal(390)


@pytest.mark.parametrize(
    ("event", "complaint"),
    [
        (Dividend(day=DAY, amount=Decimal(1), currency="EUR"), "in EUR for prices in USD"),
        (Dividend(day=DAY, amount=Decimal(500), currency="USD"), "after a close of 499"),
        (Split(day=DAY, ratio=Decimal(0)), "a split of 0"),
    ],
)
def test_what_cannot_be_is_refused(event: Split | Dividend, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        factors(event, closes={DAY: Decimal(499)})


@given(
    price=st.decimals("0.01", "100000", places=4),
    numerator=st.integers(1, 50),
    denominator=st.integers(1, 50),
)
def test_a_split_and_its_reverse_leave_the_price(
    price: Decimal, numerator: int, denominator: int
) -> None:
    ratio = Decimal(numerator) / Decimal(denominator)
    there = Split(day=DAY, ratio=ratio)
    back = Split(day=date(2021, 1, 4), ratio=1 / ratio)

    made = factors(there, back).adjust(bar(NOON, str(price)), BEFORE)
    assert abs(made.close_price - price) <= Decimal("0.000001")
