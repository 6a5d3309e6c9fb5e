"""The provider: quotes at the present, bars of the past, companies and the stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tickloom.clock import Clock
from tickloom.errors import NotSupported, TickloomError, UnknownSymbol
from tickloom.model import Company, HistoricalData, Quote, Timeliness
from tickloom.roles import HistoryRequest, Provider, ProviderInfo, QuoteStream
from tickloom_simulated.history import INTERVALS, collect_bars
from tickloom_simulated.instrument import Instrument
from tickloom_simulated.options import NAMESPACE, SimulatedOptions, name_symbols
from tickloom_simulated.session import now_in_nanoseconds
from tickloom_simulated.stream import SimulatedStream
from tickloom_simulated.ticker import CURRENCY, EXCHANGE, NANOSECONDS, PROVIDER, Ticker

_MAX_BATCH = 1_000
# Finding a symbol's present takes as long as this many ticks; so many are made without a pause.
_SEEK_TICKS = 500
_TURN_TICKS = 5_000
_NOTICE = "Invented prices for tests and demonstrations. Nothing about SIM.* is real."


class SimulatedProvider(Provider):
    """A venue that never closes, whose prices depend on seed, symbol and time alone.

    Args:
        options: What is traded, and how fast.
        clock: The present.

    Raises:
        ConfigError: A symbol of ``options`` cannot be one.
    """

    def __init__(self, options: SimulatedOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._period_ns = round(NANOSECONDS / options.ticks_per_s)
        self._symbols = frozenset(name_symbols(options))
        self._tickers: dict[str, Ticker] = {}
        self._streams: set[SimulatedStream] = set()
        self._skipped_ticks = 0
        self._info = ProviderInfo(
            name=PROVIDER,
            title="Simulated market",
            timeliness=Timeliness.SIMULATED,
            max_batch=_MAX_BATCH,
            intervals=INTERVALS,
            # There are none, and the bars say so.
            has_actions=True,
            has_company=True,
            has_stream=True,
            namespace=NAMESPACE,
            symbols=self._symbols,
            notice=_NOTICE,
        )

    @property
    def info(self) -> ProviderInfo:
        """What the provider declares of itself."""
        return self._info

    @property
    def skipped_ticks(self) -> int:
        """How many ticks all streams left out, because they were taken too slowly."""
        return self._skipped_ticks + sum(stream.skipped_ticks for stream in self._streams)

    async def get_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote | TickloomError]:
        """Return the newest tick of each symbol."""
        found: dict[str, Quote | TickloomError] = {}
        work = 0
        for symbol in symbols:
            found[symbol] = self._quote(symbol)
            work += _SEEK_TICKS + int(self._options.ticks_per_s)
            if work > _TURN_TICKS:
                work = 0
                await self._clock.sleep(0)
        return found

    def _quote(self, symbol: str) -> Quote | TickloomError:
        if symbol not in self._tickers:
            ticker = self._make_ticker(symbol)
            if ticker is None:
                return self._unknown(symbol)
            self._tickers[symbol] = ticker
        ticker = self._tickers[symbol]
        number = ticker.newest(now_in_nanoseconds(self._clock))
        return ticker.quote(number, self._clock.now())

    def _make_ticker(self, symbol: str) -> Ticker | None:
        if symbol not in self._symbols:
            return None
        instrument = Instrument(self._options.seed, symbol)
        return Ticker(instrument, self._period_ns, now_in_nanoseconds(self._clock))

    async def get_history(self, request: HistoryRequest) -> HistoricalData:
        """Return the finished bars that begin in the range.

        There are no splits and no dividends, so prices are the same with any adjustment.

        Raises:
            UnknownSymbol: The symbol is not simulated.
            NotSupported: There are no such bars.
            InvalidDates: The range is reversed, or too long for one question.
            NoData: No bar that begins in the range is finished.
        """
        if request.symbol not in self._symbols:
            raise self._unknown(request.symbol)
        if request.interval not in INTERVALS:
            raise NotSupported(f"provider {PROVIDER} has no bars of {request.interval}")
        instrument = Instrument(self._options.seed, request.symbol)
        bars = await collect_bars(instrument, request, self._clock)
        return HistoricalData(
            symbol=request.symbol,
            interval=request.interval,
            start_date=request.start,
            end_date=request.end,
            provider=PROVIDER,
            received_at=self._clock.now(),
            data_points=bars,
            timeliness=Timeliness.SIMULATED,
            adjustment=request.adjustment,
            currency=CURRENCY,
            exchange=EXCHANGE,
        )

    async def get_company(self, symbol: str) -> Company:
        """Describe an instrument as what it is: invented.

        Raises:
            UnknownSymbol: The symbol is not simulated.
        """
        if symbol not in self._symbols:
            raise self._unknown(symbol)
        name = symbol.removeprefix(NAMESPACE).capitalize()
        return Company(
            symbol=symbol,
            name=f"{name} (simulated)",
            provider=PROVIDER,
            received_at=self._clock.now(),
            description=f"{name} is simulated: no such company, and nobody trades it. {_NOTICE}",
            asset_type="simulated",
            exchange=EXCHANGE,
            currency=CURRENCY,
            additional_data={
                "seed": self._options.seed,
                "ticks_per_s": self._options.ticks_per_s,
            },
        )

    async def open_stream(self) -> QuoteStream:
        """Open a stream; all streams see the same ticks."""
        stream = SimulatedStream(
            make_ticker=self._make_ticker,
            period_ns=self._period_ns,
            clock=self._clock,
            on_close=self._let_go,
        )
        self._streams.add(stream)
        return stream

    def _let_go(self, stream: SimulatedStream) -> None:
        self._streams.discard(stream)
        self._skipped_ticks += stream.skipped_ticks

    async def aclose(self) -> None:
        """Close all streams."""
        for stream in tuple(self._streams):
            await stream.aclose()

    def _unknown(self, symbol: str) -> UnknownSymbol:
        some = ", ".join(sorted(self._symbols)[:5])
        return UnknownSymbol(
            f"{symbol} is not simulated",
            expected=some if len(self._symbols) <= len(some.split(", ")) else f"{some} …",
            fix="Add it to plugins.simulated.symbols.",
        )
