"""The samples of the product's origin run as they are, with only their import lines changed."""

from __future__ import annotations

import ast
import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tickloom.config import config
from tickloom.errors import ConfigError

SAMPLES = Path(__file__).parent / "samples"
SYMBOLS = {"AAPL": 189, "GOOGL": 140, "MSFT": 402}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Recorded bars of our own making: days until yesterday, minutes of one morning."""
    data = tmp_path / "data"
    data.mkdir()
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for symbol, price in SYMBOLS.items():
        days = [today - timedelta(days=age) for age in range(40, 0, -1)]
        minutes = [today - timedelta(days=1) + timedelta(hours=15, minutes=m) for m in range(120)]
        for name, times in (("days", days), ("minutes", minutes)):
            rows = [
                f"{symbol},{at.isoformat()},{price},{price + 1},{price - 1},{price}.41,1000"
                for at in times
            ]
            head = "symbol,timestamp,open,high,low,close,volume"
            (data / f"{symbol}-{name}.csv").write_text("\n".join([head, *rows]))
    (tmp_path / "tickloom.toml").write_text(
        '[plugins]\nenabled = ["replay"]\n[plugins.replay]\npath = "data"\nspeed = 600\n'
        '[database]\nurl = "sqlite:///samples.db"\n'
    )
    return tmp_path


@pytest.fixture(autouse=True)
def fresh_config(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(folder)
    yield
    config.reset()


async def test_the_python_samples_run_one_after_the_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    names: dict[str, Any] = {}
    try:
        for sample in sorted(SAMPLES.glob("0*.py")):
            code = compile(
                sample.read_text(), str(sample), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            )
            waiting = eval(code, names)
            if waiting is not None:
                await waiting
    finally:
        if "manager" in names:
            await names["manager"].close()
    out = capsys.readouterr().out

    assert "AAPL: $189.41" in out
    assert "GOOGL: $140.41" in out
    assert "MSFT: $402.41" in out
    assert re.search(r"Retrieved (29|30|31) data points", out)
    assert "Overall status: healthy" in out
    assert "database: healthy" in out
    assert "Requests: 3" in out
    assert "Errors: 0" in out
    assert "Cache hit rate: " in out
    assert "Active connections: 0" in out
    assert "Streaming status: True" in out
    assert "unhealthy" not in out


def test_what_is_set_on_the_config_object_is_read_back_and_reaches_the_settings() -> None:
    exec((SAMPLES / "00_configure.py").read_text(), {})
    settings = config.settings()

    assert config.yahoo_finance_rate_limit == 2000
    assert settings.providers.fallback == ("iex", "alpha_vantage")
    assert settings.providers.budgets["alpha_vantage"].per_minute == 5
    assert settings.server.host == "localhost"


def test_a_wrong_value_is_refused_and_the_old_one_stays() -> None:
    with pytest.raises(ConfigError, match=r"cache\.quote_ttl_s"):
        config.quote_cache_ttl = "long"
    with pytest.raises(ConfigError, match="unknown setting: found 'quote_cache_tll'"):
        config.quote_cache_tll = 5

    assert config.quote_cache_ttl == 60


def listening(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("{"), line


async def until_printed(command: list[str], wanted: set[str]) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    assert process.stdout is not None
    out = ""
    try:
        async with asyncio.timeout(30):
            while not all(part in out for part in wanted):
                line = await process.stdout.readline()
                assert line, f"the client ended after {out!r}"
                out += line.decode()
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
    return out


@pytest.fixture
def server(folder: Path) -> Iterator[None]:
    """The real server on the two ports that the samples name."""
    with subprocess.Popen(
        [sys.executable, "-m", "tickloom", "serve", "--json", "--port", "0"],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            listening(process)
            yield
        finally:
            process.terminate()
            assert process.wait(20) == 0


@pytest.mark.usefixtures("server")
async def test_the_python_client_receives_prices() -> None:
    wanted = {f"{symbol}: ${price}" for symbol, price in SYMBOLS.items()}
    await until_printed([sys.executable, str(SAMPLES / "client.py")], wanted)


@pytest.mark.usefixtures("server")
async def test_the_javascript_client_receives_prices_under_node() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    version = await asyncio.to_thread(subprocess.check_output, [node, "--version"], text=True)
    major = int(version.strip().removeprefix("v").partition(".")[0])
    if major < 20:
        pytest.skip(f"node {version} has no WebSocket, 20 or newer has")
    flags = ["--experimental-websocket"] if major < 22 else []
    wanted = {f"{symbol}: ${price}" for symbol, price in SYMBOLS.items()}
    await until_printed([node, *flags, str(SAMPLES / "client.js")], wanted)
