"""Where the recorded files are, and how the tests listen to a stream."""

from __future__ import annotations

import asyncio
import os
import zipfile
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event as Flag
from typing import Any

import pytest

from tickloom.clock import Clock, FakeClock
from tickloom.model import Quote
from tickloom.roles import QuoteStream
from tickloom_replay.collection import Library, load_library
from tickloom_replay.event import Event
from tickloom_replay.options import ReplaySettings, find_zone
from tickloom_replay.provider import ReplayProvider
from tickloom_replay.timeline import merge_events

_REPOSITORY = Path(__file__).parents[3]
_WAIT_S = 20
_OPEN = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)


@pytest.fixture
def lean() -> Path:
    """The folder of recorded Lean files."""
    named = os.environ.get("TICKLOOM_RECORDED")
    root = Path(named) if named else _REPOSITORY.parent / "shared" / "recorded"
    folder = root / "replay" / "lean"
    if not folder.is_dir():
        pytest.skip("the recorded Lean files are not at hand; TICKLOOM_RECORDED can name them")
    return folder


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def open_library() -> Callable[..., Library]:
    return lambda path, zone="UTC": load_library(path, find_zone(zone))


@pytest.fixture
def make_provider(clock: FakeClock) -> Callable[..., ReplayProvider]:
    def make(path: Path, *, with_clock: Clock | None = None, **options: Any) -> ReplayProvider:
        settings = ReplaySettings(path=path, **options)
        library = load_library(path, find_zone(settings.timezone))
        return ReplayProvider(library, settings, with_clock or clock)

    return make


@pytest.fixture
def events_of() -> Callable[[Library, str], list[Event]]:
    def read(library: Library, symbol: str) -> list[Event]:
        mine = [series for series in library.series if series.symbol == symbol]
        return list(merge_events(mine, Flag()))

    return read


@pytest.fixture
def pack() -> Callable[[Path, str, Iterable[str]], Path]:
    """Writes a Lean archive with one member."""

    def write(path: Path, member: str, rows: Iterable[str]) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(member, "\n".join(rows))
        return path

    return write


class Listener:
    """Takes all that a stream gives."""

    def __init__(self, stream: QuoteStream) -> None:
        self.batches: list[list[Quote]] = []
        self.task = asyncio.create_task(self._listen(stream))
        self._changed = asyncio.Condition()

    async def _listen(self, stream: QuoteStream) -> None:
        async for batch in stream:
            async with self._changed:
                self.batches.append(list(batch))
                self._changed.notify_all()

    @property
    def quotes(self) -> list[Quote]:
        return [quote for batch in self.batches for quote in batch]

    async def reach(self, count: int) -> list[Quote]:
        """Wait until so many quotes have come; files are read in threads, in real time."""
        async with asyncio.timeout(_WAIT_S), self._changed:
            await self._changed.wait_for(lambda: len(self.quotes) >= count)
        return self.quotes


@pytest.fixture
def listen() -> Callable[[QuoteStream], Listener]:
    return Listener


@pytest.fixture
def play(tmp_path: Path, make_provider: Callable[..., ReplayProvider]) -> Any:
    """Plays what is in ``tmp_path`` and gives the provider, the stream and its listener."""

    async def start(
        symbols: Collection[str], **options: Any
    ) -> tuple[ReplayProvider, QuoteStream, Listener]:
        provider = make_provider(tmp_path, **options)
        stream = await provider.open_stream()
        await stream.subscribe(symbols)
        return provider, stream, Listener(stream)

    return start


@pytest.fixture
def bars(tmp_path: Path) -> Callable[..., None]:
    """Writes a table of bars with the given closes to ``tmp_path``, ten units each."""

    def write(
        symbol: str,
        *closes: int,
        begin: datetime = _OPEN,
        step: timedelta = timedelta(minutes=1),
    ) -> None:
        rows = [
            f"{(begin + place * step).isoformat()},{close},{close + 1},{close - 1},{close},10\n"
            for place, close in enumerate(closes)
        ]
        header = "timestamp,open,high,low,close,volume\n"
        (tmp_path / f"{symbol}.csv").write_text(header + "".join(rows))

    return write
