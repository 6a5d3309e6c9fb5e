"""Cases of history, companies and search."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import date, timedelta

from msgspec.structs import replace

from tickloom.errors import (
    InvalidDates,
    NoData,
    NotFound,
    NotSupported,
    PluginError,
    TickloomError,
)
from tickloom.feeds.checks import check_company, check_history
from tickloom.model import Interval, PriceAdjustment, SymbolMatch, parse_symbol
from tickloom.testing.cases import Broken, Case, Need, Tier, case, require, shown
from tickloom.testing.cases_needs import COMPANY, HISTORY, SEARCH, SYMBOL
from tickloom.testing.cases_trial import ProviderTrial

_LIMIT = 3
_ONE_DAY = timedelta(days=1)
# A question for a year of seconds is nobody's; each interval is asked for a range that suits it.
_USUAL = (
    (timedelta(minutes=15), timedelta(days=1)),
    (timedelta(days=1), timedelta(days=5)),
    (timedelta(days=7), timedelta(days=60)),
)
_LONGEST = timedelta(days=1_000)

_NOT_ALL = Need[ProviderTrial](
    "something that is not offered",
    lambda trial: None if _absent(trial) else "offers everything",
)
_NOT_ALL_INTERVALS = Need[ProviderTrial](
    "an interval that is not offered",
    lambda trial: None if set(Interval) - set(trial.info.intervals) else "offers all intervals",
)


def _absent(trial: ProviderTrial) -> list[str]:
    info = trial.info
    offered = {
        "history": info.intervals,
        "a company": info.has_company,
        "search": info.has_search,
        "a stream": info.has_stream,
    }
    return [what for what, there in offered.items() if not there]


@case(
    "P04",
    "What is not offered is refused as such",
    Tier.BRONZE,
    "Each raises NotSupported.",
    _NOT_ALL,
)
async def refuses_the_rest(trial: ProviderTrial) -> None:
    """Ask for history, a company, a search and a stream, whichever info does not declare."""
    provider = trial.provider
    symbol = trial.known[0] if trial.known else trial.stranger
    for what in _absent(trial):
        await trial.pace()
        try:
            if what == "history":
                await provider.get_history(trial.question(symbol=symbol, interval=Interval.DAY))
            elif what == "a company":
                await provider.get_company(symbol)
            elif what == "search":
                await provider.search(symbol, _LIMIT)
            else:
                await (await provider.open_stream()).aclose()
        except NotSupported:
            continue
        raise Broken(f"{what} is not declared in info, and yet given")


@case(
    "P20",
    "History answers the question that was asked",
    Tier.SILVER,
    "Symbol, interval, adjustment and both days are those of the question; every bar has finite "
    "Decimals and an aware time.",
    HISTORY,
    SYMBOL,
)
async def history_answers(trial: ProviderTrial) -> None:
    """Ask for bars of the first known symbol, in days where they are offered."""
    request, history = await trial.some_history()
    try:
        await check_history(history, request, trial.info)
    except PluginError as error:
        raise Broken(str(error)) from None
    asked, given = (request.start, request.end), (history.start_date, history.end_date)
    require(
        given == asked, f"asked for {asked[0]} to {asked[1]}, answered {given[0]} to {given[1]}"
    )


@case(
    "P21",
    "Bars come oldest first",
    Tier.SILVER,
    "Each bar begins after the one before it.",
    HISTORY,
    SYMBOL,
)
async def bars_are_ordered(trial: ProviderTrial) -> None:
    """Ask for bars of the first known symbol."""
    _, history = await trial.some_history()
    bars = history.data_points
    for before, bar in itertools.pairwise(bars):
        require(
            before.timestamp < bar.timestamp,
            f"a bar of {before.timestamp} comes before one of {bar.timestamp}",
        )


@case(
    "P22",
    "Bars lie in the range",
    Tier.SILVER,
    "No bar begins more than its own length before the first day or after the last one; a day to "
    "either side is allowed for the venue's time zone.",
    HISTORY,
    SYMBOL,
)
async def bars_are_in_range(trial: ProviderTrial) -> None:
    """Ask for bars of the first known symbol."""
    request, history = await trial.some_history()
    long = max(request.interval.duration, _ONE_DAY)
    for bar in history.data_points:
        day = bar.timestamp.date()
        inside = request.start - long <= day <= request.end + _ONE_DAY
        require(inside, f"a bar of {day} is outside of {request.start} to {request.end}")


@case(
    "P23",
    "Every interval that is declared is offered",
    Tier.SILVER,
    "For one of the symbols at least, each is answered with bars of that interval or with NoData.",
    HISTORY,
    SYMBOL,
)
async def intervals_are_offered(trial: ProviderTrial) -> None:
    """Ask for known symbols in each interval, for a range that suits it."""
    base, _ = await trial.some_history()
    for interval in trial.info.intervals:
        spans = [span for shorter, span in _USUAL if interval.duration < shorter]
        start = max(base.end - (spans[0] if spans else _LONGEST), date.min + _LONGEST)
        request = trial.question(
            start=start, end=base.end, interval=interval, adjustment=base.adjustment
        )
        for symbol in trial.known:
            try:
                history = await trial.history(replace(request, symbol=symbol))
            except NoData:
                break
            except NotSupported:
                continue
            require(history.interval is interval, f"asked for {interval}, got {history.interval}")
            break
        else:
            raise Broken(f"the interval {interval} is declared in info, but no symbol has it")


@case(
    "P24",
    "An interval that is not declared is refused as such",
    Tier.SILVER,
    "It raises NotSupported.",
    HISTORY,
    _NOT_ALL_INTERVALS,
    SYMBOL,
)
async def other_intervals_are_refused(trial: ProviderTrial) -> None:
    """Ask for the first interval that info does not declare."""
    interval = next(one for one in Interval if one not in trial.info.intervals)
    try:
        await trial.history(trial.question(interval=interval))
    except NotSupported:
        return
    raise Broken(f"the interval {interval} is not declared in info, and yet answered")


@case(
    "P25",
    "An adjustment is kept to or refused",
    Tier.SILVER,
    "Each is answered with a series that says it is so adjusted, or raises NotSupported; one at "
    "least is answered.",
    HISTORY,
    SYMBOL,
)
async def adjustments_are_kept(trial: ProviderTrial) -> None:
    """Ask for the same bars in each adjustment."""
    base, _ = await trial.some_history()
    for adjustment in PriceAdjustment:
        request = trial.question(start=base.start, end=base.end, adjustment=adjustment)
        try:
            history = await trial.history(request)
        except NotSupported:
            continue
        # Whether the one that was found first is right is the matter of P20.
        require(
            adjustment is base.adjustment or history.adjustment is adjustment,
            f"asked for adjustment {adjustment}, given {history.adjustment}",
        )


@case(
    "P26",
    "History that cannot be is told as such",
    Tier.SILVER,
    "An unknown symbol raises UnknownSymbol or NoData, days to come raise NoData or InvalidDates.",
    HISTORY,
    SYMBOL,
)
async def no_history_is_told(trial: ProviderTrial) -> None:
    """Ask for bars of an unknown symbol, then for a week that begins in a year."""
    then = trial.today() + timedelta(days=365)
    strange = trial.question(symbol=trial.stranger)
    future = trial.question(start=then, end=then + timedelta(days=7))
    for request, expected in ((strange, NotFound), (future, NoData | InvalidDates)):
        what = f"{request.symbol} from {request.start}"
        try:
            history = await trial.history(request)
        except TickloomError as error:
            require(isinstance(error, expected), f"{what} raised {shown(error)}")
        else:
            require(not history.data_points, f"{what} has {len(history.data_points)} bars")
            raise Broken(f"{what} was answered without bars, not refused")


@case(
    "P27",
    "A company is described",
    Tier.SILVER,
    "The symbol is the one asked for, there is a name, and JSON can hold it.",
    COMPANY,
    SYMBOL,
)
async def company_is_described(trial: ProviderTrial) -> None:
    """Ask for the company behind the first known symbol."""
    await trial.pace()
    company = await trial.provider.get_company(trial.symbol)
    try:
        check_company(company, trial.symbol, trial.info.name)
    except PluginError as error:
        raise Broken(str(error)) from None
    require(company.name.strip(), "the company has no name")


@case(
    "P28",
    "A company that is unknown is told as such",
    Tier.SILVER,
    "It raises UnknownSymbol or NoData.",
    COMPANY,
)
async def unknown_company_is_told(trial: ProviderTrial) -> None:
    """Ask for the company behind an unknown symbol."""
    await trial.pace()
    try:
        company = await trial.provider.get_company(trial.stranger)
    except NotSupported:
        raise
    except NotFound:
        return
    raise Broken(f"the unknown symbol {trial.stranger} has a company: {shown(company)}")


@case(
    "P29",
    "A search finds symbols, and no more than asked for",
    Tier.SILVER,
    f"There are 1 to {_LIMIT} SymbolMatch with canonical symbols; a text that fits nothing gives "
    "none and raises nothing.",
    SEARCH,
    SYMBOL,
)
async def search_finds(trial: ProviderTrial) -> None:
    """Search for a text that is known to fit, then for one that fits nothing."""
    text = trial.query or trial.symbol
    await trial.pace()
    found: object = await trial.provider.search(text, _LIMIT)
    proper = isinstance(found, Sequence) and all(type(one) is SymbolMatch for one in found)
    if not proper or not isinstance(found, Sequence):
        raise Broken(f"the search gave {shown(found)}, not matches")
    require(
        1 <= len(found) <= _LIMIT, f"{len(found)} matches for {text!r} with a limit of {_LIMIT}"
    )
    for match in found:
        canonical = parse_symbol(match.symbol)
        require(match.symbol == canonical, f"{match.symbol!r} is {canonical!r} in canonical form")
    await trial.pace()
    none = await trial.provider.search("qzxjkvw no such thing", _LIMIT)
    require(len(none) == 0, f"a text that fits nothing found {shown(none)}")


HISTORY_CASES: tuple[Case[ProviderTrial], ...] = (
    history_answers,
    bars_are_ordered,
    bars_are_in_range,
    intervals_are_offered,
    other_intervals_are_refused,
    adjustments_are_kept,
    no_history_is_told,
    company_is_described,
    unknown_company_is_told,
    search_finds,
)
