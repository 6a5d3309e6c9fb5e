"""One guarded session to Yahoo, with yfinance's cookie and crumb. Blocking: for threads only.

yfinance brings what is hard about Yahoo: a browser's fingerprint and the ways to a cookie and a
crumb. Its answers are not used: its data frames hold floats, and its errors are empty frames. Here
every request, also those that yfinance makes for itself, has a time limit, a size limit and a host
that it stays on.
"""

from __future__ import annotations

import importlib
import logging
import re
import threading
from collections.abc import Mapping
from pathlib import Path

from loguru import logger

from tickloom.clock import Clock
from tickloom.errors import MissingDependency, ProviderUnavailable, TickloomError, scrub
from tickloom.fetch import Answer
from tickloom_yahoo.guard import Guard
from tickloom_yahoo.refusals import PROVIDER, is_stale_crumb, rate_limited

# Anything that is a sentence, a page or JSON came in place of a crumb.
_CRUMB = re.compile(r"[!-;=?-z|~\\]{1,64}", re.ASCII)

# What curl says beside the cause.
_CURL = re.compile(r"Failed to perform, |\.? See https://curl\.se.*")


class YahooSession:
    """Asks Yahoo, with a crumb where the question needs one.

    Args:
        base_url: Replaces the vendor's hosts; empty = it does not.
        timeout_s: Longest time for one question.
        folder: For the caches of yfinance.
        clock: For a ``Retry-After`` that is a date.

    Raises:
        MissingDependency: yfinance would go without a browser's fingerprint.
    """

    def __init__(self, base_url: str, timeout_s: float, folder: Path, clock: Clock) -> None:
        # At the first question and in a thread: the import takes most of a second.
        self._cache = importlib.import_module("yfinance.cache")
        data, http = (importlib.import_module(f"yfinance.{name}") for name in ("data", "_http"))
        _quieten()
        self._cache.set_cache_location(str(folder))
        # What it opened before for somebody else would stay where that one's folder was.
        self._cache._CookieCacheManager._Cookie_cache = None  # noqa: SLF001 - it has no public way
        if not http.HAS_CURL_CFFI:
            raise MissingDependency(
                "provider yahoo needs curl_cffi, and yfinance does not use it",
                fix="Install curl_cffi, and unset YF_DISABLE_CURL_CFFI.",
            )
        self._session = http.new_session()
        self._guard = Guard(self._session, base_url, timeout_s, clock)
        # YfData is one object for the whole process, whose session any other code may replace.
        # Made by ``type`` it is ours alone.
        self._data = type.__call__(data.YfData, self._session)
        self._limited = importlib.import_module("yfinance.exceptions").YFRateLimitError
        self._renewing = threading.Lock()

    def ask(self, url: str, params: Mapping[str, str], *, crumb: bool) -> Answer:
        """Return the answer, whatever its status.

        Raises:
            TickloomError: There was none, or no crumb for the question.
        """
        self._guard.begin()
        try:
            return self._ask(url, params, crumb=crumb)
        except TickloomError:
            raise
        except Exception as error:  # noqa: BLE001 - three foreign packages raise what they like
            raise _translated(error) from None
        finally:
            # A connection belongs to its thread; threads end without asking.
            self._cache._CookieDBManager.close_db()  # noqa: SLF001 - it has no public way

    def _ask(self, url: str, params: Mapping[str, str], *, crumb: bool) -> Answer:
        if not crumb:
            return self._get(url, params)
        used = self._crumb()
        answer = self._get(url, {**params, "crumb": used})
        if is_stale_crumb(answer.status):
            self._forget(used)
            answer = self._get(url, {**params, "crumb": self._crumb()})
        return answer

    def _get(self, url: str, params: Mapping[str, str]) -> Answer:
        response = self._guard.request("GET", url, params=dict(params))
        headers = {str(name).lower(): str(value) for name, value in response.headers.items()}
        return Answer(int(response.status_code), headers, response.content)

    def _crumb(self) -> str:
        found = self._data._crumb  # noqa: SLF001 - see pyproject.toml
        if found is None:
            found = self._get_crumb()
        if isinstance(found, str) and _CRUMB.fullmatch(found):
            return found
        # A refusal that came in its place must not be sent with every question from now on.
        self._forget(found)
        raise ProviderUnavailable(
            f"provider {PROVIDER} gave no crumb", found=found, expected="a short word"
        )

    def _get_crumb(self) -> object:
        try:
            return self._data._get_cookie_and_crumb()[0]  # noqa: SLF001 - see pyproject.toml
        except self._limited:
            # It took the refusal for a crumb before it looked at it.
            self._forget(self._data._crumb)  # noqa: SLF001 - see pyproject.toml
            raise rate_limited(None) from None
        except (TickloomError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - see below
            # It stumbled over what it had kept, and would again at every question.
            logger.warning("yahoo: yfinance cannot use the cookie that it kept: {}", scrub(error))
            self._forget(self._data._crumb)  # noqa: SLF001 - see pyproject.toml
            return self._data._get_cookie_and_crumb()[0]  # noqa: SLF001 - see pyproject.toml

    def _forget(self, crumb: object) -> None:
        with self._renewing:
            # Another thread may have renewed it already.
            if self._data._crumb in {crumb, None}:  # noqa: SLF001 - see pyproject.toml
                self._session.cookies.clear()
                self._drop_cookie()
                other = "basic" if self._data._cookie_strategy == "csrf" else "csrf"  # noqa: SLF001
                self._data._set_cookie_strategy(other)  # noqa: SLF001 - as yfinance does

    def _drop_cookie(self) -> None:
        kept = self._cache.get_cookie_cache()
        try:
            kept.store("curlCffi", None)
        except Exception as error:  # noqa: BLE001 - three layers of a database raise what they like
            logger.warning("yahoo: its cookie is kept in memory alone: {}", scrub(error))
            kept.dummy = True

    def close(self) -> None:
        """Close its connections; no request may be under way."""
        self._session.close()


def _quieten() -> None:
    # At debug level they write crumbs and cookies.
    for name in ("yfinance", "peewee"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _translated(error: Exception) -> ProviderUnavailable:
    said = _CURL.sub("", scrub(error))
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "Timeout" in kinds or isinstance(error, TimeoutError):
        return ProviderUnavailable(f"provider {PROVIDER} did not answer in time")
    if "SSLError" in kinds:
        return ProviderUnavailable(
            f"no trusted connection to provider {PROVIDER}: {said}",
            fix="Check the address, and the certificates of this machine.",
        )
    if "ConnectionError" in kinds:
        return ProviderUnavailable(f"provider {PROVIDER} cannot be reached: {said}")
    return ProviderUnavailable(f"provider {PROVIDER} broke off its answer: {said}")
