"""Makes the tables of what the checks kept back, of what they told, and of providers' scores."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from tickloom_migrations.running import find_engine

ID = "tickloom_2026_11_24_0003_quality"
VERSION = "1.38.0"
DESCRIPTION = "tables quarantine, quality_events and quality_scores"

_TYPES = {
    "postgres": {
        "id": "UUID",
        "integer": "BIGINT",
        "real": "DOUBLE PRECISION",
        "time": "TIMESTAMPTZ",
        "now": "now()",
        "clustered": "",
    },
    "sqlite": {
        "id": "TEXT",
        "integer": "INTEGER",
        "real": "REAL",
        "time": "TEXT",
        "now": "(strftime('%Y-%m-%d %H:%M:%f', 'now') || '000+00:00')",
        "clustered": "WITHOUT ROWID",
    },
}

_SUBJECT = """
    symbol VARCHAR(32) NOT NULL CHECK (length(symbol) <= 32),
    provider VARCHAR(50) NOT NULL CHECK (length(provider) <= 50),
    -- That of the bar; NULL = it is a quote.
    interval VARCHAR(8) CHECK (length(interval) <= 8),"""

_TABLES = (
    """
CREATE TABLE quarantine (
    -- Made of what was kept back, so that what comes again and again is one row.
    id {id} PRIMARY KEY NOT NULL,"""
    + _SUBJECT
    + """
    timestamp {time} NOT NULL,
    received_at {time} NOT NULL,
    code VARCHAR(64) NOT NULL CHECK (length(code) <= 64),
    reason TEXT NOT NULL,
    -- Both are JSON, but text: JSONB takes no NUL and writes numbers in its own way.
    found TEXT NOT NULL,
    payload TEXT NOT NULL,
    state VARCHAR(16) NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'released', 'dropped')),
    decided_at {time},
    decided_by VARCHAR(100) CHECK (length(decided_by) <= 100),
    created_at {time} NOT NULL DEFAULT {now},
    CHECK ((state = 'held') = (decided_at IS NULL))
) {clustered}
""",
    """
CREATE TABLE quality_events (
    -- Made of the minute, the subject and the code: what is told again only counts.
    id {id} PRIMARY KEY NOT NULL,
    at {time} NOT NULL,
    last_at {time} NOT NULL,"""
    + _SUBJECT
    + """
    kind VARCHAR(16) NOT NULL CHECK (length(kind) <= 16),
    code VARCHAR(64) NOT NULL CHECK (length(code) <= 64),
    quality VARCHAR(16) NOT NULL CHECK (length(quality) <= 16),
    reason TEXT NOT NULL,
    found TEXT NOT NULL,
    -- Of the first quote or bar that it was told of.
    timestamp {time},
    times {integer} NOT NULL
) {clustered}
""",
    """
CREATE TABLE quality_scores (
    provider VARCHAR(50) NOT NULL CHECK (length(provider) <= 50),
    symbol VARCHAR(32) NOT NULL CHECK (length(symbol) <= 32),
    hour {time} NOT NULL,
    asked {integer} NOT NULL DEFAULT 0,
    answered {integer} NOT NULL DEFAULT 0,
    dated {integer} NOT NULL DEFAULT 0,
    timely {integer} NOT NULL DEFAULT 0,
    compared {integer} NOT NULL DEFAULT 0,
    agreed {integer} NOT NULL DEFAULT 0,
    judged {integer} NOT NULL DEFAULT 0,
    valid {integer} NOT NULL DEFAULT 0,
    -- Replicas add to the counts of the same hour, and the shares follow.
    completeness {real} GENERATED ALWAYS AS (CAST(answered AS {real}) / NULLIF(asked, 0)) STORED,
    timeliness {real} GENERATED ALWAYS AS (CAST(timely AS {real}) / NULLIF(dated, 0)) STORED,
    agreement {real} GENERATED ALWAYS AS (CAST(agreed AS {real}) / NULLIF(compared, 0)) STORED,
    validity {real} GENERATED ALWAYS AS (CAST(valid AS {real}) / NULLIF(judged, 0)) STORED,
    PRIMARY KEY (provider, symbol, hour)
) {clustered}
""",
)

_INDEXES = (
    "CREATE INDEX quarantine_created ON quarantine (created_at, id)",
    "CREATE INDEX quarantine_symbol ON quarantine (symbol, created_at, id)",
    "CREATE INDEX quality_events_at ON quality_events (at, id)",
    "CREATE INDEX quality_events_symbol ON quality_events (symbol, at, id)",
    "CREATE INDEX quality_scores_hour ON quality_scores (hour)",
)


async def forwards() -> MigrationManager:
    """Return the steps; Piccolo awaits this to learn of them, running them comes later."""
    manager = MigrationManager(migration_id=ID, app_name="tickloom", description=DESCRIPTION)
    manager.add_raw(_make)
    manager.add_raw_backwards(_drop)
    return manager


async def _make() -> None:
    engine = find_engine()
    for table in _TABLES:
        await engine.run_ddl(table.format(**_TYPES[engine.engine_type]))
    for statement in _INDEXES:
        await engine.run_ddl(statement)


async def _drop() -> None:
    for name in ("quality_scores", "quality_events", "quarantine"):
        await find_engine().run_ddl(f"DROP TABLE {name}")
