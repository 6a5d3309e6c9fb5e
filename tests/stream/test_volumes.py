"""What was traded, from counts since a session's begin."""

from __future__ import annotations

from tickloom.stream.volumes import Before, traded

MONDAY, TUESDAY = 0.0, 86_400.0
OPEN, EARLY = True, False


def test_an_interval_counts_from_where_the_one_before_it_ended() -> None:
    before: Before = {"p": (("p", MONDAY, OPEN), 100)}

    assert traded({("p", MONDAY, OPEN): [110, 150]}, before, knows_begin=False) == 50
    assert before == {"p": (("p", MONDAY, OPEN), 150)}


def test_nothing_known_before_counts_from_the_lowest_that_was_seen() -> None:
    assert traded({("p", MONDAY, OPEN): [900, 905]}, {}, knows_begin=False) == 5


def test_an_interval_that_begins_with_the_day_counts_all_of_it() -> None:
    assert traded({("p", MONDAY, OPEN): [900, 905]}, {}, knows_begin=True) == 905


def test_a_new_day_begins_at_nothing() -> None:
    before: Before = {"p": (("p", MONDAY, OPEN), 100)}

    assert traded({("p", TUESDAY, OPEN): [120, 130]}, before, knows_begin=False) == 130


def test_before_the_opening_the_day_before_goes_on_and_the_opening_ends_it() -> None:
    before: Before = {"p": (("p", MONDAY, OPEN), 100)}

    assert traded({("p", TUESDAY, EARLY): [100, 100]}, before, knows_begin=False) == 0
    assert traded({("p", TUESDAY, OPEN): [7, 9]}, before, knows_begin=False) == 9


def test_what_was_counted_before_the_opening_is_not_counted_again_after_it() -> None:
    before: Before = {"p": (("p", MONDAY, OPEN), 100)}

    assert traded({("p", TUESDAY, EARLY): [1, 10]}, before, knows_begin=False) == 10
    assert traded({("p", TUESDAY, OPEN): [12, 15]}, before, knows_begin=False) == 5


def test_a_count_that_falls_back_a_little_trades_nothing() -> None:
    before: Before = {"p": (("p", MONDAY, OPEN), 100)}

    assert traded({("p", MONDAY, OPEN): [98, 99]}, before, knows_begin=False) == 0
    assert before == {"p": (("p", MONDAY, OPEN), 100)}


def test_no_volume_is_not_a_volume_of_nothing() -> None:
    assert traded({}, {}, knows_begin=True) is None
