"""The provider role over the simulated market."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tickloom.clock import Clock
from tickloom.errors import TickloomError, UnknownSymbol
from tickloom.model import Company, HistoricalData, Interval, Quote, Timeliness, parse_symbol
from tickloom.roles import HistoryRequest, Provider, ProviderInfo, QuoteStream
from tickloom_simulated.history import make_bars
from tickloom_simulated.market import Market
from tickloom_simulated.options import SimulatedOptions

NAMESPACE = "SIM."


class SimulatedProvider(Provider):
    """Invented prices that never claim to be real-time.

    Args:
        options: What is simulated.
        clock: Drives the market.

    Raises:
        InvalidSymbol: A name of ``options.symbols`` cannot be part of a symbol.
    """

    def __init__(self, options: SimulatedOptions, clock: Clock) -> None:
        symbols = frozenset(parse_symbol(f"{NAMESPACE}{name}") for name in options.symbols)
        self.market = Market(symbols, options.ticks_per_s, options.seed, clock)
        self._clock = clock
        self._info = ProviderInfo(
            name="simulated",
            title="Simulated test feed",
            timeliness=Timeliness.SIMULATED,
            max_batch=100_000,
            intervals=tuple(Interval),
            has_company=True,
            has_stream=True,
            namespace=NAMESPACE,
            symbols=symbols,
            notice="Prices are invented; they have nothing to do with any market.",
        )

    @property
    def info(self) -> ProviderInfo:
        """What the provider declares of itself."""
        return self._info

    async def get_quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote | TickloomError]:
        """Return the newest ticks; symbols that are not simulated are unknown."""
        return {
            symbol: self.market.newest(symbol) if self._knows(symbol) else self._unknown(symbol)
            for symbol in symbols
        }

    async def get_history(self, request: HistoryRequest) -> HistoricalData:
        """Return complete bars; there are no corporate actions, so every adjustment is the same."""
        self._check(request.symbol)
        bars = await make_bars(self.market.walks[request.symbol].level, request, self._clock)
        return HistoricalData(
            symbol=request.symbol,
            interval=request.interval,
            start_date=request.start,
            end_date=request.end,
            provider=self._info.name,
            received_at=self._clock.now(),
            data_points=bars,
            timeliness=Timeliness.SIMULATED,
            adjustment=request.adjustment,
            currency="USD",
            exchange="SIM",
        )

    async def get_company(self, symbol: str) -> Company:
        """Describe a company that does not exist."""
        self._check(symbol)
        name = symbol.removeprefix(NAMESPACE).title()
        return Company(
            symbol=symbol,
            name=f"{name} (simulated)",
            provider=self._info.name,
            received_at=self._clock.now(),
            description=f"{name} does not exist. Its prices are simulated for tests.",
            asset_type="simulated",
            exchange="SIM",
            currency="USD",
        )

    async def open_stream(self) -> QuoteStream:
        """Open a stream of ticks as they happen."""
        return self.market.open()

    async def aclose(self) -> None:
        """Nothing is held."""

    def _knows(self, symbol: str) -> bool:
        return symbol in self.market.walks

    def _check(self, symbol: str) -> None:
        if not self._knows(symbol):
            raise self._unknown(symbol)

    def _unknown(self, symbol: str) -> UnknownSymbol:
        some = ", ".join(sorted(self.market.walks)[:5])
        return UnknownSymbol(
            f"{symbol} is not simulated", expected=f"a symbol of plugins.simulated: {some}"
        )
