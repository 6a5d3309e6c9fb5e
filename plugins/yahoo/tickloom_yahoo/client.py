"""Questions to Yahoo from the event loop: a few threads of our own, and a bounded queue."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from tickloom.clock import Clock
from tickloom.errors import PluginError, ProviderUnavailable, TickloomError, scrub
from tickloom.fetch import Answer, take_turn
from tickloom_yahoo.folder import CacheFolder
from tickloom_yahoo.options import YahooSettings
from tickloom_yahoo.refusals import PROVIDER, check_answer
from tickloom_yahoo.session import YahooSession

T = TypeVar("T")

_HOST = "https://query2.finance.yahoo.com"
_MOST_WAITING = 256
_CLOSE_S = 1.0


class YahooClient:
    """Asks Yahoo and returns bytes.

    A call that is cancelled frees its caller at once. If it was waiting it is never sent; if it
    was being answered its thread ends by the time limit.

    Args:
        options: How many threads, how long, where.
        clock: For a ``Retry-After`` that is a date.
    """

    def __init__(self, options: YahooSettings, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._folder = CacheFolder(options.cache_dir)
        self._threads: ThreadPoolExecutor | None = None
        self._session: YahooSession | None = None
        self._opening = threading.Lock()
        self._open: set[Future[object]] = set()
        self._closed = False

    async def ask(
        self, path: str, params: Mapping[str, str], what: str, *, crumb: bool = True
    ) -> bytes:
        """Return the body that answers a question.

        Args:
            path: Of the URL.
            params: The query, without the crumb.
            what: What is asked for, for errors.
            crumb: Whether the question needs a cookie and a crumb.

        Raises:
            TickloomError: Yahoo refuses, or did not answer.
        """

        def get() -> Answer:
            return self._get_session().ask(f"{_HOST}{path}", params, crumb=crumb)

        await take_turn()
        answer = await self.run(get)
        error = check_answer(answer.status, answer.headers, answer.body, what, self._clock.now())
        if error is not None:
            raise error
        return answer.body

    async def run(self, work: Callable[[], T]) -> T:
        """Return what ``work`` returns in one of the threads.

        Raises:
            ProviderUnavailable: The client is closed, or too many calls wait already.
        """
        if self._closed:
            raise ProviderUnavailable(f"provider {PROVIDER} is closed")
        if len(self._open) >= self._options.threads + _MOST_WAITING:
            raise ProviderUnavailable(
                f"provider {PROVIDER} is asked faster than it answers",
                found=f"{len(self._open)} open calls",
            )
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._options.threads, thread_name_prefix=PROVIDER)
        threads = self._threads
        future = threads.submit(work)
        self._open.add(future)  # type: ignore[arg-type]  # only counted and cancelled
        future.add_done_callback(self._open.discard)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._threads is not threads and task is not None and not task.cancelling():
                # Closing dropped the call; its caller must not take that for an end of its own.
                raise ProviderUnavailable(f"provider {PROVIDER} was closed") from None
            raise

    def _get_session(self) -> YahooSession:
        with self._opening:
            if self._session is None:
                self._session = self._open_session()
            return self._session

    def _open_session(self) -> YahooSession:
        options = self._options
        try:
            folder = self._folder.open()
            return YahooSession(options.base_url, options.timeout_s, folder, self._clock)
        except TickloomError:
            raise
        except Exception as error:
            # An import that fails, a full disk: nothing that another question would mend.
            raise PluginError(f"plugin {PROVIDER} cannot use yfinance: {scrub(error)}") from error

    async def aclose(self) -> None:
        """Drop waiting calls and end the threads; one that waits for Yahoo ends by its limit."""
        self._closed = True
        threads, self._threads = self._threads, None
        if threads is None:
            return
        threads.shutdown(wait=False, cancel_futures=True)
        running = [asyncio.wrap_future(future) for future in list(self._open)]
        if running:
            await asyncio.wait(running, timeout=_CLOSE_S)
            for one in running:
                one.cancel()
        if not self._open and self._session is not None:
            # A handle in use must not be closed; its thread drops it.
            session, self._session = self._session, None
            await asyncio.to_thread(session.close)
        await asyncio.to_thread(self._folder.close)
