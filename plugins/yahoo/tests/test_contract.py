"""The contract that every provider keeps, over a server that plays Yahoo."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tickloom.roles import Provider
from tickloom.testing import ProviderContract


class TestYahoo(ProviderContract):
    known = ("ACME", "TSCO.L")
    unknown = "NOSUCH"

    @pytest.fixture(autouse=True)
    def _serving(self, serve: Callable[..., Any]) -> None:
        self.serve = serve

    @asynccontextmanager
    async def make(self) -> AsyncIterator[Provider]:
        async with self.serve() as (_, provider):
            yield provider
