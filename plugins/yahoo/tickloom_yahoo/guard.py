"""Limits on every request of a curl_cffi session, also on those that yfinance makes for itself.

Blocking: for threads only.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from tickloom.clock import Clock
from tickloom.errors import ProviderUnavailable, TickloomError, verbatim
from tickloom.fetch import MAX_BYTES, retry_after_s
from tickloom_yahoo.refusals import PROVIDER, TOO_MANY, rate_limited

_VENDOR = "yahoo.com"
_MAX_REDIRECTS = 5
_ABORT = 0xFFFFFFFF
_LEAST_S = 0.001
_REDIRECTS = (301, 302, 303, 307, 308)


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
            RateLimited: Yahoo refuses for now, whatever the request was for.
        """
        options.pop("allow_redirects", None)
        current = self._placed(url)
        for _ in range(_MAX_REDIRECTS + 1):
            response = self._send_once(method, current, options)
            if response.status_code in TOO_MANY:
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
