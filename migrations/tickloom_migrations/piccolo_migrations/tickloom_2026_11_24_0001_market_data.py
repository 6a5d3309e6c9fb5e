"""Makes the table of stored quotes."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from tickloom_migrations.running import find_engine

ID = "tickloom_2026_11_24_0001_market_data"
VERSION = "1.38.0"
DESCRIPTION = "table market_data"

# A decimal keeps every digit that the provider gave: NUMERIC without a scale on PostgreSQL, text
# on SQLite, which would make a binary float of it. Times on SQLite are UTC text of one width, so
# that their order as text is their order in time.
_TYPES = {
    "postgres": {
        "id": "UUID",
        "decimal": "NUMERIC",
        "integer": "BIGINT",
        "time": "TIMESTAMPTZ",
        "now": "now()",
        "flag": "BOOLEAN",
        "no": "FALSE",
        "json": "JSONB",
        "codes": "TEXT[]",
        "no_codes": "'{}'",
    },
    "sqlite": {
        "id": "TEXT",
        "decimal": "TEXT",
        "integer": "INTEGER",
        "time": "TEXT",
        "now": "(strftime('%Y-%m-%d %H:%M:%f', 'now') || '000+00:00')",
        "flag": "INTEGER",
        "no": "0",
        "json": "TEXT",
        "codes": "TEXT",
        "no_codes": "'[]'",
    },
}

# SQLite ignores the length of a VARCHAR; the checks hold it to the same limits as PostgreSQL.
_TABLE = """
CREATE TABLE market_data (
    id {id} PRIMARY KEY NOT NULL,
    symbol VARCHAR(32) NOT NULL CHECK (length(symbol) <= 32),
    timestamp {time} NOT NULL,
    open_price {decimal},
    high_price {decimal},
    low_price {decimal},
    close_price {decimal},
    current_price {decimal},
    volume {integer},
    market_cap {decimal},
    price_change {decimal},
    price_change_percent {decimal},
    data_type VARCHAR(50) NOT NULL CHECK (length(data_type) <= 50),
    provider VARCHAR(50) NOT NULL CHECK (length(provider) <= 50),
    is_real_time {flag} NOT NULL DEFAULT {no},
    additional_data {json},
    created_at {time} NOT NULL DEFAULT {now},
    updated_at {time} NOT NULL DEFAULT {now},
    bid {decimal},
    ask {decimal},
    bid_size {integer},
    ask_size {integer},
    last_size {integer},
    previous_close {decimal},
    currency TEXT,
    exchange TEXT,
    market_state TEXT,
    received_at {time},
    fallback_from TEXT,
    fallback_reason TEXT,
    sequence {integer} NOT NULL DEFAULT 0,
    epoch TEXT NOT NULL DEFAULT '',
    quality TEXT NOT NULL DEFAULT 'ok',
    quality_codes {codes} NOT NULL DEFAULT {no_codes},
    -- Its index begins with symbol and timestamp and so serves the questions for one symbol too.
    CONSTRAINT market_data_key UNIQUE (symbol, timestamp, data_type, provider)
)
"""
_INDEXES = (
    "CREATE INDEX market_data_timestamp ON market_data (timestamp)",
    "CREATE INDEX market_data_provider ON market_data (provider, timestamp)",
)


async def forwards() -> MigrationManager:
    """Return the steps; Piccolo awaits this to learn of them, running them comes later."""
    manager = MigrationManager(migration_id=ID, app_name="tickloom", description=DESCRIPTION)
    manager.add_raw(_make)
    manager.add_raw_backwards(_drop)
    return manager


async def _make() -> None:
    engine = find_engine()
    await engine.run_ddl(_TABLE.format(**_TYPES[engine.engine_type]))
    for index in _INDEXES:
        await engine.run_ddl(index)


async def _drop() -> None:
    await find_engine().run_ddl("DROP TABLE market_data")
