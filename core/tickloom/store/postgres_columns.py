"""Bars in PostgreSQL as text; every function works on a connection of the backend."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

import asyncpg  # type: ignore[import-untyped]  # it ships no types

from tickloom.store.bars import BarQuery
from tickloom.store.columns import (
    SURE,
    Reach,
    TextForm,
    TextPiece,
    before,
    can_be_selected,
    json_parts,
)

_ANSWER_LIMIT_S = 30.0
# Always of one width, and the same whatever the session's zone and date style are.
_TIME = """to_char(timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
_WHERE = (
    "FROM bars WHERE symbol = $1 AND interval = $2 AND adjustment = $3 AND provider = $4 "
    "AND timestamp > $5 AND timestamp < $6 ORDER BY timestamp LIMIT $7"
)
_REACH = f"SELECT count(*), max(timestamp) FROM (SELECT timestamp {_WHERE}) AS found"  # noqa: S608 - own names
_REACH_BACK = _REACH.replace("max(", "min(").replace("BY timestamp", "BY timestamp DESC")
# Python writes smaller numbers with an exponent, and such text should be the same everywhere.
_TINY = b"0.000000"


async def read_text(
    connection: asyncpg.Connection, query: BarQuery, form: TextForm, after: datetime, most: int
) -> TextPiece | None:
    """Return the next bars of one provider after a time, ``most`` at most; ``None`` = no more."""
    text, count, last = await connection.fetchrow(
        _select(form),
        *(query.symbol, query.interval.value, query.adjustment.value, query.provider),
        *(after, query.until, most),
        timeout=_ANSWER_LIMIT_S,
    )
    if not count:
        return None
    return TextPiece(count, last, None if text is None else _tidy(text.encode()))


async def read_reach(
    connection: asyncpg.Connection, query: BarQuery, most: int, *, newest_first: bool
) -> Reach:
    """Return how far the first bars of one provider go."""
    count, last = await connection.fetchrow(
        _REACH_BACK if newest_first else _REACH,
        *(query.symbol, query.interval.value, query.adjustment.value, query.provider),
        *(before(query.since), query.until, most),
        timeout=_ANSWER_LIMIT_S,
    )
    return Reach(count, last)


@lru_cache(maxsize=64)
def _select(form: TextForm) -> str:
    if not can_be_selected(form):
        text = "NULL::text"
    elif form.kind == "json":
        text = f"string_agg({_filled(*json_parts(form.fields, _TIME))}, ',')"
    else:
        values = [_cell(name) for name in form.fields]
        text = f"string_agg({' || $$,$$ || '.join(values)} || E'\\n', '')"
    names = ", ".join(dict.fromkeys((*form.fields, "timestamp")))
    return f"SELECT {text}, count(*), max(timestamp) FROM (SELECT {names} {_WHERE}) AS found"  # noqa: S608 - own names


def _filled(template: str, values: list[str]) -> str:
    # Faster than format().
    first, *rest = template.split("%s")
    parts = [f"'{first}'"]
    for value, constant in zip(values, rest, strict=True):
        is_sure = value in SURE or value == _TIME
        parts.append(value if is_sure else f"coalesce({value}, '')")
        if constant:
            parts.append(f"'{constant}'")
    return " || ".join(parts)


def _cell(name: str) -> str:
    if name == "timestamp":
        return _TIME
    return f"{name}::text" if name in SURE else f"coalesce({name}::text, '')"


def _tidy(text: bytes) -> bytes | None:
    text = text.replace(b".000000Z", b"Z")
    return None if _TINY in text else text
