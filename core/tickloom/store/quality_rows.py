"""What the tables of quality hold: what was kept back, what was told, and how providers did."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tickloom.errors import BadRecord, verbatim
from tickloom.model import HistoricalData, Quality, Quote
from tickloom.roles import Verdict

HeldState = Literal["held", "released", "dropped"]
EventKind = Literal["quote", "series", "comparison", "store"]
NOT_STORABLE = "not-storable"
"""The code of a row that the database refused."""

# The exact text of each decimal, and a word where a plugin put in what JSON cannot say.
_encoder = msgspec.json.Encoder(decimal_format="string", enc_hook=repr)
_UNFIT = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_LONGEST_REASON = 1_000


class Held(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A quote or a bar that was kept back.

    Attributes:
        id: A UUID, made of what was kept back.
        symbol: As in ``quote`` or ``series``; signs that no database takes are replaced.
        provider: Who gave it.
        timestamp: When it was made at the venue, aware UTC.
        received_at: When we got it, aware UTC.
        code: Short and stable, such as ``not-positive``.
        reason: A sentence with the values found.
        created_at: When it was kept back, aware UTC.
        interval: That of the bar; ``None`` = it is a quote.
        found: The numbers of the reason by name.
        state: ``held`` until somebody decides.
        decided_at: When somebody did, aware UTC; ``None`` = nobody yet.
        decided_by: Who; ``None`` = nobody yet.
        quote: The whole quote; ``None`` = it is a bar, or cannot be read.
        series: The bar with what is known of its series; ``None`` = it is a quote.
    """

    id: str
    symbol: str
    provider: str
    timestamp: datetime
    received_at: datetime
    code: str
    reason: str
    created_at: datetime
    interval: str | None = None
    found: Mapping[str, Decimal] = {}
    state: HeldState = "held"
    decided_at: datetime | None = None
    decided_by: str | None = None
    quote: Quote | None = None
    series: HistoricalData | None = None


class QualityEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was told of a symbol of a provider within a minute.

    Attributes:
        id: A UUID, made of the minute, the subject and the code.
        at: Begin of the minute, aware UTC.
        last_at: When it was told last, aware UTC.
        symbol: Canonical.
        provider: Who gave the values.
        kind: Who told it: the checks of quotes or of series, a comparison, or the database.
        code: Short and stable.
        quality: The verdict.
        reason: A sentence with the values found, of the first that was told.
        interval: That of the bars; ``None`` = it is about quotes.
        found: The numbers of the reason by name.
        timestamp: Of the first quote or bar that it is about, aware UTC; ``None`` = of none.
        times: How often it was told.
    """

    id: str
    at: datetime
    last_at: datetime
    symbol: str
    provider: str
    kind: EventKind
    code: str
    quality: Quality
    reason: str
    interval: str | None = None
    found: Mapping[str, Decimal] = {}
    timestamp: datetime | None = None
    times: int = 1


Kept = Held | QualityEvent
"""What waits on disk while the database is away."""


class Counts(Struct, kw_only=True):
    """How a provider did with a symbol.

    Attributes:
        asked: How often it was asked for a quote.
        answered: How often it gave one.
        dated: Quotes whose age tells something.
        timely: Those not older than the provider's declared timeliness allows.
        compared: Comparisons with another provider.
        agreed: Those within the tolerance.
        judged: Quotes that the checks saw.
        valid: Those that drew no complaint.
    """

    asked: int = 0
    answered: int = 0
    dated: int = 0
    timely: int = 0
    compared: int = 0
    agreed: int = 0
    judged: int = 0
    valid: int = 0


class HourScore(Struct, frozen=True, kw_only=True):
    """How a provider did with a symbol in one hour.

    Attributes:
        provider: Its name.
        symbol: Canonical.
        hour: Begin of the hour, aware UTC.
        counts: What was counted in it.
        completeness: Share of questions that were answered; ``None`` = none was asked.
        timeliness: Share of quotes that were young enough; ``None`` = none tells.
        agreement: Share of comparisons within the tolerance; ``None`` = there was none.
        validity: Share of quotes without a complaint; ``None`` = there was none.
    """

    provider: str
    symbol: str
    hour: datetime
    counts: Counts
    completeness: float | None = None
    timeliness: float | None = None
    agreement: float | None = None
    validity: float | None = None


def hold(subject: Quote | HistoricalData, verdict: Verdict, now: datetime) -> Held:
    """Return the row of a quote, or of a series of one bar, that is kept back at ``now``.

    Raises:
        BadRecord: It has no time, or cannot be written at all.
    """
    series = None if isinstance(subject, Quote) else subject
    quote = subject if isinstance(subject, Quote) else None
    try:
        dated = subject if isinstance(subject, Quote) else subject.data_points[0]
        timestamp = dated.timestamp.astimezone(UTC)
        received_at = subject.received_at.astimezone(UTC)
        # What differs is only when it came, so it is the same one again.
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        same = payload_of(replace(subject, received_at=epoch))
    except (AttributeError, IndexError, TypeError, ValueError, OverflowError) as error:
        raise BadRecord(
            f"what {subject.provider!r} gave for {subject.symbol!r} cannot be kept",
            found=verbatim(f"{type(error).__name__}: {error}"),
        ) from error
    return Held(
        id=identity(verdict.code, same),
        symbol=_fit(subject.symbol, 32),
        provider=_fit(subject.provider, 50),
        timestamp=timestamp,
        received_at=received_at,
        code=_fit(verdict.code, 64),
        reason=_fit(verdict.reason, _LONGEST_REASON),
        created_at=now,
        interval=None if series is None else series.interval.value,
        found=numbers_of(verdict.values),
        quote=quote,
        series=series,
    )


def identity(*parts: str) -> str:
    """Return the UUID (of version 8) that stands for these texts."""
    text = "\n".join(parts).encode("utf-8", "surrogatepass")
    digest = blake2b(text, digest_size=16).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-8{digest[13:16]}-8{digest[17:20]}-{digest[20:]}"


def numbers_of(values: Mapping[Any, Any]) -> dict[str, Decimal]:
    """Return the numbers of a verdict by name, without what a plugin put in that is none."""
    return {
        str(name): Decimal(str(value))
        for name, value in values.items()
        if isinstance(value, Decimal | int | float)
    }


def payload_of(subject: Quote | HistoricalData | Kept | Mapping[str, Any] | None) -> str:
    """Return the JSON that is stored: decimals are text and keep every digit."""
    return _encoder.encode(subject).decode()


def read_payload(text: str, kind: type[Any]) -> Any:
    """Return what was stored; ``None`` where it cannot be read any more."""
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, ValueError):
        return None


def _fit(text: object, most: int) -> str:
    return _UNFIT.sub("\ufffd", str(text))[:most]


def fit_event(event: QualityEvent) -> QualityEvent:
    """Return the event with texts that every database takes."""
    return replace(
        event,
        symbol=_fit(event.symbol, 32),
        provider=_fit(event.provider, 50),
        code=_fit(event.code, 64),
        reason=_fit(event.reason, _LONGEST_REASON),
    )
