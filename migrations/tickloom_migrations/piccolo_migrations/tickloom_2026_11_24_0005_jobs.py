"""Makes the record of scheduled jobs."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from tickloom_migrations.running import find_engine

ID = "tickloom_2026_11_24_0005_jobs"
VERSION = "1.38.0"
DESCRIPTION = "table jobs"

_TYPES = {
    "postgres": {"id": "BIGINT GENERATED ALWAYS AS IDENTITY", "time": "TIMESTAMPTZ"},
    "sqlite": {"id": "INTEGER", "time": "TEXT"},
}

# A row for each run, so that it is also the audit log of what was cleaned up.
_TABLE = """
CREATE TABLE jobs (
    id {id} PRIMARY KEY,
    name VARCHAR(50) NOT NULL CHECK (length(name) <= 50),
    replica VARCHAR(64) NOT NULL CHECK (length(replica) <= 64),
    started_at {time} NOT NULL,
    finished_at {time},
    -- 'lost' where the process ended before its job did; 'stopped' where it was closed.
    result VARCHAR(16) NOT NULL
        CHECK (result IN ('running', 'done', 'failed', 'stopped', 'lost')),
    -- What was done, or why it failed; JSON.
    details TEXT
)
"""
_INDEX = "CREATE INDEX jobs_name ON jobs (name, started_at)"


async def forwards() -> MigrationManager:
    """Return the steps; Piccolo awaits this to learn of them, running them comes later."""
    manager = MigrationManager(migration_id=ID, app_name="tickloom", description=DESCRIPTION)
    manager.add_raw(_make)
    manager.add_raw_backwards(_drop)
    return manager


async def _make() -> None:
    engine = find_engine()
    await engine.run_ddl(_TABLE.format(**_TYPES[engine.engine_type]))
    await engine.run_ddl(_INDEX)


async def _drop() -> None:
    await find_engine().run_ddl("DROP TABLE jobs")
