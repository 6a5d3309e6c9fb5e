"""Parquet files with the columns of :mod:`tickloom_replay.table`; needs the package pyarrow."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from threading import Event as Flag
from typing import Any

from tickloom.errors import BadRecord, MissingDependency
from tickloom_replay.tally import Reading

_BATCH_ROWS = 1_024


def require_pyarrow(name: str) -> None:
    """Check that Parquet can be read at all.

    Raises:
        MissingDependency: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401, PLC0415 - optional, and heavy to import
    except ImportError:
        raise MissingDependency(
            f"{name} cannot be read: pyarrow is not installed",
            fix='Run pip install "tickloom-replay[parquet]".',
        ) from None


def read_parquet_rows(path: Path, reading: Reading, halt: Flag) -> Generator[Any, None, None]:
    """Yield the column names and then the rows, a batch of 1024 in memory at a time.

    Raises:
        BadRecord: It is not Parquet, or damaged.
    """
    import pyarrow as pa  # noqa: PLC0415 - optional, and heavy to import
    from pyarrow import parquet  # noqa: PLC0415 - the same

    try:
        with parquet.ParquetFile(path, buffer_size=65_536, pre_buffer=False) as file:
            names = [
                field.name for field in file.schema_arrow if not pa.types.is_nested(field.type)
            ]
            yield names
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=names):
                if halt.is_set():
                    return
                for row in _rows(batch):
                    reading.line += 1
                    yield row
    except pa.ArrowException as error:
        raise BadRecord("Parquet cannot be read", found=str(error)) from error


def _rows(batch: Any) -> Iterator[tuple[object, ...]]:
    return zip(*(_plain(column).to_pylist() for column in batch.columns), strict=True)


def _plain(column: Any) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - optional, and heavy to import

    if pa.types.is_timestamp(column.type):
        # Python's datetime ends at microseconds.
        return column.cast(pa.timestamp("us", column.type.tz), safe=False)
    if pa.types.is_float16(column.type) or pa.types.is_float32(column.type):
        # As text it is the shortest that names the number: 645.57, not 645.5700073242188.
        return column.cast(pa.string())
    return column
