"""Where quotes outlive the process: schema, batched writer, and a backend for each database.

``enqueue`` of the writer takes a quote and returns at once; one task writes batches through a
backend (SQLite, PostgreSQL, or none).
"""

from tickloom.store.backend import Backend, NoBackend, open_backend
from tickloom.store.postgres import PostgresBackend
from tickloom.store.rows import Record
from tickloom.store.schema import MigrationReport, known_migrations, migrate, schema_version
from tickloom.store.sqlite import SqliteBackend
from tickloom.store.writer import QuoteWriter

__all__ = [
    "Backend",
    "MigrationReport",
    "NoBackend",
    "PostgresBackend",
    "QuoteWriter",
    "Record",
    "SqliteBackend",
    "known_migrations",
    "migrate",
    "open_backend",
    "schema_version",
]
