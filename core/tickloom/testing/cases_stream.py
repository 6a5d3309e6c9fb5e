"""Cases of a provider's own stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from tickloom.errors import PluginError
from tickloom.feeds.checks import check_quote
from tickloom.model import Quote
from tickloom.roles import QuoteStream
from tickloom.testing.cases import Broken, Case, Tier, case, require, shown
from tickloom.testing.cases_needs import STREAM, SYMBOL, TWO_SYMBOLS
from tickloom.testing.cases_trial import PATIENCE_S, ProviderTrial, turns

_FIRST_S = 5.0
_MOST_BATCHES = 40
_QUIET_BATCHES = 2


async def _batch(batches: AsyncIterator[Sequence[Quote]]) -> Sequence[Quote]:
    try:
        async with asyncio.timeout(_FIRST_S) as limit:
            batch: object = await anext(batches)
    except StopAsyncIteration:
        raise Broken("the stream ended by itself") from None
    except TimeoutError:
        if limit.expired():
            raise Broken(f"no value came within {_FIRST_S:g} s; is the market open?") from None
        raise
    if not isinstance(batch, Sequence):
        raise Broken(f"the stream gave {shown(batch)}, not a batch of quotes")
    return batch


async def _first(batches: AsyncIterator[Sequence[Quote]], symbol: str) -> Quote:
    for _ in range(_MOST_BATCHES):
        for quote in await _batch(batches):
            if getattr(quote, "symbol", symbol) == symbol:
                return quote
    raise Broken(f"no value of {symbol} among the first {_MOST_BATCHES} batches")


async def _drain(stream: QuoteStream) -> None:
    async for _ in stream:
        await asyncio.sleep(0)


@case(
    "P30",
    "A stream gives values of what is subscribed",
    Tier.GOLD,
    f"Within {_FIRST_S:g} s comes a batch with a quote of the right types.",
    STREAM,
    SYMBOL,
)
async def stream_gives_values(trial: ProviderTrial) -> None:
    """Open a stream, subscribe to the first known symbol, and wait."""
    async with trial.stream() as stream:
        await stream.subscribe([trial.symbol])
        quote = await _first(aiter(stream), trial.symbol)
        try:
            check_quote(quote, trial.info.name)
        except PluginError as error:
            raise Broken(str(error)) from None


@case(
    "P31",
    "A stream gives nothing that was not subscribed",
    Tier.GOLD,
    "Until then every quote is of the first symbol.",
    STREAM,
    SYMBOL,
)
async def stream_gives_no_other(trial: ProviderTrial) -> None:
    """Subscribe to the first known symbol and wait for its first two batches."""
    async with trial.stream() as stream:
        await stream.subscribe([trial.symbol])
        batches = aiter(stream)
        for _ in range(2):
            others = {quote.symbol for quote in await _batch(batches)} - {trial.symbol}
            require(not others, f"values of {shown(others)}, which nobody subscribed to")


@case(
    "P32",
    "What is unsubscribed falls silent, and the rest goes on",
    Tier.GOLD,
    f"Of the next {_MOST_BATCHES} batches {_QUIET_BATCHES} in a row have only the other symbol.",
    STREAM,
    TWO_SYMBOLS,
)
async def unsubscribing_silences(trial: ProviderTrial) -> None:
    """Subscribe to two symbols, wait for the first one's value, and unsubscribe from it."""
    gone, kept = trial.known[:2]
    async with trial.stream() as stream:
        await stream.subscribe([gone, kept])
        batches = aiter(stream)
        await _first(batches, gone)
        await stream.unsubscribe([gone])
        quiet = 0
        # What had been taken in before may still come out.
        for _ in range(_MOST_BATCHES):
            batch = await _batch(batches)
            quiet = 0 if any(quote.symbol == gone for quote in batch) else quiet + bool(batch)
            if quiet == _QUIET_BATCHES:
                return
        raise Broken(f"{_MOST_BATCHES} batches after unsubscribing {gone} still comes")


@case(
    "P33",
    "Subscribing twice, and unsubscribing what is not there, is nothing",
    Tier.GOLD,
    "Nothing is raised, and values still come.",
    STREAM,
    SYMBOL,
)
async def subscribing_twice(trial: ProviderTrial) -> None:
    """Subscribe to a symbol twice, unsubscribe from another one, and wait for a value."""
    async with trial.stream() as stream:
        await stream.unsubscribe([trial.stranger])
        await stream.subscribe([trial.symbol])
        await stream.subscribe([trial.symbol])
        await _first(aiter(stream), trial.symbol)


@case(
    "P34",
    "An unknown symbol does not break the stream of the others",
    Tier.GOLD,
    "Values of the known symbol come.",
    STREAM,
    SYMBOL,
)
async def stranger_in_stream(trial: ProviderTrial) -> None:
    """Subscribe to an unknown and a known symbol at once, and wait."""
    async with trial.stream() as stream:
        await stream.subscribe([trial.stranger, trial.symbol])
        await _first(aiter(stream), trial.symbol)


@case(
    "P35",
    "Closing a stream ends its iteration",
    Tier.GOLD,
    f"Whoever waits for the next batch gets the end of the iteration within {PATIENCE_S:g} s.",
    STREAM,
)
async def closing_ends_iteration(trial: ProviderTrial) -> None:
    """Iterate over a stream without symbols in one task, and close it in another."""
    await trial.pace()
    stream = await trial.provider.open_stream()
    reader = asyncio.ensure_future(_drain(stream))
    await turns()
    require(not reader.done(), "the iteration of an open stream ended by itself")
    await stream.aclose()
    _, waiting = await asyncio.wait({reader}, timeout=PATIENCE_S)
    if waiting:
        reader.cancel()
        raise Broken(f"the iteration went on {PATIENCE_S:g} s after the stream was closed")
    await reader


@case(
    "P36",
    "A stream can be closed twice",
    Tier.GOLD,
    "The second time raises nothing.",
    STREAM,
)
async def stream_closes_twice(trial: ProviderTrial) -> None:
    """Open a stream and close it twice."""
    await trial.pace()
    stream = await trial.provider.open_stream()
    await stream.aclose()
    await stream.aclose()


@case(
    "P37",
    "After a stream was closed, another one gives values",
    Tier.GOLD,
    "Values come from the second stream.",
    STREAM,
    SYMBOL,
)
async def stream_opens_again(trial: ProviderTrial) -> None:
    """Open and close a stream, open another one, subscribe, and wait."""
    for turn in range(2):
        async with trial.stream() as stream:
            await stream.subscribe([trial.symbol])
            if turn:
                await _first(aiter(stream), trial.symbol)


STREAM_CASES: tuple[Case[ProviderTrial], ...] = (
    stream_gives_values,
    stream_gives_no_other,
    unsubscribing_silences,
    subscribing_twice,
    stranger_in_stream,
    closing_ends_iteration,
    stream_closes_twice,
    stream_opens_again,
)
