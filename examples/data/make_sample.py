"""Makes the recorded sample in this folder. Everything in it is invented.

Run ``python make_sample.py`` to write the files anew; the same seed gives the same bytes.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

SEED = 20_260_105
SESSIONS = (datetime(2026, 1, 5, 14, 30, tzinfo=UTC), datetime(2026, 1, 6, 14, 30, tzinfo=UTC))
MINUTES = 390
TICKS = 300
TICK_GAP = timedelta(seconds=15)
CENT = Decimal("0.01")


def main() -> None:
    """Write the three files beside this script."""
    folder = Path(__file__).parent
    for symbol, price in (("DEMO.AURORA", "142.50"), ("DEMO.BOREAL", "38.20")):
        source = random.Random(f"{SEED} {symbol}")  # noqa: S311 - prices, not secrets
        rows = ["timestamp,open,high,low,close,volume", *make_bars(source, Decimal(price))]
        _write(folder / f"{symbol}.csv", rows)
    source = random.Random(f"{SEED} DEMO.CIRRUS")  # noqa: S311 - prices, not secrets
    _write(folder / "DEMO.CIRRUS.jsonl", make_recording(source, "DEMO.CIRRUS", Decimal("64.00")))


def make_bars(source: random.Random, price: Decimal) -> Iterator[str]:
    """Yield minute bars of all sessions as rows of CSV, with a jump over night."""
    for opening in SESSIONS:
        price = step(source, price, 60)
        for minute in range(MINUTES):
            path = [price]
            path.extend(step(source, path[-1], 5) for _ in range(4))
            price = path[-1]
            # More is traded early and late, as on a real venue.
            busy = 1 + abs(minute - MINUTES // 2) / MINUTES * 3
            volume = round(source.randint(400, 2_400) * busy)
            begin = f"{opening + timedelta(minutes=minute):%Y-%m-%dT%H:%M:%SZ}"
            yield f"{begin},{path[0]},{max(path)},{min(path)},{price},{volume}"


def make_recording(source: random.Random, symbol: str, price: Decimal) -> Iterator[str]:
    """Yield the lines of a recording of the first session's first hours."""
    at = SESSIONS[0]
    yield _line(
        {"type": "recording", "version": 1, "started_at": at.isoformat(), "source": "invented"}
    )
    before = opened = high = low = price
    volume = 0
    for number in range(1, TICKS + 1):
        price = step(source, price, 4)
        high, low = max(high, price), min(low, price)
        size = source.randint(1, 9) * 100
        volume += size
        at += TICK_GAP + timedelta(milliseconds=source.randint(-4_000, 4_000))
        quote = {
            "symbol": symbol,
            "provider": "invented",
            "timestamp": at.isoformat(),
            "received_at": (at + timedelta(milliseconds=source.randint(20, 90))).isoformat(),
            "is_real_time": False,
            "current_price": price,
            "open_price": opened,
            "high_price": high,
            "low_price": low,
            "previous_close": before,
            "volume": volume,
            "price_change": price - before,
            "price_change_percent": ((price - before) / before * 100).quantize(Decimal("0.0001")),
            "bid": price - CENT,
            "ask": price + CENT,
            "bid_size": source.randint(1, 20) * 100,
            "ask_size": source.randint(1, 20) * 100,
            "last_size": size,
            "currency": "USD",
        }
        yield _line(
            {
                "type": "market_data",
                "symbol": symbol,
                "epoch": "invented",
                "sequence": number,
                "data": quote,
            }
        )


def step(source: random.Random, price: Decimal, basis_points: int) -> Decimal:
    """Return a price up to ``basis_points`` away, in whole cents and never below one."""
    move = Decimal(source.randint(-100 * basis_points, 100 * basis_points)) / 1_000_000
    return max(CENT, (price * (1 + move)).quantize(CENT))


def _line(record: dict[str, object]) -> str:
    members = ",".join(f"{json.dumps(key)}:{_value(value)}" for key, value in record.items())
    return f"{{{members}}}"


def _value(value: object) -> str:
    # json would make a price a float; its digits are its value.
    if isinstance(value, Decimal):
        return str(value)
    return _line(value) if isinstance(value, dict) else json.dumps(value)


def _write(file: Path, lines: Iterator[str] | list[str]) -> None:
    file.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
