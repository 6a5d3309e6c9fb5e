"""Jumps away from the level, and how the level learns."""

from __future__ import annotations

import pytest

from tickloom_validators.jump import SpikeValidator, SplitValidator, UnitValidator
from tickloom_validators.level import LevelBook
from tickloom_validators.options import LevelOptions


def judge(quote, *prices, book=None, **fields):
    """Return the code that each of the prices draws, a second apart."""
    book = LevelBook(LevelOptions()) if book is None else book
    checks = (UnitValidator(book), SplitValidator(book), SpikeValidator(book))
    codes = []
    previous = None
    for place, price in enumerate(prices):
        made = quote(price, ago_s=1_000 - place, **fields)
        found = [verdict for check in checks if (verdict := check.check(made, previous))]
        codes.append("+".join(verdict.code for verdict in found))
        previous = made
    return codes


CALM = ("100", "100.1", "99.9", "100.2", "100", "99.8", "100.1", "100", "100.2", "99.9")


@pytest.mark.parametrize(
    ("price", "code"),
    [
        ("103", ""),
        ("112", "spike"),
        ("88", "spike"),
        ("10000", "unit-jump"),
        ("1.01", "unit-jump"),
        ("50", "possible-split"),
        ("25.2", "possible-split"),
        ("1000", "possible-split"),
        ("1400", "spike"),
        ("170", "spike"),
    ],
)
def test_a_jump_is_told_as_what_it_looks_like(quote, price, code) -> None:
    assert judge(quote, *CALM, price)[-1] == code
    assert set(judge(quote, *CALM, price)[:-1]) == {""}


def test_a_jump_is_told_with_its_level_and_what_would_be_ordinary(quote) -> None:
    book = LevelBook(LevelOptions())
    judge(quote, *CALM, book=book)
    values = SpikeValidator(book).check(quote("130"), None).values
    assert values["price"] == 130
    assert values["lowest"] < values["level"] == 100 < values["highest"] < 130


def test_a_spike_moves_nothing(quote) -> None:
    codes = judge(quote, *CALM, "130", "100", "130", "100", "130", "100.1", "130")
    assert codes[len(CALM) :] == ["spike", "", "spike", "", "spike", "", "spike"]


def test_a_new_level_is_taken_over_after_three_quotes(quote) -> None:
    codes = judge(quote, *CALM, "130", "130.1", "129.9", "130", "100")
    assert codes[len(CALM) :] == ["spike", "spike", "", "", "spike"]


def test_a_split_is_the_new_level_after_three_quotes(quote) -> None:
    codes = judge(quote, *CALM, "25", "25.1", "24.9", "25", "25.1")
    assert codes[len(CALM) :] == ["possible-split", "possible-split", "", "", ""]


def test_another_unit_is_not_taken_over_as_quickly(quote) -> None:
    codes = judge(quote, *CALM, *["10000"] * 18, "100")
    assert codes[len(CALM) :] == [*["unit-jump"] * 18, ""]
    assert judge(quote, *CALM, *["10000"] * 21)[-2:] == ["", ""]


def test_spikes_that_do_not_agree_confirm_nothing(quote) -> None:
    codes = judge(quote, *CALM, "130", "300", "130", "300", "130")
    assert "" not in codes[len(CALM) :]


def test_the_same_news_again_confirms_nothing(quote) -> None:
    book = LevelBook(LevelOptions())
    judge(quote, *CALM, book=book)
    check = SpikeValidator(book).check
    codes = [check(quote("130"), None).code for _ in range(10)]
    assert codes == ["spike"] * 10


def test_asking_twice_gives_the_same_answer(quote) -> None:
    book = LevelBook(LevelOptions())
    judge(quote, *CALM, book=book)
    made = quote("130")
    check = SpikeValidator(book).check
    assert {check(made, None).reason for _ in range(10)} == {
        "the price 130 is 1.3 times the level 100, expected 95.2381 to 105"
    }


def test_a_lively_symbol_may_move_further(quote) -> None:
    lively = [str(92 + step * 7 % 17) for step in range(32)]
    assert judge(quote, *lively, "120")[-1] == ""
    assert judge(quote, *CALM, "120")[-1] == "spike"


def test_after_a_restart_the_last_quote_is_the_level(quote) -> None:
    book = LevelBook(LevelOptions())
    assert UnitValidator(book).check(quote("10000"), quote("100", ago_s=5)).code == "unit-jump"


def test_another_unit_of_the_same_money_is_told(quote) -> None:
    book = LevelBook(LevelOptions())
    verdict = UnitValidator(book).check(
        quote("712", currency="GBp"), quote("710", ago_s=5, currency="GBP", provider="other")
    )
    assert verdict.code == "unit-changed"
    assert "GBp" in verdict.reason
    assert "other" in verdict.reason


def test_other_money_is_no_other_unit(quote) -> None:
    check = UnitValidator(LevelBook(LevelOptions())).check
    assert check(quote(currency="USD"), quote(ago_s=5, currency="EUR")) is None
    assert check(quote(currency="GBP"), quote(ago_s=5)) is None


def test_prices_of_one_or_two_ticks_may_move_by_a_tick_or_two(quote) -> None:
    prices = ("0.01", "0.02", "0.01", "0.01", "0.02", "0.03", "0.01", "0.02") * 3
    assert set(judge(quote, *prices)) == {""}
    assert judge(quote, *prices, "0.08")[-1] != ""
    # How the price is written says nothing where it is high.
    assert judge(quote, *CALM, "130")[-1] == "spike"


def test_a_unit_that_returns_is_no_news(quote) -> None:
    pence = ("10000", "10010") * 12
    codes = judge(quote, *CALM, *pence, "100.1", "99.9", "100")
    assert codes[len(CALM) : len(CALM) + 19] == ["unit-jump"] * 19
    assert set(codes[-3:]) == {""}


def test_symbols_not_seen_for_long_are_forgotten(quote) -> None:
    book = LevelBook(LevelOptions(symbols=3))
    for name in ("A", "B", "C", "A", "D", "E"):
        book.read(quote(symbol=name), None)
    assert len(book) == 3
    assert book.read(quote("500", symbol="A"), None) is not None
    assert book.read(quote("500", symbol="B"), None) is None


def test_a_jump_of_another_kind_is_a_spike_where_its_check_is_off(quote) -> None:
    book = LevelBook(LevelOptions())
    judge(quote, *CALM, book=book)
    made = quote("50")
    assert SpikeValidator(book).check(made, None) is None
    assert SpikeValidator(book, splits=False).check(made, None).code == "spike"
