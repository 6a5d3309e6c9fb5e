"""Which providers there are with which settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tickloom.clock import FakeClock
from tickloom.errors import NotConfigured, NotSupported
from tickloom.roles import PluginSettings
from tickloom_iex import tickloom_providers
from tickloom_iex.capture import CaptureOptions


def settings_of(**options: Any) -> PluginSettings:
    return PluginSettings("iex", FakeClock(), lambda kind: kind(**options))


async def test_without_an_address_it_is_not_configured(http: httpx.AsyncClient) -> None:
    with pytest.raises(NotConfigured, match="closed in August 2024"):
        tickloom_providers(settings_of(), http)


async def test_with_an_address_there_is_one_provider(http: httpx.AsyncClient) -> None:
    [provider] = tickloom_providers(settings_of(base_url="http://127.0.0.1:9/v1"), http)
    assert provider.info.name == "iex"
    assert not provider.info.has_stream
    with pytest.raises(NotSupported):
        await provider.open_stream()


@pytest.mark.parametrize(
    ("base_url", "names"),
    [("", ["iex_captures"]), ("http://127.0.0.1:9/v1", ["iex", "iex_captures"])],
)
async def test_captures_run_beside_an_endpoint_or_alone(
    http: httpx.AsyncClient, tmp_path: Path, base_url: str, names: list[str]
) -> None:
    captures = CaptureOptions(path=tmp_path)
    found = tickloom_providers(settings_of(base_url=base_url, captures=captures), http)
    assert [provider.info.name for provider in found] == names
    for provider in found:
        await provider.aclose()
