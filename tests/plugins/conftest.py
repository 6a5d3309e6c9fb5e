"""Loads plugins with settings in a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from pointed import Load, Point
from tickloom.clock import FakeClock
from tickloom.plugins import Plugins, load_plugins
from tickloom.settings import load_settings


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


@pytest.fixture
def load(http: httpx.AsyncClient, clock: FakeClock, tmp_path: Path) -> Load:
    def load(*points: Point, toml: str = "", env: dict[str, str] | None = None) -> Plugins:
        file = tmp_path / "shop.toml"
        file.write_text(toml, encoding="utf-8")
        return load_plugins(load_settings(file, env or {}), http, clock, points)

    return load
