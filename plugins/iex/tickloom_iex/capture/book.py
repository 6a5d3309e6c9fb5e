"""The best bid and ask from the price levels of DEEP."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct


class Top(Struct, frozen=True, gc=False):
    """Best bid and ask in ten-thousandths of a dollar; 0 = nobody bids or offers."""

    bid: int = 0
    bid_size: int = 0
    ask: int = 0
    ask_size: int = 0


EMPTY = Top()


class Side:
    """The levels of one side of a book.

    Args:
        choose: ``max`` for bids, ``min`` for asks.
    """

    __slots__ = ("_choose", "best", "levels")

    def __init__(self, choose: Callable[[Iterable[int]], int]) -> None:
        self.levels: dict[int, int] = {}
        self.best = 0
        self._choose = choose

    def set(self, price: int, size: int) -> int:
        """Put ``size`` at ``price``, 0 removes it; return by how many levels there are more."""
        levels = self.levels
        before = len(levels)
        if size:
            levels[price] = size
            if not self.best or self._choose((price, self.best)) == price:
                self.best = price
        elif levels.pop(price, 0) and price == self.best:
            self.best = self._choose(levels) if levels else 0
        return len(levels) - before

    def drop(self, prices: Iterable[int]) -> int:
        """Remove ``prices``; return by how many levels there are fewer."""
        return -sum(self.set(price, 0) for price in tuple(prices))


class Book:
    """The book of one symbol.

    Attributes:
        is_doubtful: True once messages were missing: then a newer level removes those that it
            crosses, since the venue would have. IEX's samples of DEEP have crossed books without
            that, so elsewhere the levels are taken at their word.
    """

    __slots__ = ("_asks", "_bids", "is_doubtful")

    def __init__(self) -> None:
        self.is_doubtful = False
        self._bids = Side(max)
        self._asks = Side(min)

    def __len__(self) -> int:
        return len(self._bids.levels) + len(self._asks.levels)

    def set(self, price: int, size: int, *, is_buy: bool) -> int:
        """Put ``size`` at ``price``, 0 removes it; return by how many levels there are more."""
        return (self._bids if is_buy else self._asks).set(price, size)

    def settle(self, *, is_buy: bool) -> int:
        """Remove what the newest level crosses in a doubtful book; return how many levels.

        Args:
            is_buy: Which side the newest level is of.
        """
        if not self.is_doubtful:
            return 0
        bid, ask = self._bids.best, self._asks.best
        if not bid or not ask or bid < ask:
            return 0
        if is_buy:
            return self._asks.drop(price for price in self._asks.levels if price <= bid)
        return self._bids.drop(price for price in self._bids.levels if price >= ask)

    def top(self) -> Top:
        """Return the best levels."""
        bid, ask = self._bids.best, self._asks.best
        return Top(bid, self._bids.levels.get(bid, 0), ask, self._asks.levels.get(ask, 0))
