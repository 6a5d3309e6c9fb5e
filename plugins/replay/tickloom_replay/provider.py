"""The provider: quotes at the point that the playback has reached, history and the stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Event as Flag

from tickloom.clock import Clock
from tickloom.errors import NoData, TickloomError, UnknownSymbol
from tickloom.model import HistoricalData, Quote, Timeliness
from tickloom.roles import HistoryRequest, Provider, ProviderInfo, QuoteStream
from tickloom_replay.background import run_in_thread
from tickloom_replay.collection import Library
from tickloom_replay.history import collect_bars, list_intervals
from tickloom_replay.options import ReplaySettings
from tickloom_replay.session import PROVIDER, Session
from tickloom_replay.stream import ReplayStream
from tickloom_replay.timeline import arrange, merge_events

_MAX_BATCH = 100


class ReplayProvider(Provider):
    """Recorded data as if it were live; it never claims to be real-time."""

    def __init__(self, library: Library, options: ReplaySettings, clock: Clock) -> None:
        self._library = library
        self._options = options
        self._clock = clock
        self._timelines = arrange(library.series)
        self._symbols = frozenset(
            symbol for symbol in library.symbols if symbol.startswith(options.namespace or "")
        )
        self._reached: dict[str, Session] = {}
        self._first: dict[str, Session] = {}
        self._streams: set[ReplayStream] = set()
        self._info = ProviderInfo(
            name=PROVIDER,
            title="Recorded data",
            timeliness=Timeliness.REPLAYED,
            max_batch=_MAX_BATCH,
            intervals=list_intervals(library.series),
            has_stream=True,
            namespace=options.namespace,
            symbols=self._symbols,
            notice="Recorded prices, played back; not those of the market now.",
        )

    @property
    def info(self) -> ProviderInfo:
        """What the provider declares of itself."""
        return self._info

    @property
    def bad_rows(self) -> Mapping[str, int]:
        """How many rows of each file were skipped because they cannot be used."""
        return self._library.bad_rows

    @property
    def problems(self) -> Sequence[TickloomError]:
        """The files that cannot be used at all, and why."""
        return self._library.problems

    async def get_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote | TickloomError]:
        """Return the newest values that a playback has reached, else the first recorded ones."""
        return {symbol: await self._get_quote(symbol) for symbol in symbols}

    async def _get_quote(self, symbol: str) -> Quote | TickloomError:
        if symbol not in self._symbols:
            return _unknown(symbol)
        quote = self._show(symbol, self._reached.get(symbol))
        if quote is None:
            if symbol not in self._first:
                self._first[symbol] = await run_in_thread(
                    lambda halt: self._read_first(symbol, halt)
                )
            quote = self._show(symbol, self._first[symbol])
        return quote or NoData(f"the recording of {symbol} has no price")

    def _show(self, symbol: str, session: Session | None) -> Quote | None:
        if session is None:
            return None
        now = self._clock.now()
        timestamp = (session.played_at or now) if self._options.shift_to_now else None
        return session.quote(symbol, timestamp, now)

    def _read_first(self, symbol: str, halt: Flag) -> Session:
        timeline = next(line for line in self._timelines if symbol in line.symbols)
        session = Session(timeline.step, self._library.factors.get(symbol))
        events = merge_events([one for one in timeline.series if one.symbol == symbol], halt)
        for event in events:
            session.take(event)
            if session.quote(symbol, None, event.due) is not None:
                events.close()
                break
        return session

    async def get_history(self, request: HistoryRequest) -> HistoricalData:
        """Return recorded bars in their original times, unadjusted unless asked otherwise.

        Raises:
            UnknownSymbol: The symbol is not recorded.
            InvalidDates: The range is reversed.
            NotSupported: The bars are too coarse, or there is no factor file to adjust by.
            NoData: Nothing is recorded in the range.
        """
        if request.symbol not in self._symbols:
            raise _unknown(request.symbol)
        series = [one for one in self._library.series if one.symbol == request.symbol]
        factors = self._library.factors.get(request.symbol)
        bars = await run_in_thread(lambda halt: collect_bars(series, factors, request, halt))
        return HistoricalData(
            symbol=request.symbol,
            interval=request.interval,
            start_date=request.start,
            end_date=request.end,
            provider=PROVIDER,
            received_at=self._clock.now(),
            data_points=bars,
            timeliness=Timeliness.REPLAYED,
            adjustment=request.adjustment,
        )

    async def open_stream(self) -> QuoteStream:
        """Open a stream with a playback of its own."""
        stream = ReplayStream(
            timelines=self._timelines,
            options=self._options,
            clock=self._clock,
            factors=self._library.factors,
            reached=self._reached,
            on_close=self._streams.discard,
        )
        self._streams.add(stream)
        return stream

    async def aclose(self) -> None:
        """Close all streams."""
        for stream in tuple(self._streams):
            await stream.aclose()


def _unknown(symbol: str) -> UnknownSymbol:
    return UnknownSymbol(f"{symbol} is not among the recorded symbols")
