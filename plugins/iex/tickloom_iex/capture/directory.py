"""What is in the captures, learned in the background while it is asked for already."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from threading import Event as Flag
from threading import Lock

import msgspec
from loguru import logger

from tickloom.errors import NoData, ProviderUnavailable, TickloomError, UnknownSymbol, verbatim
from tickloom.model import Quote
from tickloom_iex.capture.archive import Capture, find_captures
from tickloom_iex.capture.background import finish, run_in_thread
from tickloom_iex.capture.counts import CaptureCounts
from tickloom_iex.capture.options import CaptureOptions
from tickloom_iex.capture.survey import Survey

# Below the time that the host gives to a call.
_PATIENCE_S = 8.0
_RETRY_S = 5.0


class Directory:
    """Looks through the captures once, when it is first asked, and again where that failed.

    Args:
        options: Where the captures are.

    Attributes:
        turn: Held by whatever thread reads captures: of several the event loop would have to wait
            for each.
    """

    def __init__(self, options: CaptureOptions) -> None:
        self.turn = Lock()
        self._options = options
        self._halt = Flag()
        self._captures: asyncio.Task[list[Capture]] | None = None
        self._survey: Survey | None = None
        self._task: asyncio.Task[None] | None = None
        self._turn: asyncio.Future[None] | None = None
        self._closed = False

    @property
    def counts(self) -> CaptureCounts:
        """What was found so far in looking through the captures."""
        return CaptureCounts() if self._survey is None else self._survey.counts

    async def captures(self) -> Sequence[Capture]:
        """Return the captures, oldest first.

        Raises:
            ProviderUnavailable: There is none that can be read, or the provider is closed.
        """
        if self._closed:
            raise ProviderUnavailable("the captures are closed")
        if self._captures is None or (self._captures.done() and _failed(self._captures)):
            self._captures = asyncio.create_task(
                asyncio.to_thread(find_captures, self._options.path, self._halt)
            )
        # Whoever is cancelled here leaves the search to the others.
        return await asyncio.shield(self._captures)

    async def first_quote(self, symbol: str) -> Quote:
        """Return the first quote of ``symbol`` that has a price, in the venue's time.

        Raises:
            UnknownSymbol: The symbol is in no capture.
            NoData: It has no price in any.
            ProviderUnavailable: The captures cannot be read, or not so far yet.
        """
        survey = await self._wait(lambda one: one.first.get(symbol) is not None)
        quote = survey.first.get(symbol)
        if quote is not None:
            return quote
        if symbol in survey.first:
            raise NoData(f"the captures have no price of {symbol}")
        raise UnknownSymbol(f"{symbol} is in no capture")

    async def whole(self, symbol: str) -> Survey:
        """Return the survey once it is complete and ``symbol`` is in it.

        Raises:
            UnknownSymbol: The symbol is in no capture.
            ProviderUnavailable: The captures cannot be read, or not so far yet.
        """
        survey = await self._wait(lambda _: False)
        if symbol not in survey.first:
            raise UnknownSymbol(f"{symbol} is in no capture")
        return survey

    async def _wait(self, is_enough: Callable[[Survey], bool]) -> Survey:
        captures = await self.captures()
        if self._task is None or (self._task.done() and _failed(self._task)):
            self._task = asyncio.create_task(self._read(captures))
        task = self._task
        try:
            # Files are read in real time, whatever the clock says.
            async with asyncio.timeout(_PATIENCE_S):
                while not task.done() and (self._survey is None or not is_enough(self._survey)):
                    if self._turn is None or self._turn.done():
                        self._turn = asyncio.get_running_loop().create_future()
                    await asyncio.wait({task, self._turn}, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            raise ProviderUnavailable(
                "the captures are still being looked through",
                found=verbatim(f"{self.counts.messages:,} messages so far"),
                retry_after_s=_RETRY_S,
            ) from None
        if task.done() and (task.cancelled() or task.exception() is not None):
            raise _error_of(task)
        if self._survey is None or self._closed:
            raise ProviderUnavailable("the captures are closed")
        return self._survey

    async def _read(self, captures: Sequence[Capture]) -> None:
        try:
            if self._survey is not None:
                self._survey.close()
            self._survey = survey = await run_in_thread(
                lambda: Survey(captures, self._options.namespace, self._halt), self._halt
            )
            while await run_in_thread(lambda: self._step(survey), self._halt):
                if self._turn is not None and not self._turn.done():
                    self._turn.set_result(None)
            found = msgspec.structs.asdict(survey.counts)
            logger.info(
                "iex_captures: {} captures and {} symbols: {}",
                len(captures),
                len(survey.first),
                ", ".join(f"{name} {count:,}" for name, count in found.items() if count),
            )
        except OSError as error:
            raise ProviderUnavailable(
                "the trades of the captures cannot be kept", found=error.strerror
            ) from error

    def _step(self, survey: Survey) -> bool:
        with self.turn:
            return survey.step()

    async def aclose(self) -> None:
        """End the reading and let go of the file of trades."""
        self._closed = True
        if self._captures is not None:
            await finish(self._captures, self._halt)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._survey is not None:
            self._survey.close()


def _failed(task: asyncio.Task[list[Capture]] | asyncio.Task[None]) -> bool:
    return task.cancelled() or task.exception() is not None


def _error_of(task: asyncio.Task[None]) -> TickloomError:
    error = None if task.cancelled() else task.exception()
    if isinstance(error, TickloomError):
        return error
    return ProviderUnavailable("the captures cannot be read")
