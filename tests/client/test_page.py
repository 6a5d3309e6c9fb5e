"""The samples of the page about the client do what it says."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import textwrap
from datetime import date
from pathlib import Path
from typing import Any, get_args

import pytest

from plugged import manager_of, serving
from scripted import EVERYTHING, ScriptedProvider, make_quote
from tickloom import client as library
from tickloom.client import Client, Event, Gap, Stream, Tick

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
WHOLE, *PARTS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SYMBOLS = frozenset({"SIM.ACME"})


def provider_of() -> ScriptedProvider:
    return ScriptedProvider("sim", namespace="SIM.", symbols=SYMBOLS, **EVERYTHING)


async def published(manager: Any) -> None:
    while True:
        manager.pipeline.accept(make_quote("SIM.ACME", provider="sim"))
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("sample", PARTS)
async def test_each_sample_runs(sample: str) -> None:
    manager = manager_of(provider_of())
    names: dict[str, Any] = {"Gap": Gap, "Tick": Tick, "date": date}
    exec(f"async def run(client):\n{textwrap.indent(sample, '    ')}", names)
    async with serving(manager) as address, Client(f"http://{address}") as client:
        publishing = asyncio.create_task(published(manager))
        async with asyncio.timeout(10):
            await names["run"](client)
        publishing.cancel()


@pytest.mark.parametrize("program", ["sample", "watch.py"])
async def test_each_program_prints_prices(program: str, tmp_path: Path) -> None:
    manager = manager_of(provider_of())
    async with serving(manager) as address:
        if program == "sample":
            file = tmp_path / "sample.py"
            file.write_text(WHOLE.replace("127.0.0.1:8000", address), encoding="utf-8")
            command = [sys.executable, str(file)]
        else:
            file = ROOT / "examples" / "clients" / program
            command = [sys.executable, str(file), f"ws://{address}", "SIM.ACME"]
        publishing = asyncio.create_task(published(manager))
        process = await asyncio.create_subprocess_exec(
            *command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert process.stdout is not None
        async with asyncio.timeout(20):
            lines = [(await process.stdout.readline()).decode() for _ in range(2)]
        process.kill()
        await process.communicate()
        publishing.cancel()
    assert all(line.startswith("SIM.ACME") and "189.41" in line for line in lines)


def test_every_event_is_told_with_its_callback() -> None:
    section = PAGE.partition("| event | when | callback |")[2].partition("\n\n")[0]
    rows = [
        line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")
    ]
    told = {name.strip("`"): row[-1].strip("` ") for row in rows for name in row[0].split(", ")}
    stream: Stream[Tick] = Client().stream(["A"])

    kinds = {kind.__name__ for kind in get_args(Event)}
    assert set(told) == kinds
    assert set(told) <= set(library.__all__)
    callbacks = {name for name in vars(stream) if name.startswith("on_")}
    assert set(told.values()) - {"none"} == callbacks


def test_the_public_names_are_sorted_and_exist() -> None:
    assert library.__all__ == sorted(library.__all__)
    assert all(hasattr(library, name) for name in library.__all__)
