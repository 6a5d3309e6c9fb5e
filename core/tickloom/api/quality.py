"""What the checks kept back and told, whether providers agree, and how they do."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter, QueryParameter
from msgspec import Struct

from tickloom.api.problems import may_fail
from tickloom.api.responses import json_response
from tickloom.errors import RequestError, verbatim
from tickloom.history import Page as HistoryPage
from tickloom.manager import MarketDataManager
from tickloom.model import HistoricalData, parse_symbol
from tickloom.monitoring.alerts import SystemAlert
from tickloom.quality import Comparison, EventPage, HeldPage, page_of, refuse_nul
from tickloom.questions import parse_date
from tickloom.roles import Finding
from tickloom.security import KeyRing, refuse_foreign_pages
from tickloom.store.quality_rows import Counts, Held, HourScore

_MOST_HOURS = 24 * 31
_MOST_SCORES = 10_000
_MOST_BARS = 50_000
_DEFAULT_SPAN = timedelta(days=30)

Limit = Annotated[int, QueryParameter(description="Most rows, 1 to 1000.")]
Page = Annotated[
    str | None, QueryParameter(description="`next` of the page before; absent = the newest.")
]
SymbolFilter = Annotated[str | None, QueryParameter(description="Of this symbol only.")]
ProviderFilter = Annotated[str | None, QueryParameter(description="Of this provider only.")]
CodeFilter = Annotated[str | None, QueryParameter(description="With this code only.")]
Row = Annotated[str, PathParameter(description="The `id` of a row.")]


class ProviderScore(Struct, frozen=True, kw_only=True):
    """How a provider did with a symbol since the server's start; shares are 0 to 1."""

    provider: str
    symbol: str
    completeness: float | None
    timeliness: float | None
    agreement: float | None
    validity: float | None
    score: float | None
    passed_over: bool
    counts: Counts


class Scores(Struct, frozen=True, kw_only=True):
    """Since the start in this process, and by hour as it is stored."""

    scores: list[ProviderScore]
    hours: list[HourScore]


class SeriesFindings(Struct, frozen=True, kw_only=True):
    """What the checks say of bars as they are served."""

    symbol: str
    interval: str
    provider: str
    bars: int
    findings: list[Finding]


class Alerts(Struct, frozen=True, kw_only=True):
    """What is wrong now, and what was before."""

    current: list[SystemAlert]
    resolved: list[SystemAlert]


def quarantine_routes(manager: MarketDataManager) -> list[HTTPRouteHandler]:
    """Return the routes of what was kept back, and of what was told."""
    quarantine = manager.quality.quarantine

    @get(
        "/quality/quarantine",
        operation_id="getQuarantine",
        summary="What was kept back, newest first",
        tags=["quality"],
        responses={
            200: ResponseSpec(HeldPage, generate_examples=False, description="A page of rows"),
            **may_fail(400, 503),
        },
    )
    async def get_quarantine(
        symbol: SymbolFilter = None,
        provider: ProviderFilter = None,
        code: CodeFilter = None,
        decision: Annotated[
            str | None,
            QueryParameter(name="state", description="held, released or dropped; absent = all."),
        ] = None,
        limit: Limit = 100,
        page: Page = None,
    ) -> Response[HeldPage]:
        wanted = page_of(
            limit, page, symbol=_symbol(symbol), provider=provider, code=code, state=decision
        )
        return json_response(await quarantine.held(wanted))

    @get(
        "/quality/events",
        operation_id="getQualityEvents",
        summary="What was told, by minute, newest first",
        tags=["quality"],
        responses=may_fail(400, 503),
    )
    async def get_events(
        symbol: SymbolFilter = None,
        provider: ProviderFilter = None,
        code: CodeFilter = None,
        kind: Annotated[
            str | None, QueryParameter(description="quote, series, comparison or store.")
        ] = None,
        limit: Limit = 100,
        page: Page = None,
    ) -> Response[EventPage]:
        wanted = page_of(
            limit, page, symbol=_symbol(symbol), provider=provider, code=code, kind=kind
        )
        return json_response(await quarantine.events(wanted))

    return [get_quarantine, get_events]


def decision_routes(manager: MarketDataManager, ring: KeyRing) -> list[HTTPRouteHandler]:
    """Return the routes that decide about what was kept back."""
    quarantine = manager.quality.quarantine

    @post(
        "/quality/quarantine/{row:str}/release",
        operation_id="releaseQuarantined",
        summary="Let a row go on, flagged as released",
        description="A quote that is older than the newest one is stored only.",
        tags=["quality"],
        status_code=200,
        guards=[refuse_foreign_pages],
        responses={
            200: ResponseSpec(Held, generate_examples=False, description="The row"),
            **may_fail(400, 403, 404, 503),
        },
    )
    async def release(row: Row, request: Request[Any, Any, State]) -> Response[Held]:
        return json_response(await quarantine.release(row, _user(request, ring)))

    @post(
        "/quality/quarantine/{row:str}/drop",
        operation_id="dropQuarantined",
        summary="Decide that a row never goes on",
        tags=["quality"],
        status_code=200,
        guards=[refuse_foreign_pages],
        responses={
            200: ResponseSpec(Held, generate_examples=False, description="The row"),
            **may_fail(400, 403, 404, 503),
        },
    )
    async def drop(row: Row, request: Request[Any, Any, State]) -> Response[Held]:
        return json_response(await quarantine.drop(row, _user(request, ring)))

    return [release, drop]


def quality_routes(manager: MarketDataManager) -> list[HTTPRouteHandler]:
    """Return the routes of comparison and scores."""

    @get(
        "/quality/compare/{symbol:str}",
        operation_id="compareProviders",
        summary="Whether the providers of a symbol agree",
        description="Each is asked now, within its budget.",
        tags=["quality"],
        responses={
            200: ResponseSpec(Comparison, generate_examples=False, description="Pair by pair"),
            **may_fail(400, 404, 503),
        },
    )
    async def compare(
        symbol: Annotated[str, PathParameter(description="A symbol.")],
        bars: Annotated[
            int, QueryParameter(description="Daily bars to be compared besides, 0 to 250.")
        ] = 0,
    ) -> Response[Comparison]:
        return json_response(await manager.quality.comparer.compare(parse_symbol(symbol), bars))

    @get(
        "/quality/scores",
        operation_id="getScores",
        summary="How providers do with symbols",
        tags=["quality"],
        responses=may_fail(400, 503),
    )
    async def get_scores(
        symbol: SymbolFilter = None,
        provider: ProviderFilter = None,
        hours: Annotated[
            int, QueryParameter(description="Stored hours besides, 0 to 744; 0 = none.")
        ] = 0,
    ) -> Response[Scores]:
        if not 0 <= hours <= _MOST_HOURS:
            raise RequestError("hours is out of range", found=hours, expected=f"0 to {_MOST_HOURS}")
        refuse_nul(provider=provider)
        name = _symbol(symbol)
        now = manager.quality.scores.stats(name)
        past = (
            await manager.quality.past_scores(hours, name, provider, _MOST_SCORES) if hours else []
        )
        wanted = [one for one in now if provider in {None, one["provider"]}]
        return json_response({"scores": wanted, "hours": past})

    return [compare, get_scores]


def finding_routes(manager: MarketDataManager) -> list[HTTPRouteHandler]:
    """Return the routes of findings in bars, and of alerts."""

    @get(
        "/quality/series/{symbol:str}",
        operation_id="inspectSeries",
        summary="What the checks say of bars, as they are served",
        tags=["quality"],
        responses={
            200: ResponseSpec(SeriesFindings, generate_examples=False, description="The findings"),
            **may_fail(400, 404, 503),
        },
    )
    async def inspect_series(
        symbol: Annotated[str, PathParameter(description="A symbol.")],
        start_date: Annotated[
            str | None, QueryParameter(description="First day; absent = 30 days before the last.")
        ] = None,
        end_date: Annotated[
            str | None, QueryParameter(description="Last day, inclusive; absent = today in UTC.")
        ] = None,
        interval: Annotated[str, QueryParameter(description="Length of a bar.")] = "1d",
    ) -> Response[SeriesFindings]:
        end = parse_date(end_date, "end_date") if end_date else manager.clock.now().date()
        span = min(_DEFAULT_SPAN, end - date.min)
        start = parse_date(start_date, "start_date") if start_date else end - span
        history = await _some_bars(manager, symbol, start, end, interval)
        found = await manager.quality.gate.findings(history)
        return json_response(
            SeriesFindings(
                symbol=history.symbol,
                interval=history.interval.value,
                provider=history.provider,
                bars=len(history.data_points),
                findings=found,
            )
        )

    @get(
        "/quality/alerts",
        operation_id="getSystemAlerts",
        summary="What is wrong with the data now, and what was before",
        tags=["quality"],
    )
    async def get_alerts() -> Response[Alerts]:
        alerts = manager.alerts
        return json_response(Alerts(current=alerts.current(), resolved=alerts.resolved()))

    return [inspect_series, get_alerts]


async def _some_bars(
    manager: MarketDataManager, symbol: str, start: date, end: date, interval: str
) -> HistoricalData:
    # More of them would take memory and a thread for longer than anybody waits.
    part = HistoryPage(limit=_MOST_BARS)
    answer = await manager.open_history(symbol, start, end, interval, page=part)
    history = await answer.whole()
    if answer.next_page is not None:
        raise RequestError(
            "too many bars to be inspected at once",
            found=verbatim(f"more than {_MOST_BARS}"),
            expected=f"at most {_MOST_BARS}",
            fix="Ask for fewer days.",
        )
    return history


def _symbol(text: str | None) -> str | None:
    return None if text is None else parse_symbol(text)


def _user(request: Request[Any, Any, State], ring: KeyRing) -> str:
    return ring.user_of_headers(request.headers) or "anonymous"
