"""Quotes as rows."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripted import NOON, make_quote
from tickloom.errors import BadRecord
from tickloom.store.rows import COLUMNS, to_row

ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.datetimes(),
    st.decimals(),
    st.lists(st.integers()),
)
FIELDS = ["symbol", "provider", "timestamp", "received_at", "data_type", "quality", "market_state"]


def column(quote: Any, name: str) -> Any:
    return to_row((quote, ""))[COLUMNS.index(name)]


@given(st.dictionaries(st.sampled_from([*FIELDS, "additional_data"]), ANYTHING))
def test_whatever_a_plugin_puts_into_a_quote_costs_at_most_its_row(fields: dict[str, Any]) -> None:
    fields = {"symbol": "A"} | fields
    try:
        row = to_row((make_quote(**fields), "e"))
    except BadRecord:
        return
    assert len(row) == len(COLUMNS)


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_an_id_depends_on_the_key_alone(one: datetime, other: datetime) -> None:
    first = column(make_quote(timestamp=one, price="1"), "id")

    assert column(make_quote(timestamp=one, price="2", volume=3), "id") == first
    assert (column(make_quote(timestamp=other), "id") == first) == (one == other)


@given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - Hypothesis adds the zone
def test_an_id_is_a_uuid_in_the_order_of_time(time: datetime) -> None:
    identity = uuid.UUID(column(make_quote(timestamp=time), "id"))

    assert identity.version == 8
    assert identity.variant == uuid.RFC_4122
    if time.year < 9999:
        later = column(make_quote(timestamp=time + timedelta(milliseconds=2)), "id")
        assert str(identity) < later


@pytest.mark.parametrize("field", ["symbol", "provider", "timestamp"])
def test_each_part_of_the_key_changes_the_id(field: str) -> None:
    changed = {"symbol": "B", "provider": "b", "timestamp": NOON + timedelta(microseconds=1)}

    assert column(make_quote(**{field: changed[field]}), "id") != column(make_quote(), "id")
