"""Makes the tables of stored history, and the one of alerts."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from tickloom_migrations.running import find_engine

ID = "tickloom_2026_11_24_0002_bars"
VERSION = "1.38.0"
DESCRIPTION = "tables bars, corporate_actions, history_ranges and market_alerts"

# As in market_data: NUMERIC without a scale and text keep every digit, times are UTC.
_TYPES = {
    "postgres": {
        "id": "UUID",
        "decimal": "NUMERIC",
        "integer": "BIGINT",
        "time": "TIMESTAMPTZ",
        "day": "DATE",
        "now": "now()",
        "flag": "BOOLEAN",
        "yes": "TRUE",
        "no": "FALSE",
        "clustered": "",
        "partitioned": "PARTITION BY LIST (interval)",
    },
    "sqlite": {
        "id": "TEXT",
        "decimal": "TEXT",
        "integer": "INTEGER",
        "time": "TEXT",
        "day": "TEXT",
        "now": "(strftime('%Y-%m-%d %H:%M:%f', 'now') || '000+00:00')",
        "flag": "INTEGER",
        "yes": "1",
        "no": "0",
        # The rows themselves lie in the order of the key, so that a series is read in one go.
        "clustered": "WITHOUT ROWID",
        "partitioned": "",
    },
}

_SERIES = """
    symbol VARCHAR(32) NOT NULL CHECK (length(symbol) <= 32),
    interval VARCHAR(8) NOT NULL CHECK (length(interval) <= 8),
    adjustment VARCHAR(8) NOT NULL CHECK (adjustment IN ('none', 'splits', 'all')),
    provider VARCHAR(50) NOT NULL CHECK (length(provider) <= 50),"""

_TABLES = (
    """
CREATE TABLE bars ("""
    + _SERIES
    + """
    timestamp {time} NOT NULL,
    open_price {decimal} NOT NULL,
    high_price {decimal} NOT NULL,
    low_price {decimal} NOT NULL,
    close_price {decimal} NOT NULL,
    volume {integer},
    adjusted_close {decimal},
    trade_count {integer},
    vwap {decimal},
    currency VARCHAR(10) CHECK (length(currency) <= 10),
    -- 'corrected' once the provider gave other prices or another volume for it.
    state VARCHAR(16) NOT NULL DEFAULT 'closed' CHECK (state IN ('closed', 'corrected')),
    received_at {time} NOT NULL,
    created_at {time} NOT NULL DEFAULT {now},
    updated_at {time} NOT NULL DEFAULT {now},
    -- In this order one index serves both the key and the question for a stretch of a series.
    PRIMARY KEY (symbol, interval, adjustment, timestamp, provider)
) {clustered} {partitioned}
""",
    """
CREATE TABLE corporate_actions (
    symbol VARCHAR(32) NOT NULL CHECK (length(symbol) <= 32),
    day {day} NOT NULL,
    kind VARCHAR(16) NOT NULL CHECK (kind IN ('split', 'dividend')),
    provider VARCHAR(50) NOT NULL CHECK (length(provider) <= 50),
    -- A share may pay an ordinary and a special dividend on one day: 0, 1 ...
    number {integer} NOT NULL DEFAULT 0,
    ratio {decimal},
    amount {decimal},
    currency VARCHAR(10) CHECK (length(currency) <= 10),
    received_at {time} NOT NULL,
    created_at {time} NOT NULL DEFAULT {now},
    updated_at {time} NOT NULL DEFAULT {now},
    PRIMARY KEY (symbol, day, kind, provider, number),
    CHECK ((kind = 'split') = (ratio IS NOT NULL)),
    CHECK ((kind = 'dividend') = (amount IS NOT NULL))
) {clustered}
""",
    """
CREATE TABLE history_ranges ("""
    + _SERIES
    + """
    first_day {day} NOT NULL,
    last_day {day} NOT NULL CHECK (last_day >= first_day),
    timeliness VARCHAR(16) NOT NULL,
    currency VARCHAR(10) CHECK (length(currency) <= 10),
    exchange TEXT,
    -- Prices in it are adjusted, so that every later split or dividend makes others of them.
    is_rewritten {flag} NOT NULL,
    received_at {time} NOT NULL,
    created_at {time} NOT NULL DEFAULT {now},
    PRIMARY KEY (symbol, interval, adjustment, provider, first_day)
) {clustered}
""",
    """
CREATE TABLE market_alerts (
    id {id} PRIMARY KEY NOT NULL,
    -- Users come from whoever signs them in, so there is no table to point to.
    user_id {id} NOT NULL,
    symbol VARCHAR(32) NOT NULL CHECK (length(symbol) <= 32),
    alert_type VARCHAR(50) NOT NULL CHECK (length(alert_type) <= 50),
    threshold_value {decimal},
    percentage_threshold {decimal},
    is_active {flag} NOT NULL DEFAULT {yes},
    expires_at {time},
    email_notification {flag} NOT NULL DEFAULT {yes},
    push_notification {flag} NOT NULL DEFAULT {no},
    webhook_url VARCHAR(500) CHECK (length(webhook_url) <= 500),
    custom_message TEXT,
    created_at {time} NOT NULL DEFAULT {now},
    updated_at {time} NOT NULL DEFAULT {now}
)
""",
)

# Days and longer go back for decades, a few rows a year for each symbol: one partition a year.
# Minutes are many and kept for a short time: one a month, so that retention drops them whole.
# tickloom.store.partitions makes those; what has none yet goes to a default, so that no row is
# refused. An interval that is new one day counts as intraday.
_PARTITIONS = (
    (
        "CREATE TABLE bars_days PARTITION OF bars "
        "FOR VALUES IN ('1d', '5d', '1wk', '1mo', '3mo') PARTITION BY RANGE (timestamp)"
    ),
    "CREATE TABLE bars_intraday PARTITION OF bars DEFAULT PARTITION BY RANGE (timestamp)",
    "CREATE TABLE bars_days_other PARTITION OF bars_days DEFAULT",
    "CREATE TABLE bars_intraday_other PARTITION OF bars_intraday DEFAULT",
)
_INDEXES = (
    "CREATE INDEX market_alerts_symbol ON market_alerts (symbol) WHERE is_active",
    "CREATE INDEX market_alerts_user ON market_alerts (user_id)",
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
    for statement in (*(_PARTITIONS if engine.engine_type == "postgres" else ()), *_INDEXES):
        await engine.run_ddl(statement)


async def _drop() -> None:
    for name in ("market_alerts", "history_ranges", "corporate_actions", "bars"):
        await find_engine().run_ddl(f"DROP TABLE {name}")
