"""History over REST: bars as JSON, CSV, Arrow or Parquet, streamed."""

from __future__ import annotations

import re
from typing import Annotated, Any, cast
from urllib.parse import parse_qsl, quote, urlencode

from litestar import Request, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter
from litestar.types import ASGIApp

from tickloom.api.download import Download
from tickloom.api.problems import may_fail
from tickloom.api.quotes import Symbol
from tickloom.errors import NotAcceptable, RequestError, StoreUnavailable
from tickloom.history import HistoryAnswer, Order, Page
from tickloom.history.formats import FORMATS, Format, Style, check_style, find_format
from tickloom.manager import MarketDataManager
from tickloom.model import HistoricalData, Interval
from tickloom.questions import parse_date

_INTERVALS = "One of " + ", ".join(Interval) + "."
_FORMATS = f"One of {', '.join(FORMATS)}; absent = as the header Accept says, else json."
# With a limit the bars are in memory before the first one goes out.
_MOST_BARS = 50_000

_Day = Annotated[str, QueryParameter(description="First day, YYYY-MM-DD.")]
_LastDay = Annotated[
    str | None, QueryParameter(description="Last day, inclusive; absent = today in UTC.")
]
_Interval = Annotated[str, QueryParameter(description=_INTERVALS)]
_Adjusted = Annotated[
    str, QueryParameter(description="What prices account for: none, splits or all.")
]
_Provider = Annotated[
    str | None,
    QueryParameter(
        description="Whose bars: the name of a provider, or live for those that were built from "
        "the stream, which may have gaps; absent = of whoever has them."
    ),
]
_Format = Annotated[str | None, QueryParameter(name="format", description=_FORMATS)]
_Limit = Annotated[
    int | None, QueryParameter(description=f"Most bars, 1 to {_MOST_BARS}; absent = all.")
]
_Order = Annotated[str, QueryParameter(description="asc = oldest first, desc = newest first.")]
_Fields = Annotated[
    str | None, QueryParameter(description="Fields of each bar with commas between; absent = all.")
]
_Token = Annotated[
    str | None, QueryParameter(description="The token of the next page, from the page before.")
]
_Decimals = Annotated[
    str, QueryParameter(description="Prices in Arrow and Parquet: decimal, string or float.")
]


def history_routes(manager: MarketDataManager) -> list[HTTPRouteHandler]:
    """Return the routes of the past."""

    @get(
        "/historical/{symbol:str}",
        operation_id="getHistoricalData",
        summary="Bars in a range of dates",
        description="With `fields`, bars have these alone. With `limit`, the header Link and the "
        "field `next_page` of JSON name the page that follows, where there is one.",
        tags=["market data"],
        responses={
            200: ResponseSpec(HistoricalData, generate_examples=False, description="The bars"),
            **may_fail(400, 404, 406, 501, 503),
        },
    )
    async def get_historical(  # noqa: PLR0913 - one for each parameter
        *,
        request: Request[Any, Any, State],
        symbol: Symbol,
        start_date: _Day,
        end_date: _LastDay = None,
        interval: _Interval = "1d",
        adjusted: _Adjusted = "none",
        provider: _Provider = None,
        format_: _Format = None,
        limit: _Limit = None,
        order: _Order = "asc",
        fields: _Fields = None,
        page: _Token = None,
        decimals: _Decimals = "decimal",
    ) -> ASGIApp:
        style = check_style(_format_of(request, format_), fields, decimals)
        wanted = _page(limit, order, page)
        start = parse_date(start_date, "start_date")
        end = parse_date(end_date, "end_date") if end_date else manager.clock.now().date()

        async def begin() -> tuple[HistoryAnswer, Download]:
            answer = await manager.open_history(
                symbol, start, end, interval, adjusted, wanted, provider=provider
            )
            download = Download(manager.histories.encode(answer, style), request.url.path)
            await (download.begin() if limit is None else download.read_all())
            return answer, download

        try:
            answer, download = await begin()
        except StoreUnavailable:
            # The database is left alone from now on, so that a provider answers.
            answer, download = await begin()
        headers = {"content-type": style.format.media_type, "vary": "Accept"}
        if style.format.name != "json":
            headers["content-disposition"] = f'attachment; filename="{_file_name(answer, style)}"'
        if limit is not None and answer.next_page is not None:
            headers["link"] = f'<{_next(request, answer.next_page)}>; rel="next"'
        return download.with_headers(headers)

    return [get_historical]


def _format_of(request: Request[Any, Any, State], name: str | None) -> Format:
    if name is not None:
        return find_format(name)
    by_type = {format_.media_type: format_ for format_ in FORMATS.values()}
    found = request.accept.best_match(list(by_type))
    if found is None:
        raise NotAcceptable(
            "history has none of the media types that the header Accept names",
            found=request.headers.get("accept"),
            expected=f"one of {', '.join(by_type)}",
            fix="Change the header, or say format=json.",
        )
    return by_type[found]


def _page(limit: int | None, order: str, after: str | None) -> Page:
    if limit is not None and not 1 <= limit <= _MOST_BARS:
        raise RequestError(
            "the limit is out of range",
            found=limit,
            expected=f"1 to {_MOST_BARS}",
            fix="Leave it out to have all bars in one answer.",
        )
    if order not in {"asc", "desc"}:
        raise RequestError("unknown order", found=order, expected="asc or desc")
    return Page(limit=limit, order=cast("Order", order), after=after)


def _next(request: Request[Any, Any, State], token: str) -> str:
    query = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    kept = [(name, value) for name, value in query if name != "page"]
    return f"{quote(request.scope['path'])}?{urlencode([*kept, ('page', token)])}"


def _file_name(answer: HistoryAnswer, style: Style) -> str:
    head = answer.head
    name = f"{head.symbol}-{head.interval}-{head.start_date}-{head.end_date}"
    return f"{re.sub(r'[^A-Za-z0-9._-]', '_', name)}.{style.format.name}"
