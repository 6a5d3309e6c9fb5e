"""A database of its own for each test: a SQLite file, or a schema of a real PostgreSQL."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, suppress
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import msgspec
import pytest

from tickloom.store.rows import DECIMALS, TIMES

SERVER = "postgresql://postgres@127.0.0.1:5432/test"
Settled = Callable[[], Awaitable[None]]
Postgres = Callable[[], AbstractAsyncContextManager["PostgresSchema"]]
OWN = ("id", "created_at", "updated_at", "epoch")


class Database(Protocol):
    """What a test does to a database behind the back of tickloom."""

    url: str
    kind: str

    async def rows(self) -> list[dict[str, Any]]: ...

    async def execute(self, *statements: str) -> None: ...

    async def tables(self) -> set[str]: ...

    def away(self) -> AbstractAsyncContextManager[None]: ...

    async def connections(self) -> int: ...


class SqliteFile:
    kind = "sqlite"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"

    async def rows(self) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.path)) as connection:
            connection.row_factory = sqlite3.Row
            found = connection.execute("SELECT * FROM market_data ORDER BY timestamp, symbol")
            return [self._row(dict(row)) for row in found]

    def _row(self, row: dict[str, Any]) -> dict[str, Any]:
        for name in DECIMALS:
            row[name] = None if row[name] is None else Decimal(row[name])
        for name in (*TIMES, "created_at", "updated_at"):
            assert len(row[name]) == 32
            row[name] = datetime.fromisoformat(row[name])
        row["is_real_time"] = bool(row["is_real_time"])
        row["quality_codes"] = msgspec.json.decode(row["quality_codes"])
        return row

    async def execute(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    async def tables(self) -> set[str]:
        with closing(sqlite3.connect(self.path)) as connection:
            found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return {name for (name,) in found if not name.startswith("sqlite_")}

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            yield
            connection.execute("ROLLBACK")

    async def connections(self) -> int:
        return await asyncio.to_thread(self._open_files)

    def _open_files(self) -> int:
        targets = []
        for link in Path("/proc/self/fd").iterdir():
            # The listing's own descriptor is gone by now.
            with suppress(FileNotFoundError):
                targets.append(str(link.readlink()))
        return sum(target.startswith(str(self.path)) for target in targets)


class PostgresSchema:
    kind = "postgresql"

    def __init__(self, schema: str, wire: Wire) -> None:
        self.schema = schema
        self.wire = wire
        self._direct = f"{SERVER}?search_path={schema}"
        self.url = f"{self._direct}&application_name={schema}".replace(":5432", f":{wire.port}")

    async def _fetch(self, query: str) -> list[Any]:
        connection = await asyncpg.connect(self._direct)
        try:
            return list(await connection.fetch(query))
        finally:
            await connection.close()

    async def rows(self) -> list[dict[str, Any]]:
        return list(
            map(dict, await self._fetch("SELECT * FROM market_data ORDER BY timestamp, symbol"))
        )

    async def execute(self, *statements: str) -> None:
        for statement in statements:
            await self._fetch(statement)

    async def tables(self) -> set[str]:
        found = await self._fetch(
            f"SELECT tablename FROM pg_tables WHERE schemaname = '{self.schema}'"
        )
        return {row["tablename"] for row in found}

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        await self.wire.cut()
        yield
        await self.wire.mend()

    async def connections(self) -> int:
        [row] = await self._fetch(
            f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{self.schema}'"
        )
        return int(row["count"])


class Wire:
    """A TCP proxy that can be cut."""

    def __init__(self) -> None:
        self.port = 0
        self.is_stalled = False
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        for end in self._ends:
            end.transport.abort()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        self._ends.clear()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", 5432)
        self._ends |= {writer, far_writer}
        for source, target in ((reader, far_writer), (far_reader, writer)):
            pump = asyncio.create_task(self._pump(source, target))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65_536):
                if self.is_stalled:
                    continue
                target.write(data)
                await target.drain()
        except OSError:
            return
        finally:
            target.close()


_opened = 0


async def tidy(connection: Any) -> None:
    """Clean up after the schemas that were dropped.

    Each leaves a thousand dead rows in the catalogue; where the server does not clean up by
    itself, migrations take five times as long after some hundred of them.
    """
    global _opened  # noqa: PLW0603 - counts the schemas of this run
    if _opened % 40 == 0:
        for table in ("attribute", "class", "depend", "index", "constraint", "type", "attrdef"):
            await connection.execute(f"VACUUM pg_catalog.pg_{table}")
    _opened += 1


@asynccontextmanager
async def open_postgres() -> AsyncIterator[PostgresSchema]:
    schema = f"tickloom_{secrets.token_hex(6)}"
    try:
        connection = await asyncpg.connect(SERVER, timeout=2)
    except OSError:
        pytest.skip("no PostgreSQL answers at 127.0.0.1:5432")
    wire = Wire()
    await tidy(connection)
    await connection.execute(f"CREATE SCHEMA {schema}")
    await wire.mend()
    try:
        yield PostgresSchema(schema, wire)
    finally:
        await wire.cut()
        await connection.execute(f"DROP SCHEMA {schema} CASCADE")
        await connection.close()


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    if request.param == "sqlite":
        yield SqliteFile(tmp_path / "quotes.db")
    else:
        async with open_postgres() as schema:
            yield schema


@pytest.fixture
def postgres() -> Postgres:
    return open_postgres


@pytest.fixture
async def nothing_is_left(database: Database) -> Settled:
    """Call it when all is closed: no task, thread or connection is left of what came since."""
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())

    async def settled() -> None:
        new = asyncio.all_tasks() - tasks - {asyncio.current_task()}
        # The wire's own tasks end a moment after the connections do.
        assert [task for task in new if "Wire" not in repr(task)] == []
        while await database.connections():
            await asyncio.sleep(0.01)
        # The loop's own pool belongs to the loop, which ends it.
        while any(
            not thread.name.startswith("asyncio_")
            for thread in set(threading.enumerate()) - threads
        ):
            await asyncio.sleep(0.01)

    return settled
