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
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from tickloom.clock import Clock
from tickloom.errors import ProviderUnavailable, TickloomError, scrub, verbatim
from tickloom.fetch import MAX_BYTES, Answer, retry_after_s
from tickloom_yahoo.refusals import PROVIDER, is_stale_crumb, rate_limited

_VENDOR = "yahoo.com"
_MAX_REDIRECTS = 5
_ABORT = 0xFFFFFFFF
_LEAST_S = 0.001
_TOO_MANY = 429
_REDIRECTS = (301, 302, 303, 307, 308)
# Anything that is a sentence, a page or JSON came in place of a crumb.
_CRUMB = re.compile(r"[!-;=?-z|~\\]{1,64}", re.ASCII)


class Guard:
    """Stands before a curl_cffi session and sends its requests.

    Args:
        session: What sends; its ``request`` is replaced by ours.
        base_url: Replaces the vendor's hosts; empty = it does not.
        timeout_s: Longest time from :meth:`begin` to the end of the last request.
        clock: For a ``Retry-After`` that is a date.
    """

    def __init__(self, session: Any, base_url: str, timeout_s: float, clock: Clock) -> None:
        self._clock = clock
        self._send = session.request
        self._base_url = base_url.rstrip("/")
        self._timeout_s = timeout_s
        self._job = threading.local()
        session.request = self.request

    def begin(self) -> None:
        """Let the time of a job begin in this thread."""
        # Real time: what it limits is a real wait in a thread.
        self._job.end_s = time.monotonic() + self._timeout_s

    def request(self, method: str, url: str, **options: Any) -> Any:
        """Send a request and follow its redirects as far as the host allows.

        Raises:
            ProviderUnavailable: Too much came, or a redirect leads elsewhere.
            RateLimited: 429 came, whatever the request was for.
        """
        options.pop("allow_redirects", None)
        current = self._placed(url)
        for _ in range(_MAX_REDIRECTS + 1):
            response = self._send_once(method, current, options)
            if response.status_code == _TOO_MANY:
                # yfinance would go on without a cookie, and be refused for longer.
                raise self._limited(response.headers)
            if response.status_code not in _REDIRECTS:
                return response
            target = self._placed(urljoin(current, response.headers.get("location") or ""))
            self._require_allowed(current, target)
            # The target has its own query; a form is sent once.
            method, current = "GET", target
            options = {name: options[name] for name in options if name not in {"params", "data"}}
        raise ProviderUnavailable(f"provider {PROVIDER} redirects again and again")

    def _limited(self, headers: Mapping[str, str]) -> TickloomError:
        names = {"retry-after": str(headers.get("retry-after") or "")}
        return rate_limited(retry_after_s(names, self._clock.now()))

    def _placed(self, url: str) -> str:
        parts = urlsplit(url)
        if self._base_url and _is_vendors(parts.hostname):
            return f"{self._base_url}{parts.path}" + (f"?{parts.query}" if parts.query else "")
        return url

    def _require_allowed(self, current: str, target: str) -> None:
        before, after = urlsplit(current), urlsplit(target)
        same = (before.scheme, before.netloc) == (after.scheme, after.netloc)
        # The way to a cookie leads over several hosts of the vendor.
        within = _is_vendors(before.hostname) and _is_vendors(after.hostname)
        if not same and not (within and after.scheme == "https"):
            raise ProviderUnavailable(
                f"provider {PROVIDER} redirects elsewhere",
                found=f"{after.scheme}://{after.hostname}",
                expected=f"{before.scheme}://{before.hostname}",
            )

    def _send_once(self, method: str, url: str, options: Mapping[str, Any]) -> Any:
        left_s = getattr(self._job, "end_s", 0.0) - time.monotonic()
        if left_s <= 0:
            raise ProviderUnavailable(f"provider {PROVIDER} did not answer in time")
        body = bytearray()

        def take(piece: bytes) -> int:
            body.extend(piece)
            return len(piece) if len(body) <= MAX_BYTES else _ABORT

        limits = {
            "timeout": max(left_s, _LEAST_S),
            "allow_redirects": False,
            "content_callback": take,
        }
        try:
            response = self._send(method, url, **{**options, **limits})
        except Exception:
            if len(body) > MAX_BYTES:
                raise ProviderUnavailable(
                    f"provider {PROVIDER} sent too much",
                    found=verbatim(f"more than {MAX_BYTES:,} bytes"),
                    expected=f"at most {MAX_BYTES:,} bytes",
                ) from None
            raise
        response.content = bytes(body)
        return response


def _is_vendors(host: str | None) -> bool:
    return host is not None and (host == _VENDOR or host.endswith(f".{_VENDOR}"))


class YahooSession:
    """Asks Yahoo, with a crumb where the question needs one.

    Args:
        base_url: Replaces the vendor's hosts; empty = it does not.
        timeout_s: Longest time for one question.
        folder: For the caches of yfinance.
        clock: For a ``Retry-After`` that is a date.
    """

    def __init__(self, base_url: str, timeout_s: float, folder: Path, clock: Clock) -> None:
        # At the first question and in a thread: the import takes most of a second.
        self._cache = importlib.import_module("yfinance.cache")
        data, http = (importlib.import_module(f"yfinance.{name}") for name in ("data", "_http"))
        _quieten()
        self._cache.set_cache_location(str(folder))
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
        if is_stale_crumb(answer.status, answer.body):
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
            try:
                found, _ = self._data._get_cookie_and_crumb()  # noqa: SLF001 - see pyproject.toml
            except self._limited:
                # It took the refusal for a crumb before it looked at it.
                self._forget(self._data._crumb)  # noqa: SLF001 - see pyproject.toml
                raise rate_limited(None) from None
        if isinstance(found, str) and _CRUMB.fullmatch(found):
            return found
        # A refusal that came in its place must not be sent with every question from now on.
        self._forget(found)
        raise ProviderUnavailable(
            f"provider {PROVIDER} gave no crumb", found=found, expected="a short word"
        )

    def _forget(self, crumb: object) -> None:
        with self._renewing:
            # Another thread may have renewed it already.
            if self._data._crumb in {crumb, None}:  # noqa: SLF001 - see pyproject.toml
                self._session.cookies.clear()
                self._cache.get_cookie_cache().store("curlCffi", None)
                other = "basic" if self._data._cookie_strategy == "csrf" else "csrf"  # noqa: SLF001
                self._data._set_cookie_strategy(other)  # noqa: SLF001 - as yfinance does

    def close(self) -> None:
        """Close its connections; no request may be under way."""
        self._session.close()


def _quieten() -> None:
    # At debug level they write crumbs and cookies.
    for name in ("yfinance", "peewee"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _translated(error: Exception) -> ProviderUnavailable:
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "Timeout" in kinds or isinstance(error, TimeoutError):
        return ProviderUnavailable(f"provider {PROVIDER} did not answer in time")
    if "SSLError" in kinds:
        return ProviderUnavailable(
            f"no trusted connection to provider {PROVIDER}: {scrub(error)}",
            fix="Check the address, and the certificates of this machine.",
        )
    if "ConnectionError" in kinds:
        return ProviderUnavailable(f"provider {PROVIDER} cannot be reached: {scrub(error)}")
    return ProviderUnavailable(f"provider {PROVIDER} broke off its answer: {scrub(error)}")
