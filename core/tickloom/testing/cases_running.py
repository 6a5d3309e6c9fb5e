"""Runs cases, each in an event loop and with an object of its own, and says what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from typing import Any, Literal

from msgspec import Struct

from tickloom.errors import NotEntitled, RateLimited, TickloomError, scrub
from tickloom.testing.cases import Broken, Case, Tier, Unproven
from tickloom.testing.cases_trial import PATIENCE_S, Trial

LIMIT_S = 10.0
"""Seconds that a case may take, unless told otherwise."""

own_tasks: ContextVar[list[asyncio.Task[Any]] | None] = ContextVar("own_tasks", default=None)
"""The tasks that the running case and the object under test have started.

Those of a server that the object talks to are not among them, although they run in the same loop.
"""


class Outcome(Struct, frozen=True, kw_only=True):
    """What came of a case.

    Attributes:
        case: The case.
        state: ``skipped`` = it could not be tried.
        reason: Why it failed or was skipped.
        withholds: True where the tier cannot be given for it.
    """

    case: Case[Any]
    state: Literal["passed", "failed", "skipped"]
    reason: str = ""
    withholds: bool = False


def run_case(
    case: Case[Any],
    open_trial: Callable[[], AbstractAsyncContextManager[Any]],
    limit_s: float = LIMIT_S,
) -> Outcome:
    """Run one case in an event loop of its own; whatever happens becomes its outcome."""
    with asyncio.Runner() as runner:
        runner.get_loop().set_task_factory(_make_task)
        return runner.run(_try(case, open_trial, limit_s))


def reached(outcomes: Iterable[Outcome]) -> Tier | None:
    """Return the highest tier that nothing withholds; ``None`` = not even the first."""
    withheld = {outcome.case.tier for outcome in outcomes if outcome.withholds}
    highest = None
    for tier in Tier:
        if tier in withheld:
            break
        highest = tier
    return highest


@asynccontextmanager
async def entered(made: Any) -> AsyncIterator[Any]:
    """Give what an author's ``make`` is about: an object, an awaitable, or a context of either."""
    if inspect.isawaitable(made):
        made = await made
    if hasattr(made, "__aenter__"):
        async with made as inner:
            yield inner
    elif hasattr(made, "__enter__"):
        with made as inner:
            yield inner
    else:
        yield made


async def _try(
    case: Case[Any], open_trial: Callable[[], AbstractAsyncContextManager[Any]], limit_s: float
) -> Outcome:
    secrets: tuple[str, ...] = ()
    try:
        async with open_trial() as trial:
            secrets = trial.secrets
            own_tasks.set([])
            try:
                outcome = await _act(case, trial, limit_s)
            finally:
                own_tasks.set(None)
                await _let_go(trial.subject)
    except Exception as error:  # noqa: BLE001 - foreign code
        outcome = _failed(case, f"it cannot be made or let go of: {_told(error)}")
    reason = outcome.reason
    for secret in secrets:
        reason = reason.replace(secret, "…")
    return Outcome(case=case, state=outcome.state, reason=reason, withholds=outcome.withholds)


async def _act(case: Case[Any], trial: Trial, limit_s: float) -> Outcome:
    try:
        missing = case.missing(trial)
        if missing is not None:
            return Outcome(case=case, state="skipped", reason=missing[0], withholds=missing[1])
        async with asyncio.timeout(limit_s) as trial.deadline:
            await case.run(trial)
    except (Unproven, RateLimited, NotEntitled) as error:
        return Outcome(case=case, state="skipped", reason=str(error), withholds=True)
    except Broken as error:
        return _failed(case, str(error))
    except BaseException as error:
        # Foreign code may even call sys.exit; only a cancellation of the whole run goes through.
        task = asyncio.current_task()
        if isinstance(error, KeyboardInterrupt) or (task is not None and task.cancelling()):
            raise
        if isinstance(error, TimeoutError) and trial.deadline and trial.deadline.expired():
            return _failed(case, f"no result within {limit_s:g} s")
        return _failed(case, _told(error))
    return Outcome(case=case, state="passed")


def _failed(case: Case[Any], reason: str) -> Outcome:
    return Outcome(case=case, state="failed", reason=reason, withholds=True)


def _told(error: BaseException) -> str:
    if isinstance(error, TickloomError):
        return f"{type(error).__name__}: {error}"
    return f"an error that is none of tickloom.errors: {scrub(error)}"


async def _let_go(subject: Any) -> None:
    # Whether it closes properly is a case of its own.
    close = getattr(subject, "aclose", None)
    if close is not None:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(PATIENCE_S):
                await close()


def _make_task(
    loop: asyncio.AbstractEventLoop, coroutine: Any, **settings: Any
) -> asyncio.Task[Any]:
    task = asyncio.Task(coroutine, loop=loop, **settings)
    tasks = own_tasks.get()
    if tasks is not None:
        tasks.append(task)
    return task
