"""Which formats, fields and forms of prices there are."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from tickloom.errors import RequestError
from tickloom.store.columns import FIELDS

Decimals: TypeAlias = Literal["decimal", "string", "float"]

_DECIMALS: tuple[Decimals, ...] = ("decimal", "string", "float")


class Format(Struct, frozen=True):
    """A way to write bars.

    Attributes:
        name: By which it is asked for; the suffix of a file too.
        media_type: Of a response.
    """

    name: str
    media_type: str


FORMATS: dict[str, Format] = {
    format_.name: format_
    for format_ in (
        Format("json", "application/json"),
        Format("csv", "text/csv"),
        Format("arrow", "application/vnd.apache.arrow.stream"),
        Format("parquet", "application/vnd.apache.parquet"),
    )
}
"""All of them by name, the default first."""


class Style(Struct, frozen=True, kw_only=True):
    """How an answer is written.

    Attributes:
        format: One of :data:`FORMATS`.
        fields: Of each bar, in the order of the columns.
        decimals: How Arrow and Parquet hold prices: ``decimal`` is ``decimal128(38, 18)`` and
            refuses what does not fit, ``string`` has all digits of any price, ``float`` is a
            64-bit float. JSON and CSV have all digits always.
    """

    format: Format = FORMATS["json"]
    fields: tuple[str, ...] = FIELDS
    decimals: Decimals = "decimal"


def find_format(name: str) -> Format:
    """Return the format of a name.

    Raises:
        RequestError: There is none.
    """
    found = FORMATS.get(name)
    if found is None:
        raise RequestError("unknown format", found=name, expected=f"one of {', '.join(FORMATS)}")
    return found


def check_style(format_: Format, fields: str | None, decimals: str) -> Style:
    """Return how an answer is to be written.

    Args:
        format_: One of :data:`FORMATS`.
        fields: Names with commas between; ``None`` = all.
        decimals: One of ``decimal``, ``string`` and ``float``.

    Raises:
        RequestError: A field or the form of prices is unknown.
    """
    if decimals not in _DECIMALS:
        raise RequestError(
            "unknown form of decimals",
            found=decimals,
            expected=f"one of {', '.join(_DECIMALS)}",
        )
    return Style(
        format=format_,
        fields=FIELDS if fields is None else _fields(fields),
        decimals=decimals,
    )


def _fields(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in FIELDS:
            raise RequestError(
                "a bar has no such field", found=name, expected=f"some of {', '.join(FIELDS)}"
            )
    return names
