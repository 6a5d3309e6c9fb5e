"""What IEX Cloud says instead of data: the status is right, and the body is a sentence.

The same sentence comes with several meanings (a bad key and a bad range are both 403 with the same
words), so what was asked for counts as well.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import msgspec

from tickloom.clock import Clock
from tickloom.errors import (
    CredentialsError,
    NotEntitled,
    NotSupported,
    ProviderUnavailable,
    RateLimited,
    TickloomError,
    UnknownSymbol,
)
from tickloom.fetch import Answer, check_status
from tickloom_iex.fields import PROVIDER

_NAME = f"provider {PROVIDER}"
_CREDITS = ("credit", "quota", "message", "allotted")
_PLANS = ("permission", "entitle", "not authorized", "upgrade", "plan", "agreement", "not allowed")
_DAY_S = 86_400.0


def check_answer(answer: Answer, clock: Clock, key: str, *, ranged: bool) -> TickloomError | None:
    """Return what an answer says instead of data, ``None`` where it holds data.

    Args:
        answer: With any status.
        clock: For the time at which credits are there again.
        key: Is taken out of what is shown.
        ranged: The question named a range; a refusal of the key then proves nothing about the key.
    """
    text = _text_of(answer.body, key)
    if answer.status < 300:  # noqa: PLR2004 - the class of good answers
        return _check_good(text)
    special = _check_special(answer.status, text, clock.now(), ranged=ranged)
    return special or check_status(answer, PROVIDER, clock)


def _check_good(text: str) -> TickloomError | None:
    # A sentence under a good status was not seen of the vendor, but gateways do it.
    if text[:1] not in {"{", "["} and "unknown symbol" in text.lower():
        return UnknownSymbol(f"{_NAME} knows no such symbol")
    if not text:
        return ProviderUnavailable(f"{_NAME} answered with nothing")
    return None


def _check_special(status: int, text: str, now: datetime, *, ranged: bool) -> TickloomError | None:
    match status:
        case 402:
            return _check_paid(text, now)
        case 403:
            return _check_forbidden(text, ranged=ranged)
        case 404:
            return _check_missing(text)
        case 451:
            return NotEntitled(f"{_NAME} needs an agreement for this", found=text)
        case 400 | 413 | 422:
            return NotSupported(f"{_NAME} cannot answer this ({status})", found=text)
    return None


def _check_missing(text: str) -> TickloomError:
    if "symbol" in text.lower():
        return UnknownSymbol(f"{_NAME} knows no such symbol")
    return NotSupported(
        f"{_NAME} has nothing of this kind", found=text, fix="Check plugins.iex.base_url."
    )


def _check_paid(text: str, now: datetime) -> TickloomError:
    if any(word in text.lower() for word in _CREDITS):
        return RateLimited(
            f"{_NAME} has no credits left", found=text, retry_after_s=_until_next_month_s(now)
        )
    return NotEntitled(f"{_NAME} wants a paid plan for this", found=text)


def _check_forbidden(text: str, *, ranged: bool) -> TickloomError:
    if any(word in text.lower() for word in _PLANS):
        return NotEntitled(f"{_NAME} does not allow this", found=text)
    if ranged:
        return NotEntitled(f"{_NAME} refuses its key, or the range", found=text)
    return CredentialsError(f"{_NAME} refuses its key", fix="Check plugins.iex.api_key.")


def _until_next_month_s(now: datetime) -> float:
    # Credits come back with the month; somebody may buy more before, so a day is the longest wait.
    later = (now.replace(day=1) + timedelta(days=32)).astimezone(UTC)
    begin = later.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return min((begin - now).total_seconds(), _DAY_S)


def _text_of(body: bytes, key: str) -> str:
    """Return the begin of a sentence, or the error of a JSON object; data itself is cut short."""
    start = body[:400]
    if start.lstrip().startswith(b'{"error"'):
        with suppress(ValueError, RecursionError):
            start = msgspec.json.decode(body, type=dict[str, str]).get("error", "").encode()
    text = " ".join(start.decode("utf-8", "replace").split())[:200]
    return text.replace(key, "…") if key else text
