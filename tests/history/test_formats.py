"""Answers as JSON, CSV, Arrow and Parquet: what is read back is what was written."""

from __future__ import annotations

import asyncio
import csv
import io
import itertools
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # it ships no types
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from barsamples import answer, bar, query
from tickloom.clock import FakeClock
from tickloom.errors import MissingDependency, RequestError, StoreUnavailable
from tickloom.history import HistoryAnswer, Page
from tickloom.history.at_hand import page_at_hand
from tickloom.history.formats import FORMATS, Style, check_style, encode, load
from tickloom.model import Bar, HistoricalData, Interval, PriceAdjustment, decode_json
from tickloom.roles import HistoryRequest
from tickloom.store import BarBatch, BarQuery, HistoryStore, open_backend
from tickloom.store.columns import FIELDS, TextForm, bars_to_text

if TYPE_CHECKING:
    from databases import Database

START = datetime(2026, 1, 2, 14, 30, tzinfo=UTC)
REQUEST = HistoryRequest(
    symbol="AAPL", start=date(2026, 1, 1), end=date(2026, 1, 31), interval=Interval.MINUTE
)
PRICES = st.decimals("0.000000000001", "99999999999999999999", places=12) | st.sampled_from(
    [
        Decimal(text)
        for text in ("1E+3", "1E-18", "0.00000005", "189.4100", "0", "-37.63", "10.0000001")
    ]
)
COUNTS = st.none() | st.integers(-(2**63), 2**63 - 1)
TIMES = st.datetimes(datetime(1800, 1, 1), datetime(2190, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
BARS = st.lists(
    st.builds(
        Bar,
        timestamp=TIMES | TIMES.map(lambda time: time.replace(microsecond=0)),
        open_price=PRICES,
        high_price=PRICES,
        low_price=PRICES,
        close_price=PRICES,
        volume=COUNTS,
        adjusted_close=st.none() | PRICES,
        trade_count=COUNTS,
        vwap=st.none() | PRICES,
    ),
    max_size=20,
    unique_by=lambda one: one.timestamp,
).map(lambda bars: sorted(bars, key=lambda one: one.timestamp))
NUMBERS = itertools.count()
FORMS = st.builds(
    TextForm,
    st.sampled_from(["json", "csv"]),
    st.lists(st.sampled_from(FIELDS), min_size=1, unique=True).map(tuple),
)


def store_of(url: str = "") -> HistoryStore:
    return HistoryStore(open_backend(url), FakeClock())


async def encoded(found: HistoryAnswer, style: Style, store: HistoryStore | None = None) -> bytes:
    return b"".join([piece async for piece in encode(found, store or store_of(), style)])


def written(bars: Sequence[Bar], name: str, *, page: Page | None = None, **style: Any) -> bytes:
    found = page_at_hand(answer(bars, interval=Interval.MINUTE), REQUEST, page or Page())
    return asyncio.run(encoded(found, Style(format=FORMATS[name], **style)))


def rows_of(bars: Sequence[Bar]) -> list[dict[str, Any]]:
    return [{name: getattr(one, name) for name in FIELDS} for one in bars]


@given(BARS)
def test_json_read_back_is_the_answer(bars: list[Bar]) -> None:
    whole = answer(bars, interval=Interval.MINUTE)
    assert decode_json(written(bars, "json"), HistoricalData) == whole


@given(BARS)
def test_csv_read_back_has_every_digit(bars: list[Bar]) -> None:
    found = list(csv.DictReader(io.StringIO(written(bars, "csv").decode())))

    def cell(text: str, name: str) -> Any:
        if not text:
            return None
        if name == "timestamp":
            return datetime.fromisoformat(text)
        return int(text) if name in {"volume", "trade_count"} else text

    assert [{name: cell(text, name) for name, text in row.items()} for row in found] == [
        {name: str(value) if isinstance(value, Decimal) else value for name, value in row.items()}
        for row in rows_of(bars)
    ]


@pytest.mark.parametrize("name", ["arrow", "parquet"])
@given(bars=BARS)
def test_columns_read_back_have_exact_prices(name: str, bars: list[Bar]) -> None:
    data = written(bars, name)
    table = (
        pa.ipc.open_stream(data).read_all() if name == "arrow" else pq.read_table(io.BytesIO(data))
    )

    assert table.to_pylist() == rows_of(bars)
    assert table.schema.field("timestamp").type == pa.timestamp("us", tz="UTC")
    assert table.schema.field("open_price").type == pa.decimal128(38, 18)
    assert table.schema.field("volume").type == pa.int64()
    head = decode_json(
        table.schema.metadata[b"tickloom"].replace(b"}", b',"data_points":[]}'), HistoricalData
    )
    assert head == answer((), interval=Interval.MINUTE)


@pytest.mark.parametrize("name", ["arrow", "parquet"])
def test_prices_can_be_text_or_floats(name: str) -> None:
    def read(decimals: Any) -> Any:
        data = written([bar(START, "1E-30")], name, decimals=decimals)
        table = pa.ipc.open_stream(data) if name == "arrow" else pq.ParquetFile(io.BytesIO(data))
        return (table.read_all() if name == "arrow" else table.read()).column("close_price")

    assert read("string").to_pylist() == ["1E-30"]
    assert read("float").to_pylist() == [1e-30]


@pytest.mark.parametrize(
    "price", ["1E-19", "123456789012345678901", "1E+20", "170000000000000000000"]
)
@pytest.mark.parametrize("name", ["arrow", "parquet"])
def test_a_price_that_does_not_fit_is_refused_and_never_rounded(name: str, price: str) -> None:
    with pytest.raises(RequestError, match="decimals=string"):
        written([bar(START, price)], name)


@pytest.mark.parametrize("count", ["volume", "trade_count"])
@pytest.mark.parametrize("name", ["arrow", "parquet"])
def test_a_count_beyond_64_bits_is_named_and_other_formats_are_advised(
    name: str, count: str
) -> None:
    large = bar(START, **{count: 2**63})
    with pytest.raises(RequestError, match=rf"a {count} does not .* found {2**63}.* json or csv"):
        written([large], name)
    assert str(2**63) in written([large], "csv").decode()


@pytest.mark.parametrize("name", FORMATS)
def test_an_answer_without_bars_is_whole(name: str) -> None:
    data = written([], name)
    if name == "json":
        assert json.loads(data)["data_points"] == []
    elif name == "csv":
        assert data.decode() == ",".join(FIELDS) + "\n"
    elif name == "arrow":
        assert pa.ipc.open_stream(data).read_all().num_rows == 0
    else:
        assert pq.read_table(io.BytesIO(data)).num_rows == 0


MINUTES = [
    bar(START + timedelta(minutes=n), f"{n + 1}.50", vwap=None if n % 3 else Decimal(n))
    for n in range(7)
]


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_together_are_the_whole(order: Any) -> None:
    times: list[str] = []
    token = None
    for _ in range(4):
        body = json.loads(written(MINUTES, "json", page=Page(limit=2, order=order, after=token)))
        times += [point["timestamp"] for point in body["data_points"]]
        token = body.get("next_page")
        if token is None:
            break
    wanted = [one.timestamp.isoformat().replace("+00:00", "Z") for one in MINUTES]
    assert times == (wanted if order == "asc" else wanted[::-1])


def test_the_last_page_names_no_next_one() -> None:
    assert b"next_page" not in written(MINUTES, "json", page=Page(limit=7))
    assert b"next_page" in written(MINUTES, "json", page=Page(limit=6))


def test_only_the_fields_that_are_wanted_are_written_in_their_order() -> None:
    fields = ("vwap", "timestamp")
    assert written(MINUTES[:2], "csv", fields=fields) == (
        b"vwap,timestamp\n0,2026-01-02T14:30:00Z\n,2026-01-02T14:31:00Z\n"
    )
    points = json.loads(written(MINUTES[:2], "json", fields=("vwap",)))["data_points"]
    assert points == [{"vwap": 0}, {}]
    table = pa.ipc.open_stream(written(MINUTES[:3], "arrow", fields=("vwap",))).read_all()
    assert table.column_names == ["vwap"]
    assert table.to_pydict() == {"vwap": [0, None, None]}


@pytest.mark.parametrize(
    ("fields", "decimals", "complaint"),
    [
        ("close", "decimal", "found 'close', expected some of timestamp, open_price"),
        ("", "decimal", "found ''"),
        (None, "double", "expected one of decimal, string, float"),
    ],
)
def test_an_unknown_choice_is_refused(fields: str | None, decimals: str, complaint: str) -> None:
    with pytest.raises(RequestError, match=complaint):
        check_style(FORMATS["csv"], fields, decimals)


@pytest.mark.parametrize("name", ["arrow", "parquet"])
def test_without_pyarrow_the_error_names_the_extra(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependency, match=r"pip install 'tickloom\[arrow\]'"):
        written(MINUTES, name)


async def test_a_long_parquet_file_has_row_groups_of_some_ten_thousand() -> None:
    many = [bar(START + timedelta(minutes=n)) for n in range(140_000)]
    found = page_at_hand(answer(many, interval=Interval.MINUTE), REQUEST, Page())
    data = await encoded(found, Style(format=FORMATS["parquet"]))
    file = pq.ParquetFile(io.BytesIO(data))
    groups = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    assert sum(groups) == 140_000
    assert max(groups) < 70_000


@asynccontextmanager
async def filled(url: str, *bars: Bar) -> AsyncIterator[tuple[HistoryStore, BarQuery]]:
    store = store_of(url)
    backend = await store._open()
    await backend.write_bars(
        [
            BarBatch(history=answer(bars, interval=Interval.MINUTE)),
            BarBatch(history=answer(bars, interval=Interval.MINUTE, provider="other")),
        ]
    )
    try:
        yield store, query(interval=Interval.MINUTE, provider="scripted")
    finally:
        await store.aclose()


@pytest.mark.parametrize("kind", ["json", "csv"])
async def test_the_database_writes_the_text_that_bars_have(database: Database, kind: Any) -> None:
    form_fields = [
        FIELDS,
        ("close_price", "timestamp", "vwap"),
        ("vwap", "open_price"),
        ("volume",),
    ]
    odd = [
        bar(START + timedelta(minutes=n), text, volume=None if n % 2 else n, vwap=Decimal("7.50"))
        for n, text in enumerate(("1E+3", "0.00000005", "189.4100", "0", "-37.63", "10.0000001"))
    ]
    odd.append(bar(START + timedelta(minutes=9, microseconds=120), "1"))
    async with filled(database.url, *odd) as (store, asked):
        # As the database gives them, since PostgreSQL keeps no exponents.
        bars = [one async for piece in store._backend.read_bars(asked, 100) for _, one in piece]
        for fields in form_fields:
            form = TextForm(kind, fields)
            texts = [text async for text in store.read_text(asked, form)]
            assert b"".join(texts) == bars_to_text(bars, form)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bars=BARS, form=FORMS)
async def test_any_text_of_the_database_is_the_text_of_its_bars(
    database: Database, bars: list[Bar], form: TextForm
) -> None:
    symbol = f"S{next(NUMBERS)}"
    store = store_of(database.url)
    backend = await store._open()
    try:
        await backend.write_bars(
            [BarBatch(history=answer(bars, interval=Interval.MINUTE, symbol=symbol))]
        )
        asked = query(interval=Interval.MINUTE, provider="scripted", symbol=symbol)
        stored = [one async for piece in backend.read_bars(asked, 100) for _, one in piece]
        text = b"".join([text async for text in store.read_text(asked, form)])
    finally:
        await store.aclose()
    assert stored == bars
    assert text == bars_to_text(stored, form)


@pytest.mark.parametrize("name", FORMATS)
async def test_a_long_answer_has_the_same_bars_on_the_short_and_the_long_way(
    database: Database, name: str
) -> None:
    many = [bar(START + timedelta(minutes=n), f"{n}.25") for n in range(6_000)]
    many[5_500] = bar(many[5_500].timestamp, "0.00000005")
    async with filled(database.url, *many) as (store, asked):
        head = answer((), interval=Interval.MINUTE)

        async def pieces() -> AsyncIterator[Sequence[Bar]]:
            async for piece in store._backend.read_bars(asked, 777):
                yield [one for _, one in piece]

        half = many[3_000].timestamp
        parts = (
            query(interval=Interval.MINUTE, provider="scripted", until=half),
            query(interval=Interval.MINUTE, provider="scripted", since=half),
        )
        style = Style(format=FORMATS[name])
        short = await encoded(HistoryAnswer(head, pieces, parts), style, store)
        long = await encoded(HistoryAnswer(head, pieces), style, store)
        if name in {"json", "csv"}:
            assert short == long
        elif name == "arrow":
            assert pa.ipc.open_stream(short).read_all() == pa.ipc.open_stream(long).read_all()
        else:
            assert pq.read_table(io.BytesIO(short)) == pq.read_table(io.BytesIO(long))


async def test_an_error_in_the_midst_is_raised_and_nothing_is_left(database: Database) -> None:
    many = [bar(START + timedelta(minutes=n), f"{n}.25") for n in range(6_000)]
    async with filled(database.url, *many) as (store, asked):
        found = HistoryAnswer(answer((), interval=Interval.MINUTE), None, (asked,))  # type: ignore[arg-type]
        before = asyncio.all_tasks()
        pieces = encode(found, store, Style())
        assert await anext(pieces)
        await database.execute("ALTER TABLE bars RENAME TO elsewhere")
        with pytest.raises(StoreUnavailable):
            while True:
                await anext(pieces)
        assert asyncio.all_tasks() == before


async def test_an_answer_that_is_left_early_leaves_no_task(database: Database) -> None:
    many = [bar(START + timedelta(minutes=n)) for n in range(6_000)]
    async with filled(database.url, *many) as (store, asked):
        for name in FORMATS:
            found = HistoryAnswer(answer((), interval=Interval.MINUTE), None, (asked,))  # type: ignore[arg-type]
            before = asyncio.all_tasks()
            pieces = encode(found, store, Style(format=FORMATS[name]))
            await anext(pieces)
            await pieces.aclose()
            assert asyncio.all_tasks() == before


def test_an_adjustment_is_part_of_what_the_schema_tells() -> None:
    found = page_at_hand(answer([], adjustment=PriceAdjustment.ALL), REQUEST, Page())
    data = asyncio.run(encoded(found, Style(format=FORMATS["arrow"])))
    assert b'"adjustment":"all"' in pa.ipc.open_stream(data).schema.metadata[b"tickloom"]


def test_to_import_the_server_does_not_load_pyarrow() -> None:
    code = "import sys, tickloom.server; assert 'pyarrow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_where_pyarrow_is_missing_nothing_is_loaded_and_nothing_is_told(
    monkeypatch: pytest.MonkeyPatch, warnings_told: list[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    load()
    assert warnings_told == []


def test_a_pyarrow_that_is_broken_is_told_and_costs_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warnings_told: list[str]
) -> None:
    (tmp_path / "pyarrow.py").write_text("raise ImportError('its library is missing')")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    load()
    [told] = warnings_told
    assert "its library is missing" in told
