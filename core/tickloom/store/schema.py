"""Brings a database to the schema of this version, and tells which one it has."""

from __future__ import annotations

import asyncio
import pkgutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it ships no types
from msgspec import Struct

from tickloom.errors import ConfigError, StoreUnavailable, verbatim
from tickloom.store.address import kind_of, sqlite_path
from tickloom.store.failures import explain_postgres, explain_sqlite
from tickloom.store.partitions import make_ahead
from tickloom_migrations import piccolo_migrations

_CONNECT_LIMIT_S = 5.0
_ANSWER_LIMIT_S = 5.0
RAN = "SELECT name FROM migration WHERE app_name = 'tickloom' ORDER BY name"
"""Asks for the migrations that ran; the last one is the version of the schema."""

Runner = Callable[[str, Sequence[str]], Awaitable[tuple[str, ...]]]


class MigrationReport(Struct, frozen=True, kw_only=True):
    """What :func:`migrate` did.

    Attributes:
        applied: Names of the migrations that ran now, in their order; empty = none was due.
        version: Name of the newest migration of the database; ``None`` = nothing is stored.
    """

    applied: tuple[str, ...] = ()
    version: str | None = None


def known_migrations() -> tuple[str, ...]:
    """Return the names of the migrations that this version of tickloom brings, in their order."""
    return tuple(
        sorted(module.name for module in pkgutil.iter_modules(piccolo_migrations.__path__))
    )


async def migrate(url: str) -> MigrationReport:
    """Run the migrations that the database at ``url`` lacks; does nothing the second time.

    Several processes may call this at once: one works, the others wait up to 30 s for it. Either
    all that is due runs, or nothing. A SQLite file that does not exist is made. On PostgreSQL the
    partitions that are needed soon are made, each time.

    Raises:
        ConfigError: User, password, database name or file is wrong.
        StoreUnavailable: The database does not answer, or its schema is newer than this version.
    """
    kind = kind_of(url)
    if kind == "none":
        return MigrationReport()
    known = known_migrations()
    ran = await _ran(url)
    version_of(ran)
    applied: tuple[str, ...] = ()
    if not set(known) <= set(ran):
        # Piccolo takes a good part of a second to import, so not on the loop.
        run_pending = await asyncio.to_thread(_import_runner)
        try:
            applied = await run_pending(url, known)
        except Exception as error:
            raise _explain(error, url) from error
    if kind == "postgresql":
        await _make_partitions(url)
    return MigrationReport(applied=applied, version=known[-1])


async def schema_version(url: str) -> str | None:
    """Return the newest migration of the database; ``None`` = it was never migrated.

    Raises:
        ConfigError: User, password, database name or file is wrong.
        StoreUnavailable: The database does not answer.
    """
    if kind_of(url) == "none":
        return None
    ran = await _ran(url)
    return ran[-1] if ran else None


def version_of(ran: Sequence[str]) -> str | None:
    """Return the newest of the migrations that ran, in their order; ``None`` = none did.

    Raises:
        StoreUnavailable: This version does not know one of them.
    """
    known = known_migrations()
    unknown = sorted(set(ran) - set(known))
    if unknown:
        raise StoreUnavailable(
            "the schema of the database is newer than this version of tickloom",
            found=unknown[-1],
            expected=f"{known[-1]} or older",
            fix="Upgrade tickloom, or name another database in database.url.",
        )
    return ran[-1] if ran else None


def _import_runner() -> Runner:
    from tickloom.store.migrating import run_pending  # noqa: PLC0415 - see migrate

    return run_pending


def _explain(error: Exception, url: str) -> Exception:
    if kind_of(url) == "sqlite":
        return explain_sqlite(error, sqlite_path(url))
    return explain_postgres(error, url)


async def _ran(url: str) -> list[str]:
    try:
        if kind_of(url) == "sqlite":
            return await asyncio.to_thread(_ran_sqlite, sqlite_path(url))
        return await _ran_postgres(url)
    except Exception as error:
        raise _explain(error, url) from error


def _ran_sqlite(path: Path) -> list[str]:
    if not path.parent.is_dir():
        raise ConfigError(
            "the folder of the database file does not exist",
            found=str(path.parent),
            fix="Create the folder, or change database.url.",
        )
    if not path.exists():
        return []
    if not path.is_file():
        raise ConfigError(
            f"the database file {path} cannot be opened",
            found=verbatim("a folder" if path.is_dir() else "a device"),
            expected="a file",
            fix="Change database.url.",
        )
    # To ask for a version must not make a file.
    address = f"{path.resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=_ANSWER_LIMIT_S)) as connection:
        has_table = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'migration'"
        if connection.execute(has_table).fetchone() is None:
            return []
        return [name for (name,) in connection.execute(RAN)]


async def _make_partitions(url: str) -> None:
    try:
        async with _connected(url) as connection:
            await make_ahead(connection)
    except Exception as error:
        raise _explain(error, url) from error


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(
        url, timeout=_CONNECT_LIMIT_S, command_timeout=_ANSWER_LIMIT_S
    )
    try:
        yield connection
    finally:
        await connection.close(timeout=_ANSWER_LIMIT_S)


async def _ran_postgres(url: str) -> list[str]:
    async with _connected(url) as connection:
        if await connection.fetchval("SELECT to_regclass('migration')") is None:
            return []
        return [row["name"] for row in await connection.fetch(RAN)]
