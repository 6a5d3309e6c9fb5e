"""Which providers may serve a symbol, and in which order they are asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tickloom.errors import NotSupported, UnknownProvider, UnknownSymbol
from tickloom.feeds.source import Source
from tickloom.model import Interval
from tickloom.settings import ProviderSettings
from tickloom.store import LIVE

PassedOver = Callable[[str, str], float | None]


class Router:
    """Chooses by namespace first, then by the order of ``[providers]``.

    A symbol in a provider's own namespace is served by that provider alone. Any other symbol is
    served by the primary and the fallbacks in their order; only where none of these knows it, by
    the other providers in order of name. So recorded data never stands in for a live provider
    unless somebody names it as a fallback.

    A provider that did badly with a symbol lately goes behind all others that serve it.

    Args:
        sources: All that run.
        settings: The order.
        passed_over: Returns the score of a provider that did badly with a symbol, else ``None``.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        settings: ProviderSettings,
        passed_over: PassedOver = lambda _provider, _symbol: None,
    ) -> None:
        self._passed_over = passed_over
        self._min_score = settings.min_score
        self.sources = {source.name: source for source in sources}
        named = dict.fromkeys((settings.primary, *settings.fallback))
        self._named = [self.sources[name] for name in named if name in self.sources]
        rest = set(self.sources) - set(named)
        self._others = [self.sources[name] for name in sorted(rest)]

    def candidates(
        self, symbol: str, able: Callable[[Source], bool] | None = None, what: str = "this"
    ) -> list[Source]:
        """Return who may serve ``symbol``, first choice first.

        Args:
            symbol: Canonical.
            able: Which of them have the capability that is asked for; ``None`` = all.
            what: That capability, for the error.

        Raises:
            UnknownSymbol: Nobody may serve it.
            NotSupported: Those who may are not able to.
        """
        serving = self._best_first(symbol)
        if not serving:
            raise self._unknown(symbol)
        chosen = [source for source in serving if able is None or able(source)]
        if not chosen:
            names = ", ".join(source.name for source in serving)
            raise NotSupported(f"no provider of {symbol} offers {what}: {names} cannot")
        return chosen

    def with_bars(self, symbol: str, interval: Interval, name: str | None) -> list[Source]:
        """Return who may serve bars of an interval, first choice first.

        Args:
            symbol: Canonical.
            interval: Of the bars.
            name: Whom alone, whatever the order of ``[providers]``; ``None`` = anybody.

        Raises:
            UnknownProvider: None of that name runs.
            UnknownSymbol: Nobody may serve the symbol.
            NotSupported: Those who may do not have this interval; the error says what they have.
        """
        serving = self.candidates(symbol) if name is None else [self.named(name, symbol)]
        chosen = [source for source in serving if interval in source.info.intervals]
        if not chosen:
            who = f"no provider of {symbol} offers" if name is None else f"provider {name} has no"
            raise NotSupported(
                f"{who} bars of {interval}: " + "; ".join(map(_offer, serving)),
            )
        return chosen

    def named(self, name: str, symbol: str) -> Source:
        """Return the provider of a name, whatever the order of ``[providers]``.

        Raises:
            UnknownProvider: None of that name runs.
            UnknownSymbol: It may not serve the symbol.
        """
        source = self.sources.get(name)
        if source is None:
            raise UnknownProvider(
                "no provider of this name runs",
                found=name,
                expected="one of " + ", ".join(sorted([*self.sources, LIVE])),
            )
        owner = self._owner(symbol)
        if not source.knows(symbol) or (owner is not None and owner is not source):
            raise UnknownSymbol(f"provider {name} does not serve {symbol}", fix=self._advice())
        return source

    def searchers(self) -> list[Source]:
        """Return the providers that can be searched, first choice first.

        Raises:
            NotSupported: There is none.
        """
        found = [one for one in (*self._named, *self._others) if one.info.has_search]
        if not found:
            raise NotSupported("no running provider offers a search")
        return found

    def tellers(self, symbol: str) -> list[str]:
        """Return who gives unadjusted days with all splits and dividends, first choice first."""
        return [
            source.name
            for source in self._best_first(symbol)
            if source.info.has_actions and Interval.DAY in source.info.intervals
        ]

    def setback(self, symbol: str, provider: str) -> tuple[str, str] | None:
        """Return who should have served ``symbol`` before ``provider``, and why it is passed over.

        ``None`` where nobody was.
        """
        if not self._min_score:
            return None
        serving = self._serving(symbol)
        first = serving[0].name if serving else provider
        score = self._passed_over(first, symbol)
        if first == provider or score is None:
            return None
        return first, (
            f"provider {first} is passed over for {symbol}: its score is {score:.2f}, "
            f"at least {self._min_score:g} is asked for (providers.min_score)"
        )

    def _best_first(self, symbol: str) -> list[Source]:
        serving = self._serving(symbol)
        if not self._min_score or len(serving) < 2:  # noqa: PLR2004 - one has no other behind it
            return serving
        # A stable order: where all did badly it is the order of the settings again.
        return sorted(serving, key=lambda one: self._passed_over(one.name, symbol) is not None)

    def _serving(self, symbol: str) -> list[Source]:
        owner = self._owner(symbol)
        if owner is not None:
            return [owner] if owner.knows(symbol) else []
        named = [source for source in self._named if source.knows(symbol)]
        return named or [source for source in self._others if source.knows(symbol)]

    def _owner(self, symbol: str) -> Source | None:
        """Return whose namespace a symbol is in; ``None`` = it is in the common one."""
        for source in self.sources.values():
            namespace = source.info.namespace
            if namespace is not None and symbol.startswith(namespace):
                return source
        return None

    def _unknown(self, symbol: str) -> UnknownSymbol:
        return UnknownSymbol(f"no provider serves {symbol}", fix=self._advice())

    def _advice(self) -> str:
        if not self.sources:
            return "No provider is running: install a provider plugin, or see plugins.enabled."
        served = []
        for source in self.sources.values():
            info = source.info
            if info.symbols is not None:
                some = ", ".join(sorted(info.symbols)[:5])
                more = ", …" if len(info.symbols) > 5 else ""  # noqa: PLR2004 - as shown before
                served.append(f"{source.name} serves {some}{more}")
            else:
                served.append(f"{source.name} serves {info.namespace or 'any symbol'}")
        return "; ".join(served) + "."

    def listed(self) -> set[str]:
        """Return all symbols that providers list; patterns are matched against them."""
        return {symbol for source in self.sources.values() for symbol in source.info.symbols or ()}


def _offer(source: Source) -> str:
    intervals = ", ".join(source.info.intervals)
    return f"{source.name} has bars of {intervals}" if intervals else f"{source.name} has no bars"
