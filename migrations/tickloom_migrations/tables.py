"""The tables as Piccolo knows them, for programs that read the database themselves.

The migrations make them, by hand for both engines; a table here adds nothing to the database. Two
things are other than Piccolo expects: where the key has several columns it knows the first only, so
rows are not saved or removed through it, and on SQLite decimals, times and JSON come as text.
"""

from __future__ import annotations

from piccolo.columns import (
    JSONB,
    UUID,
    Array,
    BigInt,
    Boolean,
    Date,
    DoublePrecision,
    Numeric,
    Text,
    Timestamptz,
    Varchar,
)
from piccolo.table import Table


class MarketData(Table, tablename="market_data"):
    """Quotes as they were published, one row each; on PostgreSQL a partition for each day."""

    id = UUID(primary_key=True)
    symbol = Varchar(length=32)
    timestamp = Timestamptz()
    open_price = Numeric(null=True)
    high_price = Numeric(null=True)
    low_price = Numeric(null=True)
    close_price = Numeric(null=True)
    current_price = Numeric(null=True)
    volume = BigInt(null=True)
    market_cap = Numeric(null=True)
    price_change = Numeric(null=True)
    price_change_percent = Numeric(null=True)
    data_type = Varchar(length=50)
    provider = Varchar(length=50)
    is_real_time = Boolean()
    additional_data = JSONB(null=True)
    created_at = Timestamptz()
    updated_at = Timestamptz()
    bid = Numeric(null=True)
    ask = Numeric(null=True)
    bid_size = BigInt(null=True)
    ask_size = BigInt(null=True)
    last_size = BigInt(null=True)
    previous_close = Numeric(null=True)
    currency = Text(null=True)
    exchange = Text(null=True)
    market_state = Text(null=True)
    received_at = Timestamptz(null=True)
    fallback_from = Text(null=True)
    fallback_reason = Text(null=True)
    sequence = BigInt()
    epoch = Text()
    quality = Text()
    quality_codes = Array(base_column=Text())


class Bars(Table, tablename="bars"):
    """Bars of providers, and of the stream as provider ``live``; in partitions on PostgreSQL."""

    symbol = Varchar(length=32, primary_key=True)
    interval = Varchar(length=8)
    adjustment = Varchar(length=8)
    provider = Varchar(length=50)
    timestamp = Timestamptz()
    open_price = Numeric()
    high_price = Numeric()
    low_price = Numeric()
    close_price = Numeric()
    volume = BigInt(null=True)
    adjusted_close = Numeric(null=True)
    trade_count = BigInt(null=True)
    vwap = Numeric(null=True)
    currency = Varchar(length=10, null=True)
    state = Varchar(length=16)
    received_at = Timestamptz()
    created_at = Timestamptz()
    updated_at = Timestamptz()


class Trades(Table, tablename="trades"):
    """Single trades, for providers that give them."""

    symbol = Varchar(length=32, primary_key=True)
    timestamp = Timestamptz()
    provider = Varchar(length=50)
    trade_id = Varchar(length=64)
    price = Numeric()
    size = Numeric(null=True)
    currency = Varchar(length=10, null=True)
    exchange = Text(null=True)
    conditions = Array(base_column=Text())
    sequence = BigInt()
    epoch = Text()
    quality = Text()
    quality_codes = Array(base_column=Text())
    received_at = Timestamptz()
    created_at = Timestamptz()


class Companies(Table, tablename="companies"):
    """What stands behind a symbol, as each provider told it last."""

    symbol = Varchar(length=32, primary_key=True)
    provider = Varchar(length=50)
    name = Text()
    description = Text(null=True)
    asset_type = Text(null=True)
    exchange = Text(null=True)
    currency = Varchar(length=10, null=True)
    country = Text(null=True)
    sector = Text(null=True)
    industry = Text(null=True)
    website = Text(null=True)
    employees = BigInt(null=True)
    market_cap = Numeric(null=True)
    shares_outstanding = BigInt(null=True)
    fallback_from = Text(null=True)
    fallback_reason = Text(null=True)
    additional_data = JSONB(null=True)
    received_at = Timestamptz()
    created_at = Timestamptz()
    updated_at = Timestamptz()


class CorporateActions(Table, tablename="corporate_actions"):
    """Splits and dividends, in the shares of their day."""

    symbol = Varchar(length=32, primary_key=True)
    day = Date()
    kind = Varchar(length=16)
    provider = Varchar(length=50)
    number = BigInt()
    ratio = Numeric(null=True)
    amount = Numeric(null=True)
    currency = Varchar(length=10, null=True)
    received_at = Timestamptz()
    created_at = Timestamptz()
    updated_at = Timestamptz()


class HistoryRanges(Table, tablename="history_ranges"):
    """Which days of bars need not be asked for again."""

    symbol = Varchar(length=32, primary_key=True)
    interval = Varchar(length=8)
    adjustment = Varchar(length=8)
    provider = Varchar(length=50)
    first_day = Date()
    last_day = Date()
    timeliness = Varchar(length=16)
    currency = Varchar(length=10, null=True)
    exchange = Text(null=True)
    is_rewritten = Boolean()
    received_at = Timestamptz()
    created_at = Timestamptz()
    has_actions = Boolean()


class ProviderSymbols(Table, tablename="provider_symbols"):
    """How a provider spells a symbol."""

    provider = Varchar(length=50, primary_key=True)
    symbol = Varchar(length=32)
    provider_symbol = Varchar(length=64)
    received_at = Timestamptz()
    created_at = Timestamptz()
    updated_at = Timestamptz()


class MarketAlerts(Table, tablename="market_alerts"):
    """Alerts of users."""

    id = UUID(primary_key=True)
    user_id = UUID()
    symbol = Varchar(length=32)
    alert_type = Varchar(length=50)
    threshold_value = Numeric(null=True)
    percentage_threshold = Numeric(null=True)
    is_active = Boolean()
    expires_at = Timestamptz(null=True)
    email_notification = Boolean()
    push_notification = Boolean()
    webhook_url = Varchar(length=500, null=True)
    custom_message = Text(null=True)
    created_at = Timestamptz()
    updated_at = Timestamptz()


class Quarantine(Table, tablename="quarantine"):
    """What the checks kept back, and what was decided about it."""

    id = UUID(primary_key=True)
    symbol = Varchar(length=32)
    provider = Varchar(length=50)
    interval = Varchar(length=8, null=True)
    timestamp = Timestamptz()
    received_at = Timestamptz()
    code = Varchar(length=64)
    reason = Text()
    found = Text()
    payload = Text()
    state = Varchar(length=16)
    decided_at = Timestamptz(null=True)
    decided_by = Varchar(length=100, null=True)
    created_at = Timestamptz()


class QualityEvents(Table, tablename="quality_events"):
    """What the checks told, one row for each code, subject and minute."""

    id = UUID(primary_key=True)
    at = Timestamptz()
    last_at = Timestamptz()
    symbol = Varchar(length=32)
    provider = Varchar(length=50)
    interval = Varchar(length=8, null=True)
    kind = Varchar(length=16)
    code = Varchar(length=64)
    quality = Varchar(length=16)
    reason = Text()
    found = Text()
    timestamp = Timestamptz(null=True)
    times = BigInt()


class QualityScores(Table, tablename="quality_scores"):
    """Counts of each provider and symbol by hour, and the shares that follow from them."""

    provider = Varchar(length=50, primary_key=True)
    symbol = Varchar(length=32)
    hour = Timestamptz()
    asked = BigInt()
    answered = BigInt()
    dated = BigInt()
    timely = BigInt()
    compared = BigInt()
    agreed = BigInt()
    judged = BigInt()
    valid = BigInt()
    completeness = DoublePrecision(null=True)
    timeliness = DoublePrecision(null=True)
    agreement = DoublePrecision(null=True)
    validity = DoublePrecision(null=True)


class Jobs(Table, tablename="jobs"):
    """Runs of the jobs that one replica does for all."""

    id = BigInt(primary_key=True)
    name = Varchar(length=50)
    replica = Varchar(length=64)
    started_at = Timestamptz()
    finished_at = Timestamptz(null=True)
    result = Varchar(length=16)
    details = Text(null=True)


TABLES: tuple[type[Table], ...] = (
    MarketData,
    Bars,
    Trades,
    Companies,
    CorporateActions,
    HistoryRanges,
    ProviderSymbols,
    MarketAlerts,
    Quarantine,
    QualityEvents,
    QualityScores,
    Jobs,
)
