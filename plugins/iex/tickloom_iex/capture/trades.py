"""The trades of a capture, for whoever wants each of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from threading import Event as Flag

from tickloom.model import Trade
from tickloom_iex.capture.counts import CaptureCounts
from tickloom_iex.capture.eligibility import conditions_of
from tickloom_iex.capture.messages import TradeReport, decode_segment
from tickloom_iex.capture.prices import Prices, time_of
from tickloom_iex.capture.segments import SegmentReader
from tickloom_iex.capture.session import CURRENCY, EXCHANGE, PROVIDER
from tickloom_iex.capture.symbols import Names


def read_trades(
    path: Path,
    received_at: datetime,
    counts: CaptureCounts | None = None,
    namespace: str | None = None,
) -> Iterator[Trade]:
    """Yield the trades and the notices of broken ones, in the order of the capture.

    It reads as it goes and blocks meanwhile, so it belongs into a thread.

    Args:
        path: The capture.
        received_at: For the trades, aware UTC.
        counts: Takes what is found besides.
        namespace: Put before every symbol.

    Raises:
        BadRecord: It is no capture, or not one of TOPS 1.5, TOPS 1.6 or DEEP 1.0.
        ProviderUnavailable: The file cannot be read.
    """
    counts = CaptureCounts() if counts is None else counts
    names, prices = Names(namespace), Prices()
    for segment in SegmentReader(counts, Flag()).read(path):
        for message in decode_segment(segment, counts, names):
            if isinstance(message, TradeReport):
                yield to_trade(message, received_at, prices)


def to_trade(message: TradeReport, received_at: datetime, prices: Prices) -> Trade:
    """Return a trade report or trade break as the host knows it."""
    return Trade(
        symbol=message.symbol,
        provider=PROVIDER,
        timestamp=time_of(message.time_ns),
        received_at=received_at,
        price=prices[message.price],
        size=message.size,
        trade_id=str(message.trade_id),
        exchange=EXCHANGE,
        currency=CURRENCY,
        conditions=conditions_of(message.flags),
        is_cancelled=message.is_break,
    )
