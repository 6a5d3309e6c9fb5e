"""What a case of the contract is. The lists of cases are data with three users.

pytest runs them through :mod:`tickloom.testing.contract`, ``tickloom plugins check`` through
:mod:`tickloom.testing.cases_running`, and ``docs/testing-plugins.md`` lists them. Nothing here
needs pytest: the command line runs where it is not installed.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from msgspec import Struct

T = TypeVar("T")


class Tier(StrEnum):
    """How much a plugin keeps to; each includes those before."""

    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"


class Broken(AssertionError):
    """The object under test does not meet a case's criterion; the text says what was found."""


class Unproven(Exception):
    """A case could not be tried, for want of something that is not the object's fault."""


class Need(Struct, Generic[T], frozen=True):
    """What must be there before a case can be tried.

    Attributes:
        text: What it is, for people.
        missing: Returns why it is not there, ``None`` where it is.
        withholds: True where the tier cannot be given without it. What a plugin does not offer
            holds nothing back; what nobody told the test does.
    """

    text: str
    missing: Callable[[T], str | None]
    withholds: bool = False


class Case(Struct, Generic[T], frozen=True, kw_only=True):
    """One rule of the contract.

    Attributes:
        number: Stable and public: ``P`` for providers, ``N`` notifiers, ``V`` validators,
            ``S`` validators of series.
        title: The rule as a sentence.
        tier: The tier that cannot be reached without it.
        action: What is done, in words.
        passes: What must then be true, in words.
        needs: What must be there before it can be tried.
        run: Does it. Raises :class:`Broken` or :class:`Unproven`; any error that the object
            raises means that it failed.
    """

    number: str
    title: str
    tier: Tier
    action: str
    passes: str
    needs: tuple[Need[T], ...]
    run: Callable[[T], Awaitable[None]]

    def missing(self, trial: T) -> tuple[str, bool] | None:
        """Return why the case cannot be tried and whether that withholds the tier."""
        for need in self.needs:
            reason = need.missing(trial)
            if reason is not None:
                return reason, need.withholds
        return None


class _Maker(Protocol):
    def __call__(self, run: Callable[[T], Awaitable[None]]) -> Case[T]: ...


def case(number: str, title: str, tier: Tier, passes: str, *needs: Need[Any]) -> _Maker:
    """Make a case of the function below; its docstring is the case's action."""

    def make(run: Callable[[T], Awaitable[None]]) -> Case[T]:
        return Case(
            number=number,
            title=title,
            tier=tier,
            action=" ".join((inspect.getdoc(run) or "").split()),
            passes=passes,
            needs=needs,
            run=run,
        )

    return make


def require(condition: object, message: str) -> None:
    """Do nothing where ``condition`` holds.

    Raises:
        Broken: It does not.
    """
    if not condition:
        raise Broken(message)


def shown(value: object) -> str:
    """Return a foreign value for a message, cut to 120 characters, whatever its ``repr`` does."""
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - foreign code
        text = f"a {type(value).__name__} whose repr raises {type(error).__name__}"
    return text if len(text) <= 120 else f"{text[:120]}…"  # noqa: PLR2004 - see the docstring
