"""Cases of what a provider says of itself and of its quotes."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from tickloom.errors import PluginError, TickloomError, UnknownSymbol
from tickloom.feeds.checks import check_quote
from tickloom.model import Quote, Timeliness, parse_currency
from tickloom.roles import ProviderInfo
from tickloom.testing.cases import Broken, Case, Tier, case, require, shown
from tickloom.testing.cases_needs import BATCHES, SYMBOL
from tickloom.testing.cases_trial import PATIENCE_S, ProviderTrial, quote_in, turns

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_NAMESPACE = re.compile(r"[A-Z0-9]{1,16}\.")
_MOST_IN_BATCH = 100
_MOST_DIGITS = 28
_CLOCKS_APART = timedelta(minutes=1)


@case(
    "P01",
    "The provider says of itself what it is, and the same each time",
    Tier.BRONZE,
    "It is a ProviderInfo whose fields have the right types, with a lower-case name, a max_batch "
    "of at least 1 and a namespace such as SIM. or none; both answers are equal.",
)
async def info_is_valid(trial: ProviderTrial) -> None:
    """Ask for info twice."""
    info: Any = trial.info
    require(isinstance(info, ProviderInfo), f"info is {shown(info)}")
    try:
        msgspec.convert(msgspec.to_builtins(info), ProviderInfo)
    except (msgspec.ValidationError, TypeError) as error:
        raise Broken(f"info has a wrong field: {error}") from None
    require(_NAME.fullmatch(info.name), f"the name {info.name!r} is not lower case")
    require(info.max_batch >= 1, f"max_batch is {info.max_batch}")
    proper = info.namespace is None or _NAMESPACE.fullmatch(info.namespace)
    require(proper, f"the namespace is {info.namespace!r}")
    require(trial.info == info, "info was another one the second time")


@case(
    "P02",
    "A known symbol has a quote of the right types",
    Tier.BRONZE,
    "The quote bears the symbol that was asked for; prices are finite Decimals, counts are whole "
    "numbers, times are aware, and JSON can hold it.",
    SYMBOL,
)
async def quote_has_types(trial: ProviderTrial) -> None:
    """Ask for the quote of each known symbol, one after the other, at most five."""
    for symbol in trial.known[:5]:
        quote = await trial.quote(symbol)
        try:
            check_quote(quote, trial.info.name)
        except PluginError as error:
            raise Broken(str(error)) from None
        require(quote.symbol == symbol, f"asked for {symbol}, the quote is of {quote.symbol!r}")


@case(
    "P03",
    "An unknown symbol is told as unknown",
    Tier.BRONZE,
    "get_quotes raises nothing; the symbol is left out of the answer or has an UnknownSymbol.",
)
async def unknown_is_told(trial: ProviderTrial) -> None:
    """Ask for the quote of a symbol that does not exist."""
    found = (await trial.quotes([trial.stranger])).get(trial.stranger)
    require(
        found is None or isinstance(found, UnknownSymbol),
        f"the unknown symbol {trial.stranger} has {shown(found)}",
    )


@case(
    "P10",
    "Times are in UTC, and received_at is the provider's clock",
    Tier.SILVER,
    "timestamp and received_at have the zone UTC; received_at is not in the future.",
    SYMBOL,
)
async def times_are_utc(trial: ProviderTrial) -> None:
    """Ask for the quote of the first known symbol."""
    quote = await trial.quote()
    now = trial.clock.now()
    for name in ("timestamp", "received_at"):
        value = getattr(quote, name)
        require(
            isinstance(value, datetime) and value.utcoffset() == timedelta(0),
            f"{name} is {shown(value)}, not in {UTC}",
        )
    require(quote.received_at <= now, f"received_at is {quote.received_at}, but it is {now}")


@case(
    "P11",
    "A batch with an unknown symbol in it is answered in part",
    Tier.SILVER,
    "The known symbol has its quote; the unknown one is left out or has an UnknownSymbol.",
    BATCHES,
    SYMBOL,
)
async def mixed_batch(trial: ProviderTrial) -> None:
    """Ask for an unknown and a known symbol at once."""
    answer = await trial.quotes([trial.stranger, trial.symbol])
    quote_in(answer, trial.symbol)
    found = answer.get(trial.stranger)
    require(
        found is None or isinstance(found, UnknownSymbol),
        f"the unknown symbol {trial.stranger} has {shown(found)} in a batch",
    )


@case(
    "P12",
    "A batch as large as declared is answered whole",
    Tier.SILVER,
    "Every known symbol in it has a quote, and nothing is answered that was not asked.",
    BATCHES,
    SYMBOL,
)
async def full_batch(trial: ProviderTrial) -> None:
    """Ask for max_batch symbols at once, at most 100: the known ones, then made-up ones.

    Then ask for the first known symbol alone.
    """
    size = min(trial.info.max_batch, _MOST_IN_BATCH)
    known = trial.known[:size]
    batch = [*known, *(f"{trial.stranger}{number}" for number in range(size - len(known)))]
    answer = await trial.quotes(batch)
    for symbol in known:
        quote_in(answer, symbol)
    require(set(answer) <= set(batch), f"not asked for: {shown(set(answer) - set(batch))}")
    extra = set(await trial.quotes([trial.symbol])) - {trial.symbol}
    require(not extra, f"asked for {trial.symbol} alone, answered {shown(extra)} too")


@case(
    "P13",
    "Asked again it answers again",
    Tier.SILVER,
    "There is a quote each time, and received_at never goes back.",
    SYMBOL,
)
async def answers_again(trial: ProviderTrial) -> None:
    """Ask for the same symbol three times."""
    last = (await trial.quote()).received_at
    for _ in range(2):
        received_at = (await trial.quote()).received_at
        require(received_at >= last, f"received_at went back from {last} to {received_at}")
        last = received_at


@case(
    "P14",
    "Calls at the same time do not mix",
    Tier.SILVER,
    "Each call is answered with the quote of its own symbol.",
    SYMBOL,
)
async def concurrent_calls(trial: ProviderTrial) -> None:
    """Ask for as many single symbols at once as the provider takes requests, at most eight."""
    width = min(trial.info.concurrency, 8)
    asked = [trial.known[place % len(trial.known)] for place in range(width)]
    quotes = await asyncio.gather(*(trial.quote(symbol) for symbol in asked))
    # A quote under a wrong name even when it is asked for alone is the matter of P02.
    alone = {symbol: (await trial.quote(symbol)).symbol for symbol in dict.fromkeys(asked)}
    for symbol, quote in zip(asked, quotes, strict=True):
        require(
            quote.symbol == alone[symbol], f"asked for {symbol}, the quote is of {quote.symbol!r}"
        )


@case(
    "P15",
    "A cancelled call ends at once and does no harm",
    Tier.SILVER,
    f"It ends within {PATIENCE_S:g} s of being cancelled, and the next call is answered.",
    SYMBOL,
)
async def cancelled_call(trial: ProviderTrial) -> None:
    """Cancel a call for quotes at three points of its way, then ask again."""
    for count in (1, 5, 25):
        await trial.pace()
        call = asyncio.ensure_future(trial.provider.get_quotes([trial.symbol]))
        await turns(count)
        call.cancel()
        _, waiting = await asyncio.wait({call}, timeout=PATIENCE_S)
        require(not waiting, f"a cancelled call still ran after {PATIENCE_S:g} s")
        if not call.cancelled() and (error := call.exception()) is not None:
            require(isinstance(error, TickloomError), f"it raised {shown(error)}")
    await trial.quote()


@case(
    "P16",
    "Nothing claims to be fresher than the provider declares",
    Tier.SILVER,
    "is_real_time is set only where the provider's timeliness is real_time, and the quote bears "
    "the provider's name.",
    SYMBOL,
)
async def honest_freshness(trial: ProviderTrial) -> None:
    """Ask for the quote of the first known symbol."""
    quote, info = await trial.quote(), trial.info
    honest = not quote.is_real_time or info.timeliness is Timeliness.REAL_TIME
    require(honest, f"is_real_time is set, but the provider is {info.timeliness}")
    require(quote.provider == info.name, f"the quote names the provider {quote.provider!r}")


@case(
    "P17",
    "Prices are exact",
    Tier.GOLD,
    f"No price has more than {_MOST_DIGITS} digits, as one has that was a float on its way.",
    SYMBOL,
)
async def prices_are_exact(trial: ProviderTrial) -> None:
    """Count the digits of every Decimal of the first known symbol's quote."""
    quote = await trial.quote()
    for name in Quote.__struct_fields__:
        value = getattr(quote, name)
        if isinstance(value, Decimal):
            digits = len(value.as_tuple().digits)
            require(digits <= _MOST_DIGITS, f"{name} has {digits} digits: {value}")


@case(
    "P18",
    "A price is made before it is received",
    Tier.GOLD,
    "timestamp is at most one minute after received_at: clocks differ, but not by more.",
    SYMBOL,
)
async def made_before_received(trial: ProviderTrial) -> None:
    """Ask for the quote of the first known symbol."""
    quote = await trial.quote()
    ahead = quote.timestamp - quote.received_at
    require(ahead <= _CLOCKS_APART, f"timestamp is {ahead} after received_at")


@case(
    "P19",
    "A currency is spelled as tickloom does",
    Tier.GOLD,
    "It is an ISO 4217 code, one of GBp, ILA and ZAc, or None.",
    SYMBOL,
)
async def currency_is_ours(trial: ProviderTrial) -> None:
    """Ask for the quote of the first known symbol."""
    currency = (await trial.quote()).currency
    require(
        currency is None or parse_currency(currency) == currency, f"the currency is {currency!r}"
    )


QUOTE_CASES: tuple[Case[ProviderTrial], ...] = (
    info_is_valid,
    quote_has_types,
    unknown_is_told,
    times_are_utc,
    mixed_batch,
    full_batch,
    answers_again,
    concurrent_calls,
    cancelled_call,
    honest_freshness,
    prices_are_exact,
    made_before_received,
    currency_is_ours,
)
