"""The provider: quotes at the point that the playback has reached, history and the stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Event as Flag

from tickloom.clock import Clock
from tickloom.errors import ProviderUnavailable, TickloomError, Unavailable, UnknownSymbol
from tickloom.model import Bar, HistoricalData, Quote, Timeliness
from tickloom.roles import HistoryRequest, Provider, ProviderInfo, QuoteStream
from tickloom_iex.capture.background import run_in_thread
from tickloom_iex.capture.bars import INTERVALS, check_request, make_bars, reach_of
from tickloom_iex.capture.counts import CaptureCounts
from tickloom_iex.capture.directory import Directory
from tickloom_iex.capture.options import CaptureOptions
from tickloom_iex.capture.player import Played
from tickloom_iex.capture.session import CURRENCY, EXCHANGE, PROVIDER, stamp
from tickloom_iex.capture.stream import CaptureStream
from tickloom_iex.capture.survey import Survey

_MAX_BATCH = 100


class CaptureProvider(Provider):
    """Captures of IEX Exchange as if they were live; it never claims to be real-time."""

    def __init__(self, options: CaptureOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._directory = Directory(options)
        self._reached: dict[str, Played] = {}
        self._streams: set[CaptureStream] = set()
        self._info = ProviderInfo(
            name=PROVIDER,
            title="IEX Exchange, captured",
            timeliness=Timeliness.REPLAYED,
            max_batch=_MAX_BATCH,
            intervals=INTERVALS,
            has_stream=True,
            namespace=options.namespace,
            notice="Captured quotes and trades of one venue with a few per cent of the volume in "
            "the United States, played back; not the market's prices, and not those of now.",
        )

    @property
    def info(self) -> ProviderInfo:
        """What the provider declares of itself."""
        return self._info

    @property
    def counts(self) -> CaptureCounts:
        """What was found in the captures besides values; complete after the first history."""
        return self._directory.counts

    async def get_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote | TickloomError]:
        """Return the newest values that a playback has reached, else the first ones captured.

        Raises:
            Unavailable: The captures cannot be read, or not so far yet.
        """
        found: dict[str, Quote | TickloomError] = {}
        late: Unavailable | None = None
        for symbol in symbols:
            try:
                # One wait is enough for all.
                if late is None or symbol in self._reached:
                    found[symbol] = await self._get_quote(symbol)
                else:
                    found[symbol] = late
            except Unavailable as error:
                found[symbol] = late = error
            except TickloomError as error:
                found[symbol] = error
        if late is not None and not any(isinstance(one, Quote) for one in found.values()):
            raise late
        return found

    async def _get_quote(self, symbol: str) -> Quote:
        now = self._clock.now()
        played = self._reached.get(symbol)
        if played is not None:
            return stamp(played.quote, played.at, now)
        self._check(symbol)
        quote = await self._directory.first_quote(symbol)
        now = self._clock.now()
        return stamp(quote, now if self._options.shift_to_now else None, now)

    def _check(self, symbol: str) -> None:
        if not symbol.startswith(self._options.namespace or ""):
            raise UnknownSymbol(f"{symbol} is in no capture")

    async def get_history(self, request: HistoryRequest) -> HistoricalData:
        """Return bars of the captured trades in the venue's time, unadjusted.

        Trades that were broken later are not in them.

        Raises:
            UnknownSymbol: The symbol is in no capture.
            InvalidDates: The range is reversed.
            NotSupported: The interval is not offered, or adjusted prices are asked for.
            NoData: There is no trade in the range that makes a price.
            ProviderUnavailable: The captures cannot be read, or not wholly yet.
        """
        check_request(request)
        self._check(request.symbol)
        survey = await self._directory.whole(request.symbol)
        halt = Flag()
        bars = await run_in_thread(lambda: _read_bars(survey, request, halt), halt)
        return HistoricalData(
            symbol=request.symbol,
            interval=request.interval,
            start_date=request.start,
            end_date=request.end,
            provider=PROVIDER,
            received_at=self._clock.now(),
            data_points=bars,
            timeliness=Timeliness.REPLAYED,
            currency=CURRENCY,
            exchange=EXCHANGE,
        )

    async def open_stream(self) -> QuoteStream:
        """Open a stream with a playback of its own."""
        stream = CaptureStream(
            directory=self._directory,
            options=self._options,
            clock=self._clock,
            reached=self._reached,
            on_close=self._streams.discard,
        )
        self._streams.add(stream)
        return stream

    async def aclose(self) -> None:
        """Close all streams and end all reading."""
        for stream in tuple(self._streams):
            await stream.aclose()
        await self._directory.aclose()


def _read_bars(survey: Survey, request: HistoryRequest, halt: Flag) -> tuple[Bar, ...]:
    begin_ns, end_ns = reach_of(request)
    try:
        return make_bars(survey.trades.read(request.symbol, begin_ns, end_ns, halt), request)
    except OSError as error:
        raise ProviderUnavailable(
            "the trades of the captures cannot be read", found=error.strerror
        ) from error
