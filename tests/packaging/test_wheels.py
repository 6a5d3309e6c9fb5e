"""What is built here works elsewhere: wheels in a clean environment, in an empty directory."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sqlite3
import tomllib
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from elsewhere import ROOT, SOURCES, Environment, pip, serving
from tickloom import __version__

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(300)]


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_of_the_host_holds_types_migrations_and_license(wheels: dict[str, Path]) -> None:
    names = names_in(wheels["tickloom"])
    assert {"tickloom/py.typed", "tickloom_migrations/piccolo_app.py"} <= names
    migrations = {
        path.name for path in (ROOT / "migrations").glob("tickloom_migrations/*/tickloom_*.py")
    }
    assert migrations
    assert {f"tickloom_migrations/piccolo_migrations/{name}" for name in migrations} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {name.split("/")[0] for name in names} == {
        "tickloom",
        "tickloom_migrations",
        f"tickloom-{__version__}.dist-info",
    }


def test_every_wheel_of_a_plugin_holds_its_types_and_entry_point(wheels: dict[str, Path]) -> None:
    plugins = {name: wheel for name, wheel in wheels.items() if name != "tickloom"}
    assert len(plugins) == len(SOURCES) - 1
    for wheel in plugins.values():
        names = names_in(wheel)
        assert any(name.endswith("/py.typed") for name in names)
        assert any(name.endswith(".dist-info/entry_points.txt") for name in names)
        assert not any("tests/" in name for name in names)


def test_the_clean_environment_imports_the_wheel_and_not_this_checkout(
    clean: Environment, tmp_path: Path
) -> None:
    code = "import tickloom, tickloom_migrations as m; print(tickloom.__file__, *m.__path__)"
    done = clean.run(clean.python, "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for place in done.stdout.split():
        assert Path(place).is_relative_to(clean.site)


def test_migrate_makes_the_database_in_an_empty_directory(
    clean: Environment, tmp_path: Path
) -> None:
    first = clean.ask("migrate", cwd=tmp_path)
    assert first["migrations"]
    with closing(sqlite3.connect(tmp_path / "tickloom.db")) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    assert "market_data" in tables
    assert clean.ask("migrate", cwd=tmp_path)["migrations"] == []


async def first_tick(url: str, symbol: str) -> Any:
    async with asyncio.timeout(30), websockets.connect(url) as client:
        await client.send(json.dumps({"type": "subscribe", "symbols": [symbol]}))
        async for text in client:
            message = json.loads(text)
            if message["type"] == "market_data":
                return message
    raise AssertionError("the stream ended")


async def test_the_wheel_serves_from_an_empty_directory(clean: Environment, tmp_path: Path) -> None:
    with serving(clean.bin / "tickloom", tmp_path, clean.variables) as (server, banner):
        assert len(banner["stream"]) == 2
        for url in banner["stream"]:
            message = await first_tick(url, "SIM.ACME")
            assert message["symbol"] == "SIM.ACME"
            assert message["data"]["current_price"] > 0
        async with httpx.AsyncClient(trust_env=False) as client:
            quote = await client.get(f"{banner['api']}/quotes/SIM.ACME")
            status = await client.get(f"{banner['api']}/status")
            script = await client.get(f"{banner['docs']}/assets/swagger-ui-bundle.js")
        assert quote.status_code == 200
        assert quote.json()["provider"] == "simulated"
        assert status.json()["components"]["database"]["status"] == "healthy"
        assert script.status_code == 200
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=30) == 0
    assert (tmp_path / "tickloom.db").is_file()


def requirements() -> list[str]:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in lines.splitlines() if line.strip() and not line.startswith("#")]


def test_the_lock_holds_names_versions_and_hashes_and_no_address() -> None:
    assert "://" not in (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert requirements()
    for line in requirements():
        assert re.match(r"[A-Za-z0-9._-]+==\S+ ", line), line
        assert "--hash=sha256:" in line, line


def test_the_lock_holds_every_direct_requirement() -> None:
    locked = {line.partition("==")[0].lower().replace("_", "-") for line in requirements()}
    for source in SOURCES:
        data = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))
        wanted = [*data["project"]["dependencies"], *data["build-system"]["requires"]]
        names = {re.split(r"[\[<>=!~; ]", line)[0].lower().replace("_", "-") for line in wanted}
        assert {name for name in names if not name.startswith("tickloom")} <= locked


def test_the_installed_packages_fit_together() -> None:
    assert "No broken requirements" in pip("check")
