"""Bars of a SQLite file as text; every function runs in the thread of the backend."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from functools import lru_cache

from tickloom.store.bars import BarQuery
from tickloom.store.columns import Reach, TextForm, TextPiece, before, can_be_selected, json_parts
from tickloom.store.sqlite_bars import time_text

_WHERE = (
    "FROM bars WHERE symbol = ? AND interval = ? AND adjustment = ? AND provider = ? "
    "AND timestamp > ? AND timestamp < ? ORDER BY timestamp LIMIT ?"
)

_REACH = f"SELECT count(*), max(timestamp) FROM (SELECT timestamp {_WHERE})"  # noqa: S608 - own names
_REACH_BACK = _REACH.replace("max(", "min(").replace("BY timestamp", "BY timestamp DESC")


def read_text(
    connection: sqlite3.Connection, query: BarQuery, form: TextForm, after: datetime, most: int
) -> TextPiece | None:
    """Return the next bars of one provider after a time, ``most`` at most; ``None`` = no more."""
    values = (
        *(query.symbol, query.interval.value, query.adjustment.value, query.provider),
        *(time_text(after), time_text(query.until), most),
    )
    [(text, count, last)] = connection.execute(_select(form), values)
    if not count:
        return None
    return TextPiece(count, datetime.fromisoformat(last), None if text is None else _tidy(text))


def read_reach(
    connection: sqlite3.Connection, query: BarQuery, most: int, *, newest_first: bool
) -> Reach:
    """Return how far the first bars of one provider go."""
    values = (
        *(query.symbol, query.interval.value, query.adjustment.value, query.provider),
        *(time_text(before(query.since)), time_text(query.until), most),
    )
    [(count, last)] = connection.execute(_REACH_BACK if newest_first else _REACH, values)
    return Reach(count, None if last is None else datetime.fromisoformat(last))


@lru_cache(maxsize=64)
def _select(form: TextForm) -> str:
    if not can_be_selected(form):
        text = "NULL"
    elif form.kind == "json":
        template, values = json_parts(form.fields, "timestamp")
        text = f"CAST(group_concat(printf('{template}', {', '.join(values)}), ',') AS BLOB)"
    else:
        template = ",".join(["%s"] * len(form.fields)) + "\n"
        text = f"CAST(group_concat(printf('{template}', {', '.join(form.fields)}), '') AS BLOB)"
    names = ", ".join(dict.fromkeys((*form.fields, "timestamp")))
    # The row's own columns are only looked at where they are used.
    return f"SELECT {text}, count(*), max(timestamp) FROM (SELECT {names} {_WHERE})"  # noqa: S608 - own names


def _tidy(text: bytes) -> bytes:
    # Times are stored as 2026-01-02 14:30:00.000000+00:00, and nothing else has these signs.
    return text.replace(b".000000+00:00", b"Z").replace(b"+00:00", b"Z").replace(b" ", b"T")
