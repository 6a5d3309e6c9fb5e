"""Where quotes and bars outlive the process: schema, writers, and a backend for each database.

``enqueue`` of the writer takes a quote and returns at once; one task writes batches through a
backend (SQLite, PostgreSQL, or none). The history store keeps bars of days that are over.
"""

from tickloom.store.backend import Backend, NoBackend, open_backend
from tickloom.store.bars import BarBatch, BarQuery, StoredRange
from tickloom.store.companies import CompanyStore
from tickloom.store.days import Days
from tickloom.store.door import open_door
from tickloom.store.history import HistoryStore, Kept
from tickloom.store.job_log import JobLog, open_job_log
from tickloom.store.journal import Journal
from tickloom.store.journals import open_bar_journal, open_journal, open_quality_journal
from tickloom.store.livebars import PROVIDER as LIVE
from tickloom.store.livebars import BarKeeper
from tickloom.store.postgres import PostgresBackend
from tickloom.store.quality import QualityStore
from tickloom.store.retention import Expiry, Retention
from tickloom.store.rows import Record
from tickloom.store.schema import MigrationReport, known_migrations, migrate, schema_version
from tickloom.store.sqlite import SqliteBackend
from tickloom.store.writer import QuoteWriter

__all__ = [
    "LIVE",
    "Backend",
    "BarBatch",
    "BarKeeper",
    "BarQuery",
    "CompanyStore",
    "Days",
    "Expiry",
    "HistoryStore",
    "JobLog",
    "Journal",
    "Kept",
    "MigrationReport",
    "NoBackend",
    "PostgresBackend",
    "QualityStore",
    "QuoteWriter",
    "Record",
    "Retention",
    "SqliteBackend",
    "StoredRange",
    "known_migrations",
    "migrate",
    "open_backend",
    "open_bar_journal",
    "open_door",
    "open_job_log",
    "open_journal",
    "open_quality_journal",
    "schema_version",
]
