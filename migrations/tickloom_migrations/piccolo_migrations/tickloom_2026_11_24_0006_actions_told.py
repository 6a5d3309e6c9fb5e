"""Remembers of stored days whether their provider told all splits and dividends of them."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from tickloom_migrations.running import find_engine

ID = "tickloom_2026_11_24_0006_actions_told"
VERSION = "1.38.0"
DESCRIPTION = "column has_actions of history_ranges"

_TYPES = {
    "postgres": {"flag": "BOOLEAN", "no": "FALSE"},
    "sqlite": {"flag": "INTEGER", "no": "0"},
}
# Of ranges of before nobody knows; for them the provider's plugin has to say so.
_ADD = "ALTER TABLE history_ranges ADD COLUMN has_actions {flag} NOT NULL DEFAULT {no}"


async def forwards() -> MigrationManager:
    """Return the steps; Piccolo awaits this to learn of them, running them comes later."""
    manager = MigrationManager(migration_id=ID, app_name="tickloom", description=DESCRIPTION)
    manager.add_raw(_add)
    manager.add_raw_backwards(_drop)
    return manager


async def _add() -> None:
    engine = find_engine()
    await engine.run_ddl(_ADD.format(**_TYPES[engine.engine_type]))


async def _drop() -> None:
    await find_engine().run_ddl("ALTER TABLE history_ranges DROP COLUMN has_actions")
