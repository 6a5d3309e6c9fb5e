"""Arrow and Parquet, made of CSV: pyarrow reads that into columns without the interpreter."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from importlib import import_module
from typing import Any

from loguru import logger

from tickloom.errors import MissingDependency, RequestError, verbatim
from tickloom.history.answer import HistoryAnswer
from tickloom.history.formats.choices import Style
from tickloom.model import encode_json

PRECISION, SCALE = 38, 18
"""Of a decimal column: what pandas, Polars and DuckDB hold at most, with 18 decimal places."""

METADATA_KEY = b"tickloom"
"""Under this key the schema has the answer without its bars, as JSON."""

_MODULES = ("pyarrow", "pyarrow.csv", "pyarrow.parquet")
_COUNTS = ("volume", "trade_count")
# How pyarrow names what it could not read.
_COLUMN = re.compile(r"CSV column #(\d+)")
# Long enough to be packed well, short enough to be held in memory by everyone who downloads.
_ROW_GROUP_BARS = 65_536


def load() -> None:
    """Import what Arrow and Parquet need, where it is installed; takes a good part of a second."""
    try:
        for name in _MODULES:
            import_module(name)
    except Exception as error:  # noqa: BLE001 - a broken package must cost nobody else anything
        if not isinstance(error, ModuleNotFoundError):
            logger.warning("pyarrow cannot be loaded: {}", error)


class _Sink:
    """A file that hands on what was written to it."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._length += len(part)
        return len(part)

    def tell(self) -> int:
        return self._length

    def flush(self) -> None:
        """Do nothing: whoever writes takes it."""

    def close(self) -> None:
        """Do nothing: there is nothing to give back."""

    def take(self) -> bytes:
        """Return what came since it was last asked."""
        data = b"".join(self._parts)
        self._parts.clear()
        return data


class _Table:
    """Reads CSV into columns; may be used by one thread at a time."""

    def __init__(self, answer: HistoryAnswer, style: Style) -> None:
        try:
            self.arrow: Any = import_module("pyarrow")
            self._csv: Any = import_module("pyarrow.csv")
        except ImportError as error:
            raise MissingDependency(
                f"history as {style.format.name} needs pyarrow, which is not installed here",
                expected="format json or csv, or pyarrow beside the server",
                fix="pip install 'tickloom[arrow]'",
            ) from error
        kinds = {name: self._kind(name, style) for name in style.fields}
        head = encode_json(answer.head).replace(b',"data_points":[]', b"", 1)
        self.schema = self.arrow.schema(list(kinds.items()), metadata={METADATA_KEY: head})
        self._options = {
            "parse_options": self._csv.ParseOptions(ignore_empty_lines=False, quote_char=False),
            "convert_options": self._csv.ConvertOptions(
                column_types=kinds, null_values=[""], strings_can_be_null=True
            ),
        }

    def _kind(self, name: str, style: Style) -> Any:
        arrow = self.arrow
        if name == "timestamp":
            return arrow.timestamp("us", tz="UTC")
        if name in _COUNTS:
            return arrow.int64()
        if style.decimals == "decimal":
            return arrow.decimal128(PRECISION, SCALE)
        return arrow.string() if style.decimals == "string" else arrow.float64()

    def read(self, text: bytes) -> Any:
        """Return the table of some lines.

        Raises:
            RequestError: A number does not fit into its column.
        """
        read = self._csv.ReadOptions(
            column_names=self.schema.names, use_threads=False, block_size=len(text) + 1
        )
        try:
            table = self._csv.read_csv(
                self.arrow.BufferReader(text), read_options=read, **self._options
            )
            table = table.replace_schema_metadata(self.schema.metadata)
            table.validate(full=True)
        except self.arrow.ArrowInvalid as error:
            raise self._refused(str(error)) from error
        return table

    def _refused(self, said: str) -> RequestError:
        column = _COLUMN.search(said)
        name = "" if column is None else self.schema.names[int(column[1])]
        if name in _COUNTS:
            return RequestError(
                f"a {name} does not fit into int64, which Arrow and Parquet hold it in",
                found=verbatim(said.rpartition("invalid value ")[2].strip("'")),
                fix="Ask for json or csv, which have all digits, or leave it out with fields.",
            )
        return RequestError(
            f"a price does not fit into decimal128({PRECISION}, {SCALE})",
            found=verbatim(said.partition(": ")[2]),
            fix="Ask with decimals=string, or for json or csv.",
        )


async def as_arrow(
    answer: HistoryAnswer, style: Style, texts: AsyncIterator[bytes]
) -> AsyncGenerator[bytes, None]:
    """Yield an Arrow IPC stream, a record batch for each piece of text."""
    sink = _Sink()

    def open_() -> tuple[_Table, Any]:
        table = _Table(answer, style)
        return table, table.arrow.ipc.new_stream(sink, table.schema)

    # The import alone takes a tenth of a second.
    table, writer = await asyncio.to_thread(open_)

    def write(text: bytes) -> bytes:
        writer.write_table(table.read(text))
        return sink.take()

    async for text in texts:
        yield await asyncio.to_thread(write, text)
    writer.close()
    yield sink.take()


async def as_parquet(
    answer: HistoryAnswer, style: Style, texts: AsyncIterator[bytes]
) -> AsyncGenerator[bytes, None]:
    """Yield a Parquet file, packed with zstd."""
    sink = _Sink()

    def open_() -> tuple[_Table, Any]:
        table = _Table(answer, style)
        parquet: Any = import_module("pyarrow.parquet")
        return table, parquet.ParquetWriter(sink, table.schema, compression="zstd")

    table, writer = await asyncio.to_thread(open_)

    def write(tables: list[Any]) -> bytes:
        writer.write_table(table.arrow.concat_tables(tables))
        return sink.take()

    def end(tables: list[Any]) -> bytes:
        if tables:
            writer.write_table(table.arrow.concat_tables(tables))
        writer.close()
        return sink.take()

    waiting: list[Any] = []
    async for text in texts:
        waiting.append(await asyncio.to_thread(table.read, text))
        if begun := sink.take():
            # What a file begins with, so that a client hears soon that there are bars.
            yield begun
        if sum(part.num_rows for part in waiting) >= _ROW_GROUP_BARS:
            yield await asyncio.to_thread(write, waiting)
            waiting = []
    yield await asyncio.to_thread(end, waiting)
