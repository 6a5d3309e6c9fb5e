"""The trades of all captures in a file of their own, so that history need not read captures again.

A capture is mostly quotes; its trades are a twentieth of it. The file has no name and is gone with
the process.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator
from threading import Event as Flag
from threading import Lock
from typing import TypeAlias

import numpy as np

from tickloom.errors import ProviderUnavailable
from tickloom_iex.capture.counts import CaptureCounts
from tickloom_iex.capture.days import Days
from tickloom_iex.capture.messages import TradeReport

_RECORD = struct.Struct("<qqqIIB")
_TYPE = np.dtype(
    {
        "names": ["time_ns", "trade_id", "price", "size", "symbol", "flags"],
        "formats": ["<i8", "<i8", "<i8", "<u4", "<u4", "u1"],
        "offsets": [0, 8, 16, 24, 28, 32],
        "itemsize": _RECORD.size,
    }
)
_WRITE_BYTES = 1 << 18
_READ_RECORDS = 1 << 15
_MAX_BREAKS = 100_000

Row: TypeAlias = tuple[int, int, int, int, int, int]
"""Time in nanoseconds, trade id, price, size, number of the symbol, sale conditions."""


class TradeSpool:
    """Takes trades in the order of the captures and gives those of one symbol.

    Args:
        counts: Takes what cannot be kept.
    """

    def __init__(self, counts: CaptureCounts) -> None:
        self._file = tempfile.TemporaryFile(prefix="tickloom-iex-")  # noqa: SIM115 - closed below
        self._counts = counts
        self._lock = Lock()
        self._numbers: dict[str, int] = {}
        self._waiting = bytearray()
        self._days = Days()
        self._breaks: set[tuple[int, int, int, int, int]] = set()

    def add(self, message: TradeReport) -> None:
        """Take a trade, or the notice that one is broken.

        Raises:
            OSError: The disk is full.
        """
        number = self._numbers.setdefault(message.symbol, len(self._numbers))
        if message.is_break:
            self._add_break(message, number)
            return
        self._waiting += _RECORD.pack(
            message.time_ns, message.trade_id, message.price, message.size, number, message.flags
        )
        if len(self._waiting) >= _WRITE_BYTES:
            self.flush()

    def _add_break(self, message: TradeReport, number: int) -> None:
        if len(self._breaks) >= _MAX_BREAKS:
            self._counts.invalid += 1
            return
        day = self._days.find(message.time_ns).begin_ns
        self._breaks.add((day, number, message.trade_id, message.price, message.size))

    def flush(self) -> None:
        """Write what waits; called once after the last trade, too.

        Raises:
            OSError: The disk is full.
        """
        with self._lock:
            self._file.write(self._waiting)
        self._waiting.clear()

    def read(self, symbol: str, begin_ns: int, end_ns: int, halt: Flag) -> Iterator[Row]:
        """Yield the trades of ``symbol`` that stand, in the order of the captures.

        Args:
            symbol: Canonical.
            begin_ns: First time.
            end_ns: After the last time.
            halt: Once set, the reading ends early.

        Raises:
            OSError: The file cannot be read.
            ProviderUnavailable: It is closed.
        """
        number = self._numbers.get(symbol)
        if number is None:
            return
        place, days = 0, Days()
        while not halt.is_set():
            with self._lock:
                if self._file.closed:
                    raise ProviderUnavailable("the captures are closed")
                self._file.seek(place)
                data = self._file.read(_READ_RECORDS * _RECORD.size)
            if not data:
                return
            place += len(data)
            rows = np.frombuffer(data, _TYPE)
            times = rows["time_ns"]
            mine = rows[(rows["symbol"] == number) & (times >= begin_ns) & (times < end_ns)]
            for row in mine.tolist():
                time_ns, trade_id, price, size, *_ = row
                day = days.find(time_ns).begin_ns
                if (day, number, trade_id, price, size) not in self._breaks:
                    yield row

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._file.close()
