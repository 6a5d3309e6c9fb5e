"""History over REST: bars as JSON, CSV, Arrow or Parquet, streamed."""

from __future__ import annotations

import re
from typing import Annotated, Any, cast, get_args
from urllib.parse import parse_qsl, quote, urlencode

from litestar import Request, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter
from litestar.types import ASGIApp

from tickloom.api.download import Download
from tickloom.api.history_document import FIELDS_PATTERN, HistoryOperation, history_responses
from tickloom.api.media_types import best_of
from tickloom.api.quotes import Symbol
from tickloom.errors import NotAcceptable, RequestError, StoreUnavailable
from tickloom.history import HistoryAnswer, Order, Page
from tickloom.history.formats import FORMATS, Decimals, Format, Style, check_style, find_format
from tickloom.manager import MarketDataManager
from tickloom.model import Interval, PriceAdjustment
from tickloom.questions import PROVIDER_PATTERN, parse_date

# With a limit the bars may be in memory before the first one goes out.
_MOST_BARS = 50_000

# What is allowed is only described here: our own errors say more than those of the framework.
_Day = Annotated[
    str,
    QueryParameter(
        description="First day, YYYY-MM-DD, in the venue's calendar.",
        schema_extra={"format": "date"},
    ),
]
_LastDay = Annotated[
    str | None,
    QueryParameter(
        description="Last day, inclusive; absent = today in UTC.", schema_extra={"format": "date"}
    ),
]
_Interval = Annotated[
    str, QueryParameter(description="Length of a bar.", schema_extra={"enum": list(Interval)})
]
_Adjusted = Annotated[
    str,
    QueryParameter(
        description="What prices account for.", schema_extra={"enum": list(PriceAdjustment)}
    ),
]
_Provider = Annotated[
    str | None,
    QueryParameter(
        description="Whose bars: the name of a provider, or live for those that were built from "
        "the stream, which may have gaps; absent = of whoever has them.",
        schema_extra={"pattern": f"^{PROVIDER_PATTERN}$"},
    ),
]
_Format = Annotated[
    str | None,
    QueryParameter(
        name="format",
        description="absent = as the header Accept says, else json.",
        schema_extra={"enum": list(FORMATS)},
    ),
]
_Limit = Annotated[
    int | None,
    QueryParameter(
        description="Most bars; absent = all.", schema_extra={"minimum": 1, "maximum": _MOST_BARS}
    ),
]
_Order = Annotated[
    str,
    QueryParameter(
        description="asc = oldest first, desc = newest first.",
        schema_extra={"enum": list(get_args(Order))},
    ),
]
_Fields = Annotated[
    str | None,
    QueryParameter(
        description="Fields of each bar with commas between; absent = all.",
        schema_extra={"pattern": FIELDS_PATTERN},
    ),
]
_Token = Annotated[
    str | None, QueryParameter(description="The token of the next page, from the page before.")
]
_Decimals = Annotated[
    str,
    QueryParameter(
        description="How Arrow and Parquet hold prices.",
        schema_extra={"enum": list(get_args(Decimals))},
    ),
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
        operation_class=HistoryOperation,
        responses=history_responses(),
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
            is_known = limit is None or answer.is_measured
            await (download.begin() if is_known else download.read_all())
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
    found = best_of(request.headers.get("accept", ""), list(by_type))
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
