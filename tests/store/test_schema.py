"""Migrations on every database."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg  # type: ignore[import-untyped]
import pytest
from piccolo.apps.migrations.auto.migration_manager import MigrationManager

import tickloom_migrations
from databases import SHARED
from tickloom.errors import ConfigError, StoreUnavailable
from tickloom.store import known_migrations, migrate, schema_version
from tickloom.store.migrating import run_pending

if TYPE_CHECKING:
    from databases import Database, Postgres, Settled

SEED_COLUMNS = {
    *("id", "symbol", "timestamp", "open_price", "high_price", "low_price", "close_price"),
    *("current_price", "volume", "market_cap", "price_change", "price_change_percent"),
    *("data_type", "provider", "is_real_time", "additional_data", "created_at", "updated_at"),
}
ALERT_COLUMNS = {
    *("id", "user_id", "symbol", "alert_type", "threshold_value", "percentage_threshold"),
    *("is_active", "expires_at", "email_notification", "push_notification", "webhook_url"),
    *("custom_message", "created_at", "updated_at"),
}
TABLES = {
    *("market_data", "market_alerts", "bars", "corporate_actions", "history_ranges"),
    *("trades", "companies", "provider_symbols", "jobs"),
    *("quarantine", "quality_events", "quality_scores"),
}
MIGRATE = (
    "import asyncio, json, sys; from tickloom.store import migrate\n"
    "sys.stdin.readline()\n"
    "print(json.dumps(asyncio.run(migrate(sys.argv[1])).applied))"
)


@pytest.fixture
def database(empty_database: Database) -> Database:
    return empty_database


async def test_the_second_migration_does_nothing(database: Database) -> None:
    first = await migrate(database.url)
    second = await migrate(database.url)

    assert first.applied == known_migrations()
    assert second.applied == ()
    assert first.version == second.version == known_migrations()[-1]


async def test_the_table_has_every_column_that_was_promised(database: Database) -> None:
    await migrate(database.url)
    await database.execute(
        "INSERT INTO market_data (id, symbol, timestamp, data_type, provider) VALUES "
        "('00000000-0000-0000-0000-000000000001', 'A', '2026-01-02 17:00:00.000000+00:00', "
        "'bar', 'x')"
    )

    if database.kind == "postgresql":
        [row] = await database.rows()
        assert set(row) >= SEED_COLUMNS
        assert row["is_real_time"] is False
    else:
        await database.execute(f"SELECT {', '.join(SEED_COLUMNS)} FROM market_data")


async def test_the_table_of_alerts_has_every_column_of_the_seed(database: Database) -> None:
    await migrate(database.url)

    await database.execute(f"SELECT {', '.join(sorted(ALERT_COLUMNS))} FROM market_alerts")


@pytest.mark.parametrize("count", range(1, len(known_migrations())))
async def test_a_database_of_an_older_version_gets_the_rest_and_keeps_its_rows(
    database: Database, count: int
) -> None:
    known = known_migrations()
    await run_pending(database.url, known[:count])
    await database.execute(
        "INSERT INTO market_data (id, symbol, timestamp, data_type, provider, received_at) VALUES "
        "('00000000-0000-0000-0000-000000000001', 'A', '2026-01-02 17:00:00.000000+00:00', "
        "'bar', 'x', '2026-01-02 17:00:00.000000+00:00')"
    )
    before = await database.rows()
    assert await schema_version(database.url) == known[count - 1]

    assert (await migrate(database.url)).applied == known[count:]
    assert await database.rows() == before
    assert await database.tables() >= TABLES


async def test_a_database_that_was_never_migrated_has_no_version(
    database: Database,
) -> None:
    assert await schema_version(database.url) is None
    assert await database.connections() == 0

    await migrate(database.url)
    assert await schema_version(database.url) == known_migrations()[-1]


async def test_without_a_database_there_is_nothing_to_migrate() -> None:
    assert (await migrate("")).applied == ()
    assert await schema_version("") is None


async def test_processes_that_start_at_once_migrate_once(database: Database) -> None:
    command = [sys.executable, "-c", MIGRATE, database.url]
    processes = [
        await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        for _ in range(3)
    ]
    outputs = await asyncio.gather(*(process.communicate(b"\n") for process in processes))

    assert [process.returncode for process in processes] == [0, 0, 0]
    applied = [tuple(json.loads(out)) for out, _ in outputs]
    assert sorted(applied) == [(), (), known_migrations()]


async def test_a_schema_that_the_url_names_gets_the_tables(postgres: Postgres) -> None:
    async with postgres(with_tables=False) as database:
        await database.execute("CREATE SCHEMA prices")

        await migrate(f"{database.url}&search_path=prices")

        assert await database.tables() == set()
        assert await schema_version(database.url) is None
        assert await schema_version(f"{database.url}&search_path=prices") == known_migrations()[-1]


async def test_tasks_that_start_at_once_migrate_once(database: Database) -> None:
    reports = await asyncio.gather(*(migrate(database.url) for _ in range(3)))

    assert sorted(report.applied for report in reports) == [(), (), known_migrations()]


async def test_nothing_is_printed_and_nothing_global_changes(
    database: Database, nothing_is_left: Settled, capfd: pytest.CaptureFixture[str]
) -> None:
    environment, path, folder = dict(os.environ), list(sys.path), Path.cwd()

    await migrate(database.url)

    assert capfd.readouterr() == ("", "")
    assert (dict(os.environ), list(sys.path), Path.cwd()) == (environment, path, folder)
    await nothing_is_left()


@pytest.mark.parametrize(
    "taken", ["market_data_provider", "market_alerts_user", "provider_symbols_theirs"]
)
async def test_a_migration_that_fails_leaves_nothing_behind(
    database: Database, nothing_is_left: Settled, taken: str
) -> None:
    # The last step of a migration finds its name taken.
    await database.execute(f"CREATE TABLE {taken} (id INTEGER)")

    with pytest.raises(StoreUnavailable, match=taken):
        await migrate(database.url)
    assert await database.tables() == {taken}
    await nothing_is_left()

    await database.execute(f"DROP TABLE {taken}")
    assert (await migrate(database.url)).applied == known_migrations()


async def test_a_schema_that_is_newer_says_what_to_do(database: Database) -> None:
    await migrate(database.url)
    later = "tickloom_2999_01_01_0001_later"
    await database.execute(
        "INSERT INTO migration (name, app_name, ran_on) "
        f"VALUES ('{later}', 'tickloom', CURRENT_TIMESTAMP)"
    )

    with pytest.raises(StoreUnavailable) as caught:
        await migrate(database.url)
    assert later in str(caught.value.found)
    assert known_migrations()[-1] in caught.value.expected
    assert "Upgrade tickloom" in caught.value.fix
    assert await schema_version(database.url) == later


async def test_migrations_of_other_apps_in_the_same_database_are_left_alone(
    database: Database,
) -> None:
    await migrate(database.url)
    await database.execute("UPDATE migration SET app_name = 'other'")
    end = " CASCADE" if database.kind == "postgresql" else ""
    tables = await database.tables() - {"migration"}
    await database.execute(*(f"DROP TABLE IF EXISTS {name}{end}" for name in tables))

    assert (await migrate(database.url)).applied == known_migrations()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("no/such/quotes.db", None, "folder of the database file does not exist"),
        ("", None, "cannot be opened"),
        ("notes.db", "These are notes, not a database. " * 40, "no"),
    ],
    ids=["a folder that is missing", "a folder", "a file of text"],
)
async def test_a_file_that_cannot_be_a_database_is_a_wrong_setting(
    tmp_path: Path, name: str, content: str | None, words: str
) -> None:
    if content:
        (tmp_path / name).write_text(content)
    for call in (migrate, schema_version):
        with pytest.raises(ConfigError, match=words) as caught:
            await call(f"sqlite:///{tmp_path / name}")
        assert caught.value.fix


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("//postgres:s3cret@127.0.0.1:5432/no_such_database", ConfigError, "no such database"),
        ("//no_such_role:s3cret@127.0.0.1:5432/test", ConfigError, "refuses the user"),
        ("//postgres:s3cret@127.0.0.1:1/test", StoreUnavailable, "does not answer"),
        ("//postgres:s3cret@no-such-host.invalid/test", StoreUnavailable, "does not answer"),
        ("//postgres@127.0.0.1/test?password=s3cret&sslmode=x", ConfigError, "cannot be used"),
    ],
)
async def test_a_server_that_cannot_be_used_is_told_without_the_password(
    url: str, error: type[Exception], words: str
) -> None:
    if ":5432" in url:
        try:
            await (await asyncpg.connect(SHARED, timeout=2)).close()
        except OSError:
            pytest.skip("no PostgreSQL answers at 127.0.0.1:5432")
    for call in (migrate, schema_version):
        with pytest.raises(error, match=words) as caught:
            await call(f"postgresql:{url}")
        shown = [caught.value, caught.value.__cause__]
        assert "s3cret" not in " ".join(map(repr, shown)) + str(caught.value)


@pytest.mark.parametrize("name", known_migrations())
async def test_a_migration_is_written_by_hand_and_named_after_the_app(name: str) -> None:
    module = import_module(f"tickloom_migrations.piccolo_migrations.{name}")
    manager = await module.forwards()
    assert name.startswith("tickloom_")
    assert name == module.ID
    assert manager.raw
    # The runner knows these steps only; Piccolo's automatic ones fail on SQLite.
    empty = MigrationManager(
        migration_id=manager.migration_id,
        app_name="tickloom",
        description=manager.description,
        raw=manager.raw,
        raw_backwards=manager.raw_backwards,
    )
    assert manager == empty


async def test_to_ask_for_a_version_makes_no_file(tmp_path: Path) -> None:
    await schema_version(f"sqlite:///{tmp_path / 'quotes.db'}")

    assert not (tmp_path / "quotes.db").exists()


def test_piccolos_own_commands_run_the_migrations_forwards_and_back(tmp_path: Path) -> None:
    (tmp_path / "piccolo_conf.py").write_text(
        "from piccolo.conf.apps import AppRegistry\n"
        "from piccolo.engine.sqlite import SQLiteEngine\n"
        "DB = SQLiteEngine(path='quotes.db')\n"
        "APP_REGISTRY = AppRegistry(['tickloom_migrations.piccolo_app'])\n"
    )
    url = f"sqlite:///{tmp_path / 'quotes.db'}"

    def run(*arguments: str) -> None:
        command = [sys.executable, "-m", "piccolo.main", "migrations", *arguments]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=30)

    run("forwards", "tickloom")
    assert asyncio.run(migrate(url)).applied == ()
    run("backwards", "tickloom", "all", "--auto_agree")
    assert asyncio.run(schema_version(url)) is None
    assert asyncio.run(migrate(url)).applied == known_migrations()


def test_the_package_of_migrations_imports_without_piccolo() -> None:
    code = (
        "import sys, tickloom.store, tickloom_migrations\n"
        "assert not [name for name in sys.modules if name.startswith('piccolo')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
    assert tickloom_migrations.__doc__
