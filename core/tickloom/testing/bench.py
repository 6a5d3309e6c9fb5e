"""Measures a provider with pytest-benchmark, and makes one table of all that were measured.

A test takes the fixture ``tickloom_speed`` and calls one of the methods of :class:`ProviderSpeed`.
Nothing is measured, and no table printed, unless pytest runs with ``--benchmark-enable``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, TypeAlias

import httpx

from tickloom.errors import TickloomError
from tickloom.roles import Provider

Ask: TypeAlias = Callable[[], Awaitable[object]]
"""Asks once."""
Measured: TypeAlias = tuple[str, str, float]
"""Provider, what was measured, and seconds for each item or call."""

_ROUNDS = 60
_COLUMNS = ("provider", "parsed/s", "bare client", "provider", "ratio", "at once/s")


class ProviderSpeed:
    """One measurement of one provider.

    Args:
        benchmark: The fixture of pytest-benchmark.
        keep: Takes what was measured, for the table.
    """

    def __init__(self, benchmark: Any, keep: Callable[[Measured], None]) -> None:
        self._benchmark = benchmark
        self._keep = keep

    def parse(self, provider: str, run: Callable[[], object], items: int) -> None:
        """Measure a parser.

        Args:
            provider: Its row of the table.
            run: Parses one answer.
            items: Quotes or bars in that answer.
        """
        self._benchmark.group = "providers: parsing an answer"
        self._benchmark(run)
        self._note(provider, "parse", items)

    def bare(self, provider: str, opened: AbstractAsyncContextManager[Ask]) -> None:
        """Measure the HTTP client alone, for :meth:`call` to be compared with."""
        self._calls(provider, "bare", opened, 1)

    def call(self, provider: str, opened: AbstractAsyncContextManager[Ask]) -> None:
        """Measure one call of the provider after the other.

        Args:
            provider: Its row of the table.
            opened: Gives a function that asks for the same as the one for :meth:`bare`.
        """
        self._calls(provider, "call", opened, 1)

    def concurrent(
        self, provider: str, opened: AbstractAsyncContextManager[Ask], width: int = 50
    ) -> None:
        """Measure ``width`` calls of the provider at the same time."""
        self._calls(provider, "concurrent", opened, width)

    def _calls(
        self, provider: str, kind: str, opened: AbstractAsyncContextManager[Ask], width: int
    ) -> None:
        self._benchmark.group = f"providers: {kind}" + (f" ({width} calls)" if width > 1 else "")
        with asyncio.Runner() as runner:
            stack = AsyncExitStack()
            ask = runner.run(stack.enter_async_context(opened))

            async def ask_all() -> None:
                await asyncio.gather(*(ask() for _ in range(width)))

            try:
                self._benchmark.pedantic(
                    lambda: runner.run(ask_all()), rounds=_ROUNDS, warmup_rounds=3
                )
            finally:
                runner.run(stack.aclose())
        self._note(provider, kind, width)

    def _note(self, provider: str, kind: str, items: int) -> None:
        # Without --benchmark-enable the function runs once and nothing is measured.
        if self._benchmark.stats is not None:
            self._keep((provider, kind, self._benchmark.stats.stats.median / items))


@asynccontextmanager
async def asking(provider: Provider, symbol: str) -> AsyncIterator[Ask]:
    """Give what asks ``provider`` for one quote; the provider is closed at the end."""

    async def ask() -> None:
        answer = (await provider.get_quotes([symbol]))[symbol]
        if isinstance(answer, TickloomError):
            raise answer

    try:
        yield ask
    finally:
        await provider.aclose()


@asynccontextmanager
async def bare_client(url: str) -> AsyncIterator[Ask]:
    """Give what asks ``url`` with httpx alone and reads the whole answer."""
    async with httpx.AsyncClient(trust_env=False) as http:

        async def ask() -> bytes:
            return (await http.get(url)).content

        yield ask


def table_of(measured: Iterable[Measured]) -> list[str]:
    """Return the lines of a table with a row for each provider; what was not measured is ``-``."""
    by_provider: dict[str, dict[str, float]] = {}
    for provider, kind, each_s in measured:
        by_provider.setdefault(provider, {})[kind] = each_s
    rows = [_COLUMNS, *(_row(name, found) for name, found in sorted(by_provider.items()))]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_COLUMNS))]
    return [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _row(name: str, found: dict[str, float]) -> tuple[str, ...]:
    bare, call = found.get("bare"), found.get("call")
    return (
        name,
        _rate(found.get("parse")),
        _time(bare),
        _time(call),
        f"{call / bare:.2f}" if bare and call else "-",
        _rate(found.get("concurrent")),
    )


def _rate(each_s: float | None) -> str:
    return f"{1 / each_s:,.0f}" if each_s else "-"


def _time(each_s: float | None) -> str:
    return f"{each_s * 1e6:,.0f} us" if each_s else "-"
