"""Cases of how a provider ends, and of what it leaves behind."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

from loguru import logger

from tickloom.errors import NotFound, TickloomError
from tickloom.testing.cases import Broken, Case, Need, Tier, case, require, shown
from tickloom.testing.cases_needs import SYMBOL
from tickloom.testing.cases_running import own_tasks
from tickloom.testing.cases_trial import PATIENCE_S, ProviderTrial, Trial

SECRETS = Need[ProviderTrial](
    "a secret that is known", lambda trial: None if trial.secrets else "no secret is set"
)


@case(
    "P05",
    "A provider can be closed twice",
    Tier.BRONZE,
    "Neither time raises anything.",
)
async def closes_twice(trial: ProviderTrial) -> None:
    """Close it twice."""
    await trial.provider.aclose()
    await trial.provider.aclose()


@case(
    "P40",
    "An error does not outlast its cause",
    Tier.GOLD,
    "The known symbol has its quote.",
    SYMBOL,
)
async def recovers(trial: ProviderTrial) -> None:
    """Ask for unknown symbols, alone and for history and a company, then for a known one."""
    with suppress(NotFound):
        await trial.quotes([trial.stranger])
    if trial.info.intervals:
        with suppress(NotFound):
            await trial.history(trial.question(symbol=trial.stranger))
    if trial.info.has_company:
        await trial.pace()
        with suppress(NotFound):
            await trial.provider.get_company(trial.stranger)
    await trial.quote()


@case(
    "P41",
    "A closed provider answers or fails in a typed way",
    Tier.GOLD,
    f"Within {PATIENCE_S:g} s each call ends in an answer or an error of tickloom.errors.",
)
async def answers_when_closed(trial: ProviderTrial) -> None:
    """Close it, then ask for a quote, and for a stream where one is offered."""
    await trial.provider.aclose()
    symbol = trial.known[0] if trial.known else trial.stranger
    for what in ("get_quotes", "open_stream") if trial.info.has_stream else ("get_quotes",):
        await trial.pace()
        try:
            async with asyncio.timeout(PATIENCE_S):
                if what == "get_quotes":
                    await trial.provider.get_quotes([symbol])
                else:
                    await (await trial.provider.open_stream()).aclose()
        except TickloomError:
            continue
        except Exception as error:  # noqa: BLE001 - this is the case
            raise Broken(f"{what} of a closed provider raised {shown(error)}") from None


@case(
    "P42",
    "A closed provider leaves no task behind",
    Tier.GOLD,
    f"Within {PATIENCE_S:g} s of closing it all tasks that it started have ended.",
)
async def leaves_no_task(trial: ProviderTrial) -> None:
    """Ask for a quote, leave a stream open where one is offered, cancel a call, and close it."""
    await _use(trial)
    await require_no_task(trial.provider.aclose())


@case(
    "P43",
    "A closed provider leaves no thread behind",
    Tier.GOLD,
    f"Within {PATIENCE_S:g} s of closing it all threads that it started have ended; those of the "
    "event loop's own executor may wait there.",
)
async def leaves_no_thread(trial: ProviderTrial) -> None:
    """Ask for a quote, leave a stream open where one is offered, cancel a call, and close it."""
    before = set(threading.enumerate())
    await _use(trial)
    await trial.provider.aclose()
    await require_no_thread(before)


@case(
    "P44",
    "A secret is not shown anywhere",
    Tier.GOLD,
    "It is in no repr of the provider and its info, in no error and in no line of the log.",
    SECRETS,
)
async def shows_no_secret(trial: ProviderTrial) -> None:
    """Print the provider, its info and what a known and an unknown symbol bring."""
    with _Watched() as lines:
        texts = [repr(trial.provider), repr(trial.info)]
        for symbol in (*trial.known[:1], trial.stranger):
            await trial.pace()
            try:
                texts.append(repr(await trial.provider.get_quotes([symbol])))
            except TickloomError as error:
                texts.append(f"{error!r} {error}")
    require_no_secret(trial, [*texts, *lines])


async def _use(trial: ProviderTrial) -> None:
    symbol = trial.known[0] if trial.known else trial.stranger
    await trial.quotes([symbol])
    if trial.info.has_stream:
        await trial.pace()
        stream = await trial.provider.open_stream()
        await stream.subscribe([symbol])
    await trial.pace()
    call = asyncio.ensure_future(trial.provider.get_quotes([symbol]))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.wait({call}, timeout=PATIENCE_S)


async def require_no_task(closing: object) -> None:
    """Await ``closing``, then require that no task is left of those that the case started."""
    if asyncio.iscoroutine(closing):
        await closing
    tasks = {one for one in own_tasks.get() or () if one is not asyncio.current_task()}
    open_tasks = {task for task in tasks if not task.done()}
    if open_tasks:
        _, open_tasks = await asyncio.wait(open_tasks, timeout=PATIENCE_S)
    names = sorted(shown(task.get_coro()) for task in open_tasks)
    require(not names, f"{len(names)} tasks still run: {', '.join(names)}")


async def require_no_thread(before: set[threading.Thread]) -> None:
    """Require that no thread is left beyond those of ``before``."""
    for _ in range(int(PATIENCE_S / 0.01)):
        names = [
            thread.name
            for thread in set(threading.enumerate()) - before
            if not thread.name.startswith("asyncio_")
        ]
        if not names:
            return
        await asyncio.sleep(0.01)
    raise Broken(f"{len(names)} threads still run: {', '.join(sorted(names))}")


def require_no_secret(trial: Trial, texts: list[str]) -> None:
    """Require that none of the trial's secrets is in any of ``texts``."""
    for text in texts:
        for secret in trial.secrets:
            require(secret not in text, f"a secret is in {shown(text.replace(secret, '…'))}")


class _Watched:
    """The lines that the log gets meanwhile."""

    def __enter__(self) -> list[str]:
        lines: list[str] = []
        self._sink = logger.add(lambda line: lines.append(str(line)), level=0, diagnose=False)
        return lines

    def __exit__(self, *_: object) -> None:
        logger.remove(self._sink)


CLOSING_CASES: tuple[Case[ProviderTrial], ...] = (
    recovers,
    answers_when_closed,
    leaves_no_task,
    leaves_no_thread,
    shows_no_secret,
)
