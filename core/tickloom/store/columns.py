"""Bars as text that goes to clients as it is, without an object for each of them.

A database makes the same text from its columns as :func:`bars_to_text` makes from bars, several
times as fast. Where it cannot, as for numbers that Python writes in another way, it says so, and
the bars are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain, repeat
from operator import attrgetter
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from tickloom.model import Bar, encode_json

Kind: TypeAlias = Literal["json", "csv"]

FIELDS: tuple[str, ...] = Bar.__struct_fields__
"""The fields of a bar, in the order in which they are written unless others are asked for."""

SURE = ("timestamp", "open_price", "high_price", "low_price", "close_price")
"""Those that every bar has."""

# Bars of the first pieces, and of all that follow: the first is soon there.
_SIZES = (1_000, 4_000, 10_000)
_MICROSECOND = timedelta(microseconds=1)

# A bar alone may be as long as it likes; a list of them is encoded as one.
_BRACKETS = slice(1, -1)


class TextForm(Struct, frozen=True):
    """How bars are written.

    ``json`` is ``{…},{…}`` as the elements of a list stand, a field that is not known left out.
    ``csv`` has a line for each bar, each with its end, a field that is not known left empty.
    Times are ISO 8601 in UTC and end in ``Z``, decimals have all their digits.

    Attributes:
        kind: Which of the two.
        fields: Names of :data:`FIELDS` in the order wanted, none twice.
    """

    kind: Kind
    fields: tuple[str, ...] = FIELDS


class TextPiece(Struct, frozen=True):
    """The next bars of a stretch.

    Attributes:
        count: How many, never 0.
        last: When the last of them begins, aware.
        text: As :func:`bars_to_text` makes it; ``None`` = it takes the bars themselves.
    """

    count: int
    last: datetime
    text: bytes | None


def bars_to_text(bars: Sequence[Bar], form: TextForm) -> bytes:
    """Return bars as text; empty = there are none."""
    if form.kind == "csv":
        return _lines(bars, form.fields)
    if form.fields == FIELDS:
        return encode_json(bars)[_BRACKETS]
    values = _values_of(form.fields)
    return encode_json(
        [
            {
                name: value
                for name, value in zip(form.fields, values(bar), strict=True)
                if value is not None
            }
            for bar in bars
        ]
    )[_BRACKETS]


def _lines(bars: Sequence[Bar], fields: tuple[str, ...]) -> bytes:
    values = _values_of(fields)
    return "".join(",".join(map(_cell, values(bar))) + "\n" for bar in bars).encode()


def _values_of(fields: tuple[str, ...]) -> Callable[[Bar], tuple[Any, ...]]:
    if len(fields) > 1:
        return attrgetter(*fields)
    [name] = fields
    return lambda bar: (getattr(bar, name),)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value)


def sizes() -> Iterator[int]:
    """Yield how many bars each piece has at most, without an end."""
    return chain(_SIZES, repeat(_SIZES[-1]))


class Reach(Struct, frozen=True):
    """How far a number of bars goes.

    Attributes:
        count: How many there are, at most as many as were asked for.
        last: When the last of them begins, aware; ``None`` = there is none.
    """

    count: int
    last: datetime | None


def before(time: datetime) -> datetime:
    """Return the last time before another one; databases know no shorter moments."""
    return time - _MICROSECOND


def behind(time: datetime) -> datetime:
    """Return the first time after another one."""
    return time + _MICROSECOND


def json_parts(fields: Sequence[str], time: str) -> tuple[str, list[str]]:
    """Return a format of ``%s`` and the SQL expressions that belong in their places.

    Args:
        fields: Of a bar; the first one is of :data:`SURE`.
        time: The SQL expression of the time.
    """
    template, values = "", []
    for name in fields:
        key = f'{"," if template else ""}"{name}":'
        if name == "timestamp":
            template, value = f'{template}{key}"%s"', time
        elif name in SURE:
            template, value = f"{template}{key}%s", name
        else:
            # Of what is not known the name is left out too.
            template, value = f"{template}%s", f"'{key}' || {name}"
        values.append(value)
    return "{" + template + "}", values


def can_be_selected(form: TextForm) -> bool:
    """False where the text cannot be made by a database: JSON that may begin with nothing."""
    return form.kind == "csv" or form.fields[0] in SURE
