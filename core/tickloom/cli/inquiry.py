"""Asks providers in this process, without a server and without storing anything."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tickloom.cli.output import keep_logs, waiting
from tickloom.manager import MarketDataManager
from tickloom.settings import load_settings

T = TypeVar("T")

# An answer that goes to the terminal is nobody's history, and nobody else waits for it.
ALONE = {"database": {"url": ""}, "cache": {"warm": []}}


def ask(
    config_file: str | None,
    question: Callable[[MarketDataManager], Awaitable[T]],
    *,
    as_json: bool,
) -> T:
    """Return the answer of a manager made from the settings.

    Warnings go to standard error, except where that is to be JSON.

    Raises:
        TickloomError: The settings are wrong, or the question has no answer.
    """
    keep_logs(warnings=not as_json)
    settings = load_settings(config_file, overrides=ALONE)

    async def run() -> T:
        async with MarketDataManager(settings) as manager:
            return await question(manager)

    with waiting("asking the providers"):
        return asyncio.run(run())
