"""What the OpenAPI document says of history beyond what the handler's types say."""

from __future__ import annotations

from dataclasses import dataclass

from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, Operation, Schema
from litestar.openapi.spec.enums import OpenAPIType

from tickloom.api.problems import may_fail
from tickloom.history.formats import FORMATS
from tickloom.model import HistoricalData
from tickloom.store.columns import FIELDS

FIELDS_PATTERN = "^({0})(,({0}))*$".format("|".join(FIELDS))
"""Names of fields with commas between."""

_FAILURES = {
    400: "A parameter is wrong: `invalid-request`, `invalid-symbol`, `invalid-interval` or "
    "`invalid-dates`.",
    401: "`not-authenticated`, where the server asks for keys.",
    404: "There are no such bars: `no-data`, `no-session`, `unknown-symbol`, `unknown-provider` or "
    "`not-supported`.",
    406: "`not-acceptable`: the header Accept names none of the media types.",
    500: "`internal`: a fault of the server.",
    501: "`missing-dependency`: Arrow and Parquet need pyarrow beside the server.",
    503: "Nobody can answer now: `provider-unavailable`, `rate-limited`, `store-unavailable`, "
    "`credentials-refused`, `plugin-failed` or `bad-record`; with Retry-After where it is known.",
}
_BODIES = {
    "csv": Schema(
        type=OpenAPIType.STRING,
        description="A line with the names of the fields, then one for each bar; what is not known "
        "is empty.",
    ),
    "arrow": Schema(description="An Arrow IPC stream, binary."),
    "parquet": Schema(description="A Parquet file, binary."),
}


def history_responses() -> dict[int, ResponseSpec]:
    """Return what a question for history may be answered with."""
    failures = may_fail(*_FAILURES)
    for status, description in _FAILURES.items():
        failures[status].description = description
    whole = ResponseSpec(HistoricalData, generate_examples=False, description="The bars.")
    return {200: whole, **failures}


@dataclass
class HistoryOperation(Operation):
    """Adds the other media types of the answer, and the forms that JSON has besides."""

    def __post_init__(self) -> None:
        """Complete the answer that was made of :func:`history_responses`."""
        answer = (self.responses or {})["200"]
        if not isinstance(answer, OpenAPIResponse) or answer.content is None:
            raise TypeError(f"the answer of history is described by {answer!r}")
        json = answer.content[FORMATS["json"].media_type]
        parts = Schema(
            type=OpenAPIType.OBJECT,
            description="The same with bars that have the chosen `fields` alone.",
            properties={
                "data_points": Schema(type=OpenAPIType.ARRAY, items=Schema(type=OpenAPIType.OBJECT))
            },
            required=["symbol", "interval", "provider", "data_points"],
        )
        token = Schema(
            type=OpenAPIType.STRING,
            description="With `limit`, where more bars follow: what `page` takes.",
        )
        whole = [] if json.schema is None else [json.schema]
        json.schema = Schema(any_of=[*whole, parts], properties={"next_page": token})
        for name, schema in _BODIES.items():
            answer.content[FORMATS[name].media_type] = OpenAPIMediaType(schema=schema)
