from __future__ import annotations

import inspect
import pickle
import re

import pytest

from tickloom import errors
from tickloom.errors import InvalidSymbol, MissingDependency, RateLimited, TickloomError, verbatim

KINDS = [
    kind
    for kind in vars(errors).values()
    if inspect.isclass(kind) and issubclass(kind, TickloomError)
]


def test_the_tree_at_the_top_of_the_module_is_the_real_one() -> None:
    drawn = re.findall(r"^([│├└─ ]*)([A-Z]\w+)", errors.__doc__ or "", re.MULTILINE)
    parents: dict[str, str] = {}
    path: list[str] = []
    for indent, name in drawn:
        depth = len(indent) // 4
        path[depth:] = [name]
        if depth:
            parents[name] = path[depth - 1]

    assert parents == {
        kind.__name__: kind.__bases__[0].__name__ for kind in KINDS if kind is not TickloomError
    }


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in KINDS]

    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in codes)


def test_a_message_names_what_was_found_what_was_expected_and_what_to_do() -> None:
    error = InvalidSymbol("not a symbol", found="??", expected="letters", fix="Look it up.")

    assert str(error) == "not a symbol: found '??', expected letters. Look it up."


def test_what_was_found_is_cut_and_escaped() -> None:
    error = InvalidSymbol("not a symbol", found="\x1b[31m" + "x" * 10_000)

    assert "\x1b" not in str(error)
    assert len(str(error)) < 150
    assert "10010 characters" in str(error)


def test_words_of_ours_are_not_quoted() -> None:
    assert str(TickloomError("no", found=verbatim("5 symbols"))) == "no: found 5 symbols"


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_survives_pickling(kind: type[TickloomError]) -> None:
    error = kind("it failed", found="x", expected="y", fix="Do z.")
    again = pickle.loads(pickle.dumps(error))

    assert type(again) is kind
    assert str(again) == str(error)
    assert again.found == error.found


def test_an_unavailable_thing_says_when_to_come_back() -> None:
    assert RateLimited("too many", retry_after_s=2.5).retry_after_s == 2.5


def test_a_missing_dependency_is_an_import_error_too() -> None:
    assert issubclass(MissingDependency, ImportError)


def test_an_error_about_something_is_the_same_error_otherwise() -> None:
    error = RateLimited("slow down", found=9, fix="Wait.", retry_after_s=3.0)
    told = error.about("days of AAPL")

    assert str(told) == "days of AAPL: slow down: found 9. Wait."
    assert (type(told), told.retry_after_s) == (RateLimited, 3.0)
    assert str(error) == "slow down: found 9. Wait."
