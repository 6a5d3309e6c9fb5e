"""Parts the stored quotes by day on PostgreSQL; makes trades, companies and provider symbols."""

from __future__ import annotations

from datetime import date, timedelta

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.querystring import QueryString

from tickloom_migrations.running import find_engine

ID = "tickloom_2026_11_24_0004_ticks"
VERSION = "1.38.0"
DESCRIPTION = "market_data by day; tables trades, companies and provider_symbols"

# As in the first migration: NUMERIC without a scale and text keep every digit, times are UTC.
_TYPES = {
    "postgres": {
        "decimal": "NUMERIC",
        "integer": "BIGINT",
        "time": "TIMESTAMPTZ",
        "now": "now()",
        "json": "JSONB",
        "codes": "TEXT[]",
        "no_codes": "'{}'",
        "clustered": "",
        "partitioned": "PARTITION BY RANGE (timestamp)",
    },
    "sqlite": {
        "decimal": "TEXT",
        "integer": "INTEGER",
        "time": "TEXT",
        "now": "(strftime('%Y-%m-%d %H:%M:%f', 'now') || '000+00:00')",
        "json": "TEXT",
        "codes": "TEXT",
        "no_codes": "'[]'",
        "clustered": "WITHOUT ROWID",
        "partitioned": "",
    },
}

_TABLES = (
    """
CREATE TABLE trades (
    symbol VARCHAR(32) NOT NULL CHECK (length(symbol) <= 32),
    timestamp {time} NOT NULL,
    provider VARCHAR(50) NOT NULL CHECK (length(provider) <= 50),
    -- As the venue numbers them; where it does not, the number of the trade in its microsecond.
    trade_id VARCHAR(64) NOT NULL CHECK (length(trade_id) <= 64),
    price {decimal} NOT NULL,
    size {decimal},
    currency VARCHAR(10) CHECK (length(currency) <= 10),
    exchange TEXT,
    conditions {codes} NOT NULL DEFAULT {no_codes},
    sequence {integer} NOT NULL DEFAULT 0,
    epoch TEXT NOT NULL DEFAULT '',
    quality TEXT NOT NULL DEFAULT 'ok',
    quality_codes {codes} NOT NULL DEFAULT {no_codes},
    received_at {time} NOT NULL,
    created_at {time} NOT NULL DEFAULT {now},
    PRIMARY KEY (symbol, timestamp, provider, trade_id)
) {clustered} {partitioned}
""",
    """
CREATE TABLE companies (
    symbol VARCHAR(32) NOT NULL CHECK (length(symbol) <= 32),
    provider VARCHAR(50) NOT NULL CHECK (length(provider) <= 50),
    name TEXT NOT NULL,
    description TEXT,
    asset_type TEXT,
    exchange TEXT,
    currency VARCHAR(10) CHECK (length(currency) <= 10),
    country TEXT,
    sector TEXT,
    industry TEXT,
    website TEXT,
    employees {integer},
    market_cap {decimal},
    shares_outstanding {integer},
    fallback_from TEXT,
    fallback_reason TEXT,
    additional_data {json},
    received_at {time} NOT NULL,
    created_at {time} NOT NULL DEFAULT {now},
    updated_at {time} NOT NULL DEFAULT {now},
    PRIMARY KEY (symbol, provider)
) {clustered}
""",
    """
CREATE TABLE provider_symbols (
    provider VARCHAR(50) NOT NULL CHECK (length(provider) <= 50),
    symbol VARCHAR(32) NOT NULL CHECK (length(symbol) <= 32),
    -- What the provider itself calls it.
    provider_symbol VARCHAR(64) NOT NULL CHECK (length(provider_symbol) <= 64),
    received_at {time} NOT NULL,
    created_at {time} NOT NULL DEFAULT {now},
    updated_at {time} NOT NULL DEFAULT {now},
    PRIMARY KEY (provider, symbol)
) {clustered}
""",
)
_POSTGRES_ONLY = "CREATE TABLE trades_other PARTITION OF trades DEFAULT"
_INDEX = "CREATE INDEX provider_symbols_theirs ON provider_symbols (provider, provider_symbol)"

# A table cannot become a partitioned one, so that a new one takes its name and its rows. A unique
# key has to have the time in it now; the id is made of the other key and stays unique through it.
_AS_PARTITIONED = (
    "ALTER TABLE market_data RENAME TO market_data_unparted",
    (
        "CREATE TABLE market_data (LIKE market_data_unparted INCLUDING DEFAULTS "
        "INCLUDING CONSTRAINTS) PARTITION BY RANGE (timestamp)"
    ),
    "CREATE TABLE market_data_other PARTITION OF market_data DEFAULT",
)
_MOVED = (
    "INSERT INTO market_data SELECT * FROM market_data_unparted",
    "DROP TABLE market_data_unparted",
    "ALTER TABLE market_data ADD CONSTRAINT market_data_pkey PRIMARY KEY (id, timestamp)",
    (
        "ALTER TABLE market_data ADD CONSTRAINT market_data_key "
        "UNIQUE (symbol, timestamp, data_type, provider)"
    ),
    "CREATE INDEX market_data_timestamp ON market_data (timestamp)",
    "CREATE INDEX market_data_provider ON market_data (provider, timestamp)",
)
# Rows of earlier days stay together in the default partition.
_MOST_DAYS = 400
_DAYS = (
    "SELECT DISTINCT (timestamp AT TIME ZONE 'UTC')::date AS day FROM market_data_unparted "  # noqa: S608 - a number of ours
    "WHERE timestamp BETWEEN '1970-01-01' AND '2200-01-01' "
    f"ORDER BY day DESC LIMIT {_MOST_DAYS}"
)
_AS_ONE = (
    "ALTER TABLE market_data RENAME TO market_data_parted",
    "CREATE TABLE market_data (LIKE market_data_parted INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
    "INSERT INTO market_data SELECT * FROM market_data_parted",
    "DROP TABLE market_data_parted",
    "ALTER TABLE market_data ADD CONSTRAINT market_data_pkey PRIMARY KEY (id)",
    *_MOVED[3:],
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
    await engine.run_ddl(_INDEX)
    if engine.engine_type == "postgres":
        await engine.run_ddl(_POSTGRES_ONLY)
        await _run(_AS_PARTITIONED)
        for row in await engine.run_querystring(QueryString(_DAYS)):
            await engine.run_ddl(_partition(row["day"]))
        await _run(_MOVED)


def _partition(day: date) -> str:
    return (
        f"CREATE TABLE market_data_{day:%Y_%m_%d} PARTITION OF market_data FOR VALUES "
        f"FROM ('{day} 00:00:00+00') TO ('{day + timedelta(days=1)} 00:00:00+00')"
    )


async def _run(statements: tuple[str, ...]) -> None:
    for statement in statements:
        await find_engine().run_ddl(statement)


async def _drop() -> None:
    engine = find_engine()
    for name in ("provider_symbols", "companies", "trades"):
        await engine.run_ddl(f"DROP TABLE {name}")
    if engine.engine_type == "postgres":
        await _run(_AS_ONE)
