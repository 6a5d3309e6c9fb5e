"""What an answer says instead of data. Alpha Vantage refuses with status 200 and a sentence.

Texts as seen in ``Error Message``, ``Information`` and ``Note``; several name the premium plans and
the daily limit in passing, so the order of the rules matters.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from tickloom.errors import (
    CredentialsError,
    NotEntitled,
    ProviderUnavailable,
    RateLimited,
    TickloomError,
    UnknownSymbol,
)

_NAME = "provider alpha_vantage"
_KEYS = ("Error Message", "Information", "Note", "message")
# Beside data this one may also say that all is well; from general knowledge, and not recorded.
_WITH_DATA = "message"
_NO_REFUSAL = {"", "success"}
_ECHO = re.compile(r"(api ?key as )\S+", re.IGNORECASE)
_BURST_S = 1.5
_MINUTE_S = 60.0
# The vendor does not say when its day begins; its exchange's midnight is the cautious guess.
_ZONE = "America/New_York"


def check_refusal(body: bytes, now: datetime, key: str = "") -> None:
    """Let an answer with data pass, whatever its format.

    Args:
        body: The answer.
        now: For the end of the vendor's day.
        key: Is taken out of what is shown.

    Raises:
        TickloomError: What the vendor said, split by what to do next. The key, which some of its
            sentences echo, is not in it.
    """
    if not body.lstrip().startswith(b"{"):
        return
    try:
        keys = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    for name in _KEYS:
        if name not in keys:
            continue
        text = _text(keys[name], key)
        if name != _WITH_DATA or text.lower() not in _NO_REFUSAL:
            raise _explain(text, now)


def _text(raw: msgspec.Raw, key: str) -> str:
    try:
        text = _ECHO.sub(r"\1…", msgspec.json.decode(raw, type=str))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    return text.replace(key, "…") if key else text


def _explain(text: str, now: datetime) -> TickloomError:
    said = text.lower()
    for words, make in _RULES:
        if any(all(word in said for word in phrase) for phrase in words):
            return make(text, now)
    return ProviderUnavailable(f"{_NAME} answered with a sentence", found=text)


def _sample(text: str, _: datetime) -> TickloomError:
    return NotEntitled(f"{_NAME} sent a sample instead of data", found=text)


def _bad_key(_: str, __: datetime) -> TickloomError:
    return CredentialsError(f"{_NAME} refuses its key", fix="Check plugins.alpha_vantage.api_key.")


def _premium(text: str, _: datetime) -> TickloomError:
    return NotEntitled(f"{_NAME} wants a paid plan for this", found=text)


def _burst(_: str, __: datetime) -> TickloomError:
    return RateLimited(f"{_NAME} was asked too fast", retry_after_s=_BURST_S)


def _day(_: str, now: datetime) -> TickloomError:
    wait_s = _until_midnight_s(now)
    return RateLimited(f"{_NAME} gives no more today", retry_after_s=wait_s)


def _minute(_: str, __: datetime) -> TickloomError:
    return RateLimited(f"{_NAME} was asked too often", retry_after_s=_MINUTE_S)


def _symbol(text: str, _: datetime) -> TickloomError:
    return UnknownSymbol(f"{_NAME} knows no such symbol, or not for this", found=text)


# The first rule with a phrase all of whose parts are in the sentence counts.
_RULES: tuple[tuple[tuple[tuple[str, ...], ...], Callable[[str, datetime], TickloomError]], ...] = (
    ((("artificial",), ("demo", "api key"), ("demo", "apikey")), _sample),
    ((("apikey", "invalid"), ("apikey", "missing"), ("api key", "invalid")), _bad_key),
    ((("is a premium endpoint",), ("premium-only",)), _premium),
    ((("per second",), ("burst",)), _burst),
    ((("per minute",), ("call frequency",)), _minute),
    ((("per day",),), _day),
    ((("rate limit",),), _minute),
    ((("premium endpoint",),), _premium),
    ((("invalid api call",),), _symbol),
)


def _until_midnight_s(now: datetime) -> float:
    there = now.astimezone(ZoneInfo(_ZONE))
    midnight = (there + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight - there).total_seconds()
