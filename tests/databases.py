"""A database of its own for each test: a SQLite file, or one in a real PostgreSQL."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    asynccontextmanager,
    closing,
    contextmanager,
    suppress,
)
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import msgspec
import pytest

from tickloom.store import migrate
from tickloom.store.rows import DECIMALS, TIMES

SERVER = "postgresql://postgres@127.0.0.1:5432"
SHARED = f"{SERVER}/test"
"""A database that is there already."""

Settled = Callable[[], Awaitable[None]]
Postgres = Callable[..., AbstractAsyncContextManager["PostgresDatabase"]]
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


class PostgresDatabase:
    kind = "postgresql"

    def __init__(self, name: str, wire: Wire) -> None:
        self.name = name
        self.wire = wire
        self.direct = f"{SERVER}/{name}"
        self.url = f"{self.direct}?application_name={name}".replace(":5432", f":{wire.port}")

    async def _fetch(self, query: str) -> list[Any]:
        connection = await asyncpg.connect(self.direct)
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
        found = await self._fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {row["tablename"] for row in found}

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        await self.wire.cut()
        yield
        await self.wire.mend()

    async def connections(self) -> int:
        [row] = await self._fetch(
            f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{self.name}'"
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


class Template:
    """A database with our tables, made when a test first needs it.

    To copy it takes a tenth of the time that the migrations take.
    """

    def __init__(self) -> None:
        self._name: str | None = None

    async def create(self, name: str, *, with_tables: bool) -> None:
        """Create a database."""
        if not with_tables:
            await run_shared(f"CREATE DATABASE {name}")
            return
        if self._name is None:
            template = f"tickloom_{secrets.token_hex(6)}"
            await run_shared(f"CREATE DATABASE {template}")
            self._name = template
            await migrate(f"{SERVER}/{template}")
        await run_shared(f"CREATE DATABASE {name} TEMPLATE {self._name}")

    async def drop(self) -> None:
        """Leave nothing behind."""
        if self._name is not None:
            await run_shared(f"DROP DATABASE {self._name} WITH (FORCE)")


async def run_shared(statement: str) -> None:
    """Execute a statement in the database that is there already; skip the test where none is."""
    try:
        connection = await asyncpg.connect(SHARED, timeout=2)
    except OSError:
        pytest.skip("no PostgreSQL answers at 127.0.0.1:5432")
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@asynccontextmanager
async def open_postgres(
    template: Template, *, with_tables: bool
) -> AsyncIterator[PostgresDatabase]:
    name = f"tickloom_{secrets.token_hex(6)}"
    await template.create(name, with_tables=with_tables)
    wire = Wire()
    await wire.mend()
    try:
        yield PostgresDatabase(name, wire)
    finally:
        await wire.cut()
        await run_shared(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def run_postgres(run: Callable[..., Any], template: Template) -> Iterator[str]:
    """Give a database to benchmarks, which run the loop themselves, without the wire."""
    opened = open_postgres(template, with_tables=True)
    database = run(opened.__aenter__())
    yield database.direct
    run(opened.__aexit__(None, None, None))


@pytest.fixture(scope="session")
def template() -> Iterator[Template]:
    made = Template()
    yield made
    asyncio.run(made.drop())


@asynccontextmanager
async def _opened(
    kind: str, folder: Path, template: Template, *, with_tables: bool
) -> AsyncIterator[Database]:
    if kind == "sqlite":
        yield SqliteFile(folder / "quotes.db")
    else:
        async with open_postgres(template, with_tables=with_tables) as made:
            yield made


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(
    request: pytest.FixtureRequest, tmp_path: Path, template: Template
) -> AsyncIterator[Database]:
    """Give a database; on PostgreSQL it has its tables, so that only tests of that make them."""
    async with _opened(request.param, tmp_path, template, with_tables=True) as opened:
        yield opened


@pytest.fixture(params=["sqlite", "postgresql"])
async def empty_database(
    request: pytest.FixtureRequest, tmp_path: Path, template: Template
) -> AsyncIterator[Database]:
    async with _opened(request.param, tmp_path, template, with_tables=False) as opened:
        yield opened


@pytest.fixture
def postgres(template: Template) -> Postgres:
    return partial(open_postgres, template, with_tables=True)


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
